"""A script that goes out through a proxy with requests, as it stands in many a tutorial: its names lead to ours."""

from __future__ import annotations

import pytest
import requests

from pytest_netmocks import Authority, HttpProxyServer, HttpsServer, Socks5Server
from pytest_netmocks.faults import Reset
from pytest_netmocks.plugin.factory import Netmocks


def title(proxies: dict[str, str], tries: int = 3) -> str:
    """What an application would use: the title of a page, however often the proxy has to be asked."""
    for attempt in range(1, tries + 1):
        try:
            page = requests.get("https://www.python.org", proxies=proxies, timeout=10)
            page.raise_for_status()
            return page.text.partition("<title>")[2].partition("</title>")[0]
        except requests.ConnectionError:
            if attempt == tries:
                raise
    raise AssertionError


@pytest.fixture
def site(netmocks: Netmocks, https_server: HttpsServer, tls_trust: Authority) -> HttpsServer:
    https_server.when("/").reply(200, html="<title>Welcome to Python.org</title>")
    netmocks.names({"www.python.org": https_server}, strict=True)
    return https_server


def test_through_an_http_proxy(site: HttpsServer, http_proxy_server: HttpProxyServer) -> None:
    assert title({"https": http_proxy_server.url}) == "Welcome to Python.org"
    assert http_proxy_server.requests[0].target == "www.python.org:443"


def test_through_a_proxy_that_the_script_knows_by_name(site: HttpsServer, netmocks: Netmocks) -> None:
    proxy = netmocks.http_proxy(users={"user": "pass"})
    netmocks.names({"10.10.1.10.example.com:1080": netmocks.socks5(), "proxy.example.com:3128": proxy})
    assert title({"https": "http://user:pass@proxy.example.com:3128"}) == "Welcome to Python.org"
    assert title({"https": "socks5h://10.10.1.10.example.com:1080"}) == "Welcome to Python.org"


def test_a_proxy_that_is_overloaded_is_asked_again(site: HttpsServer, http_proxy_server: HttpProxyServer) -> None:
    http_proxy_server.when("CONNECT", "www.python.org:443").reply(503, times=2)
    assert title({"https": http_proxy_server.url}) == "Welcome to Python.org"
    assert len(http_proxy_server.requests) == 3


def test_a_tunnel_that_breaks_is_dug_again(site: HttpsServer, socks5_server: Socks5Server) -> None:
    socks5_server.when("CONNECT").inject(Reset(after_bytes=100), first=2)
    assert title({"https": f"socks5h://{socks5_server.host}:{socks5_server.port}"}) == "Welcome to Python.org"
    assert len(socks5_server.requests) == 3

"""URLs of servers and of the proxies before them."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.ws.server import WsServer


def test_the_url_of_no_path_is_the_server_s(http_server: HttpServer, ws_server: WsServer) -> None:
    assert http_server.url_for("") == http_server.url
    assert http_server.url_for("", q=1) == f"{http_server.url}?q=1"
    assert ws_server.url_for("/chat/a b", x="ü") == f"{ws_server.url}/chat/a%20b?x=%C3%BC"


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("/x?page=2&q=a b", r"url_for\('/x', page='2', q='a b'\), and %3F"),
        ("/x?", r"url_for\('/x', \.\.\.\)"),
        ("/x?a-b=1", r"url_for\('/x', \.\.\.\)"),
    ],
)
def test_a_query_in_the_path_is_refused(http_server: HttpServer, path: str, instead: str) -> None:
    with pytest.raises(ValueError, match=instead):
        http_server.url_for(path)
    assert http_server.url_for("/what%3F") == f"{http_server.url}/what%3F"


@pytest.mark.parametrize(
    ("upstream", "options", "scheme"),
    [
        ("tcp", {}, "tcp"),
        ("tcp", {"tls": True}, "tls"),
        ("tls", {}, "tls"),
        ("tls", {"upstream_tls": True}, "tcp"),
        ("http", {}, "http"),
        ("http", {"tls": True}, "https"),
        ("https", {}, "https"),
        ("https", {"upstream_tls": True}, "http"),
        ("https", {"upstream_tls": True, "tls": True}, "https"),
        ("httpbin", {}, "http"),
        ("ws", {}, "ws"),
        ("wss", {}, "wss"),
        ("smtp", {}, "smtp"),
        ("smtps", {}, "smtps"),
        ("ftp", {}, "ftp"),
        ("ftps", {}, "ftps"),
    ],
)
def test_a_proxy_has_its_upstream_s_scheme(netmocks: Netmocks, upstream: str, options: Any, scheme: str) -> None:
    proxy = netmocks.tcp_proxy(getattr(netmocks, upstream)(), **options)
    assert proxy.url == f"{scheme}://127.0.0.1:{proxy.port}"
    assert netmocks.tcp_proxy(proxy).scheme == scheme
    if scheme in ("http", "https", "ws", "wss"):
        assert proxy.url_for("/a", b="c") == f"{proxy.url}/a?b=c"
    else:
        with pytest.raises(ValueError, match="has no paths"):
            proxy.url_for("/a")


def test_a_proxy_s_url_is_what_clients_take(netmocks: Netmocks) -> None:
    server = netmocks.http()
    server.when("/x").reply(text="hello")
    proxy = netmocks.tcp_proxy(server)
    assert requests.get(proxy.url_for("/x"), timeout=30).text == "hello"


def test_a_proxy_before_an_address_is_tcp(netmocks: Netmocks) -> None:
    assert netmocks.tcp_proxy(("127.0.0.1", 9)).scheme == "tcp"

"""The forward proxy of HTTP, and tunnels through an ordinary HTTP server."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator

import aiohttp
import httpx
import pytest
import requests
from helpers import connect, program

from pytest_netmocks import HttpProxyServer, HttpServer, HttpsServer, TcpServer
from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.faults import Answer, Close, Latency, Reset
from pytest_netmocks.plugin.factory import Netmocks


def through(proxy: HttpProxyServer, user: str = "") -> dict[str, str]:
    url = f"http://{user}{proxy.host}:{proxy.port}"
    return {"http": url, "https": url}


def read_to(client: socket.socket, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        data = client.recv(1000)
        assert data, got
        got += data
    return got


@pytest.fixture
def api(netmocks: Netmocks, https_server: HttpsServer, tls_trust: Authority) -> HttpsServer:
    https_server.when("/x").reply(200, text="there")
    netmocks.names({"api.example.com": https_server})
    return https_server


def test_requests_goes_through_it_by_connect(http_proxy_server: HttpProxyServer, api: HttpsServer) -> None:
    answer = requests.get("https://api.example.com/x", proxies=through(http_proxy_server), timeout=10)
    assert answer.text == "there"
    assert [str(request) for request in http_proxy_server.requests] == ["CONNECT api.example.com:443 -> 200"]


async def test_so_do_httpx_and_aiohttp(
    http_proxy_server: HttpProxyServer, api: HttpsServer, tls_trust: Authority
) -> None:
    async with httpx.AsyncClient(proxy=http_proxy_server.url, timeout=10) as client:
        assert (await client.get("https://api.example.com/x")).text == "there"
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
    url = "https://api.example.com/x"
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(url, proxy=http_proxy_server.url) as answer,
    ):
        assert await answer.text() == "there"


@program("curl")
@pytest.mark.parametrize("option", [[], ["--proxytunnel"]])
def test_curl_does_with_nothing_but_the_environment(
    netmocks: Netmocks, http_server: HttpServer, option: list[str]
) -> None:
    http_server.when("/x").reply(200, text="there")
    proxy = netmocks.http_proxy(names={"api.test": http_server})
    command = ["curl", "-sS", "-m", "20", *option, "http://api.test/x"]
    done = subprocess.run(command, env={**os.environ, **proxy.environ}, capture_output=True, check=True)
    assert done.stdout == b"there"


@program("wget")
def test_wget_does_over_tls(netmocks: Netmocks, https_server: HttpsServer) -> None:
    https_server.when("/x").reply(200, text="there")
    proxy = netmocks.http_proxy(names={"api.test": https_server})
    https_server.certify("api.test")
    command = ["wget", "-q", "-O", "-", f"--ca-certificate={https_server.ca.cert_file}", "https://api.test/x"]
    done = subprocess.run(command, env={**os.environ, **proxy.environ}, capture_output=True, check=True)
    assert done.stdout == b"there"


def test_the_absolute_form_is_passed_on_without_what_is_for_the_next_one_only(
    http_proxy_server: HttpProxyServer, http_server: HttpServer
) -> None:
    http_server.when("POST", "/x").reply(
        201, text="made", headers={"X-Far": "1", "Connection": "X-Near", "X-Near": "1"}
    )
    url = http_server.url_for("/x") + "?a=%2F"
    headers = {"X-Mine": "1", "Connection": "X-Hop", "X-Hop": "1"}
    answer = requests.post(url, data="body", headers=headers, proxies=through(http_proxy_server, "u:p@"), timeout=10)
    assert (answer.status_code, answer.text, answer.headers["x-far"]) == (201, "made", "1")
    assert "x-near" not in answer.headers
    (request,) = http_server.requests
    assert (request.target, request.body, request.headers["x-mine"]) == ("/x?a=%2F", b"body", "1")
    assert request.headers["host"] == f"127.0.0.1:{http_server.port}"
    assert not {"x-hop", "proxy-authorization", "proxy-connection"} & {name.lower() for name in request.headers}


def test_a_stream_comes_through_piece_by_piece(http_proxy_server: HttpProxyServer, http_server: HttpServer) -> None:
    going = []

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            going.append(number)
            yield b"%d" % number * 1000

    http_server.when("/x").reply(200, stream=pieces)
    with requests.get(http_server.url_for("/x"), proxies=through(http_proxy_server), stream=True, timeout=10) as answer:
        assert b"".join(answer.iter_content(100)) == b"0" * 1000 + b"1" * 1000 + b"2" * 1000


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_are_passed_on(
    http_proxy_server: HttpProxyServer, http_server: HttpServer, status: int
) -> None:
    http_server.when("/x").reply(status)
    http_server.when("HEAD", "/y").reply(200, headers={"Content-Length": "17"})
    with requests.Session() as session:
        session.proxies = through(http_proxy_server)
        assert session.get(http_server.url_for("/x"), timeout=10).status_code == status
        assert session.head(http_server.url_for("/y"), timeout=10).headers["content-length"] == "17"
    assert len(http_proxy_server.connections) == 1


def test_an_answer_that_breaks_off_breaks_off_for_the_client_too(
    http_proxy_server: HttpProxyServer, http_server: HttpServer
) -> None:
    http_server.when("/x").reply(200, body=b"0123456789").inject(Reset(after_bytes=5))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        requests.get(http_server.url_for("/x"), proxies=through(http_proxy_server), timeout=10)


def test_with_users_who_has_not_logged_in_gets_407(
    netmocks: Netmocks, http_server: HttpServer, api: HttpsServer
) -> None:
    http_server.when("/").reply(200)
    proxy = netmocks.http_proxy(users={"u": "p"})
    assert requests.get(http_server.url, proxies=through(proxy, "u:p@"), timeout=10).status_code == 200
    for user in ("", "u:x@", "v:p@"):
        answer = requests.get(http_server.url, proxies=through(proxy, user), timeout=10)
        assert (answer.status_code, answer.headers["proxy-authenticate"]) == (407, 'Basic realm="netmocks"')
        with pytest.raises(requests.exceptions.ProxyError, match="407"):
            requests.get("https://api.example.com/x", proxies=through(proxy, user), timeout=10)
    assert requests.get("https://api.example.com/x", proxies=through(proxy, "u:p@"), timeout=10).text == "there"


def test_users_that_are_set_later_hold_and_go_with_a_reset(
    http_proxy_server: HttpProxyServer, http_server: HttpServer
) -> None:
    http_server.when("/").reply(200)
    for users, status in (({"u": "p"}, 407), ({}, 200), ({"u": "p"}, 407)):
        http_proxy_server.users = users
        assert requests.get(http_server.url, proxies=through(http_proxy_server), timeout=10).status_code == status
    with pytest.raises(TypeError, match="users must be a mapping of names to passwords"):
        http_proxy_server.users = ["u"]  # type: ignore[assignment]
    http_proxy_server.reset()
    assert requests.get(http_server.url, proxies=through(http_proxy_server), timeout=10).status_code == 200


def test_a_scripted_refusal_is_given_once(http_proxy_server: HttpProxyServer, api: HttpsServer) -> None:
    http_proxy_server.when("CONNECT", "api.example.com:443").reply(503, times=1)
    with pytest.raises(requests.exceptions.ProxyError, match="503"):
        requests.get("https://api.example.com/x", proxies=through(http_proxy_server), timeout=10)
    assert requests.get("https://api.example.com/x", proxies=through(http_proxy_server), timeout=10).text == "there"


def test_faults_of_a_rule_count_the_tunnels_bytes(netmocks: Netmocks, http_proxy_server: HttpProxyServer) -> None:
    far = netmocks.tcp()
    http_proxy_server.when("CONNECT").inject(Reset(after_bytes=10))
    with connect(http_proxy_server) as client:
        client.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\nearly" % far.port)
        assert read_to(client, b"early").startswith(b"HTTP/1.1 200 Connection established\r\n\r\n")
        client.sendall(b"0123456789")
        assert read_to(client, b"01234") == b"01234"
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_fault_that_waits_for_no_byte_strikes_in_place_of_the_answer(
    netmocks: Netmocks, http_proxy_server: HttpProxyServer
) -> None:
    http_proxy_server.when("CONNECT").inject(Reset())
    with connect(http_proxy_server) as client:
        client.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % netmocks.tcp().port)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_an_answer_in_place_of_a_tunnel_is_an_answer(http_proxy_server: HttpProxyServer, api: HttpsServer) -> None:
    http_proxy_server.inject(Answer(502), first=1)
    with pytest.raises(requests.exceptions.ProxyError, match="502"):
        requests.get("https://api.example.com/x", proxies=through(http_proxy_server), timeout=10)
    assert requests.get("https://api.example.com/x", proxies=through(http_proxy_server), timeout=10).text == "there"


def test_it_connects_to_nothing_outside_of_the_test(http_proxy_server: HttpProxyServer) -> None:
    for host in ("192.0.2.1", "www.python.org"):
        assert requests.get(f"http://{host}/", proxies=through(http_proxy_server), timeout=10).status_code == 403
        with pytest.raises(requests.exceptions.ProxyError, match="403"):
            requests.get(f"https://{host}/", proxies=through(http_proxy_server), timeout=10)


def test_where_nobody_listens_it_says_bad_gateway(netmocks: Netmocks, http_proxy_server: HttpProxyServer) -> None:
    gone = netmocks.tcp()
    gone.stop()
    url = f"http://127.0.0.1:{gone.port}/"
    assert requests.get(url, proxies=through(http_proxy_server), timeout=10).status_code == 502
    with pytest.raises(requests.exceptions.ProxyError, match="502"):
        requests.get(url.replace("http", "https"), proxies=through(http_proxy_server), timeout=10)


def test_a_far_end_that_speaks_no_http_is_a_bad_gateway(netmocks: Netmocks, http_proxy_server: HttpProxyServer) -> None:
    far = netmocks.tcp()
    far.when_connected().reply(b"220 mail\r\n")
    url = f"http://127.0.0.1:{far.port}/"
    assert requests.get(url, proxies=through(http_proxy_server), timeout=10).status_code == 502


@pytest.mark.virtual_time
def test_what_is_late_in_the_tunnel_is_late_by_virtual_time(
    http_proxy_server: HttpProxyServer, http_server: HttpServer
) -> None:
    import time

    http_server.when("/x").reply(200)
    http_proxy_server.inject(Latency(30))
    begin = time.monotonic()
    url = http_server.url_for("/x")
    assert requests.get(url, proxies=through(http_proxy_server), timeout=1000).status_code == 200
    assert time.monotonic() - begin >= 30


@pytest.mark.parametrize(
    "data",
    [
        b"CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT 127.0.0.1:0 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT 127.0.0.1:99999999999 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET ftp://127.0.0.1/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http:///x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://127.0.0.1:99999/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://127.0.0.1:0/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
def test_what_is_nothing_to_be_passed_on_is_refused_and_the_next_is_served(
    http_proxy_server: HttpProxyServer, http_server: HttpServer, data: bytes
) -> None:
    with connect(http_proxy_server) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while more := client.recv(1000):
            answer += more
        assert answer[9:12] in (b"400", b"403", b"502")
    http_server.when("/").reply(200)
    assert requests.get(http_server.url, proxies=through(http_proxy_server), timeout=10).status_code == 200


def test_an_answer_has_the_fields_that_the_server_gave_it(
    http_proxy_server: HttpProxyServer, http_server: HttpServer
) -> None:
    http_server.when("/x").reply(200, html="<p>", headers=[("X-Own", "a"), ("X-Own", "b")])
    http_server.when("/bare").reply(raw=b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nhi")
    straight = requests.get(http_server.url_for("/x"), timeout=10)
    passed = requests.get(http_server.url_for("/x"), proxies=through(http_proxy_server), timeout=10)
    hop_by_hop = {"Date", "Via", "Connection", "Keep-Alive"}
    assert {k: v for k, v in passed.headers.items() if k not in hop_by_hop} == {
        k: v for k, v in straight.headers.items() if k not in hop_by_hop
    }
    bare = requests.get(http_server.url_for("/bare"), proxies=through(http_proxy_server), timeout=10)
    assert (bare.reason, bare.headers.get("content-type"), bare.text) == ("Fine", None, "hi")


def tunnelled(proxy: HttpServer, far: TcpServer) -> socket.socket:
    client = connect(proxy)
    client.sendall(b"CONNECT localhost:%d HTTP/1.1\r\nHost: x\r\n\r\n" % far.port)
    read_to(client, b"\r\n\r\n")
    return client


def test_upstream_faults_count_what_the_client_sends_into_the_tunnel(
    netmocks: Netmocks, http_proxy_server: HttpProxyServer
) -> None:
    far = netmocks.tcp()
    injected = http_proxy_server.when("CONNECT").inject(Close(after_bytes=5, direction="upstream"), first=1)
    with tunnelled(http_proxy_server, far) as client:
        client.sendall(b"0123456789")
        assert read_to(client, b"01234") == b"01234"
        assert client.recv(1) == b""
    assert far.connections[0].received == b"01234"
    with connect(http_proxy_server) as client:
        http_proxy_server.when("CONNECT").inject(Close(after_bytes=3, direction="upstream"), first=1)
        client.sendall(b"CONNECT localhost:%d HTTP/1.1\r\nHost: x\r\n\r\nearly" % far.port)
        assert read_to(client, b"ear").startswith(b"HTTP/1.1 200")
        assert client.recv(1) == b""
    with tunnelled(http_proxy_server, far) as client:
        client.sendall(b"0123456789")
        assert read_to(client, b"9") == b"0123456789"
    assert injected.hits == 1


def test_they_wait_for_a_tunnel(netmocks: Netmocks, http_server: HttpServer) -> None:
    far = netmocks.tcp()
    up = http_server.when("GET", "/up")
    injected = up.inject(Reset(after_bytes=3, direction="upstream"))
    up.tunnel(to=far)
    http_server.when("CONNECT", f"localhost:{far.port}").reply(503).inject(Reset(direction="upstream"))
    with connect(http_server) as client:
        client.sendall(b"CONNECT localhost:%d HTTP/1.1\r\nHost: x\r\n\r\n" % far.port)
        assert client.recv(12) == b"HTTP/1.1 503"
    assert requests.get(http_server.url_for("/up"), timeout=10).status_code == 426
    assert injected.hits == 0
    with connect(http_server) as client:
        client.sendall(b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n")
        read_to(client, b"\r\n\r\n")
        client.sendall(b"hello")
        with pytest.raises(ConnectionResetError):
            while client.recv(100):
                pass
    assert injected.hits == 1


# On an ordinary HTTP server


def test_connect_on_an_http_server_is_a_tunnel_where_a_rule_says_so(
    netmocks: Netmocks, http_server: HttpServer
) -> None:
    far = netmocks.tcp()
    http_server.when("CONNECT", "api.example.com:443").tunnel(to=far)
    with connect(http_server) as client:
        client.sendall(b"CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\nhello")
        head = read_to(client, b"hello")
        assert b"content-length" not in head.lower()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert far.connections[0].received == b"hello"


def test_so_is_an_upgrade_to_any_protocol(netmocks: Netmocks, http_server: HttpServer) -> None:
    http_server.when("GET", "/up").tunnel(to=netmocks.tcp())
    with connect(http_server) as client:
        client.sendall(b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\nhello")
        head = read_to(client, b"hello")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"Upgrade: echo/1\r\n" in head
    assert requests.get(http_server.url_for("/up"), timeout=10).status_code == 426


def test_a_tunnel_that_is_answered_once_leaves_the_next_request_to_other_rules(
    netmocks: Netmocks, http_server: HttpServer
) -> None:
    http_server.when("CONNECT", "a.test:1").reply(503)
    http_server.when("CONNECT", "a.test:1").tunnel(to=netmocks.tcp(), times=1)
    answers = []
    for _ in range(2):
        with connect(http_server) as client:
            client.sendall(b"CONNECT a.test:1 HTTP/1.1\r\nHost: a.test:1\r\n\r\n")
            answers.append(client.recv(12))
    assert answers == [b"HTTP/1.1 200", b"HTTP/1.1 503"]


def test_what_is_nobody_to_connect_to_is_refused_at_the_call(http_server: HttpServer, netmocks: Netmocks) -> None:
    for wrong in ("127.0.0.1", None, 80, ("127.0.0.1", 0)):
        with pytest.raises((TypeError, ValueError), match="to must be"):
            http_server.when("CONNECT", "a.test:1").tunnel(to=wrong)
    with pytest.raises(TypeError, match="users"):
        netmocks.http_proxy(users=["u"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="anywhere"):
        netmocks.http_proxy(anywhere="yes")  # type: ignore[arg-type]


def test_urllib_reads_the_environment(
    http_proxy_server: HttpProxyServer, http_server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in http_proxy_server.environ.items():
        monkeypatch.setenv(name, value)
    http_server.when("/x").reply(200, text="there")
    opener = urllib.request.build_opener()  # the one that urlopen keeps may be from before
    with opener.open(http_server.url_for("/x"), timeout=10) as answer:
        assert answer.read() == b"there"
    assert len(http_proxy_server.requests) == 1


def test_where_names_are_strict_what_is_nobodys_is_forbidden_and_what_fails_is_unknown(netmocks: Netmocks) -> None:
    names = netmocks.names({}, strict=True)
    names.when("gone.test").reply(error="NXDOMAIN")
    proxy = netmocks.http_proxy(anywhere=True)
    for host, status in (("www.test", 403), ("gone.test", 502)):
        answer = requests.get(f"http://{host}/x", proxies=through(proxy), timeout=10)
        assert (answer.status_code, host in answer.text) == (status, True)

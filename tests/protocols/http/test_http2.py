"""HTTP/2 in the HTTP servers: how a client comes to speak it, and that rules and records are the same."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from helpers import connect, shake

from pytest_netmocks import Netmocks, Response
from pytest_netmocks.protocols.http.server import HttpServer, HttpsServer


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """Knows beforehand that servers speak HTTP/2."""
    with httpx.Client(http1=False, http2=True, timeout=30) as made:
        yield made


def test_prior_knowledge_is_enough_on_clear_text(http_server: HttpServer, client: httpx.Client) -> None:
    http_server.when("/hello").reply(text="hello", headers={"X-Answer": "1"})
    answer = client.get(http_server.url_for("/hello"), params={"q": "1"}, headers={"X-Question": "2"})
    assert (answer.http_version, answer.status_code, answer.text) == ("HTTP/2", 200, "hello")
    assert answer.headers["x-answer"] == "1"
    assert "date" in answer.headers
    request = http_server.assert_requested("/hello", query={"q": "1"}, headers={"X-Question": "2"})
    assert (request.http_version, request.stream) == ("2", 1)
    assert request.headers["Host"] == f"127.0.0.1:{http_server.port}"
    assert request.response is not None
    assert request.response.body == b"hello"
    assert request.answered_by == "when('/hello')"


def test_over_tls_the_client_chooses_by_alpn(https_server: HttpsServer) -> None:
    https_server.when("/").reply(text="hello")
    for http2, expected in ((True, "HTTP/2"), (False, "HTTP/1.1")):
        with httpx.Client(http2=http2, verify=https_server.client_context(), timeout=30) as client:
            assert client.get(https_server.url).http_version == expected
    assert [request.http_version for request in https_server.requests] == ["2", "1.1"]
    (first, _) = https_server.connections
    assert first.tls is not None
    assert first.tls.alpn == "h2"


def test_over_tls_prior_knowledge_does_without_alpn(https_server: HttpsServer) -> None:
    with shake(https_server) as sock:
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
        assert sock.recv(100)[3] == 4  # SETTINGS


@pytest.mark.parametrize("cut", [1, 10, 16, 17, 20, 24, 30])
def test_the_preface_may_come_in_pieces(http_server: HttpServer, cut: int) -> None:
    data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
    with connect(http_server) as sock:
        sock.sendall(data[:cut])
        sock.sendall(data[cut:])
        assert sock.recv(100)[3] == 4


def test_http_version_leaves_one_of_them(netmocks: Netmocks, client: httpx.Client) -> None:
    old, new = netmocks.http(http_version="1.1"), netmocks.http(http_version="2")
    for server in (old, new):
        server.when("/").reply(text="hello")
    assert (old.http_version, new.http_version, netmocks.http().http_version) == ("1.1", "2", None)
    assert client.get(new.url).text == "hello"
    assert httpx.get(old.url, timeout=30).text == "hello"
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(old.url)
    with connect(new) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = b""
        while piece := sock.recv(1000):
            answer += piece
    assert b"HTTP/2 preamble" in answer  # in words for people, in a GOAWAY


@pytest.mark.parametrize(("version", "offered"), [("1.1", None), ("2", "h2"), (None, "h2")])
def test_alpn_offers_what_is_spoken(netmocks: Netmocks, version: str | None, offered: str | None) -> None:
    server = netmocks.https(http_version=version)  # type: ignore[arg-type]  # one of them
    context = server.client_context()
    context.set_alpn_protocols(["h2"])
    if offered is None:
        with shake(server, context) as sock:
            assert sock.selected_alpn_protocol() is None
    else:
        with shake(server, context) as sock:
            assert sock.selected_alpn_protocol() == offered


def test_a_version_that_is_none_is_refused_at_the_call(netmocks: Netmocks) -> None:
    with pytest.raises(ValueError, match="http_version must be"):
        netmocks.http(http_version="3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="which alpn="):
        netmocks.https(http_version="2", alpn=["http/1.1"])
    with pytest.raises(ValueError, match="http_version must be"):
        netmocks.http_proxy(http_version="2")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="max_concurrent_streams must be"):
        netmocks.http(max_concurrent_streams=-1)


def test_bodies_of_any_length_go_both_ways(http_server: HttpServer, client: httpx.Client) -> None:
    http_server.when("POST", "/turn").reply(lambda request: Response(body=request.body[::-1]))
    for size in (0, 1, 16_384, 65_535, 65_536, 1_000_000):
        body = bytes(range(251)) * (size // 251) + b"x" * (size % 251)
        assert client.post(http_server.url_for("/turn"), content=body).content == body[::-1]


def test_a_slow_answer_holds_up_no_other(http_server: HttpServer) -> None:
    release = threading.Event()

    def slow(_: object) -> Response:
        release.wait(20)
        return Response(text="slow")

    http_server.when("/slow").reply(slow)
    http_server.when("/fast").reply(text="fast")

    async def main() -> None:
        async with httpx.AsyncClient(http1=False, http2=True, timeout=30) as client:
            waiting = asyncio.create_task(client.get(http_server.url_for("/slow")))
            for _ in range(3):
                assert (await client.get(http_server.url_for("/fast"))).text == "fast"
            assert not waiting.done()
            release.set()
            assert (await waiting).text == "slow"

    asyncio.run(main())
    assert len(http_server.connections) == 1
    assert sorted(request.stream or 0 for request in http_server.requests) == [1, 3, 5, 7]


def test_everything_a_response_can_be_is_answered(
    http_server: HttpServer, client: httpx.Client, tmp_path: object
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b", b"c"):
            yield piece

    http_server.when("/stream").reply(stream=[b"1", "2", b"3"], interval=0.01, trailers={"X-Sum": "6"})
    http_server.when("/async").reply(lambda _: Response(stream=pieces(), interim=[103]))
    http_server.when("/empty").reply(204)
    http_server.when("/json").reply(json={"a": 1}, compress=True)
    http_server.when("/range").reply(body=b"0123456789", ranges=True)
    http_server.when("/tagged").reply(text="x", etag="t")
    http_server.when("/sse").reply(sse=["one", {"event": "e", "data": 2}])
    url = http_server.url_for
    assert client.get(url("/stream")).content == b"123"
    assert client.get(url("/async")).content == b"abc"
    assert client.get(url("/empty")).status_code == 204
    assert client.get(url("/json")).json() == {"a": 1}
    assert client.get(url("/range"), headers={"Range": "bytes=2-4"}).content == b"234"
    assert client.get(url("/tagged"), headers={"If-None-Match": '"t"'}).status_code == 304
    assert client.get(url("/sse")).text == "data: one\n\nevent: e\ndata: 2\n\n"
    assert client.head(url("/json")).content == b""
    missing = client.get(url("/jso"))
    assert missing.status_code == 404
    assert "any method /json" in missing.text


def test_of_a_connection_nothing_is_said_on_a_stream(http_server: HttpServer, client: httpx.Client) -> None:
    http_server.when("/").reply(text="x", headers={"Connection": "close", "Keep-Alive": "timeout=5", "Upgrade": "h2c"})
    answer = client.get(http_server.url)
    assert not {"connection", "keep-alive", "upgrade", "transfer-encoding"} & set(answer.headers)
    assert client.get(http_server.url).text == "x"
    assert len(http_server.connections) == 2  # GOAWAY, after the first


def test_the_last_request_that_a_connection_may_have_comes_with_a_goaway(
    netmocks: Netmocks, client: httpx.Client
) -> None:
    server = netmocks.http(max_requests=2)
    server.when("/").reply(text="x")
    for _ in range(4):
        assert client.get(server.url).text == "x"
    assert [len(connection.requests) for connection in server.connections] == [2, 2]


def test_who_asks_for_no_http2_does_not_load_it() -> None:
    code = (
        "import sys, urllib.request; from pytest_netmocks import HttpServer\n"
        "with HttpServer() as server:\n"
        "    server.when('/').reply(text='x'); urllib.request.urlopen(server.url).read()\n"
        "assert not {'h2', 'hpack', 'hyperframe'} & {name.partition('.')[0] for name in sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_body_that_is_too_long_is_refused_and_the_connection_goes_on(
    netmocks: Netmocks, client: httpx.Client
) -> None:
    server = netmocks.http(max_body=1000)
    server.when("/").reply(text="x")
    assert client.post(server.url, content=b"x" * 1000).status_code == 200
    assert client.post(server.url, content=b"x" * 1001).status_code == 413
    assert client.get(server.url).status_code == 200
    assert len(server.connections) == 1
    assert server.requests[1].complete is False

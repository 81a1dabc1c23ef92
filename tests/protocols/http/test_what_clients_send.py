"""What a client sends never fails the test: it gets an answer by the protocol, and no code of the server's raises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers import HANDSHAKE, connect, read_to_end
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import pytest_netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.ws.server import WsServer

pytestmark = pytest.mark.in_memory

MANY = settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

NAMES = [
    b"Accept-Encoding",
    b"Content-Encoding",
    b"Content-Type",
    b"Cookie",
    b"Expect",
    b"If-Match",
    b"If-Modified-Since",
    b"If-None-Match",
    b"If-Range",
    b"If-Unmodified-Since",
    b"Range",
    b"X-Form",
]
WORDS = [
    b"gzip",
    b"zstd, br",
    b";q=",
    b"nan",
    b"1e999",
    b"\xd9\xa3",
    b"\xb2",
    b'"',
    b"\\",
    b"\\777",
    b"=",
    b";",
    b",",
    b"W/",
    b"bytes=",
    b"-",
    b"9" * 5000,
    b"Wed, 21 Oct 0001 07:28:00 +9999",
    b"Wed, 21 Oct 99999 99:99:99 GMT",
    b"multipart/form-data; boundary=b",
    b"multipart/form-data; boundary",
    b"application/x-www-form-urlencoded",
    b"text/plain; charset=",
    b"unicode_escape",
    b"utf-16",
    b"hex",
    b"charset*=x'y'%ff",
    b"\xff",
]
BODIES = [
    b"",
    b"[" * 100_000,
    b"[" * 400 + b"]" * 400,
    b"9" * 5000,
    b'"\\ud800"',
    b"\\x\xff",
    b"a=%ff&b=%zz&;=&" + b"&" * 1000,
    b"--b\r\nContent-Disposition: form-data; name=\"a\"; filename*=x''%ff\r\n\r\nx\r\n--b--\r\n",
    b"--b\r\nContent-Disposition: \xff\r\n\r\n\r\n--b--",
    b"--b\r\n: \r\n\r\n",
    b"\x1f\x8b\x08" + b"\0" * 20,
]
TARGETS = [b"/1", b"/1/a", b"/-2.5", b"/%ff", b"/%", b"%2F", b"?a=%ff", b"&", b"%00"]
VALUES = st.lists(st.sampled_from(WORDS), max_size=4).map(b"".join)
FIELDS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=4)


def looks(request: HttpRequest) -> bool:
    """Looks at everything that can be had of a request, as a test's function may."""
    for word in ("text", "form", "files", "decoded", "cookies", "query", "trailers", "raw_path", "content_type"):
        try:
            getattr(request, word)
        except ValueError:
            continue
    return False


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with pytest_netmocks.http() as server:
        server.when("/{n:int}/{x}").reply(text="0123456789" * 10, etag="v1", ranges=True, compress=True)
        server.when("/{f:float}").reply(
            text="0123456789" * 10, headers={"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
        )
        server.when("/{rest:path}", json={"a": 1}).reply(201)
        server.when("/{rest:path}", form={"a": "1"}, body="x").reply(201)
        server.when("/{rest:path}", matches=looks).reply(201)
        yield server


@MANY
@given(
    target=st.lists(
        st.sampled_from([b"/1", b"/1/a", b"/-2.5", b"/%ff", b"/%", b"%2F", b"?a=%ff", b"&", b"%00"]), max_size=3
    ),
    fields=FIELDS,
    body=st.sampled_from(BODIES),
)
@example([b"/x"], [], b"[" * 100_000)
@example([b"/1/a"], [(b"Range", b"bytes=" + b"9" * 5000 + b"-")], b"")
def test_requests(server: HttpServer, target: list[bytes], fields: list[tuple[bytes, bytes]], body: bytes) -> None:
    lines = b"".join(b"%b: %b\r\n" % field for field in [*fields, (b"Content-Length", b"%d" % len(body))])
    with connect(server) as sock:
        line = b"POST /" + b"".join(target).lstrip(b"/") + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        sock.sendall(line + lines + b"\r\n" + body)
        answer = read_to_end(sock)
    assert int(answer.split()[1]) < 500
    assert server.journal.take_errors() == []


@pytest.mark.parametrize("depth", range(100, 1100, 20))
def test_json_of_any_depth_is_json_or_none(server: HttpServer, depth: int) -> None:
    body = b"[" * depth + b"]" * depth
    with connect(server) as sock:
        sock.sendall(
            b"PUT /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        assert read_to_end(sock).startswith(b"HTTP/1.1 404 ")
    assert server.journal.take_errors() == []


OFFERS = [
    b"permessage-deflate",
    b"; client_max_window_bits=",
    b"; server_no_context_takeover=",
    b"9",
    b"\xd9\xa9",
    b"\xb2",
    b'"',
    b",",
    b"chat",
    b"\xff",
    b"=",
]
OFFERED = st.lists(st.sampled_from(OFFERS), max_size=5).map(b"".join)
SHAKEN = [b"Sec-WebSocket-Extensions", b"Sec-WebSocket-Protocol", b"Origin", b"Cookie", b"Sec-WebSocket-Key", b"Host"]


@MANY
@given(fields=st.lists(st.tuples(st.sampled_from(SHAKEN), OFFERED), max_size=3))
def test_handshakes(ws_server: WsServer, http_server: HttpServer, fields: list[tuple[bytes, bytes]]) -> None:
    if not http_server.rules:
        http_server.when("/").websocket(subprotocols=["chat"])
    for server in (ws_server, http_server):
        with connect(server) as sock:
            sock.sendall(HANDSHAKE.encode() + b"".join(b"%b: %b\r\n" % field for field in fields) + b"\r\n")
            status = int(sock.recv(4096).split()[1])
        assert status == 101 or 400 <= status < 500
        assert server.journal.take_errors() == []

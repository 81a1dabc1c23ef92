"""A rule's faults on what the client sends strike the request's body from its first byte, however reads cut it."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import pytest
from helpers import connect, read_exactly, read_to_end
from playbook import now

from pytest_netmocks.faults import Bandwidth, Blackhole, Close, Corrupt, Latency, Replace, Reset, Slice, Stall
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.records.events import Received

pytestmark = pytest.mark.in_memory

BODY = bytes(range(256)) * 4


def upload(body: bytes = BODY, *, chunked: bool = False, path: str = "/u", more: str = "") -> bytes:
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    head = f"PUT {path} HTTP/1.1\r\nHost: h\r\n{more}{framing}\r\n\r\n".encode()
    if not chunked:
        return head + body
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def silent(sock: socket.socket) -> bool:
    sock.settimeout(0.1)
    try:
        sock.recv(1)
    except TimeoutError:
        sock.settimeout(10)
        return True
    return False


def ended(server: HttpServer) -> None:
    server.wait_for(lambda server: server.requests and not server.open_connections)


CUTS = pytest.mark.parametrize("cut", [1, 100, 10_000], ids=["bytes", "pieces", "at once"])
FRAMINGS = pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])


def send(sock: socket.socket, data: bytes, cut: int) -> None:
    with contextlib.suppress(ConnectionError):
        for at in range(0, len(data), cut):
            sock.sendall(data[at : at + cut])


@CUTS
@FRAMINGS
@pytest.mark.parametrize("size", [0, 1, 500, 1024])
def test_a_stall_stops_after_so_many_bytes_until_it_is_lifted(
    http_server: HttpServer, size: int, cut: int, *, chunked: bool
) -> None:
    rule = http_server.when("PUT", "/u").reply(201)
    stall = rule.inject(Stall(after_bytes=size, direction="upstream"))
    data = upload(chunked=chunked) + upload(b"next", path="/next")
    with connect(http_server) as sock:
        send(sock, data, cut)
        if size == len(BODY) and not chunked:
            assert sock.recv(100).startswith(b"HTTP/1.1 201 ")
        assert silent(sock)
        http_server.settle()
        came = http_server.connections[0].received
        assert not came.endswith(b"next")
        if not chunked:
            assert came == data[: data.index(b"\r\n\r\n") + 4 + size]
            assert http_server.connections[0].bytes_received == len(came)
        assert stall.hits == rule.hits == 1
        stall.lift()
        http_server.wait_for(lambda server: len(server.requests) == 2 and server.requests[1].response)
    first, second = http_server.requests
    assert (first.body, first.complete, first.response.status) == (BODY, True, 201)  # type: ignore[union-attr]
    assert (second.path, second.body) == ("/next", b"next")
    assert (rule.hits, http_server.connections[0].received) == (1, data)


def test_the_client_of_a_stall_feels_it(http_server: HttpServer) -> None:
    stall = http_server.when("PUT", "/u").reply(201).inject(Stall(after_bytes=1000, direction="upstream"))
    body = b"x" * 30_000_000
    with connect(http_server, timeout=0.5) as sock:
        with pytest.raises(TimeoutError):
            sock.sendall(upload(body))
        assert http_server.connections[0].bytes_received < 2000
        stall.lift()


@pytest.mark.on_sockets
@CUTS
@FRAMINGS
@pytest.mark.parametrize("size", [0, 1, 500, 1024])
@pytest.mark.parametrize("kind", [Reset, Close, Blackhole])
def test_an_end_leaves_nothing_behind_it_on_record(
    http_server: HttpServer, kind: Any, size: int, cut: int, *, chunked: bool
) -> None:
    rule = http_server.when("PUT", "/u").reply(201)
    fault = rule.inject(kind(after_bytes=size, direction="upstream"))
    data = upload(chunked=chunked)
    with connect(http_server) as sock:
        send(sock, data + upload(b"next", path="/next"), cut)
        http_server.wait_for(lambda _: fault.hits, timeout=30)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(0.1)
            assert b"201" not in read_to_end(sock)
    if kind is Blackhole:
        http_server.stop()  # it keeps from the server that the client has gone
    ended(http_server)
    (request,) = http_server.requests
    assert (request.body, request.complete, request.response) == (BODY[:size], False, None)
    assert (fault.hits, rule.hits) == (1, 1)
    if not chunked:
        assert http_server.connections[0].received == data[: data.index(b"\r\n\r\n") + 4 + size]


@pytest.mark.on_sockets
@CUTS
@FRAMINGS
def test_what_shapes_strikes_what_came_with_the_head(http_server: HttpServer, cut: int, *, chunked: bool) -> None:
    rule = http_server.when("PUT", "/u").reply(201)
    late = rule.inject(Latency(0.2, direction="upstream"))
    http_server.when("PUT", "/next").reply(204)
    with connect(http_server) as sock:
        begin = time.monotonic()
        send(sock, upload(chunked=chunked), cut)
        assert read_exactly(sock, 12) == b"HTTP/1.1 201"
        assert time.monotonic() - begin > 0.2
    assert http_server.requests[0].body == BODY
    assert (late.hits, rule.hits) == (1, 1)


@pytest.mark.on_sockets
def test_a_rate_counts_from_the_first_byte_of_the_body(http_server: HttpServer) -> None:
    http_server.when("PUT", "/u").reply(201).inject(Bandwidth(10_000, direction="upstream"))
    with connect(http_server) as sock:
        begin = time.monotonic()
        sock.sendall(upload(b"x" * 3000))
        assert sock.recv(100).startswith(b"HTTP/1.1 201")
        assert time.monotonic() - begin > 0.25


def test_bits_flip_in_the_body_alone(http_server: HttpServer) -> None:
    http_server.when("PUT", "/u").reply(201).inject(Corrupt(1.0, direction="upstream"))
    with connect(http_server) as sock:
        sock.sendall(upload() + upload(path="/next"))
        http_server.wait_for(lambda server: len(server.requests) == 2)
    first, second = http_server.requests
    assert [(one ^ other).bit_count() for one, other in zip(BODY, first.body, strict=True)] == [1] * len(BODY)
    assert (second.path, second.body) == ("/next", BODY)


def test_what_is_replaced_is_so_from_the_first_byte(http_server: HttpServer) -> None:
    http_server.when("PUT", "/u").reply(201).inject(Replace(b"cat", b"dog", direction="upstream"))
    with connect(http_server) as sock:
        sock.sendall(upload(b"a cat of a cat"))
        assert sock.recv(100).startswith(b"HTTP/1.1 201")
    assert http_server.requests[0].body == b"a dog of a dog"


def test_slices_of_a_body_arrive_apart(http_server: HttpServer) -> None:
    http_server.when("PUT", "/u").reply(201).inject(Slice(10, 0.01, direction="upstream"))
    with connect(http_server) as sock:
        sock.sendall(upload(b"x" * 50))
        assert sock.recv(100).startswith(b"HTTP/1.1 201")
    (request,) = http_server.requests
    assert request.body == b"x" * 50
    pieces = [event.data for event in http_server.journal.log if isinstance(event, Received)]
    assert [piece for piece in pieces if piece.strip(b"x") == b""] == [b"x" * 10] * 5


def test_faults_of_the_connection_and_of_the_rule_add(http_server: HttpServer) -> None:
    http_server.inject(Latency(0.1, direction="upstream"))
    rule = http_server.when("PUT", "/u").reply(201)
    rule.inject(Latency(0.2, direction="upstream"))
    rule.inject(Slice(100, direction="upstream"))
    with connect(http_server) as sock:
        begin = now()
        sock.sendall(upload() + upload(b"next", path="/next"))
        assert read_exactly(sock, 12) == b"HTTP/1.1 201"
        assert round(now() - begin, 9) == 0.3
        http_server.wait_for(lambda server: len(server.requests) == 2)
    assert [request.body for request in http_server.requests] == [BODY, b"next"]


@pytest.mark.parametrize("size", [0, 5, 2000])
def test_a_connection_s_own_bytes_count_once(http_server: HttpServer, size: int) -> None:
    data = upload() + upload(b"y" * 5000, path="/next")
    reset = http_server.inject(Reset(after_bytes=len(upload()) + size, direction="upstream"))
    http_server.when("PUT", "/u").reply(201).inject(Slice(100, direction="upstream"))
    with connect(http_server) as sock:
        send(sock, data, len(data))
        http_server.wait_for(lambda _: reset.hits)
    ended(http_server)
    assert http_server.connections[0].bytes_received == len(upload()) + size


@pytest.mark.parametrize("size", [10, 100_000, 300_000])
def test_many_uploads_in_one_go_keep_their_order(http_server: HttpServer, size: int) -> None:
    http_server.when("PUT", "/u").reply(201).inject(Slice(7000, direction="upstream"))
    bodies = [bytes([number]) * size for number in range(20)]
    with connect(http_server) as sock:
        for body in bodies:
            sock.sendall(upload(body, chunked=size == 10))
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock).count(b"HTTP/1.1 201 ") == len(bodies)
    assert [request.body for request in http_server.requests] == bodies


def test_a_client_that_waits_for_100_gets_it_before_a_late_body_and_not_before_an_end(
    http_server: HttpServer,
) -> None:
    http_server.when("PUT", "/late").reply(201).inject(Latency(0.1, direction="upstream"))
    http_server.when("PUT", "/gone").reply(201).inject(Reset(direction="upstream"))
    expects = "Expect: 100-continue\r\n"
    with connect(http_server) as sock:
        sock.sendall(upload(path="/late", more=expects)[: -len(BODY)])
        assert read_exactly(sock, 25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(BODY)
        assert read_exactly(sock, 12) == b"HTTP/1.1 201"
    with connect(http_server) as sock, pytest.raises(ConnectionResetError):
        sock.sendall(upload(path="/gone", more=expects)[: -len(BODY)])
        assert sock.recv(1) == b""
        raise ConnectionResetError  # pragma: no cover


def test_a_stall_over_tls(https_server: HttpServer) -> None:
    from helpers import shake

    stall = https_server.when("PUT", "/u").reply(201).inject(Stall(after_bytes=10, direction="upstream"))
    with shake(https_server) as sock:
        sock.sendall(upload())
        assert silent(sock)
        assert https_server.connections[0].received.endswith(BODY[:10])
        stall.lift()
        assert sock.recv(100).startswith(b"HTTP/1.1 201")


def test_a_rule_that_looks_at_the_body_says_what_to_do_instead(http_server: HttpServer) -> None:
    for fault in (Reset(after_bytes=5, direction="upstream"), Stall(direction="upstream")):
        with pytest.raises(ValueError, match="match by method, path, query and headers"):
            http_server.when("PUT", "/u", json={"a": 1}).inject(fault)


def test_a_hosted_application_gets_what_came_while_others_were_answered(http_server: HttpServer) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": body})

    http_server.mount(app)
    http_server.when("/slow").reply(204, delay=0.1)
    with connect(http_server) as sock:
        sock.sendall(
            b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n" + upload(b"hello world", more="Connection: close\r\n")[:-6]
        )
        assert read_exactly(sock, 12) == b"HTTP/1.1 204"
        sock.sendall(b" world")
        assert read_to_end(sock).endswith(b"\r\n\r\nhello world")

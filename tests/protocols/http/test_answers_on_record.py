"""An answer is on record as far as the faults let it out, whoever gives it and in however many pieces."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from helpers import connect, read_to_end

from pytest_netmocks.faults import Blackhole, Close, Garbage, MalformedChunk, Reset
from pytest_netmocks.protocols.http.server import HttpServer

pytestmark = pytest.mark.in_memory

PIECES = [b"hello", b" ", b"world"]


def stream(server: HttpServer) -> None:
    server.when("/").reply(stream=PIECES)


def generator(server: HttpServer) -> None:
    server.when("/").reply(stream=lambda: iter(PIECES))


def whole(server: HttpServer) -> None:
    server.when("/").reply(body=b"".join(PIECES))


def asgi(server: HttpServer, *, at_once: bool = False) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        with contextlib.suppress(OSError):
            for piece in [b"".join(PIECES)] if at_once else PIECES:
                await send({"type": "http.response.body", "body": piece, "more_body": not at_once})
            if not at_once:
                await send({"type": "http.response.body"})

    server.mount(app)


def asgi_at_once(server: HttpServer) -> None:
    asgi(server, at_once=True)


def wsgi(server: HttpServer) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return PIECES

    server.mount(app)


GIVEN: list[Callable[[HttpServer], None]] = [stream, generator, whole, asgi, asgi_at_once, wsgi]


def ask(server: HttpServer) -> bytes:
    got = b""
    with connect(server, timeout=0.5) as sock, contextlib.suppress(OSError):
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        while piece := sock.recv(65536):
            got += piece
    return got


@pytest.mark.parametrize("give", GIVEN)
@pytest.mark.parametrize("size", [0, 1, 5, 7, 11])
def test_a_body_that_is_cut_is_on_record_so(http_server: HttpServer, give: Any, size: int) -> None:
    http_server.when("/").inject(Close(after_bytes=size))
    give(http_server)
    got = ask(http_server)
    http_server.wait_for(lambda server: not server.open_connections)
    (request,) = http_server.requests
    assert (request.response.status, request.response.body) == (200, b"hello world"[:size])  # type: ignore[union-attr]
    payload = got.partition(b"\r\n\r\n")[2]
    assert re.sub(rb"(?:^|\r\n)[0-9a-f]+\r\n", b"", payload).strip(b"\r\n") == b"hello world"[:size]


@pytest.mark.parametrize("give", GIVEN)
@pytest.mark.parametrize("fault", [Reset(), Close(), Blackhole(), Garbage()])
def test_an_answer_that_never_went_out_is_none(http_server: HttpServer, give: Any, fault: Any) -> None:
    http_server.when("/").inject(fault)
    give(http_server)
    assert not ask(http_server).startswith(b"HTTP/1.1 200")
    (request,) = http_server.requests
    assert (request.response, request.answered_at) == (None, None)


@pytest.mark.parametrize("give", GIVEN)
@pytest.mark.parametrize("size", [1, 20])
def test_half_a_head_is_an_answer_without_a_body(http_server: HttpServer, give: Any, size: int) -> None:
    http_server.inject(Close(after_bytes=size))
    give(http_server)
    assert len(ask(http_server)) == size
    (request,) = http_server.requests
    assert (request.response.status, request.response.body) == (200, b"")  # type: ignore[union-attr]


@pytest.mark.parametrize("give", GIVEN)
def test_what_the_connection_cuts_is_not_on_record(http_server: HttpServer, give: Any) -> None:
    give(http_server)
    plain = ask(http_server)
    assert plain.replace(b"\r\n", b"").find(b"world") > 0
    http_server.inject(Close(after_bytes=plain.find(b"world") + 2))
    got = ask(http_server)
    assert got.endswith(b"wo")
    assert http_server.requests[-1].response.body == b"hello wo"  # type: ignore[union-attr]


@pytest.mark.parametrize("give", GIVEN)
def test_without_a_fault_all_of_it_is(http_server: HttpServer, give: Any) -> None:
    give(http_server)
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        head = read_to_end(sock).partition(b"\r\n\r\n")[0].decode().lower()
    (request,) = http_server.requests
    assert request.response.body == b"hello world"  # type: ignore[union-attr]
    for name, value in request.response.headers.items():  # type: ignore[union-attr]
        assert f"{name}: {value}".lower() in head


def test_what_speaks_in_place_of_a_stream_is_no_answer_of_it_and_lifted_it_is(http_server: HttpServer) -> None:
    http_server.when("/").reply(stream=PIECES, interval=0.05)
    injection = http_server.when("/").inject(MalformedChunk())
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        http_server.wait_for(lambda server: server.requests)
        injection.lift()
        assert b"hello world" in read_to_end(sock)
    (request,) = http_server.requests
    assert request.response.body == b"hello world"  # type: ignore[union-attr]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("length", [b"5", None])
@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_205_of_an_application_has_a_body_of_no_bytes(
    http_server: HttpServer, method: str, length: bytes | None, pieces: int, kind: str
) -> None:
    fields = [(b"Content-Length", length)] if length is not None else []

    async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 205, "headers": fields})
        await send({"type": "http.response.body", "body": b"hello"[: 5 // pieces], "more_body": pieces > 1})
        if pieces > 1:
            await send({"type": "http.response.body", "body": b"hello"[5 // pieces :]})

    def wsgi_app(environ: Any, start_response: Any) -> Any:
        start_response("205 Reset Content", [(name.decode(), value.decode()) for name, value in fields])
        return [b"hello"] if pieces == 1 else [b"he", b"llo"]

    http_server.mount(asgi_app if kind == "asgi" else wsgi_app)
    with connect(http_server) as sock:
        sock.sendall(f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n".encode() * 2)
        http_server.wait_for(lambda server: len(server.requests) == 2 and server.requests[1].response)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        answers = read_to_end(sock)
    assert answers.count(b"HTTP/1.1 205 ") == answers.lower().count(b"content-length: 0\r\n") == 3
    assert b"hello" not in answers
    assert b"hunked" not in answers
    assert [request.response.body for request in http_server.requests] == [b""] * 3  # type: ignore[union-attr]

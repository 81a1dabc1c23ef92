"""A pipelined request whose turn never comes is on record: that it came, and why nobody answered it."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import pytest
from helpers import abort, connect, read_to_end

from pytest_netmocks import Response
from pytest_netmocks.faults import Close, Garbage, Reset
from pytest_netmocks.protocols.http.server import HttpServer

pytestmark = pytest.mark.in_memory

ASKED = b"".join(b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n" % path for path in (b"first", b"second", b"third"))


def outcomes(server: HttpServer) -> list[tuple[str, str | None]]:
    server.wait_for(lambda server: len(server.requests) == 3 and not server.open_connections)
    assert all(request.complete and request.response is None for request in server.requests[1:])
    return [(request.path, request.unanswered) for request in server.requests]


def ask(server: HttpServer) -> bytes:
    with connect(server) as sock, contextlib.suppress(ConnectionResetError):
        sock.sendall(ASKED)
        return read_to_end(sock)
    return b""


def test_the_client_goes_before_their_turn(http_server: HttpServer) -> None:
    http_server.when("/first").reply(text="late", delay=60)
    rule = http_server.when("/second").reply(text="never")
    sock = connect(http_server)
    sock.sendall(ASKED)
    http_server.wait_for(lambda server: server.requests)
    abort(sock)
    (_, none), *others = outcomes(http_server)
    assert none is None
    assert [path for path, _ in others] == ["/second", "/third"]
    assert all(str(why).startswith("the connection is lost (") for _, why in others)
    assert [request.number for request in http_server.requests] == [1, 2, 3]
    assert (rule.requests, rule.hits) == ([http_server.requests[1]], 0)
    assert str(http_server.requests[1]).startswith("GET /second -> no answer: the connection is lost (")


@pytest.mark.parametrize("fault", [Reset(after_bytes=1), Close(after_bytes=1), Reset(), Garbage()])
def test_a_fault_ends_the_connection_before_their_turn(http_server: HttpServer, fault: Any) -> None:
    http_server.when("/{x}").reply(text="hello").inject(fault, first=1)
    ask(http_server)
    assert outcomes(http_server)[1:] == [
        ("/second", f"a fault ended it ({fault.name})"),
        ("/third", f"a fault ended it ({fault.name})"),
    ]


@pytest.mark.parametrize(
    "reply",
    [
        {"text": "bye", "then_close": True},
        {"text": "bye", "close": True},
        {"text": "bye", "headers": {"Connection": "close"}},
        {"raw": b"HTTP/1.1 200 OK\r\n\r\nbye"},
        {"stream": [b"bye"], "close": True},
    ],
)
def test_an_answer_that_is_the_last_leaves_them_unanswered(http_server: HttpServer, reply: Any) -> None:
    http_server.when("/{x}").reply(**reply)
    assert ask(http_server).count(b"HTTP/1.1") == 1
    why = "the answer before it was the last of the connection"
    assert outcomes(http_server) == [("/first", None), ("/second", why), ("/third", why)]


def test_a_function_that_fails_leaves_them_unanswered(http_server: HttpServer) -> None:
    def fails(request: object) -> Response:
        raise ValueError("no")

    http_server.when("/{x}").reply(fails)
    assert ask(http_server).startswith(b"HTTP/1.1 500 ")
    assert [why is None for _, why in outcomes(http_server)] == [True, False, False]
    assert len(http_server.journal.take_errors()) == 1


def test_the_server_stops_before_their_turn(http_server: HttpServer) -> None:
    http_server.when("/first").reply(text="late", delay=60)
    with connect(http_server) as sock:
        sock.sendall(ASKED)
        http_server.wait_for(lambda server: server.requests)
        http_server.stop()
        assert read_to_end(sock) == b""
    assert outcomes(http_server)[1:] == [
        ("/second", "the server ended the connection"),
        ("/third", "the server ended the connection"),
    ]


def test_one_that_is_half_comes_after_those_that_wait(http_server: HttpServer) -> None:
    http_server.when("/first").reply(text="late", delay=60)
    sock = connect(http_server)
    sock.sendall(ASKED + b"PUT /half HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf")
    http_server.wait_for(lambda server: server.requests)
    abort(sock)
    http_server.wait_for(lambda server: len(server.requests) == 4)
    assert [(request.path, request.complete) for request in http_server.requests[2:]] == [
        ("/third", True),
        ("/half", False),
    ]


def test_those_that_are_answered_say_nothing(http_server: HttpServer) -> None:
    http_server.when("/{x}").reply(text="hello")
    with connect(http_server) as sock:
        sock.sendall(ASKED)
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock).count(b"hello") == 3
    assert [(request.unanswered, request.response is None) for request in http_server.requests] == [(None, False)] * 3

"""A request that never came as a whole is on record: what came of it, why the rest did not, and whose it is."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import pytest
from helpers import abort, connect, read_exactly, read_to_end

from pytest_netmocks.faults import Close, Reset
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.web.requests import HttpRequest

pytestmark = pytest.mark.in_memory

HALF = b"PUT /u?a=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello"
CHUNKED = b"PUT /u HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\n"


def the_one(server: HttpServer) -> HttpRequest:
    server.wait_for(lambda server: server.requests and not server.open_connections)
    (request,) = server.requests
    return request


@pytest.mark.parametrize("data", [HALF, CHUNKED])
def test_half_a_body_and_then_a_fin(http_server: HttpServer, data: bytes) -> None:
    rule = http_server.when("PUT", "/u").reply(201)
    with connect(http_server) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""
    request = the_one(http_server)
    assert (request.method, request.path, request.body) == ("PUT", "/u", b"hello")
    assert (request.complete, request.broken_off, request.response) == (False, "the client finished", None)
    assert repr(request).endswith(": not answered, not complete: the client finished>")
    assert (rule.requests, rule.hits) == ([request], 0)


def test_half_a_body_and_then_an_rst(http_server: HttpServer) -> None:
    sock = connect(http_server)
    sock.sendall(HALF)
    http_server.wait_for(lambda server: server.connections and server.connections[0].bytes_received == len(HALF))
    abort(sock)
    request = the_one(http_server)
    assert request.body == b"hello"
    assert str(request.broken_off).startswith("the connection is lost (")


@pytest.mark.parametrize(
    "fault", [Close(after_bytes=55, direction="upstream"), Reset(after_bytes=55, direction="upstream")]
)
def test_half_a_body_by_a_fault_of_ours(http_server: HttpServer, fault: Any) -> None:
    http_server.inject(fault)
    with connect(http_server) as sock:
        sock.sendall(HALF)
        with contextlib.suppress(ConnectionResetError):
            read_to_end(sock)
    request = the_one(http_server)
    assert request.complete is False
    assert request.body == HALF[:55].partition(b"\r\n\r\n")[2]
    assert request.broken_off == f"a fault ended it ({fault.name})"


def test_half_a_body_and_the_server_stops(http_server: HttpServer) -> None:
    with connect(http_server) as sock:
        sock.sendall(HALF)
        http_server.wait_for(lambda server: server.connections and server.connections[0].bytes_received == len(HALF))
        http_server.stop()
        assert the_one(http_server).broken_off == "the server ended the connection"


def test_half_a_head_is_on_record_once_its_first_line_is_there(http_server: HttpServer) -> None:
    for data in (b"GET /a HTTP/1.1\r\nHost: h\r\nX: 1\r\nY", b"BREW /b HTTP/1.0\r\nHo", b"GET /c HT", b"GE", b""):
        with connect(http_server) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            assert read_to_end(sock) == b""
    came = [(request.method, request.path, request.complete) for request in http_server.requests]
    assert came == [("GET", "/a", False), ("BREW", "/b", False)]
    assert http_server.requests[0].headers == {"Host": "h", "X": "1"}


def test_what_is_complete_is_not_on_record_twice(http_server: HttpServer) -> None:
    http_server.when("/u").reply(204)
    for version in (b"1.0", b"1.1", b"1.2"):
        with connect(http_server) as sock:
            sock.sendall(b"MAKE /u HTTP/%b\r\nHost: h\r\nConnection: keep-alive\r\n\r\n" % version)
            read_exactly(sock, 10)
    http_server.wait_for(lambda server: not server.open_connections)
    assert [(request.http_version, request.complete) for request in http_server.requests] == [
        ("1.0", True),
        ("1.1", True),
        ("1.2", True),
    ]


def test_it_comes_after_those_that_are_answered_before(http_server: HttpServer) -> None:
    http_server.when("/slow").reply(text="slow", delay=0.05)
    with connect(http_server) as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n" + HALF)
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock).endswith(b"slow")
    assert [(request.path, request.complete) for request in http_server.requests] == [("/slow", True), ("/u", False)]


def test_one_that_is_answered_early_is_on_record_once(http_server: HttpServer) -> None:
    http_server.when("PUT", "/u").reply(413, before_body=True)
    with connect(http_server) as sock:
        sock.sendall(HALF)
        assert read_to_end(sock).startswith(b"HTTP/1.1 413 ")
    request = the_one(http_server)
    assert (request.response.status, request.complete) == (413, False)  # type: ignore[union-attr]


@pytest.mark.parametrize(("data", "status"), [(b"zz\r\n", 400), (b"100\r\n" + b"x" * 256, 413)])
def test_one_that_is_refused_says_why(netmocks: Any, data: bytes, status: int) -> None:
    server = netmocks.http(max_body=100)
    with connect(server) as sock:
        sock.sendall(CHUNKED[:-3] + data)
        read_to_end(sock)
    request = the_one(server)
    assert request.response.status == status  # type: ignore[union-attr]
    assert request.broken_off.startswith(f"{status} ")  # type: ignore[union-attr]


def test_assertions_and_expectations_count_what_came_as_a_whole(http_server: HttpServer) -> None:
    rule = http_server.when("PUT", "/u").reply(201)
    with connect(http_server) as sock:
        sock.sendall(HALF)
    the_one(http_server)
    with pytest.raises(AssertionError, match="complete: expected True, and it never came as a whole"):
        http_server.assert_requested("PUT", "/u")
    http_server.assert_requested("PUT", "/u", times=0)
    assert http_server.assert_requested("PUT", "/u", complete=False, times=1).body == b"hello"
    assert http_server.assert_requested("PUT", "/u", complete=None) is rule.requests[0]
    assert rule.met == 0


def test_a_rule_knows_its_requests(http_server: HttpServer) -> None:
    older = http_server.when("/{x}").reply(text="a")
    newer = http_server.when("/x").reply(text="b", times=1)
    faulty = http_server.when("/y")
    faulty.inject(Close(after_bytes=1))
    for path in (b"/x", b"/x", b"/y"):
        with connect(http_server) as sock:
            sock.sendall(b"GET %b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % path)
            read_to_end(sock)
    one, two, three = http_server.requests
    assert (newer.requests, older.requests, faulty.requests) == ([one], [two, three], [three])

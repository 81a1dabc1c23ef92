"""Interim responses go before an answer and are none (RFC 9110, sections 10.1.1 and 15.2)."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from helpers import HANDSHAKE, connect, read_exactly, read_to_end
from playbook import now

from pytest_netmocks import Response
from pytest_netmocks.faults import Reset
from pytest_netmocks.protocols.http.server import HttpServer

pytestmark = pytest.mark.in_memory

HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LINK: Any = [(103, {"Link": "</a.css>"})]


def get(server: HttpServer, version: str = "1.1", path: str = "/") -> bytes:
    with connect(server) as sock:
        sock.sendall(f"GET {path} HTTP/{version}\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        return read_to_end(sock)


def expecting(server: HttpServer, version: str = "1.1") -> socket.socket:
    sock = connect(server)
    fields = "Host: h\r\nConnection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
    sock.sendall(f"PUT / HTTP/{version}\r\n{fields}\r\n".encode())
    return sock


def test_what_is_interim_goes_before_the_answer(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="ok", interim=[102, *LINK, 199])
    answer = get(http_server)
    before = b"HTTP/1.1 102 Processing\r\n\r\n" + HINT + b"HTTP/1.1 199 Interim\r\n\r\n"
    assert answer.startswith(before + b"HTTP/1.1 200 OK\r\n")
    assert http_server.requests[0].response.status == 200  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "given",
    [
        {"status": lambda request: Response(text="ok", interim=LINK)},
        {"status": Response(text="ok", interim=LINK)},
        {"stream": [b"o", b"k"], "interim": LINK},
        {"text": "ok", "interim": LINK, "delay": 0.01},
        {"raw": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "interim": LINK},
    ],
)
def test_each_kind_of_answer_has_it_once(http_server: HttpServer, given: dict[str, Any]) -> None:
    http_server.when("/").reply(given.pop("status", None), **given)
    answer = get(http_server)
    assert answer.startswith(HINT + b"HTTP/1.1 200 OK\r\n")
    assert answer.count(b"103") == 1


def test_it_does_not_wait_for_the_delay_of_the_answer(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="late", interim=LINK, delay=0.2)
    with connect(http_server) as sock:
        begin = now()
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert read_exactly(sock, len(HINT)) == HINT
        early = now() - begin
        read_exactly(sock, 1)
        assert round(now() - begin, 9) == 0.2 > early


def test_a_fault_in_place_of_the_answer_comes_after_it(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="ok", interim=LINK).inject(Reset())
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert read_exactly(sock, len(HINT)) == HINT
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_clients_of_http_1_0_get_none(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="ok", interim=[100, *LINK])
    assert get(http_server, "1.0").startswith(b"HTTP/1.1 200 OK\r\n")
    with expecting(http_server, "1.0") as sock:
        sock.sendall(b"hi")
        assert read_to_end(sock).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_an_interim_status_is_no_answer(http_server: HttpServer, status: int) -> None:
    for make in (http_server.when("/").reply, Response):
        with pytest.raises(ValueError, match=rf"give interim=\[{status}\]"):
            make(status)


@pytest.mark.parametrize(
    "wrong", [[200], [101], [99], ["103"], [True], 103, [(103, {"A": "b\r\n"})], [(103, 5)], "103"]
)
def test_what_is_not_interim_is_refused_at_the_call(http_server: HttpServer, wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"interim|headers"):
        http_server.when("/").reply(interim=wrong)


def test_a_refused_handshake_has_it_too(http_server: HttpServer, ws_server: Any) -> None:
    route = http_server.when("/").websocket()
    for place, server in ((route, http_server), (ws_server, ws_server)):
        place.when_connected().reply(403, interim=LINK)
        with connect(server) as sock:
            sock.sendall(HANDSHAKE.replace("Connection: ", "Connection: close, ").encode() + b"\r\n")
            assert read_to_end(sock).startswith(HINT + b"HTTP/1.1 403 ")


# A client that expects 100


@pytest.mark.on_sockets
def test_100_comes_late(http_server: HttpServer) -> None:
    http_server.when("PUT", "/").reply(201, expect_continue=0.1)
    begin = time.perf_counter()
    with expecting(http_server) as sock:
        assert read_exactly(sock, len(CONTINUE)) == CONTINUE
        assert time.perf_counter() - begin >= 0.1
        sock.sendall(b"hi")
        assert read_to_end(sock).startswith(b"HTTP/1.1 201 ")


def test_a_late_100_does_not_come_after_the_body(http_server: HttpServer) -> None:
    http_server.when("PUT", "/").reply(201, expect_continue=0.05, delay=0.2)
    with expecting(http_server) as sock:
        sock.sendall(b"hi")
        assert read_to_end(sock).startswith(b"HTTP/1.1 201 ")


def test_100_never_comes(http_server: HttpServer) -> None:
    http_server.when("PUT", "/").reply(201, expect_continue=False)
    with expecting(http_server) as sock:
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(10)
        sock.sendall(b"hi")
        assert read_to_end(sock).startswith(b"HTTP/1.1 201 ")


def test_100_comes_when_nobody_waits_for_it_any_more(http_server: HttpServer) -> None:
    http_server.when("PUT", "/").reply(201, expect_continue=False, interim=[100])
    with expecting(http_server) as sock:
        sock.sendall(b"hi")
        assert read_to_end(sock).startswith(CONTINUE + b"HTTP/1.1 201 ")


def test_an_answer_comes_instead_of_100(http_server: HttpServer) -> None:
    http_server.when("PUT", "/").reply(417, before_body=True)
    with expecting(http_server) as sock:
        assert read_to_end(sock).startswith(b"HTTP/1.1 417 ")


def test_the_server_says_it_for_all_and_a_rule_for_itself(netmocks: Any) -> None:
    server = netmocks.http(expect_continue=False)
    server.when("PUT", "/").reply(201, times=1)
    server.when("PUT", "/").reply(201, expect_continue=True, times=1)
    for before in (CONTINUE, b""):
        with expecting(server) as sock:
            if before:
                assert read_exactly(sock, len(before)) == before
            sock.sendall(b"hi")
            assert read_to_end(sock).startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize("wrong", [-1, "late", float("nan"), float("inf")])
def test_when_100_comes_is_a_number_or_a_flag(http_server: HttpServer, netmocks: Any, wrong: Any) -> None:
    for make in (http_server.when("/").reply, netmocks.http):
        with pytest.raises((TypeError, ValueError), match="expect_continue must be"):
            make(expect_continue=wrong)
    with pytest.raises(ValueError, match="expect_continue= cannot be kept by a rule that looks at the body"):
        http_server.when("/", body="x").reply(expect_continue=False)

"""Users' functions on every server: a plain one may block and holds up nobody, a coroutine runs in the loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import socket
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import pytest
from helpers import HANDSHAKE, abort, connect, echo, later, masked, read_exactly, speak, udp_client
from openings import MQTT

from pytest_netmocks import Netmocks, Response, usercode, ws_frame
from pytest_netmocks.link import loop as loops
from pytest_netmocks.protocols.known import TABLE
from pytest_netmocks.protocols.tcp.server import TcpServer

REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
SHAKE = HANDSHAKE.encode() + b"\r\n"
NO_DATE: Any = {"Date": None, "Content-Type": None}


def http_answer(text: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


def greeted(server: Any) -> socket.socket:
    sock = connect(server)
    while not sock.recv(1000).endswith(b"\r\n"):
        pass
    return sock


@dataclasses.dataclass(frozen=True)
class Place:
    """One place where a function stands: the rule, what the function gives, what makes it be called and is answered."""

    server: str
    rule: Callable[[Any], Any]
    gives: Any
    asks: bytes
    hears: bytes
    begin: Callable[[Any], socket.socket] = connect


def response(text: str) -> Response:
    return Response(text=text, headers=NO_DATE)


QUERY = b"\0\7\1\0\0\1\0\0\0\0\0\0\1a\4test\0\0\1\0\1"
"""A question of DNS for the address of `a.test`."""

CALL = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
    b"\0\0\x1b\1\4\0\0\0\1\x83\x86\4\4/a/b\x0f\x10\x10application/grpc"
    b"\0\0\5\0\1\0\0\0\1\0\0\0\0\0"
)
"""A call of gRPC for `/a/b` with an empty message."""

PLACES = {
    "tcp": Place("tcp", lambda server: server.when(b"x"), b"hello", b"x", b"hello"),
    "tcp greeting": Place("tcp", lambda server: server.when_connected(), b"hello", b"", b"hello"),
    "udp": Place("udp", lambda server: server.when(b"x"), b"hello", b"x", b"hello", udp_client),
    "http": Place("http", lambda server: server.when("/"), response("hello"), REQUEST, http_answer("hello")),
    "http banner": Place("http", lambda server: server.when_connected(), b"hello", b"", b"hello"),
    "httpbin": Place("httpbin", lambda server: server.when("/"), response("hello"), REQUEST, http_answer("hello")),
    "ws": Place("ws", lambda server: server.when("x"), "hello", masked("x"), ws_frame("hello"), speak),
    "ws handshake": Place("ws", lambda server: server.when_connected(), response("hello"), SHAKE, b"HTTP/1.1 200"),
    "smtp": Place("smtp", lambda server: server.when("NOOP"), "250 hello", b"NOOP\r\n", b"250 hello\r\n", greeted),
    "smtp greeting": Place("smtp", lambda server: server.when_connected(), "220 hello", b"", b"220 hello\r\n"),
    "smtp message": Place(
        "smtp", lambda server: server.when_message(), "250 hello",
        b"EHLO h\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\r\n.\r\n", b"250 hello\r\n", greeted,
    ),
    "pop3": Place("pop3", lambda server: server.when("CAPA"), "+OK hello", b"CAPA\r\n", b"+OK hello\r\n", greeted),
    "pop3 greeting": Place("pop3", lambda server: server.when_connected(), "+OK hello", b"", b"+OK hello\r\n"),
    "ftp": Place("ftp", lambda server: server.when("NOOP"), "200 hello", b"NOOP\r\n", b"200 hello\r\n", greeted),
    "ftp greeting": Place("ftp", lambda server: server.when_connected(), "220 hello", b"", b"220 hello\r\n"),
    "imap": Place("imap", lambda server: server.when("NOOP"), "OK hello", b"a NOOP\r\n", b"a OK hello\r\n", greeted),
    "imap greeting": Place("imap", lambda server: server.when_connected(), "OK hello", b"", b"* OK hello\r\n"),
    "grpc": Place("grpc", lambda server: server.when("/a/b"), b"hello", CALL, b"\0\0\0\0\5hello"),
    "dns": Place("dns", lambda server: server.when("a.test"), "10.0.0.1", QUERY, b"\x0a\0\0\1", udp_client),
    "mqtt": Place("mqtt", lambda server: server.when("CONNECT"), "Not authorized", MQTT, b"\x20\2\0\5"),
    "redis": Place("redis", lambda server: server.when("PING"), "hello", b"PING\r\n", b"+hello\r\n"),
    "redis greeting": Place("redis", lambda server: server.when_connected(), "hello", b"", b"+hello\r\n"),
}  # fmt: skip

BESIDES = {
    "tls": "tcp",
    "https": "http",
    "badssl": "http",
    "wss": "ws",
    "smtps": "smtp",
    "pop3s": "pop3",
    "ftps": "ftp",
    "imaps": "imap",
    "mqtts": "mqtt",
    "rediss": "redis",
    "http_proxy": "http",
    "grpcs": "grpc",
}
"""The servers that are another with TLS under it: the functions are called in the same place."""

NO_FUNCTIONS = {"tcp_proxy", "udp_proxy", "socks5", "syslog"}


def test_every_server_of_the_table_is_looked_at() -> None:
    looked_at = {place.server for place in PLACES.values()}
    assert set(TABLE) == looked_at | {name for name, other in BESIDES.items() if other in looked_at} | NO_FUNCTIONS


def hears(sock: socket.socket, wanted: bytes) -> None:
    sock.settimeout(10)
    got = b""
    while wanted not in got:
        more = sock.recv(1000)
        assert more, got
        got += more


@pytest.mark.parametrize("name", PLACES)
def test_a_plain_function_that_blocks_delays_no_other_server(
    name: str, netmocks: Netmocks, tcp_server: TcpServer
) -> None:
    place = PLACES[name]
    server = getattr(netmocks, place.server)()
    called, go_on = threading.Event(), threading.Event()

    def function(_: Any) -> Any:
        called.set()
        assert go_on.wait(30)
        return place.gives

    place.rule(server).reply(function)
    with place.begin(server) as sock:
        sock.sendall(place.asks)
        assert called.wait(10)
        assert echo(tcp_server) == b"hello"
        go_on.set()
        hears(sock, place.hears)


@pytest.mark.parametrize("name", PLACES)
def test_a_coroutine_function_runs_in_the_loop_and_a_plain_one_does_not(name: str, netmocks: Netmocks) -> None:
    place = PLACES[name]
    server = getattr(netmocks, place.server)()
    here = []

    async def coroutine(_: Any) -> Any:
        here.append(loops.shared().here)
        return place.gives

    def plain(_: Any) -> Any:
        here.append(loops.shared().here)
        return place.gives

    for function in (coroutine, plain):
        place.rule(server).reply(function)
        with place.begin(server) as sock:
            sock.sendall(place.asks)
            hears(sock, place.hears)
    assert here == [True, False]


def test_matches_that_blocks_delays_no_other_server_and_is_asked_once(
    netmocks: Netmocks, tcp_server: TcpServer
) -> None:
    server = netmocks.http()
    called, go_on = threading.Event(), threading.Event()
    asked = []

    def no(request: Any) -> bool:
        asked.append(loops.shared().here)
        called.set()
        return not go_on.wait(30)

    server.when("/", matches=no).reply(200)
    with connect(server) as sock:
        sock.sendall(REQUEST)
        assert called.wait(10)
        assert echo(tcp_server) == b"hello"
        go_on.set()
        hears(sock, b"says no")  # the 404 tells
    assert asked == [False]


@pytest.mark.parametrize("name", ["tcp", "udp", "http", "ws", "smtp", "pop3", "ftp"])
def test_answers_of_plain_functions_keep_the_order_of_what_was_asked(name: str, netmocks: Netmocks) -> None:
    place = PLACES[name]
    server = getattr(netmocks, place.server)()
    numbers = iter(range(10))
    entered: list[int] = []
    together: list[int] = []

    def function(_: Any) -> Any:
        number = next(numbers)
        entered.append(number)
        together.append(len(entered))
        threading.Event().wait(0.02 if number == 0 else 0)  # the first takes longest
        entered.remove(number)
        text = f"{number}hello"
        if isinstance(place.gives, Response):
            return response(text)
        if isinstance(place.gives, bytes):
            return text.encode()
        return place.gives.replace("hello", text)

    place.rule(server).reply(function)
    with place.begin(server) as sock:
        for _ in range(4):
            sock.sendall(place.asks)
        got = b""
        while got.count(b"hello") < 4:
            more = sock.recv(1000)
            assert more, got
            got += more
    places = [got.index(f"{number}hello".encode()) for number in range(4)]
    assert places == sorted(places)
    assert set(together) == {1}  # one at a time


def test_another_client_does_not_wait_for_this_ones_function(netmocks: Netmocks) -> None:
    server = netmocks.udp()
    go_on = threading.Event()

    def function(datagram: Any) -> bytes:
        assert datagram.data == b"quick" or go_on.wait(30)
        return bytes(datagram.data)

    server.when(b"slow").reply(function)
    server.when(b"quick").reply(function)
    with udp_client(server) as one, udp_client(server) as other:
        one.send(b"slow")
        other.send(b"quick")
        assert other.recv(100) == b"quick"
        go_on.set()
        assert one.recv(100) == b"slow"


def test_a_greeting_that_takes_time_comes_before_the_answers_of_http(netmocks: Netmocks) -> None:
    server = netmocks.http()
    go_on = threading.Event()
    server.when("/").reply(response("hello"))
    server.when_connected().reply(lambda _: b"first" if go_on.wait(30) else b"")
    with connect(server) as sock:
        sock.sendall(REQUEST)
        server.wait_for(lambda server: server.connections)
        go_on.set()
        wanted = b"first" + http_answer("hello")
        assert read_exactly(sock, len(wanted)) == wanted


def test_a_plain_function_has_the_context_variables_of_its_connection(tcp_server: TcpServer) -> None:
    variable = contextvars.ContextVar("variable", default=0)

    async def first(_: Any) -> bytes:
        variable.set(variable.get() + 1)
        return b""

    tcp_server.when(b"x").reply(first, lambda _: str(variable.get()).encode())
    with connect(tcp_server) as sock:
        sock.sendall(b"x")
        assert sock.recv(10) == b"1"


@pytest.mark.parametrize("name", ["tcp", "http", "ws", "smtp", "pop3", "ftp"])
def test_what_a_function_raises_when_its_client_has_left_is_not_lost(name: str, netmocks: Netmocks) -> None:
    place = PLACES[name]
    server = getattr(netmocks, place.server)()
    called, go_on, over = threading.Event(), threading.Event(), threading.Event()

    def function(_: Any) -> Any:
        called.set()
        go_on.wait(30)
        try:
            raise AssertionError("what the client sent is wrong")
        finally:
            over.set()

    place.rule(server).reply(function)
    sock = place.begin(server)
    sock.sendall(place.asks)
    assert called.wait(10)
    abort(sock)
    server.wait_for(lambda server: not server.open_connections)
    go_on.set()
    assert over.wait(10)
    server.wait_for(lambda server: server.journal.errors)
    assert [str(error) for error in server.journal.take_errors()] == ["what the client sent is wrong"]


@pytest.mark.parametrize("name", ["smtp", "pop3", "ftp"])
def test_the_usual_answer_can_be_asked_for_only_as_long_as_the_client_waits(name: str, netmocks: Netmocks) -> None:
    place = PLACES[name]
    server = getattr(netmocks, place.server)()
    called, go_on = threading.Event(), threading.Event()
    usual: list[str] = []
    over = threading.Event()

    def function(request: Any) -> str:
        called.set()
        go_on.wait(30)
        usual.append(request.usual)
        over.set()
        return "250 hello"

    place.rule(server).reply(function)
    sock = place.begin(server)
    sock.sendall(place.asks)
    assert called.wait(10)
    abort(sock)
    server.wait_for(lambda server: not server.open_connections)
    later(0)  # the session has heard of it, too
    go_on.set()
    assert over.wait(10)
    assert usual == [""]


def test_nothing_is_begun_for_a_thread_by_a_loop_that_has_ended() -> None:
    begun = []

    async def function() -> None:
        pass

    def asked() -> Any:
        begun.append(function())
        return begun[0]

    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        usercode.in_the_loop(loop, asked)
    assert not begun


@pytest.mark.parametrize("begun", [True, False])
def test_a_thread_that_waits_for_a_loop_is_told_that_it_has_ended(begun: bool) -> None:
    asked = threading.Event()

    def told(callback: Any, *args: Any, context: Any = None) -> None:
        """A loop that is about to end comes to what it is told, or does not."""
        if begun:
            callback()
        asked.set()

    async def never() -> None:
        await asyncio.get_running_loop().create_future()

    loop = asyncio.new_event_loop()
    loop.call_soon_threadsafe = told  # type: ignore[assignment, method-assign]
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(usercode.in_the_loop, loop, never)
        assert asked.wait(10)
        for task in asyncio.all_tasks(loop):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        loop.close()
        usercode.closed(loop)
        with pytest.raises(CancelledError):
            waiting.result(10)

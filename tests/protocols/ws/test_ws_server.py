"""The WebSocket server: handshakes, messages, rules, handlers, records."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import websockets
from helpers import HANDSHAKE, KEY, Suite, abort, connect, masked, read_exactly, read_to_end, speak
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as ws_connect

from pytest_netmocks import Response, ws_frame
from pytest_netmocks.faults import Bandwidth, Blackhole, Close, Garbage, Latency, MalformedChunk, Reset, Stall
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.ws.server import WsServer, WssServer

KIND: Any = WsServer
FRAME: Any = ws_frame


def recv(websocket: ClientConnection) -> str | bytes:
    return websocket.recv(10)


# The handshake


def test_what_was_asked_and_agreed_is_on_record(netmocks: Netmocks) -> None:
    server = netmocks.ws(subprotocols=["chat.v2", "chat.v1"], headers={"X-Server": "mine"})
    with ws_connect(
        server.url + "/r%C3%A4ume/1?x=1&x=2",
        subprotocols=[websockets.Subprotocol("chat.v1"), websockets.Subprotocol("chat.v2")],
        additional_headers={"Authorization": "Bearer t"},
    ) as websocket:
        assert websocket.subprotocol == "chat.v2"
        assert websocket.response is not None
        assert websocket.response.headers["X-Server"] == "mine"
        (connection,) = server.connections
        request = connection.upgrade_request
        assert request is not None
        assert (request.method, request.path, request.query.get_all("x")) == ("GET", "/räume/1", ["1", "2"])
        assert request.headers["authorization"] == "Bearer t"
        assert request.response is not None
        assert request.response.status == 101
        assert (connection.subprotocol, connection.compressed, connection.close_code) == ("chat.v2", True, None)
    server.wait_for(lambda s: not s.open_connections)
    assert (connection.close_code, connection.closed_by) == (1000, "client")


def test_no_common_subprotocol_is_no_reason_to_refuse(netmocks: Netmocks) -> None:
    server = netmocks.ws(subprotocols=["a"])
    with ws_connect(server.url) as websocket:
        assert websocket.subprotocol is None
    with ws_connect(server.url, subprotocols=[websockets.Subprotocol("b")]) as websocket:
        assert websocket.subprotocol is None


def test_origins(netmocks: Netmocks) -> None:
    server = netmocks.ws(origins=["https://a.test", re.compile(r"https://.*\.b\.test"), None])
    for origin in ("https://a.test", "https://x.b.test", None):
        with ws_connect(server.url, origin=None if origin is None else websockets.Origin(origin)) as websocket:
            websocket.send("in")
            assert recv(websocket) == "in"
    with pytest.raises(websockets.InvalidStatus) as refused:
        ws_connect(server.url, origin=websockets.Origin("https://evil.test"))
    assert refused.value.response.status_code == 403


def test_compression_can_be_turned_off(netmocks: Netmocks) -> None:
    server = netmocks.ws(compression=None)
    with ws_connect(server.url) as websocket:
        assert websocket.protocol.extensions == []
        websocket.send("plain")
        assert recv(websocket) == "plain"
    assert not server.connections[0].compressed


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 426),
        (HANDSHAKE.replace("GET", "POST") + "\r\n", 405),
        (HANDSHAKE.replace("13", "8") + "\r\n", 426),
        (HANDSHAKE.replace("Host: h\r\n", "") + "\r\n", 400),
        (HANDSHAKE + "Host: again\r\n\r\n", 400),
        (HANDSHAKE + "no colon\r\n\r\n", 400),
        ("HELLO\r\n\r\n", 400),
        (HANDSHAKE.replace(KEY, "short") + "\r\n", 400),
        (HANDSHAKE.replace("1.1", "1.0") + "\r\n", 505),
        ("GET / HTTP/1.1\r\n" + "".join(f"X-{n}: {'v' * 8000}\r\n" for n in range(200)) + "\r\n", 431),
    ],
)
def test_handshakes_that_are_none(ws_server: WsServer, request_: str, status: int) -> None:
    with connect(ws_server) as sock:
        sock.sendall(request_.encode())
        assert read_to_end(sock).startswith(f"HTTP/1.1 {status} ".encode())
    with ws_connect(ws_server.url) as websocket:
        websocket.send("next")
        assert recv(websocket) == "next"


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01\x00\x01", b"HELO there\r\n\r\n", b"\r\n\r\n\r\n", b"\0"]
)
def test_garbage_instead_of_a_handshake(ws_server: WsServer, garbage: bytes) -> None:
    with connect(ws_server) as sock:
        sock.sendall(garbage + b"\r\n")
        sock.shutdown(socket.SHUT_WR)
        assert b" 101 " not in read_to_end(sock)
    with ws_connect(ws_server.url) as websocket:
        websocket.send("next")
        assert recv(websocket) == "next"


def test_handshake_rules(ws_server: WsServer) -> None:
    def check(request: Any) -> Response | None:
        return None if request.headers.get("authorization") else Response(401, headers={"WWW-Authenticate": "Bearer"})

    async def check_later(request: Any) -> Response | None:
        await asyncio.sleep(0)
        return check(request)

    for function in (check, check_later):
        ws_server.when_connected().reply(function)
        with pytest.raises(websockets.InvalidStatus) as refused:
            ws_connect(ws_server.url)
        assert refused.value.response.status_code == 401
        assert refused.value.response.headers["WWW-Authenticate"] == "Bearer"
        with ws_connect(ws_server.url, additional_headers={"Authorization": "x"}) as websocket:
            websocket.send("in")
            assert recv(websocket) == "in"


def test_messages_that_come_first(ws_server: WsServer) -> None:
    ws_server.when_connected().reply(headers={"X-Hello": "1"}, messages=["welcome", b"\x01", ["in ", "parts"]])
    with ws_connect(ws_server.url) as websocket:
        assert [recv(websocket) for _ in range(3)] == ["welcome", b"\x01", "in parts"]
        assert websocket.response is not None
        assert websocket.response.headers["X-Hello"] == "1"


def test_a_late_handshake(ws_server: WsServer) -> None:
    ws_server.when_connected().reply(delay=0.3, times=1)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        ws_connect(ws_server.url, open_timeout=0.1)
    assert time.monotonic() - began < 9  # 10 seconds are what it waits without open_timeout
    ws_server.when_connected().reply(delay=0.1)
    began = time.monotonic()
    with ws_connect(ws_server.url):
        assert time.monotonic() - began >= 0.1


def test_wss_and_its_records(wss_server: WssServer) -> None:
    with ws_connect(f"wss://localhost:{wss_server.port}", ssl=wss_server.client_context()) as websocket:
        websocket.send("x" * 100_000)
        assert recv(websocket) == "x" * 100_000
    assert wss_server.url.startswith("wss://")
    assert wss_server.connections[0].tls is not None


# Messages


@pytest.mark.parametrize("options", [{}, {"tickets": True}])
def test_no_tickets_are_sent_unless_they_are_asked_for(netmocks: Netmocks, options: Any) -> None:
    server = netmocks.wss(**options)
    context, session = server.client_context(), None
    for _ in range(2):
        with context.wrap_socket(connect(server), server_hostname="localhost", session=session) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            sock.recv(1000)
            session = sock.session
    assert [connection.tls and connection.tls.resumed for connection in server.connections] == [False, bool(options)]


def test_every_kind_of_rule(ws_server: WsServer) -> None:
    ws_server.when("text").reply("whole text")
    ws_server.when(b"text").reply(b"whole bytes")
    ws_server.when(re.compile(r"^n=(?P<n>\d+)$")).reply(lambda message: f"number {str(message.data)[2:]}")
    ws_server.when(re.compile(rb"\xff")).reply(b"\xfe")
    ws_server.when(json={"type": "ping"}).reply(json={"type": "pong"})
    ws_server.when("seq").reply("one").reply("two", times=2).reply("three", "four")
    ws_server.when("late").reply("a", "b", delay=0.05, interval=0.05)

    async def answer(message: Any) -> bytes:
        return bytes(reversed(message.data.encode()))

    ws_server.when("olleh").reply(answer)
    with ws_connect(ws_server.url) as websocket:

        def ask(data: str | bytes, answers: int = 1) -> list[str | bytes]:
            websocket.send(data)
            return [recv(websocket) for _ in range(answers)]

        assert ask("text") == ["whole text"]
        assert ask(b"text") == [b"whole bytes"]
        assert ask("n=42") == ["number 42"]
        assert ask(b"a\xffb") == [b"\xfe"]
        assert ask('{ "type": "ping" }') == ['{"type": "pong"}']
        assert [ask("seq")[0] for _ in range(3)] == ["one", "two", "two"]
        assert ask("seq", 2) == ["three", "four"]
        assert ask("seq", 2) == ["three", "four"]
        began = time.monotonic()
        assert ask("late", 2) == ["a", "b"]
        assert time.monotonic() - began >= 0.1
        assert ask("olleh") == [b"hello"]
        assert ask("no rule for this") == ["no rule for this"]
        assert ask(b"n=42") == [b"n=42"]


def test_answers_keep_the_order_of_the_messages(ws_server: WsServer) -> None:
    ws_server.when("slow").reply("slow", delay=0.1)
    with ws_connect(ws_server.url) as websocket:
        for data in ("slow", "fast", "slow", "fast"):
            websocket.send(data)
        assert [recv(websocket) for _ in range(4)] == ["slow", "fast", "slow", "fast"]


def test_a_used_up_rule_falls_to_older_ones_and_the_echo(ws_server: WsServer) -> None:
    ws_server.when("x").reply("older", times=1)
    ws_server.when("x").reply("newer", times=1)
    with ws_connect(ws_server.url) as websocket:
        for _ in range(3):
            websocket.send("x")
        assert [recv(websocket) for _ in range(3)] == ["newer", "older", "x"]


def test_100_mib(ws_server: WsServer) -> None:
    data = bytes(100 << 20)
    with ws_connect(ws_server.url, max_size=None, compression=None) as websocket:
        websocket.send(data)
        assert websocket.recv(60) == data
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            websocket.send(data + b"!")
            websocket.recv(60)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_fragments_either_way(ws_server: WsServer) -> None:
    ws_server.when("apart").reply(["a", "pa", "rt"], [b"1", b"2"])
    with speak(ws_server) as sock:
        sock.sendall(masked("ap", fin=False))
        sock.sendall(masked(b"in between", "ping"))
        assert read_exactly(sock, 12) == ws_frame(b"in between", "pong")
        sock.sendall(masked("", "continuation", fin=False) + masked("art", "continuation"))
        expected = (
            ws_frame("a", fin=False)
            + ws_frame("pa", "continuation", fin=False)
            + ws_frame("rt", "continuation")
            + ws_frame(b"1", "binary", fin=False)
            + ws_frame(b"2", "continuation")
        )
        assert read_exactly(sock, len(expected)) == expected
    (message,) = ws_server.requests
    assert (message.data, message.fragments, message.opcode, message.size) == ("apart", 3, "text", 5)
    (connection,) = ws_server.connections
    assert [(m.direction, m.data, m.fragments) for m in connection.messages] == [
        ("received", "apart", 3),
        ("sent", "apart", 3),
        ("sent", b"12", 2),
    ]
    assert [(m.direction, m.opcode, m.data) for m in connection.pings] == [
        ("received", "ping", b"in between"),
        ("sent", "pong", b"in between"),
    ]
    assert 0 <= connection.messages[0].at <= connection.messages[1].at


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (masked("x", rsv=4), 1002),
        (masked("x", rsv=2), 1002),
        (masked("x", rsv=1), 1002),
        (masked("x", 3), 1002),
        (masked("x", 0xB), 1002),
        (ws_frame("unmasked"), 1002),
        (masked("x", "continuation"), 1002),
        (masked("x", fin=False) + masked("y"), 1002),
        (masked("x" * 126, "ping"), 1002),
        (masked("x", "ping", fin=False), 1002),
        (masked(b"\xff\xfe"), 1007),
        (masked(b"\xc3", fin=False) + masked(b"\x28", "continuation"), 1007),
        (masked(b"\x03", "close"), 1002),
        (masked("", "close", code=999), 1002),
        (masked("", "close", code=1005), 1002),
        (masked(b"\xff", "close", code=1000), 1007),
        (masked("", "binary", length=(100 << 20) + 1), 1009),
        (masked("", "binary", length=2**63), 1009),
    ],
)
def test_clients_that_break_the_protocol(ws_server: WsServer, frames: bytes, code: int) -> None:
    with speak(ws_server) as sock:
        sock.sendall(frames)
        answer = read_to_end(sock)
    assert answer[:1] == b"\x88"
    assert int.from_bytes(answer[2:4], "big") == code
    ws_server.wait_for(lambda s: not s.open_connections)
    (connection,) = ws_server.connections
    assert connection.close_sent is not None
    assert (connection.close_sent.code, connection.closed_by) == (code, "server")
    assert "breaks the protocol" in str(ws_server.timeline)


@pytest.mark.parametrize("code", [None, 1000, 1001, 3000, 4999])
def test_the_client_s_close_is_echoed(ws_server: WsServer, code: int | None) -> None:
    with speak(ws_server) as sock:
        sock.sendall(masked("bye" if code else "", "close", code=code))
        assert read_to_end(sock) == ws_frame("bye" if code else "", "close", code=code)
    ws_server.wait_for(lambda s: not s.open_connections)
    (connection,) = ws_server.connections
    assert (connection.close_code, connection.close_reason) == (code or 1005, "bye" if code else "")
    assert connection.closed_by == "client"


def test_it_waits_for_the_client_s_close_frame(ws_server: WsServer) -> None:
    ws_server.when("bye").close(4000, "enough")
    with speak(ws_server) as sock:
        sock.sendall(masked("bye"))
        assert read_exactly(sock, 10) == ws_frame("enough", "close", code=4000)
        assert ws_server.open_connections
        sock.sendall(masked("too late") + masked(b"", "ping"))
        sock.sendall(masked("", "close", code=4000))
        assert ws_frame("too late") not in read_to_end(sock)
    ws_server.wait_for(lambda s: not s.open_connections)
    (connection,) = ws_server.connections
    assert (connection.close_code, connection.close_reason, connection.closed_by) == (4000, "enough", "server")
    assert connection.close_received is not None


@pytest.mark.parametrize("leave", ["fin", "rst"])
def test_a_client_that_leaves_without_a_word(ws_server: WsServer, leave: str) -> None:
    sock = speak(ws_server)
    sock.sendall(b"\x81\x85half")
    if leave == "rst":
        abort(sock)
    else:
        sock.close()
    ws_server.wait_for(lambda s: not s.open_connections)
    (connection,) = ws_server.connections
    assert (connection.close_code, connection.close_received, connection.closed_by) == (1006, None, "client")


# What a test says to connections


def test_the_words_of_a_connection(ws_server: WsServer) -> None:
    with ws_connect(ws_server.url) as one, ws_connect(ws_server.url) as two:
        ws_server.wait_for(lambda s: len(s.live) == 2)
        first, second = ws_server.connections
        first.send("only one")
        assert ws_server.broadcast(["a", "ll"]) == 2
        second.ping(b"?")
        assert [recv(one), recv(one), recv(two)] == ["only one", "all", "all"]
        ws_server.wait_for(lambda s: [m.opcode for m in second.pings] == ["ping", "pong"])
        second.close(1001, "restart")
        with pytest.raises(websockets.ConnectionClosedOK) as closed:
            recv(two)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "restart")
        first.close()
        with pytest.raises(websockets.ConnectionClosedError) as lost:
            recv(one)
        assert lost.value.rcvd is None
        assert ws_server.broadcast("nobody is there") == 0
    with pytest.raises(ValueError, match="send: connection 1 has ended, closed by the server"):
        first.send("late")
    first.close(1000)


def test_before_the_handshake_nothing_can_be_said(ws_server: WsServer) -> None:
    with connect(ws_server):
        ws_server.wait_for(lambda s: s.connections)
        with pytest.raises(ValueError, match="speaks no WebSocket yet"):
            ws_server.connections[0].send("x")
        assert ws_server.broadcast("x") == 0
        assert ws_server.connections[0].close_code is None


async def of_two(one: object, two: object) -> None: ...


@pytest.mark.parametrize(
    ("say", "error"),
    [
        (lambda s: s.when(1), TypeError),
        (lambda s: s.when(), TypeError),
        (lambda s: s.when("a", json=1), TypeError),
        (lambda s: s.when("a").reply(), TypeError),
        (lambda s: s.when("a").reply(1), TypeError),
        (lambda s: s.when("a").reply(["a", b"b"]), TypeError),
        (lambda s: s.when("a").reply([]), TypeError),
        (lambda s: s.when("a").reply("a", raw=b"b"), TypeError),
        (lambda s: s.when("a").reply(json={1, 2}), TypeError),
        (lambda s: s.when("a").reply("a", delay=-1), ValueError),
        (lambda s: s.when("a").reply("a", times=0), ValueError),
        (lambda s: s.when("a").close(70000), ValueError),
        (lambda s: s.when("a").close(None, "why"), ValueError),
        (lambda s: s.when("a").close(1000, "x" * 124), ValueError),
        (lambda s: s.when_connected().reply("hello"), TypeError),
        (lambda s: s.when_connected().reply(200, txt="a"), TypeError),
        (lambda s: s.when_connected().reply(200, stream=[b"a"]), ValueError),
        (lambda s: s.when_connected().reply(messages="abc"), TypeError),
        (lambda s: s.broadcast(1), TypeError),
        (lambda s: s.handle(1), TypeError),
        (lambda s: s.handle(lambda websocket: None), TypeError),
        (lambda s: s.handle(of_two), TypeError),
        (lambda s: s.inject(MalformedChunk()), ValueError),
        (lambda s: KIND(subprotocols="chat"), TypeError),
        (lambda s: KIND(origins=[1]), TypeError),
        (lambda s: KIND(compression="gzip"), ValueError),
        (lambda s: KIND(max_size=-1), ValueError),
        (lambda s: KIND(maxsize=1), TypeError),
        (lambda s: FRAME(1), TypeError),
        (lambda s: FRAME("x", "txt"), ValueError),
        (lambda s: FRAME("x", 16), ValueError),
        (lambda s: FRAME("x", rsv=8), ValueError),
    ],
)
def test_wrong_arguments_fail_where_they_are(
    ws_server: WsServer, say: Callable[[Any], Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        say(ws_server)


# Handlers


def test_the_handler_has_the_library_s_connection(ws_server: WsServer) -> None:
    told: dict[str, Any] = {}

    async def handler(websocket: Any) -> None:
        told["path"] = websocket.request.path
        told["record"] = websocket.connection
        told["first"] = await websocket.recv()
        pong = await websocket.ping(b"are you there")
        told["latency"] = await pong
        await websocket.send(["frag", "ments"])
        told["rest"] = [message async for message in websocket]
        told["close"] = (websocket.close_code, websocket.close_reason)

    ws_server.handle(handler)
    with ws_connect(ws_server.url + "/room") as websocket:
        websocket.send("first")
        assert recv(websocket) == "fragments"
        websocket.send(b"2")
        websocket.send("3")
    ws_server.wait_for(lambda s: "close" in told)
    assert told["path"] == "/room"
    assert told["record"] is ws_server.connections[0]
    assert (told["first"], told["rest"], told["close"]) == ("first", [b"2", "3"], (1000, ""))
    assert [message.data for message in ws_server.requests] == ["first", b"2", "3"]
    assert [m.data for m in ws_server.connections[0].messages if m.direction == "sent"] == ["fragments"]
    assert ws_server.connections[0].closed_by == "client"


def test_a_handler_that_returns_closes_with_1000(ws_server: WsServer) -> None:
    async def handler(websocket: Any) -> None:
        await websocket.send("bye")

    ws_server.handle(handler)
    with ws_connect(ws_server.url) as websocket:
        assert recv(websocket) == "bye"
        with pytest.raises(websockets.ConnectionClosedOK) as closed:
            recv(websocket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000
    ws_server.wait_for(lambda s: not s.open_connections)
    assert ws_server.connections[0].closed_by == "server"


def test_what_a_handler_raises_closes_with_1011_and_fails_the_test(suite: Suite) -> None:
    result = suite(
        """
        import asyncio, pytest, websockets
        from websockets.sync.client import connect

        async def broken(websocket):
            await websocket.recv()
            raise RuntimeError("my handler broke")

        async def refused(websocket):  # an error that a connection might have had
            await websocket.recv()
            raise ConnectionRefusedError("the database is down")

        async def cancelled(websocket):
            task = asyncio.ensure_future(asyncio.sleep(10))
            task.cancel()
            await task

        def no_coroutine(websocket):
            pass

        @pytest.mark.parametrize("handler", [broken, refused, cancelled, no_coroutine])
        def test_it(ws_server, handler):
            ws_server.handle(handler)
            with connect(ws_server.url) as websocket:
                with pytest.raises(websockets.ConnectionClosedError) as closed:
                    websocket.send("x")
                    websocket.recv(5)
                assert closed.value.rcvd.code == 1011
        """
    )
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["*my handler broke*"])
    result.stdout.fnmatch_lines(["*the database is down*"])
    result.stdout.fnmatch_lines(["*must be an async function*"])


def test_rules_that_raise_fail_the_test(suite: Suite) -> None:
    result = suite(
        """
        import pytest, websockets
        from websockets.sync.client import connect

        def broken(message):
            raise RuntimeError("my rule broke")

        def test_message(ws_server):
            ws_server.when("x").reply(broken)
            with connect(ws_server.url) as websocket:
                websocket.send("x")
                with pytest.raises(websockets.ConnectionClosedError) as closed:
                    websocket.recv(5)
            assert closed.value.rcvd.code == 1011

        def test_handshake(ws_server):
            ws_server.when_connected().reply(broken)
            with pytest.raises(websockets.InvalidStatus) as refused:
                connect(ws_server.url)
            assert refused.value.response.status_code == 500

        def test_nonsense(ws_server):
            ws_server.when("x").reply(lambda message: 7)
            with connect(ws_server.url) as websocket:
                websocket.send("x")
                with pytest.raises(websockets.ConnectionClosedError):
                    websocket.recv(5)
        """
    )
    result.assert_outcomes(failed=3)


def test_a_handler_whose_client_leaves_is_not_to_blame(ws_server: WsServer) -> None:
    ended = threading.Event()

    async def handler(websocket: Any) -> None:
        try:
            while True:
                await websocket.send(await websocket.recv())
        finally:
            ended.set()

    ws_server.handle(handler)
    abort(speak(ws_server))
    assert ended.wait(10)
    ws_server.settle()


# Under load, and at the end


def test_a_client_that_never_reads_does_not_grow_the_process(ws_server: WsServer) -> None:
    with speak(ws_server) as sock:
        sock.settimeout(0.5)
        frame = masked(b"x" * 65536, "binary")
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 1 << 30:
                sent += sock.send(frame)
        assert sent < 64 << 20
        assert ws_server.connections[0].bytes_received < 32 << 20


def test_many_messages_in_one_go(ws_server: WsServer) -> None:
    ws_server.when("never").reply("x")
    with speak(ws_server) as sock:
        count = 20_000
        data = masked("m") * count
        threading.Thread(target=sock.sendall, args=(data,), daemon=True).start()
        assert read_exactly(sock, 3 * count) == ws_frame("m") * count
    assert len(ws_server.requests) == count


@pytest.mark.parametrize("state", ["idle", "silent", "half a frame", "handler", "closing", "connecting"])
def test_stop_waits_for_nobody(ws_server: WsServer, state: str) -> None:
    async def handler(websocket: Any) -> None:
        await websocket.recv()

    if state == "handler":
        ws_server.handle(handler)
    if state == "silent":
        ws_server.inject(Stall())
    if state == "connecting":
        socks = [connect(ws_server) for _ in range(20)]
        for sock in socks:
            sock.sendall(b"GET / HTT")
    elif state == "silent":
        socks = [connect(ws_server) for _ in range(20)]
    else:
        socks = [speak(ws_server) for _ in range(20)]
    if state == "half a frame":
        for sock in socks:
            sock.sendall(b"\x81\xff\0\0")
    if state == "closing":
        for connection in ws_server.connections:
            connection.close(1001)
    ws_server.wait_for(lambda s: len(s.connections) == 20)
    began = time.monotonic()
    ws_server.stop()
    ws_server.close()
    assert time.monotonic() - began < 10
    for sock in socks:
        sock.close()


def test_200_clients_at_once(ws_server: WsServer) -> None:
    async def talk(number: int) -> None:
        async with websockets.connect(ws_server.url, open_timeout=60) as websocket:
            for turn in range(5):
                await websocket.send(f"{number} {turn}")
                assert await websocket.recv() == f"{number} {turn}"

    async def all_of_them() -> None:
        await asyncio.gather(*(talk(number) for number in range(200)))

    asyncio.run(all_of_them())
    assert len(ws_server.requests) == 1000


# Faults


def test_faults_on_a_rule_count_the_message(netmocks: Netmocks) -> None:
    server = netmocks.ws(compression=None)
    for fault in (Reset, Close):
        server.when("x").reply("0123456789").inject(fault(after_bytes=4))
        with speak(server) as sock:
            sock.sendall(masked("x"))
            assert read_exactly(sock, 6) == b"\x81\x0a0123"
            try:
                assert sock.recv(1) == b""
            except ConnectionResetError:
                assert fault is Reset
    server.when("y").reply("a", "b" * 200, "c").inject(Close(after_bytes=3))
    with speak(server) as sock:
        sock.sendall(masked("y"))
        assert read_to_end(sock) == b"\x81\x01a" + b"\x81\x7e\x00\xc8bb"
    server.when("z").inject(Close())
    with speak(server) as sock:
        sock.sendall(masked("z"))
        assert read_to_end(sock) == b""
    server.when("g").inject(Garbage(50))
    with speak(server) as sock:
        sock.sendall(masked("g"))
        assert len(read_to_end(sock)) == 50


def test_latency_and_bandwidth_on_a_rule(ws_server: WsServer) -> None:
    ws_server.when("late").inject(Latency(0.2))
    ws_server.when("slow").reply(b"x" * 1000).inject(Bandwidth(5000))
    with ws_connect(ws_server.url, compression=None) as websocket:
        for data, least in (("late", 0.2), ("slow", 0.1)):
            began = time.monotonic()
            websocket.send(data)
            recv(websocket)
            assert time.monotonic() - began >= least
            began = time.monotonic()
        websocket.send("quick")
        assert recv(websocket) == "quick"


def test_faults_on_the_handshake(ws_server: WsServer) -> None:
    reset = ws_server.when_connected().inject(Reset(), first=1)
    hole = ws_server.when_connected().inject(Blackhole(), nth=1)
    with connect(ws_server) as sock:
        sock.sendall(f"{HANDSHAKE}\r\n".encode())
        ws_server.wait_for(lambda _: hole.hits)
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    with pytest.raises((OSError, EOFError, websockets.WebSocketException)):
        ws_connect(ws_server.url)
    with ws_connect(ws_server.url) as websocket:
        websocket.send("third time")
        assert recv(websocket) == "third time"
    assert (reset.hits, hole.hits) == (1, 1)


# A route of an HTTP server


def test_a_route_beside_http(http_server: HttpServer) -> None:
    http_server.when("GET", "/page").reply(text="page")
    chat = http_server.when("/chat/{room}").websocket(subprotocols=["chat"])
    chat.when("ping").reply("pong")
    url = http_server.url.replace("http", "ws")
    with ws_connect(f"{url}/chat/7?x=1", subprotocols=[websockets.Subprotocol("chat")]) as websocket:
        assert websocket.subprotocol == "chat"
        websocket.send("ping")
        assert recv(websocket) == "pong"
        websocket.send("echo")
        assert recv(websocket) == "echo"
        assert chat.broadcast("news") == 1
        assert recv(websocket) == "news"
        chat.connections[0].close(4001)
        with pytest.raises(websockets.ConnectionClosedError):
            recv(websocket)
    assert [message.data for message in chat.requests] == ["ping", "echo"]
    (request,) = http_server.requests
    assert (request.path_params, request.response and request.response.status) == ({"room": "7"}, 101)
    assert chat.connections[0].upgrade_request is request

    import requests

    answer = requests.get(http_server.url_for("/chat/7"), timeout=30)
    assert (answer.status_code, answer.headers["Upgrade"]) == (426, "websocket")
    assert requests.get(http_server.url_for("/page"), timeout=30).text == "page"


def test_a_route_and_what_comes_with_the_handshake(http_server: HttpServer) -> None:
    http_server.when("/page").reply(text="page")
    http_server.when("/chat").websocket(compression=None)
    with connect(http_server) as sock:
        page = b"GET /page HTTP/1.1\r\nHost: h\r\n\r\n"
        sock.sendall(page + HANDSHAKE.replace("GET /", "GET /chat").encode() + b"\r\n" + masked("early"))
        answer = b""
        while not answer.endswith(ws_frame("early")):
            answer += read_exactly(sock, 1)
        assert answer.count(b"HTTP/1.1 ") == 2
        sock.sendall(masked("again"))
        assert read_exactly(sock, 7) == ws_frame("again")
    with connect(http_server) as sock:
        offers = HANDSHAKE.replace("GET /", "GET /page").encode() + b"\r\n"
        sock.sendall(offers * 500)
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock).count(b"200 OK") == 500


def test_a_route_that_refuses_keeps_speaking_http(http_server: HttpServer) -> None:
    chat = http_server.when("/chat").websocket(origins=["https://a.test"])
    chat.when_connected().reply(503, text="not now", times=1)
    with connect(http_server) as sock:
        for status in (b"503", b"403"):
            sock.sendall(HANDSHAKE.replace("GET /", "GET /chat").encode() + b"\r\n")
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += sock.recv(4096)
            assert answer.startswith(b"HTTP/1.1 " + status)
    assert len(http_server.connections) == 1
    with connect(http_server) as sock:
        head = HANDSHAKE.replace("GET /", "GET /chat").encode()
        sock.sendall(head + b"Content-Length: 2\r\n\r\nhi")
        assert sock.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_a_handler_on_a_route(http_server: HttpServer) -> None:
    async def shout(websocket: Any) -> None:
        async for message in websocket:
            await websocket.send(message.upper())

    route = http_server.when("/shout").websocket()
    route.handle(shout)
    with ws_connect(http_server.url.replace("http", "ws") + "/shout") as websocket:
        websocket.send("hello")
        assert recv(websocket) == "HELLO"
    assert [message.data for message in route.requests] == ["hello"]


def test_faults_of_the_rule_strike_the_handshake(http_server: HttpServer) -> None:
    rule = http_server.when("/chat")
    rule.websocket()
    rule.inject(Reset(), first=1)
    url = http_server.url.replace("http", "ws") + "/chat"
    with pytest.raises((OSError, EOFError, websockets.WebSocketException)):
        ws_connect(url)
    with ws_connect(url) as websocket:
        websocket.send("x")
        assert recv(websocket) == "x"
    with pytest.raises(TypeError, match="subprotocols"):
        http_server.when("/x").websocket(subprotocol=["a"])  # type: ignore[call-arg]

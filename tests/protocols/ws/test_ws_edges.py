"""WebSocket where handshake, messages, close frames and ends meet."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets
from helpers import HANDSHAKE, Suite, connect, masked, read_exactly, read_to_end, speak
from websockets.sync.client import connect as ws_connect

from pytest_netmocks import Response, ws_frame
from pytest_netmocks.faults import Close, Latency, MalformedChunk
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.ws.library import Session
from pytest_netmocks.protocols.ws.server import WsServer

pytestmark = pytest.mark.in_memory

CLOSE = masked("", "close", code=1000)


# What comes before a close frame


@pytest.mark.on_sockets
def test_messages_before_a_close_frame_are_answered(ws_server: WsServer) -> None:
    ws_server.when("slow").reply("late", delay=0.05)
    with speak(ws_server) as sock:
        sock.sendall(masked("a") + masked("slow") + masked("b") + CLOSE + masked("after"))
        expected = ws_frame("a") + ws_frame("late") + ws_frame("b") + ws_frame("", "close", code=1000)
        assert read_to_end(sock) == expected
    assert [message.data for message in ws_server.requests] == ["a", "slow", "b"]
    ws_server.wait_for(lambda s: not s.open_connections)
    assert (ws_server.connections[0].closed_by, ws_server.connections[0].close_code) == ("client", 1000)


def test_what_stands_around_a_long_message_in_one_piece_is_read_too(ws_server: WsServer) -> None:
    pings, long = masked(b"p", "ping") * 2000, "long" * 20_000
    answers = ws_frame(b"p", "pong") * 2000
    with speak(ws_server) as sock:
        sock.sendall(pings + masked(long) + pings + masked("short") + CLOSE)
        expected = answers + ws_frame(long) + answers + ws_frame("short") + ws_frame("", "close", code=1000)
        assert sorted(read_to_end(sock)) == sorted(expected)  # pongs need not wait for what was said before
    assert [message.data for message in ws_server.requests] == [long, "short"]


@pytest.mark.parametrize("half", [True, False])
def test_the_answer_to_a_client_that_has_finished(ws_server: WsServer, half: bool) -> None:
    ws_server.when("slow").reply("late", delay=0.05)
    with speak(ws_server) as sock:
        if not half:
            ws_server.connections[0].inject(Close(after_bytes=len(masked("slow")), direction="upstream"))
        sock.sendall(masked("slow"))
        if half:
            sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == ws_frame("late")


def test_a_close_frame_between_fragments_is_answered(ws_server: WsServer) -> None:
    with speak(ws_server) as sock:
        sock.sendall(masked("half", fin=False) + CLOSE)
        assert read_to_end(sock) == ws_frame("", "close", code=1000)


@pytest.mark.on_sockets
def test_a_client_with_much_to_say_before_it_closes(ws_server: WsServer) -> None:
    ws_server.when("bye").close(1001)
    with speak(ws_server) as sock:
        sock.sendall(masked("bye") + masked("x") * 300)
        sock.sendall(masked("", "close", code=1001))
        began = time.monotonic()
        read_to_end(sock)
        assert time.monotonic() - began < 9  # who waits for the client in vain takes 10 seconds
    ws_server.wait_for(lambda s: not s.open_connections)
    assert ws_server.connections[0].close_received is not None
    assert len(ws_server.requests) == 301


@pytest.mark.on_sockets
def test_a_handler_that_returns_with_much_unread(ws_server: WsServer) -> None:
    async def handler(websocket: Any) -> None:
        await websocket.recv()

    ws_server.handle(handler)
    with speak(ws_server) as sock:
        sock.sendall(masked("x") * 100 + CLOSE)
        began = time.monotonic()
        read_to_end(sock)
        assert time.monotonic() - began < 9  # who waits for the client in vain takes 10 seconds


@pytest.mark.on_sockets
def test_a_handler_whose_client_closes_but_keeps_its_end_open(ws_server: WsServer) -> None:
    async def handler(websocket: Any) -> None:
        async for _ in websocket:
            pass

    ws_server.handle(handler)
    with speak(ws_server) as sock:
        sock.sendall(CLOSE)
        assert read_to_end(sock) == ws_frame("", "close", code=1000)
        ws_server.wait_for(lambda s: not s.open_connections)
        assert ws_server.connections[0].close_code == 1000


# What can be said as soon as the handshake is answered


def test_the_connection_can_be_spoken_to_at_once(ws_server: WsServer, http_server: HttpServer) -> None:
    http_server.when("/").websocket()
    for server in (ws_server, http_server):
        for turn in range(30):
            with speak(server) as sock:
                connection: Any = server.connections[-1]
                connection.send("hi")
                assert read_exactly(sock, 4) == ws_frame("hi"), turn


def test_what_comes_with_the_handshake_waits_for_its_answer(ws_server: WsServer) -> None:
    ws_server.when_connected().reply(delay=0.05, times=1)
    head = (HANDSHAKE + "\r\n").encode()
    for step in (len(head), 1):
        with connect(ws_server) as sock:
            data = head + masked(b"p", "ping") + masked("early") + CLOSE
            for start in range(0, len(data), step):
                sock.sendall(data[start : start + step])
            answer = read_to_end(sock)
        assert answer.startswith(b"HTTP/1.1 101 ")
        frames = answer.partition(b"\r\n\r\n")[2]
        assert frames == ws_frame(b"p", "pong") + ws_frame("early") + ws_frame("", "close", code=1000)


def test_it_cannot_be_spoken_to_before_and_after(ws_server: WsServer) -> None:
    with connect(ws_server):
        ws_server.wait_for(lambda s: s.connections)
        with pytest.raises(ValueError, match="close: connection 1 speaks no WebSocket yet"):
            ws_server.connections[0].close(1001)
    with speak(ws_server):
        connection = ws_server.connections[-1]
        connection.close(1000)
        with pytest.raises(ValueError, match="send: connection 2 is being closed"):
            connection.send("x")
        assert ws_server.broadcast("x") == 0


@pytest.mark.on_sockets
def test_what_never_was_a_websocket_has_no_close_code(ws_server: WsServer, http_server: HttpServer) -> None:
    http_server.when("/chat").websocket()
    ws_server.when_connected().reply(503)
    for server, path in ((ws_server, "/"), (http_server, "/chat")):
        with connect(server) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
            read_to_end(sock)
        server.wait_for(lambda s: not s.open_connections)
        connection: Any = server.connections[0]
        assert (connection.close_code, connection.upgraded) == (None, False)


@pytest.mark.on_sockets
def test_what_has_ended_is_let_go(ws_server: WsServer) -> None:
    def sessions() -> list[Session]:
        gc.collect()
        return [thing for thing in gc.get_objects() if isinstance(thing, Session)]

    before = sessions()
    for _ in range(20):
        speak(ws_server).close()
    ws_server.wait_for(lambda s: len(s.connections) == 20 and not s.open_connections)
    ws_server.settle()
    assert not [one for one in sessions() if one not in before]


# Records and odd frames


@pytest.mark.on_sockets
def test_a_code_that_must_not_be_is_what_is_on_record(ws_server: WsServer) -> None:
    ws_server.when("break").close(999, "bad")
    with speak(ws_server) as sock:
        sock.sendall(masked("break") + masked("after") + masked("", "close", code=1002))
        assert read_to_end(sock) == ws_frame("bad", "close", code=999)
    ws_server.wait_for(lambda s: not s.open_connections)
    (connection,) = ws_server.connections
    assert connection.close_sent == (999, "bad")
    assert (connection.close_code, connection.closed_by) == (999, "server")


def test_a_fault_in_place_of_a_close_frame(ws_server: WsServer) -> None:
    ws_server.when("x").close(1000).inject(Close())
    with speak(ws_server) as sock:
        sock.sendall(masked("x"))
        assert read_to_end(sock) == b""
    (connection,) = ws_server.connections
    assert (connection.closed_by, connection.close_sent, connection.close_code) == ("fault", None, 1006)


@pytest.mark.on_sockets
def test_a_rule_of_a_route_that_answers_and_strikes_is_one_hit(http_server: HttpServer) -> None:
    rule = http_server.when("/chat")
    handshakes = rule.websocket().when_connected().reply(headers={"X-A": "b"})
    injection = handshakes.inject(Latency(0.01))
    other = rule.inject(Latency(0.01))
    with ws_connect(http_server.url.replace("http", "ws") + "/chat"):
        pass
    assert (handshakes.hits, injection.hits, other.hits, rule.hits) == (1, 1, 1, 1)


def test_a_final_block_does_not_end_the_compression(ws_server: WsServer) -> None:
    hello = masked(bytes.fromhex("f3 48 cd c9 c9 07 00 00"), "text", rsv=4)  # RFC 7692, section 7.2.3.4
    again = masked(bytes.fromhex("f2 00 11 00 00"), "text", rsv=4)  # refers to the window, section 7.2.3.2
    with speak(ws_server, "Sec-WebSocket-Extensions: permessage-deflate") as sock:
        sock.sendall(hello * 3 + again + CLOSE)
        read_to_end(sock)
    assert [message.data for message in ws_server.requests] == ["Hello"] * 4


def test_a_handler_may_call_anything_text(ws_server: WsServer) -> None:
    async def handler(websocket: Any) -> None:
        await websocket.send(b"\xff", text=True)

    ws_server.handle(handler)
    with speak(ws_server) as sock:
        assert read_exactly(sock, 3) == ws_frame(b"\xff")


@pytest.mark.on_sockets
def test_a_broadcast_in_the_middle_of_fragments(ws_server: WsServer) -> None:
    gate, begun = threading.Event(), threading.Event()

    async def pieces() -> AsyncIterator[str]:
        yield "one"
        begun.set()
        await asyncio.to_thread(gate.wait, 10)
        yield "two"

    async def handler(websocket: Any) -> None:
        await websocket.send(pieces())

    ws_server.handle(handler)
    with ws_connect(ws_server.url) as websocket:
        assert begun.wait(10)
        assert ws_server.broadcast("news") == 0
        with pytest.raises(ValueError, match="in the middle of a message in fragments"):
            ws_server.connections[0].send("x")
        gate.set()
        assert websocket.recv(5) == "onetwo"
    assert [m.data for m in ws_server.connections[0].messages] == ["onetwo"]


# Handlers that fail


@pytest.mark.on_sockets
def test_a_handshake_cannot_be_answered_with_a_stream(suite: Suite) -> None:
    result = suite(
        """
        import pytest, websockets
        from pytest_netmocks import Response
        from websockets.sync.client import connect

        def stream(request):
            return Response(stream=[b"x"])

        def test_stream(ws_server):
            ws_server.when_connected().reply(stream)
            with pytest.raises(websockets.InvalidStatus):
                connect(ws_server.url)
        """
    )
    result.assert_outcomes(failed=1)


# Back-pressure


@pytest.mark.on_sockets
@pytest.mark.parametrize("handled", [True, False])
def test_a_flood_of_pings_is_not_answered_without_end(ws_server: WsServer, handled: bool) -> None:
    async def handler(websocket: Any) -> None:
        await websocket.wait_closed()

    if handled:
        ws_server.handle(handler)
    with speak(ws_server) as sock:
        sock.settimeout(0.5)
        flood = masked(b"x" * 125, "ping") * 1000
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 1 << 27:
                sent += sock.send(flood)
        assert sent < 48 << 20


def test_early_frames_on_a_route_do_not_break_back_pressure(http_server: HttpServer) -> None:
    async def handler(websocket: Any) -> None:
        await websocket.wait_closed()

    http_server.when("/chat").websocket(compression=None).handle(handler)
    with connect(http_server) as sock:
        sock.sendall((HANDSHAKE.replace("GET /", "GET /chat") + "\r\n").encode() + masked("x") * 40)
        assert sock.recv(4096).startswith(b"HTTP/1.1 101 ")
        sock.settimeout(0.5)
        frame = masked(b"x" * 100_000, "binary")
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 1 << 27:
                sent += sock.send(frame)
        assert sent < 32 << 20


# Arguments


@pytest.mark.parametrize(
    "say",
    [
        lambda s: s.when("q").reply("\ud800"),
        lambda s: s.when("q").close(1000, "\ud800"),
        lambda s: s.when("q").reply(raw=b"", interval=3),
        lambda s: s.when(json={1, 2}),
        lambda s: s.when_connected().reply(messages=["\ud800"]),
        lambda s: s.when_connected().reply(messages=None),
        lambda s: s.when_connected().reply(text="go away"),
        lambda s: s.when_connected().reply(json={}),
        lambda s: s.when_connected().reply(503, messages=["x"]),
        lambda s: s.when_connected().reply(100),
        lambda s: s.when("x").inject(MalformedChunk()),
        lambda s: s.when_connected().inject(MalformedChunk()),
    ],
)
def test_wrong_arguments(ws_server: WsServer, http_server: HttpServer, say: Any) -> None:
    for place in (ws_server, http_server.when("/chat").websocket()):
        with pytest.raises((TypeError, ValueError)):
            say(place)


def test_wrong_options(netmocks: Netmocks, http_server: HttpServer) -> None:
    import re

    for options in ({"origins": [re.compile(b"x")]}, {"subprotocols": ["a b"]}, {"subprotocols": [""]}):
        with pytest.raises((TypeError, ValueError)):
            netmocks.ws(**options)
        with pytest.raises((TypeError, ValueError)):
            http_server.when("/x").websocket(**options)
    with pytest.raises(ValueError, match="a handshake is a GET"):
        http_server.when("POST", "/x").websocket()


def test_an_offer_to_upgrade_with_an_empty_body(http_server: HttpServer) -> None:
    http_server.when("/p").reply(text="ok")
    http_server.when("/chat").websocket()
    with connect(http_server) as sock:
        offer = b"POST /p HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n"
        sock.sendall(offer * 2 + (HANDSHAKE.replace("GET /", "GET /chat") + "Content-Length: 0\r\n\r\n").encode())
        answer = b""
        while b"HTTP/1.1 101 " not in answer:
            answer += sock.recv(4096)
    assert answer.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.on_sockets
def test_a_function_may_accept_with_headers(ws_server: WsServer) -> None:
    ws_server.when_connected().reply(lambda request: Response(101, headers={"X-User": request.headers["x-user"]}))
    with ws_connect(ws_server.url, additional_headers={"X-User": "ada"}) as websocket:
        assert websocket.response is not None
        assert websocket.response.headers["X-User"] == "ada"
    with pytest.raises(websockets.InvalidStatus), ws_connect(ws_server.url):
        pass
    with pytest.raises(KeyError):
        raise ws_server.journal.take_errors()[0]

"""`after_messages` on a server: the WebSocket messages of a connection, the chunks and events of an HTTP answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import HANDSHAKE, connect, masked, read_exactly, read_to_end, speak
from hypothesis import given
from hypothesis import strategies as st

from pytest_netmocks import ws_frame
from pytest_netmocks.faults import Blackhole, Close, Reset, Stall
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.ws.frames import MessageEnds
from pytest_netmocks.protocols.ws.server import WsServer


def until_reset(sock: Any) -> bytes:
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while data := sock.recv(1000):
            got += data
    return got


@pytest.mark.parametrize("count", [0, 1, 3])
def test_each_websocket_has_its_own_count(ws_server: WsServer, count: int) -> None:
    reset = ws_server.inject(Reset(after_messages=count))
    for _ in range(2):
        with connect(ws_server) as sock:
            sock.sendall(HANDSHAKE.encode() + b"\r\n" + b"".join(masked(str(number)) for number in range(5)))
            head, _, frames = until_reset(sock).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 ")
            assert frames == b"".join(ws_frame(str(number)) for number in range(count))
    assert reset.hits == 2
    assert [connection.closed_by for connection in ws_server.connections] == ["fault", "fault"]


def test_whatever_is_said_is_counted_and_pings_are_not(ws_server: WsServer) -> None:
    ws_server.when_connected().reply(messages=["hello"])
    ws_server.when("two").reply(["fr", "ag"], b"bytes")
    ws_server.inject(Close(after_messages=4))
    with speak(ws_server) as sock:
        sock.sendall(masked("?", "ping") + masked("two"))
        head = ws_frame("hello") + ws_frame("?", "pong") + ws_frame("fr", fin=False) + ws_frame("ag", 0)
        assert read_exactly(sock, len(head) + 7) == head + ws_frame(b"bytes", "binary")
        ws_server.broadcast("last")
        ws_server.broadcast("never")
        assert read_to_end(sock) == ws_frame("last")


def test_a_handler_s_messages_are_counted(ws_server: WsServer) -> None:
    async def talk(websocket: Any) -> None:
        for number in range(10):
            await websocket.send(str(number))

    ws_server.handle(talk)
    ws_server.inject(Close(after_messages=2))
    with speak(ws_server) as sock:
        assert read_to_end(sock) == ws_frame("0") + ws_frame("1")


def test_on_an_open_websocket_messages_count_from_the_injection(ws_server: WsServer) -> None:
    with speak(ws_server) as sock:
        sock.sendall(masked("before"))
        assert read_exactly(sock, 8) == ws_frame("before")
        stall = ws_server.connections[0].inject(Stall(after_messages=1))
        sock.sendall(masked("1") + masked("2"))
        assert read_exactly(sock, 3) == ws_frame("1")
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(10)
        stall.lift()
        assert read_exactly(sock, 3) == ws_frame("2")
    assert stall.hits == 1


def test_a_handshake_that_is_refused_has_no_messages(ws_server: WsServer) -> None:
    ws_server.when_connected().reply(403, body=ws_frame("1") * 3)
    ws_server.inject(Reset(after_messages=0)).expected = False
    with connect(ws_server) as sock:
        sock.sendall(HANDSHAKE.encode() + b"\r\n")
        assert read_to_end(sock).endswith(ws_frame("1") * 3)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_on_http_every_answer_has_its_own_count(http_server: HttpServer, count: int) -> None:
    http_server.when("/whole").reply(text="whole")
    http_server.when("/stream").reply(stream=[b"one", b"two", b"three"])
    http_server.when("/events").reply(sse=["one", "two", "three"], interval=0.01)
    struck = http_server.inject(Close(after_messages=count))
    ask = "GET {} HTTP/1.1\r\nHost: h\r\n\r\n"
    bodies = {
        "/stream": [b"3\r\none\r\n", b"3\r\ntwo\r\n"],
        "/events": [b"b\r\ndata: one\n\n\r\n", b"b\r\ndata: two\n\n\r\n"],
    }
    for path, pieces in bodies.items():
        with connect(http_server) as sock:
            for _ in range(3 if count == 2 else 0):
                sock.sendall(ask.format("/whole").encode())
                assert read_exactly(sock, 1) == b"H"
                while not sock.recv(1000).endswith(b"whole"):
                    pass
            sock.sendall(ask.format(path).encode())
            assert read_to_end(sock).partition(b"\r\n\r\n")[2] == b"".join(pieces[:count])
    assert struck.hits == 2


def test_what_is_given_as_a_whole_is_one_message(http_server: HttpServer) -> None:
    http_server.when("/whole").reply(text="whole")
    http_server.inject(Reset(after_messages=1), nth=1)
    for struck in (True, False):
        with connect(http_server) as sock:
            sock.sendall(b"GET /whole HTTP/1.1\r\nHost: h\r\n\r\n")
            while not sock.recv(1000).endswith(b"whole"):
                pass
            if struck:
                with pytest.raises(ConnectionResetError):
                    sock.recv(1)


@pytest.mark.in_memory
def test_a_connection_is_one_hit_and_a_blackhole_stays(http_server: HttpServer) -> None:
    http_server.when("/whole").reply(text="whole")
    hole = http_server.inject(Blackhole(after_messages=1))
    with connect(http_server) as sock:
        sock.settimeout(0.1)
        sock.sendall(b"GET /whole HTTP/1.1\r\nHost: h\r\n\r\n" * 3)
        got = b""
        with pytest.raises(TimeoutError):
            while True:
                got += sock.recv(1000)
        assert got.count(b"whole") == 1
    assert hole.hits == 1


def test_lifted_before_its_time_it_strikes_no_more(http_server: HttpServer) -> None:
    http_server.when("/whole").reply(text="whole")
    with connect(http_server) as sock, http_server.inject(Reset(after_messages=1)) as reset:
        reset.expected = False
        http_server.wait_for(lambda server: server.connections)
        reset.lift()
        sock.sendall(b"GET /whole HTTP/1.1\r\nHost: h\r\n\r\n")
        assert sock.recv(1000).endswith(b"whole")


def test_a_websocket_on_an_http_server_counts_its_messages(http_server: HttpServer) -> None:
    http_server.when("/chat").websocket()
    http_server.when("/whole").reply(text="whole")
    reset = http_server.inject(Reset(after_messages=2))
    with speak(http_server, path="/chat") as sock:
        sock.sendall(masked("1") + masked("2") + masked("3"))
        assert until_reset(sock) == ws_frame("1") + ws_frame("2")
    assert reset.hits == 1


def test_everywhere_leaves_out_who_has_no_messages(netmocks: Netmocks) -> None:
    ws, tcp = netmocks.ws(), netmocks.tcp()
    everywhere = netmocks.inject(Reset(after_messages=1))
    with speak(ws) as sock:
        sock.sendall(masked("1") + masked("2"))
        assert until_reset(sock) == ws_frame("1")
    assert [injection.place for injection in everywhere.injections] == [ws.name]
    assert tcp.in_force == []


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


FRAMES = st.tuples(st.binary(max_size=300), st.sampled_from(["text", "binary", "ping", "pong", "close"]), st.booleans())


@given(frames=st.lists(FRAMES, max_size=8), size=st.integers(1, 40), opened=st.booleans())
def test_ends_are_found_however_the_stream_is_cut(frames: list[Any], size: int, *, opened: bool) -> None:
    head = b"" if opened else b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n"
    stream, expected = head, [len(head)]
    for data, opcode, fin in frames:
        stream += ws_frame(data, opcode, fin=fin)
        if fin and opcode in ("text", "binary"):
            expected.append(len(stream))
    find, found, at = MessageEnds(opened=opened), [], 0
    for piece in pieces(stream, size):
        found += [at + end for end in find(piece)]
        at += len(piece)
    assert found == expected or (not stream and not found)

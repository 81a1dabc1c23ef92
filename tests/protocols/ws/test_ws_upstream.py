"""Faults of rules on what a WebSocket client sends: they count the bytes of the frames after the message."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest
from helpers import HANDSHAKE, connect, masked, read_exactly, read_to_end, speak

from pytest_netmocks import ws_frame
from pytest_netmocks.faults import Bandwidth, Blackhole, Close, Latency, Reset, Stall
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.ws.server import WsServer
from pytest_netmocks.servers import timeslice

pytestmark = pytest.mark.in_memory

ONE = masked("1")


def places(netmocks: Netmocks) -> list[tuple[Any, Any]]:
    """A server of its own, and one path of an HTTP server, with what has its rules."""
    http, ws = netmocks.http(), netmocks.ws()
    return [(ws, ws), (http, http.when("/").websocket())]


def end(sock: socket.socket) -> bytes:
    """What comes before an RST."""
    got = b""
    with pytest.raises(ConnectionResetError):
        while data := sock.recv(100):
            got += data
    return got


@pytest.mark.on_sockets
@pytest.mark.parametrize(("together", "time_slice"), [(False, timeslice.SLICE), (True, timeslice.SLICE), (True, 0.0)])
@pytest.mark.parametrize(("size", "passed"), [(0, 0), (6, 0), (len(ONE), 1), (2 * len(ONE) + 1, 2)])
def test_a_fault_upstream_counts_the_frames_after_the_message(
    netmocks: Netmocks, monkeypatch: pytest.MonkeyPatch, time_slice: float, size: int, passed: int, *, together: bool
) -> None:
    monkeypatch.setattr(timeslice, "SLICE", time_slice)  # of 0: the others have their turn behind every piece
    for server, place in places(netmocks):
        rule = place.when("go").reply("gone")
        reset = rule.inject(Reset(after_bytes=size, direction="upstream"))
        with speak(server) as sock:
            sock.sendall(masked("before") + masked("go") + (ONE * 4 if together else b""))
            if not together:
                assert read_exactly(sock, 14) == ws_frame("before") + ws_frame("gone")
                if size:
                    sock.sendall(ONE * 4)
            end(sock)
        assert [message.data for message in place.requests] == ["before", "go", *["1"] * passed]
        assert (server.connections[0].closed_by, reset.hits, rule.hits) == ("fault", 1, 1)


@pytest.mark.parametrize("together", [False, True])
def test_a_close_upstream_is_the_end_of_what_the_client_says_and_answers_go_out(
    ws_server: WsServer, *, together: bool
) -> None:
    ws_server.when("go").reply("gone").inject(Close(after_bytes=len(ONE), direction="upstream"))
    with speak(ws_server) as sock:
        if together:
            sock.sendall(masked("go") + ONE * 3)
        else:
            sock.sendall(masked("go"))
            assert read_exactly(sock, 6) == ws_frame("gone")
            sock.sendall(ONE * 3)
        assert read_to_end(sock).startswith((ws_frame("gone") if together else b"") + ws_frame("1"))
    assert [message.data for message in ws_server.requests] == ["go", "1"]
    assert ws_server.connections[0].closed_by == "fault"


def test_a_message_that_breaks_off_is_none(ws_server: WsServer) -> None:
    ws_server.when("go").reply("gone").inject(Blackhole(after_bytes=len(ONE) + 3, direction="upstream"))
    with speak(ws_server) as sock:
        sock.sendall(masked("go") + ONE + masked("lost") + ONE)
        assert read_exactly(sock, 9) == ws_frame("gone") + ws_frame("1")
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert [message.data for message in ws_server.requests] == ["go", "1"]


def test_what_a_stall_held_comes_when_it_is_lifted(ws_server: WsServer) -> None:
    stall = ws_server.when("go").reply("gone").inject(Stall(after_bytes=len(ONE), direction="upstream"))
    with speak(ws_server) as sock:
        sock.sendall(masked("go") + ONE * 3)
        assert read_exactly(sock, 9) == ws_frame("gone") + ws_frame("1")
        assert [message.data for message in ws_server.requests] == ["go", "1"]
        stall.lift()
        assert read_exactly(sock, 6) == ws_frame("1") * 2
    assert stall.hits == 1


def test_without_a_place_it_strikes_before_the_answer(ws_server: WsServer) -> None:
    ws_server.when("go").reply("never").inject(Reset(direction="upstream"))
    with speak(ws_server) as sock:
        sock.sendall(masked("go") + ONE)
        assert end(sock) == b""
    assert [message.data for message in ws_server.requests] == ["go"]


@pytest.mark.parametrize("fault", [Latency(0.1, direction="upstream"), Bandwidth(80, direction="upstream")])
def test_what_the_client_says_after_the_message_is_late(ws_server: WsServer, fault: Any) -> None:
    slow = ws_server.when("go").reply("gone").inject(fault)
    with speak(ws_server) as sock:
        sock.sendall(masked("go"))
        assert read_exactly(sock, 6) == ws_frame("gone")
        sock.sendall(masked("late"))
        assert read_exactly(sock, 6) == ws_frame("late")
    go, late = ws_server.requests
    assert late.at - go.at >= 0.1
    assert slow.hits == 1


def test_selectors_count_the_messages_that_match(ws_server: WsServer) -> None:
    ws_server.when("go").reply("gone").inject(Reset(after_bytes=0, direction="upstream"), nth=2)
    with speak(ws_server) as sock:
        sock.sendall(masked("go") + ONE + masked("go") + ONE)
        end(sock)
    assert [message.data for message in ws_server.requests] == ["go", "1", "go"]


def test_an_answer_that_takes_time_lets_pings_be_answered_meanwhile(ws_server: WsServer) -> None:
    late = ws_server.when("go").reply("late", delay=0.2)
    late.inject(Reset(after_bytes=1000, direction="upstream")).expected = False
    with speak(ws_server) as sock:
        sock.sendall(masked("go") + masked(b"?", "ping") + ONE)
        assert read_exactly(sock, 3) == ws_frame(b"?", "pong")
        assert read_exactly(sock, 9) == ws_frame("late") + ws_frame("1")


@pytest.mark.parametrize("together", [False, True])
def test_a_handshake_s_fault_upstream_counts_from_the_first_byte_after_it(
    netmocks: Netmocks, *, together: bool
) -> None:
    for server, place in places(netmocks):
        reset = place.when_connected().inject(Reset(after_bytes=len(ONE), direction="upstream"))
        with connect(server) as sock:
            sock.sendall(HANDSHAKE.encode() + b"\r\n" + (ONE * 2 if together else b""))
            if not together:
                assert re.match(rb"HTTP/1.1 101 ", sock.recv(1000))
                sock.sendall(ONE * 2)
            end(sock)
        assert [message.data for message in place.requests] == ["1"]
        assert reset.hits == 1


def test_a_handler_is_struck_by_the_handshake_s_faults(ws_server: WsServer) -> None:
    got = []

    async def listen(websocket: Any) -> None:
        async for message in websocket:
            got.append(message)

    ws_server.handle(listen)
    ws_server.when_connected().inject(Close(after_bytes=2 * len(ONE), direction="upstream"))
    with speak(ws_server) as sock:
        sock.sendall(ONE * 5)
        read_to_end(sock)
    ws_server.wait_for(lambda _: len(got) == 2)
    assert [message.data for message in ws_server.connections[0].messages] == ["1", "1"]


@pytest.mark.on_sockets
def test_a_rule_that_strikes_costs_no_copy_of_what_follows_for_each_message(ws_server: WsServer) -> None:
    ws_server.when("go").inject(Reset(after_bytes=1 << 30, direction="upstream")).expected = False
    with speak(ws_server) as sock:
        sock.sendall(masked("go") + ONE * 20_000 + masked("end", "close", code=1000))
        assert read_to_end(sock).count(ws_frame("1")) == 20_000

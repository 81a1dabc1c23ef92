"""Messages of one long frame, in pieces, and what may come in their middle."""

from __future__ import annotations

import itertools
import socket

import pytest
from helpers import masked, read_exactly, read_to_end, speak

from pytest_netmocks import ws_frame
from pytest_netmocks.faults import Close
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.ws.long import Long
from pytest_netmocks.protocols.ws.server import WsServer

pytestmark = pytest.mark.in_memory

SIZES = (126, 127, 4096, 65_535, 65_536, 1 << 20)


def payload(size: int) -> bytes:
    """Bytes of which none looks like its neighbours."""
    return b"".join(number.to_bytes(4) for number in range(size // 4 + 1))[:size]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cuts", [(), (1,), (2, 5, 9, 13, 14, 15), (140, 5000), (100_000, 100_003, 500_000)])
def test_it_is_the_same_however_it_is_cut(ws_server: WsServer, size: int, cuts: tuple[int, ...]) -> None:
    data = payload(size)
    frames = masked(data, "binary") + masked("and") + masked(data.hex())
    with speak(ws_server) as sock:
        for begin, end in itertools.pairwise((0, *cuts, len(frames))):
            sock.sendall(frames[begin:end])
        expected = ws_frame(data, "binary") + ws_frame("and") + ws_frame(data.hex())
        assert read_exactly(sock, len(expected)) == expected
    assert [message.data for message in ws_server.requests] == [data, "and", data.hex()]
    assert [message.fragments for message in ws_server.requests] == [1, 1, 1]


@pytest.mark.parametrize("size", [4096, 100_000])
@pytest.mark.parametrize("cut", [3, 2000])
def test_a_text_that_is_none_is_1007(ws_server: WsServer, size: int, cut: int) -> None:
    frame = masked(b"a" * (size - 1) + b"\xff", "text")
    with speak(ws_server) as sock:
        sock.sendall(frame[:cut])
        sock.sendall(frame[cut:] + masked("late"))
        assert read_to_end(sock)[2:4] == (1007).to_bytes(2)
    assert list(ws_server.requests) == []


@pytest.mark.parametrize(("size", "code"), [(5000, None), (5001, 1009), (1 << 20, 1009)])
def test_what_is_too_long_is_refused_by_its_head(netmocks: Netmocks, size: int, code: int | None) -> None:
    server = netmocks.ws(max_size=5000)
    frame = masked(bytes(size), "binary")
    with speak(server) as sock:
        if code is None:
            sock.sendall(frame)
            assert read_exactly(sock, 4 + size) == ws_frame(bytes(size), "binary")
        else:
            sock.sendall(frame[:14])
            assert read_to_end(sock)[2:4] == code.to_bytes(2)


@pytest.mark.parametrize("wrong", ["fe 00 05", "ff 00 00 00 00 00 00 00 7e", "ff 80 00 00 00 00 00 00 00"])
def test_a_head_that_is_no_long_frame_s_is_left_to_the_library(wrong: str) -> None:
    data = bytes.fromhex(f"82 {wrong} 00 00 00 00") + bytes(200)
    assert not Long.may_begin(data)
    assert Long.begun_by(data, 1 << 40) is None


def test_an_end_in_its_middle_is_no_message(ws_server: WsServer) -> None:
    frame = masked(payload(100_000), "binary")
    with speak(ws_server) as sock:
        sock.sendall(frame[:50_000])
        sock.shutdown(socket.SHUT_WR)
        read_to_end(sock)
    ws_server.wait_for(lambda s: not s.open_connections)
    assert list(ws_server.requests) == []
    assert ws_server.connections[0].bytes_received > 50_000


def test_a_goodbye_in_its_middle(ws_server: WsServer) -> None:
    """The server says it while the client is in the middle of a message: that is still read, and not answered."""
    frame = masked(payload(100_000), "binary")
    with speak(ws_server) as sock:
        sock.sendall(frame[:50_000])
        ws_server.connections[0].close(1001)
        goodbye = ws_frame("", "close", code=1001)
        assert read_exactly(sock, len(goodbye)) == goodbye
        sock.sendall(frame[50_000:] + masked("", "close", code=1001))
        assert read_to_end(sock) == b""
    assert ws_server.connections[0].close_received is not None


def test_a_fault_that_counts_messages_in_its_middle(ws_server: WsServer) -> None:
    """From then on it has to be known where each ends: what has come of it goes the library's way."""
    data = payload(100_000)
    frame = masked(data, "binary")
    ws_server.when("bye").reply("bye")
    with speak(ws_server) as sock:
        sock.sendall(frame[:50_000])
        ws_server.wait_for(lambda s: s.connections[0].bytes_received > 50_000)
        ws_server.when("bye").inject(Close(after_bytes=len(masked("x")), direction="upstream"))
        sock.sendall(frame[50_000:] + masked("bye") + masked("x") + masked("y"))
        assert read_to_end(sock).startswith(ws_frame(data, "binary"))
    assert [message.data for message in ws_server.requests] == [data, "bye", "x"]


def test_a_fault_of_the_connection_in_its_middle(ws_server: WsServer) -> None:
    frame = masked(payload(100_000), "binary")
    ws_server.inject(Close(after_bytes=60_000, direction="upstream"))
    with speak(ws_server) as sock:
        sock.sendall(frame)
        read_to_end(sock)
    assert list(ws_server.requests) == []


def test_many_clients_in_the_middle_of_theirs_hold_up_nobody(ws_server: WsServer) -> None:
    frame = masked(payload(1 << 20), "binary")
    socks = [speak(ws_server) for _ in range(20)]
    for sock in socks:
        sock.sendall(frame[:-1])
    with speak(ws_server) as other:
        other.sendall(masked("hello"))
        assert read_exactly(other, 7) == ws_frame("hello")
    for sock in socks:
        sock.sendall(frame[-1:])
        assert read_exactly(sock, 10 + (1 << 20)) == ws_frame(payload(1 << 20), "binary")
        sock.close()

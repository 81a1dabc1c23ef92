"""A heard socket: what is told is what its peer sees."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_netmocks.link import kernel
from pytest_netmocks.link.heard import HeardSocket

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's states are Linux's")


class Ear:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def now(self) -> float:
        return 0.0

    def received(self, data: bytes) -> None:
        self.heard.append(("up", bytes(data)))

    def sent(self, data: bytes | memoryview, at: float) -> None:
        self.heard.append(("down", bytes(data)))

    def ended(self, direction: str, sign: str, at: float) -> None:
        self.heard.append((direction[:-6], sign))


@pytest.fixture
def pair() -> Iterator[tuple[Any, socket.socket, Ear]]:
    """A heard socket, the client at its other end, and who hears."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=30)
        ours, _ = listener.accept()
        ours.settimeout(30)
        ear = Ear()
        with client, ours:
            yield HeardSocket(ours, ear), client, ear


def outcome(client: socket.socket) -> str:
    """How the connection ends for the client."""
    try:
        while client.recv(100):
            pass
    except ConnectionResetError:
        return "RST"
    return "FIN"


def test_all_other_words_are_the_sockets(pair: tuple[Any, socket.socket, Ear]) -> None:
    heard, client, _ = pair
    assert heard.getpeername() == client.getsockname()
    assert heard.fileno() >= 0


def test_a_close_without_a_word_is_a_fin(pair: tuple[Any, socket.socket, Ear]) -> None:
    heard, client, ear = pair
    heard._sock.setblocking(False)  # as those of servers are
    kernel.close(heard)
    assert outcome(client) == "FIN"
    assert ear.heard == [("down", "FIN")]


def test_a_close_with_unread_bytes_is_an_rst_and_the_bytes_did_come(pair: tuple[Any, socket.socket, Ear]) -> None:
    heard, client, ear = pair
    client.sendall(b"unread")
    heard._sock.recv(1, socket.MSG_PEEK)
    kernel.close(heard)
    assert outcome(client) == "RST"
    assert ear.heard == [("up", b"unread"), ("down", "RST")]


def test_a_reset_is_one_after_our_fin_too(pair: tuple[Any, socket.socket, Ear]) -> None:
    heard, client, ear = pair
    heard._sock.setblocking(False)
    kernel.shut_down_sending(heard)
    assert outcome(client) == "FIN"
    kernel.reset(heard)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        for _ in range(3):
            client.sendall(b"x")
    assert ear.heard == [("down", "FIN"), ("down", "RST")]


def test_after_both_fins_nothing_goes_out(pair: tuple[Any, socket.socket, Ear]) -> None:
    heard, client, ear = pair
    client.shutdown(socket.SHUT_WR)
    assert heard.recv(1) == b""
    assert heard.recv(1) == b""
    kernel.shut_down_sending(heard)
    kernel.reset(heard)
    assert outcome(client) == "FIN"
    assert ear.heard == [("up", "FIN"), ("down", "FIN")]


def test_a_fin_that_nobody_read_is_told_at_the_close(pair: tuple[Any, socket.socket, Ear]) -> None:
    heard, client, ear = pair
    client.shutdown(socket.SHUT_WR)
    heard._sock.recv(1, socket.MSG_PEEK)
    kernel.reset(heard)
    assert ear.heard == [("up", "FIN"), ("down", "RST")]


@pytest.mark.parametrize("call", ["recv", "send", "sendmsg", "getsockopt", "shutdown", "close"])
def test_each_call_learns_of_the_peers_rst_which_is_told_once(pair: tuple[Any, socket.socket, Ear], call: str) -> None:
    heard, client, ear = pair
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    while kernel.state(heard) == 1:  # loopback delivers before close(2) returns, elsewhere it takes a moment
        pass
    with contextlib.suppress(OSError):
        {
            "recv": lambda: heard.recv(1),
            "send": lambda: heard.send(b"x"),
            "sendmsg": lambda: heard.sendmsg([b"x"]),
            "getsockopt": lambda: heard.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
            "shutdown": lambda: heard.shutdown(socket.SHUT_WR),
            "close": heard.close,
        }[call]()
    heard.close()
    assert ear.heard == [("up", "RST")]


def test_of_pieces_that_are_sent_together_is_told_as_much_as_the_kernel_took(
    pair: tuple[Any, socket.socket, Ear],
) -> None:
    heard, client, ear = pair
    heard.setblocking(False)
    pieces = [bytes([number]) * 1_000_000 for number in range(20)]
    sent = heard.sendmsg(pieces)
    assert 0 < sent < sum(map(len, pieces))
    told = b"".join(data for _, data in ear.heard)
    assert told == b"".join(pieces)[:sent]
    with pytest.raises(BlockingIOError):
        while True:
            heard.send(b"x" * 1_000_000)
    heard.close()
    got = 0
    while chunk := client.recv(1 << 20):
        got += len(chunk)
    assert got == sum(len(data) for way, data in ear.heard if data != "FIN")

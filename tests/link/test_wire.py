"""The wire by itself: how bytes are handed to the kernel."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import pytest
from helpers import connect, read_exactly

from pytest_netmocks.link.wire import ONE_SEND
from pytest_netmocks.protocols.tcp.server import TcpServer


def test_the_kernel_is_asked_to_take_little_at_once_and_gets_all(
    tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def send(sock: socket.socket, data: bytes, *rest: Any) -> int:
        asked.append(len(data))
        return super(socket.socket, sock).send(data, *rest)

    def sendmsg(sock: socket.socket, pieces: Sequence[bytes], *rest: Any) -> int:
        asked.append(sum(map(len, pieces)))
        return super(socket.socket, sock).sendmsg(pieces, *rest)

    monkeypatch.setattr(socket.socket, "send", send)
    monkeypatch.setattr(socket.socket, "sendmsg", sendmsg)
    # Of one piece, and of pieces of which the limit cuts one in the middle.
    much = bytes(range(251)) * (5 * ONE_SEND // 251)
    tcp_server.when(b"once").reply(much)
    tcp_server.when(b"thrice").reply(much, b"-" * (ONE_SEND // 3), much)
    with connect(tcp_server) as sock:
        sock.sendall(b"once")
        assert read_exactly(sock, len(much)) == much
        sock.sendall(b"thrice")
        assert read_exactly(sock, 2 * len(much) + ONE_SEND // 3) == much + b"-" * (ONE_SEND // 3) + much
    assert max(asked) == ONE_SEND

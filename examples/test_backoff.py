"""A client that backs off exponentially, while the server comes back after 25 seconds."""

from __future__ import annotations

import socket
import time

import pytest

from pytest_netmocks import TcpServer
from pytest_netmocks.faults import Refuse

pytestmark = pytest.mark.virtual_time


def ask_with_backoff(address: tuple[str, int], question: bytes, attempts: int = 9) -> tuple[bytes, list[float]]:
    """The answer, and the pauses it took; each is twice the one before it."""
    pauses: list[float] = []
    while True:
        try:
            with socket.create_connection(address, timeout=20) as sock:
                sock.sendall(question)
                answer = sock.recv(100)
                if answer:
                    return answer, pauses
                raise ConnectionError("closed without an answer")
        except OSError:
            if len(pauses) == attempts:
                raise
            pauses.append(2.0 ** len(pauses))
            time.sleep(pauses[-1])


def test_it_backs_off_further_each_time_until_the_server_is_back(tcp_server: TcpServer) -> None:
    down = tcp_server.inject(Refuse(), duration=25)
    assert ask_with_backoff(tcp_server.address, b"hello") == (b"hello", [1, 2, 4, 8, 16])
    assert down.hits == 1


def test_it_gives_up_in_the_end(tcp_server: TcpServer) -> None:
    tcp_server.stop()
    with pytest.raises(ConnectionRefusedError):
        ask_with_backoff(tcp_server.address, b"hello", attempts=3)

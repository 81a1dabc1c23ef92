"""A client that backs off exponentially, while the server comes back after half a second."""

from __future__ import annotations

import itertools
import socket
import time

import pytest

from pytest_netmocks import TcpServer
from pytest_netmocks.faults import Refuse


def ask_with_backoff(address: tuple[str, int], question: bytes, attempts: int = 9) -> tuple[bytes, list[float]]:
    """The answer, and the pauses it took; each is twice the one before it."""
    pauses: list[float] = []
    while True:
        try:
            with socket.create_connection(address, timeout=2) as sock:
                sock.sendall(question)
                answer = sock.recv(100)
                if answer:
                    return answer, pauses
                raise ConnectionError("closed without an answer")
        except OSError:
            if len(pauses) == attempts:
                raise
            pauses.append(0.02 * 2 ** len(pauses))
            time.sleep(pauses[-1])


def test_it_gets_through_when_the_server_is_back(tcp_server: TcpServer) -> None:
    down = tcp_server.inject(Refuse(), duration=0.5)
    answer, pauses = ask_with_backoff(tcp_server.address, b"hello")
    assert answer == b"hello"
    assert sum(pauses) >= 0.45  # it was down for that long, whatever the machine did
    assert down.hits == 1


def test_it_backs_off_further_each_time(tcp_server: TcpServer) -> None:
    tcp_server.inject(Refuse(), duration=0.5)
    _, pauses = ask_with_backoff(tcp_server.address, b"hello")
    assert len(pauses) >= 5
    assert all(later == 2 * earlier for earlier, later in itertools.pairwise(pauses))


def test_it_gives_up_in_the_end(tcp_server: TcpServer) -> None:
    tcp_server.stop()
    with pytest.raises(ConnectionRefusedError):
        ask_with_backoff(tcp_server.address, b"hello", attempts=3)

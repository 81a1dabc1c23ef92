"""A pool must notice that an idle connection died while nobody looked: by a reset, by a FIN, or without a word."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pytest_netmocks import TcpServer
from pytest_netmocks.faults import Blackhole, Reset

pytestmark = pytest.mark.virtual_time


class Pool:
    """A client with one pooled connection, which it replaces when it turns out to be dead."""

    def __init__(self, address: tuple[str, int], timeout: float = 10.0) -> None:
        self.address = address
        self.timeout = timeout
        self.idle: socket.socket | None = None

    def ask(self, question: bytes, attempts: int = 8) -> bytes:
        for _ in range(attempts):
            sock, self.idle = self.idle, None
            try:
                sock = sock or socket.create_connection(self.address, self.timeout)
                sock.sendall(question)
                answer = sock.recv(100)
                if answer:
                    self.idle = sock
                    return answer
            except OSError:
                pass
            if sock is not None:
                sock.close()
        raise ConnectionError(f"no answer in {attempts} attempts")

    def close(self) -> None:
        if self.idle is not None:
            self.idle.close()


@pytest.fixture
def pool(tcp_server: TcpServer) -> Iterator[Pool]:
    tcp_server.when(b"PING\n").reply(b"PONG\n")
    pool = Pool(tcp_server.address)
    assert pool.ask(b"PING\n") == b"PONG\n"
    yield pool
    pool.close()


def test_a_healthy_connection_is_used_again(tcp_server: TcpServer, pool: Pool) -> None:
    connections = len(tcp_server.connections)
    assert pool.ask(b"PING\n") == b"PONG\n"
    assert len(tcp_server.connections) == connections


def test_a_connection_that_was_reset_is_replaced(tcp_server: TcpServer, pool: Pool) -> None:
    tcp_server.connections[-1].inject(Reset())
    assert pool.ask(b"PING\n") == b"PONG\n"


def test_a_connection_that_was_closed_is_replaced(tcp_server: TcpServer, pool: Pool) -> None:
    tcp_server.connections[-1].close()
    assert pool.ask(b"PING\n") == b"PONG\n"


def test_a_connection_that_a_firewall_forgot_is_replaced_after_the_timeout(tcp_server: TcpServer, pool: Pool) -> None:
    forgotten = tcp_server.connections[-1].inject(Blackhole())
    assert pool.ask(b"PING\n") == b"PONG\n"
    assert forgotten.hits == 1

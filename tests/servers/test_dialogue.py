"""What a client says is answered in turn, and as fast as it takes the answers, on every server that is a dialogue."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from helpers import connect, read_exactly, read_to_end

from pytest_netmocks import Netmocks
from pytest_netmocks.link import loop
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.records.events import Exchange, Received

LARGE = 1_000_000


def prepared(netmocks: Netmocks, name: str) -> tuple[Any, bytes]:
    """A server with a large answer, and what asks for it."""
    server = getattr(netmocks, name)()
    if name == "tcp":
        server.when(b"x").reply(b"y" * LARGE)
        return server, b"x"
    server.when("CAPA").reply("+OK\n" + "y" * LARGE)
    return server, b"CAPA\r\n"


@pytest.mark.parametrize("name", ["tcp", "pop3"])
def test_a_client_that_takes_no_answers_is_not_given_more(netmocks: Netmocks, name: str) -> None:
    server, asks = prepared(netmocks, name)
    with connect(server) as sock:
        sock.sendall(asks * 100)
        sock.shutdown(socket.SHUT_WR)
        server.wait_for(lambda server: server.requests)
        loop.shared().settle()
        assert len(server.requests) < 30
        received = 0
        while data := sock.recv(1 << 20):
            received += len(data)
    assert received >= 100 * LARGE
    assert len(server.requests) == 100


@pytest.mark.parametrize("name", ["tcp", "pop3"])
def test_while_an_answer_is_awaited_much_that_comes_is_left_with_the_client(netmocks: Netmocks, name: str) -> None:
    server = getattr(netmocks, name)()
    rule = server.when(b"wait") if name == "tcp" else server.when("NOOP")
    rule.reply(b"" if name == "tcp" else "+OK", delay=60)
    with connect(server) as sock:
        sock.settimeout(1)
        sock.sendall(b"wait" if name == "tcp" else b"NOOP\r\n")
        server.wait_for(lambda server: server.requests)
        with pytest.raises(TimeoutError):
            for _ in range(100):
                sock.sendall(b"z" * LARGE)
        assert server.connections[0].bytes_received < 50 * LARGE
        server.stop()


@pytest.mark.parametrize("name", ["tcp", "pop3"])
def test_much_at_once_has_turns_between_which_others_are_served(
    netmocks: Netmocks, tcp_server: TcpServer, name: str
) -> None:
    server = getattr(netmocks, name)()
    rule = server.when(b"x") if name == "tcp" else server.when("NOOP")
    rule.reply(b"y" if name == "tcp" else "+OK")
    asks = b"x" if name == "tcp" else b"NOOP\r\n"
    said: list[bytes] = []
    answered: list[int] = []

    def speak_up(event: object) -> None:
        if isinstance(event, Exchange) and not said:
            said.append(b"hello")
            other.sendall(b"hello")

    def look(event: object) -> None:
        if isinstance(event, Received):
            answered.append(len(server.requests))

    with connect(server) as sock, connect(tcp_server) as other:
        server.subscribe(speak_up)  # in the loop's thread, so that no other thread has to wake in time
        tcp_server.subscribe(look)
        sock.sendall(asks * 5_000)
        sock.shutdown(socket.SHUT_WR)
        assert read_exactly(other, 5) == b"hello"
        assert 0 < answered[0] < 5_000
        read_to_end(sock)
    assert len(server.requests) == 5_000

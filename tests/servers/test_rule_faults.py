"""Faults on rules: which exchange they strike, how often, and which make no sense there."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest
from helpers import connect, elapsed, read_exactly, shake

from pytest_netmocks.faults import Close, Corrupt, HandshakeFailure, Latency, Loss, Reset, SlowClose
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.servers.tcp import TcpServer
from pytest_netmocks.servers.udp import UdpServer


def test_a_slow_close_does_not_add_up_with_every_exchange(tcp_server: TcpServer) -> None:
    slow = tcp_server.when(b"A").reply(b"a").inject(SlowClose(0.2))
    with connect(tcp_server) as sock:
        for _ in range(20):
            sock.sendall(b"A")
            assert read_exactly(sock, 1) == b"a"
        sock.shutdown(socket.SHUT_WR)
        assert 0.2 <= elapsed(lambda: sock.recv(1)) < 3.0  # twenty of them were four seconds
    assert slow.hits == 1


def test_a_rule_that_only_strikes_hides_no_reply(tcp_server: TcpServer) -> None:
    tcp_server.when(b"b").reply(b"B!")
    late = tcp_server.when(b"ab").inject(Latency(0.1))
    with connect(tcp_server) as sock:
        sock.sendall(b"ab")
        assert elapsed(lambda: read_exactly(sock, 2) == b"B!") >= 0.1
        sock.sendall(b"xb")
        assert read_exactly(sock, 2) == b"B!"
    assert late.hits == 1


def test_a_pattern_may_also_match_nothing(tcp_server: TcpServer) -> None:
    tcp_server.when(re.compile(rb"x*")).reply(b"X")
    with connect(tcp_server) as sock:
        sock.sendall(b"abxx")
        assert read_exactly(sock, 1) == b"X"
    with pytest.raises(ValueError, match=r"pattern must have at least one byte, not re\.compile\(b''\)"):
        tcp_server.when(re.compile(b""))


@pytest.mark.parametrize("fault", [Close(after_bytes=1, layer="tls"), Corrupt(1.0, layer="tls")])
def test_no_rule_knows_cipher_text(netmocks: Netmocks, fault: Any) -> None:
    rules: list[Any] = [netmocks.tls().when(b"x"), netmocks.https().when("/"), netmocks.smtp().when("NOOP")]
    for rule in rules:
        with pytest.raises(ValueError, match="acts on cipher text, where nobody knows one answer from the next"):
            rule.inject(fault)


@pytest.mark.parametrize("fault", [Latency(0.1, direction="upstream"), Reset(direction="upstream")])
def test_what_the_client_sends_is_before_any_rule(netmocks: Netmocks, fault: Any) -> None:
    rules: list[Any] = [netmocks.tcp().when(b"x"), netmocks.http().when("/"), netmocks.ws().when("x")]
    for rule in rules:
        with pytest.raises(ValueError, match="acts on what the client sends, and a rule strikes the answer to it"):
            rule.inject(fault)


def test_what_udp_clients_send_is_before_any_rule(udp_server: UdpServer) -> None:
    with pytest.raises(ValueError, match="acts on what the client sends, and a rule strikes the answers to it"):
        udp_server.when(b"x").inject(Loss(1.0, direction="upstream"))


def test_a_handshake_that_is_over_cannot_fail(netmocks: Netmocks) -> None:
    server = netmocks.tls()
    with shake(server) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        with pytest.raises(ValueError, match="strikes a TLS handshake, and this connection's is over"):
            server.connections[0].inject(HandshakeFailure())

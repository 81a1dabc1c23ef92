"""What can be set works; what would do nothing says so."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import echo, udp_client

from pytest_netmocks import Response
from pytest_netmocks.faults import Reset
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.known import TABLE
from pytest_netmocks.protocols.tcp.server import TcpServer

SERVERS = sorted(name for name, entry in TABLE.items() if entry.takes is None)


@pytest.mark.parametrize("name", SERVERS)
def test_a_misspelt_attribute_is_no_attribute_of_anything(netmocks: Netmocks, name: str) -> None:
    server: Any = getattr(netmocks, name)()
    with pytest.raises(
        AttributeError, match=rf"a {type(server).__name__} has no attribute 'recordlimit' to set .*'record_limit'"
    ):
        server.recordlimit = 5
    for useless in ("certificate", "port", "connections"):
        with pytest.raises(AttributeError, match=useless):
            setattr(server, useless, 5)


def test_rules_injections_and_connections_too(netmocks: Netmocks, tcp_server: TcpServer) -> None:
    rule: Any = netmocks.http().when("/x").reply(text="x")
    injection: Any = tcp_server.inject(Reset(), nth=9)
    injection.expected = False
    echo(tcp_server)
    things: list[Any] = [rule, injection, tcp_server.connections[0], netmocks.udp().when(b"x"), Response(200)]
    things += [netmocks.smtp().when("NOOP"), netmocks.ftp().when("NOOP"), netmocks.ws().when("x")]
    for thing in things:
        with pytest.raises(AttributeError, match="txet"):
            thing.txet = "x"
    with pytest.raises(AttributeError, match="fault of a Injection is what it was made with: lift this injection"):
        injection.fault = Reset(after_bytes=1)


def test_a_record_limit_holds_for_connections_from_then_on(tcp_server: TcpServer) -> None:
    tcp_server.record_limit = 2
    echo(tcp_server, b"hello")
    (connection,) = tcp_server.connections
    assert (connection.received, connection.truncated) == (b"he", True)
    with pytest.raises(ValueError, match="record_limit must be a whole number of at least 0"):
        tcp_server.record_limit = -1


def test_a_proxy_s_upstream_can_be_another_for_new_connections(netmocks: Netmocks) -> None:
    one, two = netmocks.tcp(), netmocks.tcp()
    proxy = netmocks.tcp_proxy(one)
    echo(proxy)
    proxy.upstream = two
    echo(proxy)
    assert [len(server.connections) for server in (one, two)] == [1, 1]
    with pytest.raises(TypeError, match="upstream must be"):
        proxy.upstream = 5  # type: ignore[assignment]
    assert proxy.upstream is two


def test_a_udp_proxy_s_upstream_too(netmocks: Netmocks) -> None:
    one, two = netmocks.udp(), netmocks.udp()
    proxy = netmocks.udp_proxy(one)
    for upstream in (one, two):
        proxy.upstream = upstream
        with udp_client(proxy) as sock:
            sock.send(b"x")
            assert sock.recv(1) == b"x"
    assert [len(server.connections) for server in (one, two)] == [1, 1]


def test_methods_can_still_be_replaced_by_a_test(tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_server, "when", lambda pattern: pattern)
    assert tcp_server.when(b"x") == b"x"  # type: ignore[comparison-overlap]

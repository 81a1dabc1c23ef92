"""Waiting gives what was waited for."""

from __future__ import annotations

from typing import assert_type

from helpers import echo

from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.records.connection import Connection


def closed(server: TcpServer) -> Connection | None:
    return next((connection for connection in server.connections if not connection.is_open), None)


def test_wait_for_gives_what_the_predicate_gave(tcp_server: TcpServer) -> None:
    echo(tcp_server)
    found = tcp_server.wait_for(closed)
    assert_type(found, Connection)
    assert found is tcp_server.connections[0]


async def test_so_does_the_async_form(tcp_server: TcpServer) -> None:
    echo(tcp_server)
    found = await tcp_server.async_wait_for(closed)
    assert_type(found, Connection)
    assert found is tcp_server.connections[0]


def test_what_is_true_at_once_is_given_though_there_is_no_time(netmocks: Netmocks) -> None:
    assert netmocks.tcp().wait_for(lambda server: [server.port], timeout=0)

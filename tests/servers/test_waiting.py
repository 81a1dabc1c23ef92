"""Waiting gives what was waited for."""

from __future__ import annotations

from typing import assert_type

import pytest
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


async def test_who_holds_up_the_tests_loop_is_told(tcp_server: TcpServer) -> None:
    with pytest.raises(TimeoutError) as caught:
        tcp_server.wait_for(closed, timeout=0.01)
    assert caught.value.__notes__ == [
        "wait_for has held up the event loop of this thread and all its tasks: in an async test, await async_wait_for"
    ]
    with pytest.raises(TimeoutError) as caught:
        await tcp_server.async_wait_for(closed, timeout=0.01)
    assert not hasattr(caught.value, "__notes__")


def test_who_holds_up_nobody_is_not(tcp_server: TcpServer) -> None:
    with pytest.raises(TimeoutError) as caught:
        tcp_server.wait_for(closed, timeout=0.01)
    assert not hasattr(caught.value, "__notes__")

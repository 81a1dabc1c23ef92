"""What is on record of a conversation holds nothing of who led it."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import connect
from openings import STREAMS, opened, secured, speaks

from pytest_netmocks.link.flows import Flows
from pytest_netmocks.link.link import Link
from pytest_netmocks.link.wire import Wire
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.servers.backpressure import Reading
from pytest_netmocks.servers.stack import Stack

PLAIN = ["tcp", "http", "httpbin", "ws", "ftp", "dns", "http_proxy", "syslog", "redis"]
"""Those whose sessions hold themselves in no circle; others', and TLS, wait for the collector."""

LEAD = {Link, Flows, Wire, Reading, Stack}


def leading() -> Counter[type]:
    found: Counter[type] = Counter([type(thing) for thing in gc.get_objects()])
    return Counter({kind: found[kind] for kind in LEAD})


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Nothing is freed but what nobody holds."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def converse(netmocks: Netmocks, name: str) -> None:
    server = opened(netmocks, name)
    for _ in range(3):
        with connect(server, timeout=30) as sock, secured(server, sock) as sock:
            speaks(server, name, sock)
    server.wait_for(lambda server: len(server.connections) == 3 and not server.open_connections)
    server.settle()


@pytest.mark.on_sockets
@pytest.mark.parametrize("name", STREAMS)
def test_what_has_ended_is_let_go(netmocks: Netmocks, name: str) -> None:
    gc.collect()
    before = leading()
    converse(netmocks, name)
    gc.collect()
    assert leading() - before == Counter()


@pytest.mark.on_sockets
@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.usefixtures("uncollected")
def test_it_holds_itself_in_no_circle(netmocks: Netmocks, name: str) -> None:
    before = leading()
    converse(netmocks, name)
    assert leading() - before == Counter()


@pytest.mark.on_sockets
@pytest.mark.usefixtures("uncollected")
def test_a_call_that_has_ended_is_let_go_though_its_connection_has_not(netmocks: Netmocks) -> None:
    grpc: Any = pytest.importorskip("grpc")
    server = netmocks.grpc()
    server.when("/a.A/A").reply(b"answer")
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.unary_unary("/a.A/A")
        assert call(b"question", timeout=30) == b"answer"
        server.settle()
        before = leading()
        for _ in range(3):
            assert call(b"question", timeout=30) == b"answer"
        server.settle()
        assert len(server.requests) == 4
        assert leading() - before == Counter()

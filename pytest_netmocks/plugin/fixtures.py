"""The fixtures, written out by hand so that editors know what `tcp_server.` has, and the maker of wider ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_netmocks import check
from pytest_netmocks.plugin.factory import Netmocks, close_all
from pytest_netmocks.servers import TABLE

if TYPE_CHECKING:
    from pytest_netmocks.servers.base import Server
    from pytest_netmocks.servers.tcp import TcpServer
    from pytest_netmocks.servers.udp import UdpServer

FixtureScope = Literal["session", "package", "module", "class", "function"]


@pytest.fixture
def netmocks() -> Iterator[Netmocks]:
    """Factory of servers: `netmocks.tcp(...)`, `.udp`, `.tcp_proxy(upstream)`, `.udp_proxy(upstream)`."""
    factory = Netmocks()
    yield factory
    factory.close()


@pytest.fixture
def tcp_server(netmocks: Netmocks) -> TcpServer:
    """A TCP server on an ephemeral loopback port: it echoes until it has rules or a handler."""
    return netmocks.tcp(name="tcp_server")


@pytest.fixture
def udp_server(netmocks: Netmocks) -> UdpServer:
    """A UDP server on an ephemeral loopback port: it echoes until it has rules."""
    return netmocks.udp(name="udp_server")


def server_fixture(
    kind: str, /, *arguments: Any, scope: FixtureScope = "function", name: str | None = None, **options: Any
) -> Callable[..., Any]:
    """A fixture with a server of that kind (`"tcp"`, `"udp"`, ...) of a wider scope, for a conftest or test module.

    `arguments` and `options` are the server's own. Raises `ValueError` for an unknown kind.
    """
    if kind not in TABLE:
        raise ValueError(f"kind {kind!r} is no server{check.nearest(str(kind), TABLE)}")

    def fixture() -> Iterator[Server]:
        server = TABLE[kind].make(*arguments, **{"name": name or f"{kind}_server", **options}).start()
        yield server
        close_all([server])

    fixture.__doc__ = f"A server for the whole {scope}: {TABLE[kind].summary}."
    return pytest.fixture(scope=scope, name=name)(fixture)

"""pytest-netmocks: real servers to talk to and a real network to suffer, in pytest and outside of it.

    import pytest_netmocks
    from pytest_netmocks.faults import Latency

    with pytest_netmocks.tcp() as server:
        server.inject(Latency(0.2))

Each kind of server is here by its name, as it is on the `netmocks` fixture; it is imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers; at run time `__getattr__` and the table have them
    from pytest_netmocks.plugin.fixtures import server_fixture as server_fixture
    from pytest_netmocks.servers.proxy import TcpProxy, UdpProxy
    from pytest_netmocks.servers.tcp import TcpServer
    from pytest_netmocks.servers.udp import UdpServer

    tcp = TcpServer
    udp = UdpServer
    tcp_proxy = TcpProxy
    udp_proxy = UdpProxy

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "server_fixture":
        from pytest_netmocks.plugin.fixtures import server_fixture

        return server_fixture
    from pytest_netmocks.servers import TABLE  # nothing is loaded with the package itself

    if name in TABLE:
        return TABLE[name].load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from pytest_netmocks.servers import TABLE

    return sorted({*globals(), *TABLE, "server_fixture"})

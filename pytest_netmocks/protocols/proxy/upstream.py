"""What a proxy passes on to, and the addresses that it has."""

from __future__ import annotations

import socket

from pytest_netmocks import check
from pytest_netmocks.link import kernel
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.servers.datagram import DatagramServer
from pytest_netmocks.servers.server import Server
from pytest_netmocks.servers.stream import StreamServer

Upstream = Server | tuple[str, int]


def resolve_upstream(upstream: object, kind: socket.SocketKind) -> list[tuple[socket.AddressFamily, Address]]:
    """The addresses that an upstream has. Raises `TypeError` for what is none and `OSError` for an unknown host."""
    accepted = 'a (host, port) pair such as ("127.0.0.1", 5432), or a server'
    stream = kind is socket.SOCK_STREAM
    if isinstance(upstream, DatagramServer if stream else StreamServer):
        raise TypeError(f"upstream must be a server over {'TCP' if stream else 'UDP'}, not {upstream!r}")
    if isinstance(upstream, Server) and not upstream.port:
        raise ValueError(
            f"upstream must be a server that has started, and with it its port, not {upstream!r}: start() it"
        )
    address = upstream.address if isinstance(upstream, Server) else upstream
    check.instance("upstream", address, (tuple, list), accepted)
    assert isinstance(address, (tuple, list))
    if len(address) < 2:  # what getsockname() gives for IPv6 has four
        raise ValueError(f"upstream must be {accepted}, not {upstream!r}")
    host, port = address[:2]
    check.instance("upstream's host", host, str, "a host name or address")
    check.whole("upstream's port", port, unit="a port", minimum=1, maximum=65535)
    try:
        found = socket.getaddrinfo(host, port, type=kind)
    except OSError as error:
        raise kernel.named(error, f"upstream {host!r} has no address") from None
    except ValueError as error:
        raise ValueError(f"upstream's host must be a host name or address, not {host!r}: {error}") from None
    return [(family, to) for family, _, _, _, to in found]

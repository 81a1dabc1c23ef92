"""What a proxy passes on to, and the addresses that it has."""

from __future__ import annotations

import os
import socket

from pytest_netmocks import check
from pytest_netmocks.link import kernel
from pytest_netmocks.link.unix import check_path
from pytest_netmocks.records.addresses import Address, unix_address
from pytest_netmocks.servers.datagram import DatagramServer
from pytest_netmocks.servers.ruled import Author
from pytest_netmocks.servers.server import Server
from pytest_netmocks.servers.stream import StreamServer

Upstream = Server | tuple[str, int] | str | os.PathLike[str]
"""A server, a pair of a host and a port, or a UNIX socket: its path, or `"unix:"` and its path."""

UNIX = "unix:"


def unix_path(upstream: object) -> str | None:
    """The path of an upstream that is a UNIX socket, `None` for another. Raises `ValueError` for what cannot be one."""
    if isinstance(upstream, StreamServer):
        return upstream.path
    if isinstance(upstream, os.PathLike) or (isinstance(upstream, str) and upstream.startswith(UNIX)):
        return check_path("upstream", upstream.removeprefix(UNIX) if isinstance(upstream, str) else upstream)
    return None


def host_of(upstream: Upstream) -> str:
    """The name that its certificate has to have."""
    if isinstance(upstream, Server):
        return upstream.host
    return "localhost" if unix_path(upstream) is not None else str(upstream[0])  # type: ignore[index]  # a pair


def resolve_upstream(upstream: object, kind: socket.SocketKind) -> list[tuple[socket.AddressFamily, Address]]:
    """The addresses that an upstream has. Raises `TypeError` for what is none and `OSError` for an unknown host."""
    stream = kind is socket.SOCK_STREAM
    also = ', "unix:/path"' if stream else ""
    accepted = f'a (host, port) pair such as ("127.0.0.1", 5432){also} or a server'
    if isinstance(upstream, DatagramServer if stream else StreamServer):
        raise TypeError(f"upstream must be a server over {'TCP' if stream else 'UDP'}, not {upstream!r}")
    path = unix_path(upstream) if stream else None
    if path is not None:
        return [(socket.AF_UNIX, unix_address(path))]
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


class Forwarding(Server):
    """The part of a proxy that knows where it passes on to."""

    addresses: list[tuple[socket.AddressFamily, Address]]
    """Those of the upstream."""

    _upstream: Upstream
    _made_with: tuple[Upstream, list[tuple[socket.AddressFamily, Address]]]
    _upstream_by: Author = "its maker"

    @property
    def upstream(self) -> Upstream:
        """Where clients are passed on to. Another one is for those that come later: who is there goes on as before.

        To set it raises `TypeError` or `ValueError` for what is no upstream, `OSError` for an unknown host.
        """
        return self._upstream

    @upstream.setter
    def upstream(self, upstream: Upstream) -> None:
        kind = socket.SOCK_DGRAM if self.transport == "udp" else socket.SOCK_STREAM
        if upstream is self:
            raise ValueError(f"upstream must be another server, not the proxy itself: {upstream!r}")
        addresses = resolve_upstream(upstream, kind)
        self._upstream_by = self.author_now()
        if self._upstream_by == "its maker":
            self._made_with = upstream, addresses
        thread = self._thread
        if thread is None or thread.loop.is_closed():
            self._lead(upstream, addresses)
        else:
            self.run_in_loop(self._lead, upstream, addresses)

    def _lead(self, upstream: Upstream, addresses: list[tuple[socket.AddressFamily, Address]]) -> None:
        """In the loop, where it has begun: who has come so far is passed on to the one before."""
        if self._state == "running":
            self._drain()
        self._upstream, self.addresses = upstream, addresses

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        if not self._lasts(self._upstream_by, keep=keep):
            self.run_in_loop(self._lead, *self._made_with)
            self._upstream_by = "its maker"

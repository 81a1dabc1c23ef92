"""`TcpProxy` and `UdpProxy`: faults and records in front of anything that listens."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Literal, Unpack

from pytest_netmocks import check
from pytest_netmocks.encryption.session import Original
from pytest_netmocks.link.calls import straight
from pytest_netmocks.link.datagrams import BURST, LARGEST
from pytest_netmocks.link.link import Link, Top
from pytest_netmocks.protocols.proxy.session import Relay
from pytest_netmocks.protocols.proxy.upstream import Forwarding, Upstream, host_of
from pytest_netmocks.protocols.tunnel.told import passed_on
from pytest_netmocks.records.addresses import Address, describe_address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Direction
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.servers.datagram import DatagramServer
from pytest_netmocks.servers.datagram_front import Asked, Datagram, Peer
from pytest_netmocks.servers.server import ServerOptions
from pytest_netmocks.servers.stream import ListeningOptions, StreamServer
from pytest_netmocks.servers.urls import UrlFor


class TcpProxy(UrlFor, Forwarding, StreamServer):
    """A TCP proxy: every connection is passed on to `upstream`, a `(host, port)` pair or another server.

    A UNIX socket is an upstream too: `"unix:/path"`, a `pathlib.Path`, or a server with a `path`.

    It passes TLS on untouched, unless told otherwise: with `tls=True` it speaks TLS to the client, with
    `upstream_tls=True` to the upstream, whose certificate must then come from the session's or a well-known
    authority; an `ssl.SSLContext` instead of `True` says itself what is trusted. In front of a server of ours the
    scheme of its `url` is that server's, or what TLS makes of it here.

    With `proxy_protocol=1` or `2` the upstream gets a PROXY header of that version (HAProxy's proxy-protocol.txt)
    before all else, with the addresses of the client and of the proxy. A client's own header is passed on as it is.
    """

    scheme = "tcp"
    secure_scheme = "tls"
    no_requests = "a proxy of bytes knows none: ask the server that it passes clients on to"

    def __init__(
        self,
        upstream: Upstream,
        *,
        tls: bool = False,
        upstream_tls: bool | ssl.SSLContext = False,
        proxy_protocol: Literal[1, 2] | None = None,
        **options: Unpack[ListeningOptions],
    ) -> None:
        check.instance("upstream_tls", upstream_tls, (bool, Original), "True, False or an ssl.SSLContext")
        if proxy_protocol is not None and (type(proxy_protocol) is bool or proxy_protocol not in (1, 2)):
            what = "1 or 2, the version of the header that the upstream gets"
            raise ValueError(f"proxy_protocol must be {what}, not {proxy_protocol!r}")
        self.proxy_protocol = proxy_protocol
        super().__init__(tls=tls, **options)
        self.upstream = upstream
        self.told: Callable[[OSError | None], None] | None = None
        if isinstance(upstream, StreamServer):
            plain, secure = upstream.schemes
            self.scheme = secure if self._secure else plain if upstream_tls else upstream.scheme
            self.schemes = plain, secure
        self.trust: ssl.SSLContext | None = None
        """What checks the upstream's certificate, `None` where TLS is not spoken to it."""
        if upstream_tls:
            self.trust = upstream_tls if isinstance(upstream_tls, Original) else ssl.create_default_context()
            if upstream_tls is True:
                self.trust.load_verify_locations(self.ca.cert_file)

    @property
    def upstream_host(self) -> str:
        """The name that the upstream's certificate must have, and its SNI."""
        return host_of(self.upstream)

    def parts(self, connection: Connection, direction: Direction, data: bytes) -> Iterable[int]:
        """As any server's: those of the server that it is in front of, if that is one of ours."""
        if isinstance(self.upstream, StreamServer):
            return self.upstream.parts(connection, direction, data)
        return super().parts(connection, direction, data)

    def _protocol(self, link: Link, connection: Connection) -> Top:
        return Relay(self, link, connection, self._loop, self.keep_wire)


class UdpProxy(Forwarding, DatagramServer):
    """A UDP proxy: every datagram is passed on to `upstream`, a `(host, port)` pair or another server.

    Each client has a socket of its own towards the upstream. What the upstream sends counts as an answer to the
    client's latest datagram.
    """

    scheme = "udp"

    def __init__(self, upstream: Upstream, **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        self.upstream = upstream

    def _deliver(self, asked: Asked, datagram: Datagram) -> None:
        branch = asked.peer.extra
        if branch is None:
            try:
                branch = asked.peer.extra = _Branch(self.addresses[0], self._loop, self.journal, self.front.answer)
            except OSError as error:
                self.front.failed(error)
                return
            passed_on(self.journal, asked.peer.connection.id, branch.socket)
        branch.asked = asked
        branch.send(datagram.data)

    def _leave(self, peer: Peer) -> None:
        if peer.extra is not None:
            peer.extra.close()
            peer.extra = None

    def abandon(self) -> None:
        """In a forked child: close the descriptors without a word to peers or loop."""
        super().abandon()
        for peer in self.front.peers.values():
            if peer.extra is not None:
                peer.extra.socket.close()


class _Branch:
    """One client's socket towards the upstream."""

    asked: Asked

    def __init__(
        self,
        upstream: tuple[socket.AddressFamily, Address],
        loop: asyncio.AbstractEventLoop,
        journal: Journal,
        answer: Callable[[Asked, bytes], None],
    ) -> None:
        self._loop = loop
        self._journal = journal
        self._answer = answer
        family, self._address = upstream
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self.socket.setblocking(False)
            self.socket.connect(straight(self._address))
        except OSError:
            self.socket.close()
            raise
        loop.add_reader(self.socket, self._readable)

    def send(self, data: bytes) -> None:
        self._try(lambda: self.socket.send(data))

    def _readable(self) -> None:
        for _ in range(BURST):
            data = self._try(lambda: self.socket.recv(LARGEST))
            if data is None:
                return
            self._answer(self.asked, data)

    def _try(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            where = describe_address(self._address)
            text = f"the upstream {where} reports: {error.strerror or error}"
            self._journal.note(self.asked.peer.connection.id, text)
            return None

    def close(self) -> None:
        self._loop.remove_reader(self.socket)
        with contextlib.suppress(OSError):
            self.socket.close()

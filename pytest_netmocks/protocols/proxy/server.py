"""`TcpProxy` and `UdpProxy`: faults and records in front of anything that listens."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Unpack

from pytest_netmocks import check
from pytest_netmocks.encryption.layer import TlsLayer
from pytest_netmocks.encryption.session import Original
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.datagrams import BURST, LARGEST
from pytest_netmocks.link.link import Link
from pytest_netmocks.link.ports import Lower
from pytest_netmocks.link.wire import Wire
from pytest_netmocks.protocols.proxy.upstream import Upstream, resolve_upstream
from pytest_netmocks.records.connection import Address, Connection
from pytest_netmocks.records.journal import describe_address
from pytest_netmocks.servers.datagram import Datagram, DatagramServer, Peer, Turn
from pytest_netmocks.servers.server import Server, ServerOptions
from pytest_netmocks.servers.stream import StreamOptions, StreamServer
from pytest_netmocks.servers.urls import UrlFor

EARLY = 64 * 1024
"""Bytes of a client that are kept until the upstream is reached, before it has to wait."""

GIVE_UP = 1.0
"""Seconds after the end of the client's stream in which the upstream has to be reached."""

PATIENCE = 1 << 20
"""Bytes that an upstream may still send when the client has gone, before it is told by an RST."""


class TcpProxy(UrlFor, StreamServer):
    """A TCP proxy: every connection is passed on to `upstream`, a `(host, port)` pair or another server.

    It passes TLS on untouched, unless told otherwise: with `tls=True` it speaks TLS to the client, with
    `upstream_tls=True` to the upstream, whose certificate must then come from the session's or a well-known
    authority; an `ssl.SSLContext` instead of `True` says itself what is trusted. In front of a server of ours the
    scheme of its `url` is that server's, or what TLS makes of it here.
    """

    scheme = "tcp"
    secure_scheme = "tls"

    def __init__(
        self,
        upstream: Upstream,
        *,
        tls: bool = False,
        upstream_tls: bool | ssl.SSLContext = False,
        **options: Unpack[StreamOptions],
    ) -> None:
        check.instance("upstream_tls", upstream_tls, (bool, Original), "True, False or an ssl.SSLContext")
        super().__init__(tls=tls, **options)
        self.upstream = upstream
        if isinstance(upstream, StreamServer):
            plain, secure = upstream.schemes
            self.scheme = secure if self._secure else plain if upstream_tls else upstream.scheme
            self.schemes = plain, secure
        self._trust: ssl.SSLContext | None = None
        if upstream_tls:
            self._trust = upstream_tls if isinstance(upstream_tls, Original) else ssl.create_default_context()
            if upstream_tls is True:
                self._trust.load_verify_locations(self.ca.cert_file)

    @property
    def upstream(self) -> Upstream:
        """Where connections are passed on to; another one is for new connections."""
        return self._upstream

    @upstream.setter
    def upstream(self, upstream: Upstream) -> None:
        self._addresses = resolve_upstream(upstream, socket.SOCK_STREAM)
        self._upstream = upstream
        self.upstream_host = upstream.host if isinstance(upstream, Server) else upstream[0]
        """The name that the upstream's certificate must have, and its SNI."""

    def _protocol(self, link: Link, connection: Connection) -> asyncio.BaseProtocol:
        return _Relay(self, link, connection)


class _Relay(asyncio.Protocol):
    """One proxied connection: the client's link on one side, a wire to the upstream on the other."""

    def __init__(self, proxy: TcpProxy, link: Link, connection: Connection) -> None:
        self._proxy = proxy
        self._link = link
        self._connection = connection
        self._loop = proxy._loop
        self._left = deque(proxy._addresses)
        self._connecting: socket.socket | None = None
        self._far: Lower | None = None
        self._early: list[bytes] | None = []
        """What the client sent before the upstream was reached, `None` once it is."""
        self._giving_up: asyncio.TimerHandle | None = None
        self._client_finished = False
        self._upstream_finished = False
        self._apart = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._try_next(None)

    # Connecting

    def _try_next(self, reason: OSError | None) -> None:
        if not self._left:
            where = describe_address(self._proxy._addresses[-1][1])
            what = f": {reason.strerror or reason}" if reason is not None else ""
            self._note(f"the upstream {where} cannot be reached{what}")
            self._link.fail()
            return
        family, address = self._left.popleft()
        try:
            sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        except OSError as error:
            self._try_next(error)
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(address)
        if code == 0 or (code == errno.EINPROGRESS and _is_connected(sock)):
            self._connected(sock)
        elif code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
            self._connecting = sock
            self._loop.add_writer(sock, self._decided)
        else:
            sock.close()
            self._try_next(OSError(code, errno.errorcode.get(code, str(code))))

    def _decided(self) -> None:
        sock = self._stop_connecting()
        if sock is None:
            return
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0 or (code == errno.EINPROGRESS and _is_connected(sock)):
            self._connected(sock)
        else:
            sock.close()
            self._try_next(OSError(code, errno.errorcode.get(code, str(code))))

    def _stop_connecting(self) -> socket.socket | None:
        sock, self._connecting = self._connecting, None
        if sock is not None:
            self._loop.remove_writer(sock)
        return sock

    def _connected(self, sock: socket.socket) -> None:
        trust = self._proxy._trust
        if trust is None:
            self._far = wire = self._proxy._keep(Wire(self._loop, sock, _Upstream(self)))
            wire.patience = PATIENCE
            wire.resume_reading()
            self._reached()
            return
        cipher = Link(self._loop, _NoRecord())
        wire = self._proxy._keep(Wire(self._loop, sock, cipher))
        wire.patience = PATIENCE
        host = self._proxy.upstream_host
        layer = TlsLayer(
            cipher,
            lambda incoming, outgoing: trust.wrap_bio(incoming, outgoing, server_hostname=host),
            _Upstream(self),
            _UpstreamReport(self._note),
            self._reached,
        )
        self._far = layer
        cipher.attach(wire)
        cipher.begin(lambda: layer)

    def _reached(self) -> None:
        """The upstream is there: it gets what the client has said so far."""
        assert self._far is not None
        self._far.keep_apart(apart=self._apart)
        early, self._early = self._early, None
        if early:
            for data in early:
                self._far.write(data)
        if self._client_finished:
            self._far.write_eof()
        if self._giving_up is not None:
            self._giving_up.cancel()
        self._link.resume_reading()

    def _give_up(self) -> None:
        self._note(f"the client has finished, and for {GIVE_UP:g} s more the upstream has not been reached")
        self._link.close()

    # The client's side

    def data_received(self, data: bytes) -> None:
        if self._early is None:
            assert self._far is not None
            self._far.write(data)
            return
        self._early.append(data)
        if sum(map(len, self._early)) > EARLY:
            self._link.pause_reading()

    def keep_apart(self, *, apart: bool) -> None:
        """What a fault has cut on its way reaches the upstream in these pieces."""
        self._apart = apart
        if self._far is not None:
            self._far.keep_apart(apart=apart)

    def eof_received(self) -> bool:
        self._client_finished = True
        if self._early is None:
            assert self._far is not None
            self._far.write_eof()
        else:
            self._giving_up = self._loop.call_later(GIVE_UP, self._give_up)
        return not self._upstream_finished

    def pause_writing(self) -> None:
        if self._far is not None and not self._link.over:  # its end tells the upstream more
            self._far.pause_reading()

    def resume_writing(self) -> None:
        if self._far is not None:
            self._far.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        sock = self._stop_connecting()
        if sock is not None:
            sock.close()
        if self._giving_up is not None:
            self._giving_up.cancel()
        if self._far is None:
            return
        if error is not None:
            self._far.reset()  # an RST on one side is one on the other
        else:
            self._far.finish()

    # The upstream's side

    def upstream_data(self, data: bytes) -> None:
        """The upstream answers."""
        self._link.write(data)

    def upstream_finished(self) -> None:
        """The upstream's FIN."""
        self._upstream_finished = True
        if self._client_finished:
            self._link.close()
        else:
            self._link.write_eof()

    def upstream_lost(self, error: Exception | None) -> None:
        """The upstream is gone; its RST reaches the client as one."""
        if error is not None:
            self._note(f"the upstream is lost: {error}")
            self._link.fail()
        else:
            self._link.close()

    def pause_client(self, *, pause: bool) -> None:
        """The upstream reads too slowly, or again fast enough."""
        if pause:
            self._link.pause_reading()
        else:
            self._link.resume_reading()

    def _note(self, text: str) -> None:
        self._proxy.journal.note(self._connection.id, text)


def _is_connected(sock: socket.socket) -> bool:
    """On loopback the handshake is done when connect(2) returns, though it says that it is in progress."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


class _Upstream:
    """What stands on the wire to the upstream: it calls the relay by the names of the other side."""

    def __init__(self, relay: _Relay) -> None:
        self._relay = relay
        self.data_received = relay.upstream_data
        self.peer_finished = self.end_of_stream = relay.upstream_finished
        self.wire_lost = self.gone = relay.upstream_lost

    def ending(self) -> None:
        """No record of its own to write."""

    def peer_hung_up(self) -> None:
        """What it has said before its end is to reach the client first."""

    def pause_writing(self) -> None:
        """The upstream reads too slowly."""
        self._relay.pause_client(pause=True)

    def resume_writing(self) -> None:
        """The upstream reads again."""
        self._relay.pause_client(pause=False)


class _NoRecord:
    """The record of the cipher text to an upstream: nobody's."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return self._nothing

    def _nothing(self, *_: object) -> None:
        """What the connection's own record has not, is not kept."""


class _UpstreamReport:
    """Puts what goes wrong in the handshake with the upstream on the client's record."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note

    def answered(self, session: ssl.SSLObject) -> None:
        """Only servers answer."""

    def secured(self, session: ssl.SSLObject) -> None:
        self._note(f"the upstream speaks {session.version()}")

    def refused(self, session: ssl.SSLObject, error: Exception | None) -> None:
        self._note(f"the TLS handshake with the upstream failed: {error or 'it has finished'}")

    def warned(self, alert: str) -> None:
        """The upstream asks for another handshake and does not get it."""

    def broken(self, error: Exception, alert: str | None) -> None:
        self._note(f"what the upstream sends is no TLS: {error}")

    def untrusty(self) -> None:
        self._note("the upstream finished without close_notify")

    def struck(self, injection: Injection) -> None:
        """Faults strike the client's side."""


class UdpProxy(DatagramServer):
    """A UDP proxy: every datagram is passed on to `upstream`, a `(host, port)` pair or another server.

    Each client has a socket of its own towards the upstream. What the upstream sends counts as an answer to the
    client's latest datagram.
    """

    scheme = "udp"

    def __init__(self, upstream: Upstream, **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        self.upstream = upstream

    @property
    def upstream(self) -> Upstream:
        """Where datagrams are passed on to; another one is for clients that are new."""
        return self._upstream

    @upstream.setter
    def upstream(self, upstream: Upstream) -> None:
        self._addresses = resolve_upstream(upstream, socket.SOCK_DGRAM)
        self._upstream = upstream

    def _deliver(self, turn: Turn, datagram: Datagram) -> None:
        branch = turn.peer.extra
        if branch is None:
            try:
                branch = turn.peer.extra = _Branch(self, self._addresses[0])
            except OSError as error:
                self._failed(error)
                return
        branch.turn = turn
        branch.send(datagram.data)

    def _leave(self, peer: Peer) -> None:
        if peer.extra is not None:
            peer.extra.close()
            peer.extra = None

    def abandon(self) -> None:
        """In a forked child: close the descriptors without a word to peers or loop."""
        super().abandon()
        for peer in self._peers.values():
            if peer.extra is not None:
                peer.extra.socket.close()


class _Branch:
    """One client's socket towards the upstream."""

    turn: Turn

    def __init__(self, proxy: UdpProxy, upstream: tuple[socket.AddressFamily, Address]) -> None:
        self._proxy = proxy
        family, self._address = upstream
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self.socket.setblocking(False)
            self.socket.connect(self._address)
        except OSError:
            self.socket.close()
            raise
        proxy._loop.add_reader(self.socket, self._readable)

    def send(self, data: bytes) -> None:
        self._try(lambda: self.socket.send(data))

    def _readable(self) -> None:
        for _ in range(BURST):
            data = self._try(lambda: self.socket.recv(LARGEST))
            if data is None:
                return
            self._proxy._answer(self.turn, data)

    def _try(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            where = describe_address(self._address)
            text = f"the upstream {where} reports: {error.strerror or error}"
            self._proxy.journal.note(self.turn.peer.connection.id, text)
            return None

    def close(self) -> None:
        self._proxy._loop.remove_reader(self.socket)
        with contextlib.suppress(OSError):
            self.socket.close()

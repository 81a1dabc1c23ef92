"""One proxied connection: what the client says goes to the upstream, and what that says to the client."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol

from pytest_netmocks.encryption.layer import TlsLayer
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.calls import connect_straight
from pytest_netmocks.link.link import Link
from pytest_netmocks.link.ports import Below, End
from pytest_netmocks.link.wire import Wire
from pytest_netmocks.protocols.tunnel.told import passed_on
from pytest_netmocks.records.addresses import Address, describe_address, is_unix, path_of
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.journal import Journal

EARLY = 64 * 1024
"""Bytes of a client that are kept until the upstream is reached, before it has to wait."""

GIVE_UP = 1.0
"""Seconds after the end of the client's stream in which the upstream has to be reached."""

AGAIN = 0.05
"""Seconds between attempts at a UNIX socket whose backlog is full: nothing tells when it is not."""

PATIENCE = 1 << 20
"""Bytes that an upstream may still send when the client has gone, before it is told by an RST."""


class Desk(Protocol):
    """What a relay asks its proxy."""

    journal: Journal
    addresses: list[tuple[socket.AddressFamily, Address]]
    """Where the upstream may be, in the order of the attempts."""
    trust: ssl.SSLContext | None
    """The context for TLS with the upstream, `None` for plain text."""

    @property
    def upstream_host(self) -> str:
        """The name that the upstream's certificate must have, and its SNI."""

    @property
    def proxy_protocol(self) -> Literal[1, 2] | None:
        """The version of the PROXY header that the upstream gets first, `None` for none."""

    @property
    def told(self) -> Callable[[OSError | None], None] | None:
        """Called once, before anything of the upstream: it is reached, or why not; who is told ends the connection."""


class Relay:
    """One proxied connection: it stands on the client's link, and passes on to a wire to the upstream."""

    def __init__(
        self,
        proxy: Desk,
        link: Link,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        keep: Callable[[Wire], Wire],
    ) -> None:
        self._proxy = proxy
        self._keep = keep
        self._link = link
        self._connection = connection
        self._loop = loop
        # Of the upstream that there is now: the proxy may have another before this one is reached.
        self._left = deque(proxy.addresses)
        self._last = proxy.addresses[-1][1]
        self._trust = proxy.trust
        self._host = proxy.upstream_host if self._trust is not None else ""
        self._connecting: socket.socket | None = None
        self._again: asyncio.TimerHandle | None = None
        """The next attempt at a UNIX socket that nobody accepts on."""
        self._far: Below | None = None
        self._early: list[bytes] | None = []
        """What the client sent before the upstream was reached, `None` once it is."""
        self._giving_up: asyncio.TimerHandle | None = None
        self._client_finished = False
        self._upstream_finished = False
        self._apart = False

    def connected(self) -> None:
        """Begin to reach the upstream."""
        self._try_next(None)

    # Connecting

    def _try_next(self, reason: OSError | None) -> None:
        if not self._left:
            where = describe_address(self._last)
            what = f": {reason.strerror or reason}" if reason is not None else ""
            self._note(f"the upstream {where} cannot be reached{what}")
            if self._proxy.told is not None:
                self._proxy.told(reason or OSError(errno.EHOSTUNREACH, "no address"))
            else:
                self._link.fail()
            return
        family, address = self._left.popleft()
        unix = is_unix(address)
        try:
            sock = socket.socket(family, socket.SOCK_STREAM, 0 if unix else socket.IPPROTO_TCP)
        except OSError as error:
            self._try_next(error)
            return
        sock.setblocking(False)
        if unix:
            self._connect_unix(sock, path_of(address))
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            code = connect_straight(sock, address)
        except OSError as error:  # an address of IPv6 with a zone that there is not
            sock.close()
            self._try_next(error)
            return
        if code == 0 or (code == errno.EINPROGRESS and _is_connected(sock)):
            self._connected(sock)
        elif code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
            self._connecting = sock
            self._loop.add_writer(sock, self._decided)
        else:
            sock.close()
            self._try_next(OSError(code, errno.errorcode.get(code, str(code))))

    def _connect_unix(self, sock: socket.socket, path: str) -> None:
        """It is decided at once; only of a server with a full backlog, where a blocking client waits, nothing comes."""
        self._connecting = None
        code = sock.connect_ex(path)
        if code == 0:
            self._connected(sock)
        elif code == errno.EAGAIN:
            self._connecting = sock
            self._again = self._loop.call_later(AGAIN, self._connect_unix, sock, path)
        else:
            sock.close()
            self._try_next(OSError(code, os.strerror(code)))

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
        if self._again is not None:
            self._again.cancel()
        elif sock is not None:
            self._loop.remove_writer(sock)
        return sock

    def _connected(self, sock: socket.socket) -> None:
        passed_on(self._proxy.journal, self._connection.id, sock)
        trust = self._trust
        upstream = _Upstream(self)
        wire = self._keep(Wire(self._loop, sock, upstream))
        wire.patience = PATIENCE
        if self._proxy.proxy_protocol is not None:
            self._introduce(wire, self._proxy.proxy_protocol)
        if trust is None:
            self._far = wire
            wire.resume_reading()
            self._reached()
            return
        layer = TlsLayer(
            lambda incoming, outgoing: trust.wrap_bio(incoming, outgoing, server_hostname=self._host),
            upstream,
            _UpstreamReport(self._note),
            self._reached,
        )
        self._far = layer
        layer.stand_on(wire)
        wire.carry(layer)
        layer.connected()
        wire.resume_reading()

    def _introduce(self, wire: Wire, version: Literal[1, 2]) -> None:
        """Tell the upstream whose connection it is, before TLS too."""
        from pytest_netmocks.link.proxy_protocol import header  # only where it is asked for

        client, own = self._connection.client_address, self._connection.server_address
        wire.write(header(version, client, own or client))

    def _reached(self) -> None:
        """The upstream is there: it gets what the client has said so far."""
        assert self._far is not None
        if self._proxy.told is not None:
            self._proxy.told(None)
            if self._link.over:  # a fault on that
                return
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
        """The client sent this."""
        if self._early is None:
            assert self._far is not None
            self._far.write(data)
            return
        self._early.append(data)
        if sum(map(len, self._early)) > EARLY:
            self._link.pause_reading()

    def in_pieces(self, *, apart: bool) -> None:
        """What a fault has cut on its way reaches the upstream in these pieces."""
        self._apart = apart
        if self._far is not None:
            self._far.keep_apart(apart=apart)

    def take_early(self) -> bytes:
        """Take back what the client sent before the upstream was reached; not once it has finished, for it is whole."""
        if self._early is None or self._client_finished:
            return b""
        early, self._early = b"".join(self._early), []
        return early

    def peer_finished(self) -> None:
        """The client's FIN."""
        self._client_finished = True
        if self._early is None:
            assert self._far is not None
            self._far.write_eof()
        else:
            self._giving_up = self._loop.call_later(GIVE_UP, self._give_up)
        if self._upstream_finished:
            self._link.close()

    def end_of_stream(self) -> None:
        """An end without a farewell is one."""
        self.peer_finished()

    def peer_hung_up(self) -> None:
        """What the client has said before its end is to reach the upstream first."""

    def ending(self) -> None:
        """The record is the link's."""

    def end_sent(self, end: End) -> None:
        """The record is the link's."""

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        if self._far is not None and not self._link.over:  # its end tells the upstream more
            self._far.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._far is not None:
            self._far.resume_reading()

    def wire_lost(self, error: Exception | None) -> None:
        """As `gone`: the record is the link's."""
        self.gone(error)

    def gone(self, error: Exception | None) -> None:
        """The client is gone, and so is the upstream, which may be in the middle of a sentence."""
        self._loop.call_soon(self._part, error)

    def _part(self, error: Exception | None) -> None:
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

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.data_received = relay.upstream_data
        self.peer_finished = self.end_of_stream = relay.upstream_finished
        self.wire_lost = self.gone = relay.upstream_lost

    def connected(self) -> None:
        """The relay hears of it from who connects."""

    def ending(self) -> None:
        """No record of its own to write."""

    def end_sent(self, end: End) -> None:
        """No record of its own to write."""

    def in_pieces(self, *, apart: bool) -> None:
        """Faults strike the client's side."""

    def peer_hung_up(self) -> None:
        """What it has said before its end is to reach the client first."""

    def pause_writing(self) -> None:
        """The upstream reads too slowly."""
        self._relay.pause_client(pause=True)

    def resume_writing(self) -> None:
        """The upstream reads again."""
        self._relay.pause_client(pause=False)


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

    def truncated(self) -> None:
        self._note("the upstream finished without close_notify")

    def struck(self, injection: Injection) -> None:
        """Faults strike the client's side."""

"""Connections in memory: a socket's words without a kernel, and the wire and the listener that stand on them.

A pair of ends has what TCP has: room for so many bytes, after which who sends has to wait; FINs either way by
themselves; RSTs, by a close with unread bytes too; an end that is closed answers with an RST. `MemoryWire` is a `Wire`
on such an end, so that what it does about ends and pressure is what it does on a socket. Time is the loop's.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import socket as sockets
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from pytest_netmocks.link import hangups, kernel
from pytest_netmocks.link.listener import State
from pytest_netmocks.link.ports import Above
from pytest_netmocks.link.wire import Wire
from pytest_netmocks.records.addresses import Address

ROOM = 256 * 1024
"""Bytes that an end keeps for its reader before the other has to wait: about what loopback has."""


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))  # of the class that belongs to the code


class MemorySocket:
    """One end of a connection in memory, never blocking; made by `pair`."""

    peer: MemorySocket

    def __init__(self, address: Address, room: int) -> None:
        self._address = address
        self._room = room
        self._came = bytearray()
        self._finished = False
        """Whether the other end's FIN is here."""
        self._broken = 0
        """The error of an RST that is here, as the next call tells it."""
        self._shut = False
        self._lingers = True
        self.closed = False
        self.was_reset = False
        """Whether an RST has come."""
        self.changed: Callable[[], None] = _nothing
        """Called when it may have become readable or writable."""

    # What is known

    @property
    def readable(self) -> bool:
        """Whether `recv` would give something, an end or an error too."""
        return bool(self._came) or self._finished or self.was_reset

    @property
    def writable(self) -> bool:
        """Whether `send` would take something, or fail."""
        return self.was_reset or self._shut or self.peer.closed or self.peer.room > 0

    @property
    def unread(self) -> int:
        """Bytes that have come and nobody has read."""
        return len(self._came)

    @property
    def finished(self) -> bool:
        """Whether the other end's FIN has come, read or not."""
        return self._finished

    def fileno(self) -> int:
        """No descriptor: -1."""
        return -1

    def getsockname(self) -> Address:
        """This end's address."""
        return self._address

    def getpeername(self) -> Address:
        """The other end's address."""
        return self.peer.getsockname()

    def getsockopt(self, level: int, option: int) -> int:
        """SO_ERROR; of others none is set."""
        return errno.ECONNRESET if (level, option) == (sockets.SOL_SOCKET, sockets.SO_ERROR) and self.was_reset else 0

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """SO_LINGER with a time of zero makes the close an RST; others change nothing."""
        if (level, option) == (sockets.SOL_SOCKET, sockets.SO_LINGER):
            self._lingers = struct.unpack("ii", value) != (1, 0)

    def setblocking(self, flag: bool) -> None:  # a socket's own word
        """It never blocks."""

    # Bytes

    def send(self, data: bytes | memoryview, flags: int = 0) -> int:
        """Give the other end what it has room for. Raises `BlockingIOError` if it has none, `OSError` as send(2)."""
        if self.closed:
            raise _error(errno.EBADF)
        self._raise_broken()
        if self._shut or self.was_reset:
            raise _error(errno.EPIPE)
        peer = self.peer
        if peer.closed:  # nobody is there who could read it
            self.break_off()
            return len(data)
        size = min(len(data), peer.room)
        if not size and len(data):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        peer.take(data[:size])
        return size

    def sendmsg(self, pieces: Iterable[bytes | memoryview], ancillary: object = (), flags: int = 0) -> int:
        """As `send`, of several pieces."""
        return self.send(b"".join(pieces), flags)

    def recv(self, size: int) -> bytes:
        """What has come, `b""` after the FIN. Raises `BlockingIOError` if there is nothing, `OSError` as recv(2)."""
        if self.closed:
            raise _error(errno.EBADF)
        if self._came:
            data = bytes(self._came[:size])
            del self._came[:size]
            self.peer.changed()
            return data
        self._raise_broken()
        if self._finished or self.was_reset:
            return b""
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def _raise_broken(self) -> None:
        if self._broken:
            code, self._broken = self._broken, 0
            raise _error(code)

    # Ends

    def shutdown(self, how: int) -> None:
        """Send the FIN. Raises `OSError` where there is no connection any more."""
        if self.closed or self.was_reset:
            raise _error(errno.ENOTCONN)
        if how != sockets.SHUT_RD and not self._shut:
            self._shut = True
            self.peer.finish()

    def close(self) -> None:
        """Let go: with a FIN, or with an RST if bytes are unread or SO_LINGER says so."""
        if self.closed:
            return
        self.closed = True
        if self._came or not self._lingers:
            self.peer.break_off()
        elif not self._shut:
            self.peer.finish()
        self.peer.changed()

    # What the other end does

    @property
    def room(self) -> int:
        """How many bytes it still takes."""
        return self._room - len(self._came)

    def take(self, data: bytes | memoryview) -> None:
        """These bytes come."""
        self._came += data
        self.changed()

    def finish(self) -> None:
        """The FIN comes."""
        self._finished = True
        self.changed()

    def break_off(self) -> None:
        """An RST comes."""
        if not self.closed and not self.was_reset:
            self.was_reset = True
            self._broken = errno.ECONNRESET
            self.changed()


def _nothing() -> None:
    """Nobody waits."""


def pair(server: Address, client: Address, room: int = ROOM) -> tuple[MemorySocket, MemorySocket]:
    """The two ends of a new connection, the server's first; `room` is what each keeps for its reader, in bytes."""
    ours, theirs = MemorySocket(server, room), MemorySocket(client, room)
    ours.peer, theirs.peer = theirs, ours
    return ours, theirs


class Readiness:
    """What a loop is to who stands on one end: it calls back while that is readable or writable, or hung up."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: MemorySocket) -> None:
        self._loop = loop
        self._sock = sock
        self._reader: Callable[[], None] | None = None
        self._writer: Callable[[], None] | None = None
        self._watcher: Callable[[int], None] | None = None
        self._told = 0
        self._due = False
        self.call_soon = loop.call_soon
        self.call_later = loop.call_later
        sock.changed = self._look

    def add_reader(self, number: int, callback: Callable[[], None]) -> None:
        """Call back while there is something to read."""
        self._reader = callback
        self._look()

    def remove_reader(self, number: int) -> None:
        """Call back no more."""
        self._reader = None

    def add_writer(self, number: int, callback: Callable[[], None]) -> None:
        """Call back while there is room."""
        self._writer = callback
        self._look()

    def remove_writer(self, number: int) -> None:
        """Call back no more."""
        self._writer = None

    def watch(self, number: int, callback: Callable[[int], None], *, finished: bool = False) -> None:
        """See `hangups.Watcher`."""
        self._watcher = callback
        self._told = hangups.FINISHED if finished else 0
        self._look()

    def forget(self, number: int) -> None:
        """See `hangups.Watcher`."""
        self._watcher = None

    @property
    def _hung_up(self) -> int:
        """What has happened and was not told."""
        sock = self._sock
        broken = hangups.BROKEN if sock.was_reset else 0
        return ((hangups.FINISHED if sock.finished or broken else 0) | broken) & ~self._told

    @property
    def _is_wanted(self) -> bool:
        reads = self._reader is not None and self._sock.readable
        writes = self._writer is not None and self._sock.writable
        return reads or writes or (self._watcher is not None and self._hung_up != 0)

    def _look(self) -> None:
        if not self._due and self._is_wanted:
            self._due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._due = False
        if self._reader is not None and self._sock.readable:
            self._reader()
        if self._writer is not None and self._sock.writable:
            self._writer()
        if self._watcher is not None and (what := self._hung_up):
            self._told |= what
            self._watcher(what)
        self._look()


class MemoryWire(Wire):
    """A wire on one end of a connection in memory."""

    __slots__ = ("_end", "_readiness")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: MemorySocket, above: Above) -> None:
        self._end = sock
        self._readiness = readiness = Readiness(loop, sock)
        stand_in_loop: Any = readiness
        stand_in_socket: Any = sock
        super().__init__(stand_in_loop, stand_in_socket, above)

    @property
    def socket(self) -> None:
        """There is none."""

    @property
    def unread(self) -> bool:
        """Whether bytes have come that nobody has read."""
        return self._end.unread != 0

    @property
    def deserted(self) -> bool:
        """Whether the other end was closed."""
        return self._end.peer.closed

    def _unsent(self) -> int:
        return 0  # what was taken is there

    def _hangups(self) -> hangups.Watcher:
        return self._readiness


_ports = itertools.count(1)


class MemoryListener:
    """A port in memory: a `Listener` that clients reach by `connect`."""

    def __init__(
        self,
        host: str,
        port: int,
        accepted: Callable[[Any, Address], None],
        exhausted: Callable[[OSError], None],
    ) -> None:
        self._accepted = accepted
        self._clients = itertools.count(32768)
        self.lock = threading.RLock()
        self.address: Address = host, port or next(_ports)
        self.state: State = "refusing"
        self.held = False
        self._loop: asyncio.AbstractEventLoop
        self._queue: deque[tuple[MemorySocket, Address]] = deque()
        """Who waits to be accepted."""

    def connect(self, room: int = ROOM) -> MemorySocket:
        """The client's end of a new connection, in the loop's thread. Raises an `OSError` if nobody listens."""
        if self.state != "accepting":
            raise _error(errno.ECONNREFUSED if self.state == "refusing" else errno.ETIMEDOUT)
        client: Address = self.address[0], next(self._clients)
        ours, theirs = pair(self.address, client, room)
        self._queue.append((ours, client))
        self.drain()
        return theirs

    def attach(self, loop: asyncio.AbstractEventLoop, doors: object) -> None:
        """Know where those are accepted who had to wait."""
        self._loop = loop

    def waiting(self) -> bool:
        """Nobody waits but at a port that is held: who connects is accepted at once."""
        return False

    def drain(self) -> None:
        """Accept who waits, unless the port is held."""
        while self._queue and not self.held and self.state == "accepting":
            self._accepted(*self._queue.popleft())

    def hold(self, *, hold: bool) -> None:
        """Let who comes wait, or accept again."""
        self.held = hold
        if self._queue:
            self._loop.call_soon(self.drain)

    def change(self, state: State) -> None:
        """Accept, refuse or hang from now on."""
        self.state = state
        while self._queue and state == "refusing":
            ours, _ = self._queue.popleft()
            kernel.reset(ours)  # type: ignore[arg-type]  # it has a socket's words

    def close(self) -> None:
        """Refuse for good."""
        self.change("refusing")

    def abandon(self) -> None:
        """As `close`."""
        self.close()

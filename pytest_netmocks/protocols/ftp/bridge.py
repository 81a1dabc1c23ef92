"""`LinkSocket`: a socket to pyftpdlib, a protocol to a link; no second socket, no thread, true addresses."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
from collections.abc import Callable
from typing import Any

from pytest_netmocks.link.link import Link
from pytest_netmocks.servers.stack import Stack
from pytest_netmocks.servers.timeslice import TimeSlice

FIRST = 1 << 30
"""The first of the made-up descriptor numbers, which no socket has."""

_numbers = itertools.count(FIRST)

READ, WRITE = 1, 2
"""Bits for the events that pyftpdlib asks for."""

DRAINED = 0.002
"""Seconds after which a link that holds bytes is asked again: what holds them has no event for it."""


def _reset() -> ConnectionResetError:
    """A new one each time: one that has been raised holds who raised it."""
    return ConnectionResetError(errno.ECONNRESET, "reset")


class LinkSocket(asyncio.Protocol):
    """A socket to pyftpdlib, a protocol to the link."""

    known: dict[int, LinkSocket] = {}  # noqa: RUF012  # by their made-up numbers

    def __init__(self, link: Link) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._number = next(_numbers)
        self._buffer = b""
        self._eof = False
        self._ended = False
        """Whether the end was handed up."""
        self._full = True  # until the link is ready, which over TLS it is after the handshake
        self._begun = False
        self.on_begun: Callable[[], None] | None = None
        self.is_refused = False
        """Whether nothing is sent and nothing is read, for it is about to be closed."""
        self._instance: Any = None
        self._events = 0
        self._turn = self._running = False
        self.is_reset = False
        self.gone = False
        self.family = socket.AF_INET6 if ":" in str(link.get_extra_info("sockname")[0]) else socket.AF_INET
        LinkSocket.known[self._number] = self

    @property
    def link(self) -> Link:
        """What it stands on."""
        return self._link

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._begun = True
        self._full = False
        if self.on_begun is not None:
            self.on_begun()
        self._soon()

    @property
    def begun(self) -> bool:
        """Whether the connection is one of this protocol, which over TLS it is after the handshake."""
        return self._begun

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > 1 << 20:
            self._link.pause_reading()
        if self._turn or self._running:
            self._soon()
        else:
            self._run()  # now: an answer is one turn of the loop earlier

    def eof_received(self) -> bool:
        self._eof = True
        self._soon()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = True
        self._full = False
        connection = self._link.get_extra_info("connection")
        if error is not None or connection.closed_by == "server":
            # The test or the server ended it, in the middle of what pyftpdlib does.
            self.is_reset = True
        elif connection.closed_by == "fault":
            self._eof = True
        self._soon()

    def watch(self, stack: Stack) -> None:
        """Hear of the end of a connection whose protocol this is only to become."""
        known = stack.on_over

        def over() -> None:
            if known is not None:
                known()
            self.never()

        stack.on_over = over

    def never(self) -> None:
        """The connection ended before it was the link's protocol: in the TLS handshake."""
        if not self._begun and not self.gone:
            self.connection_lost(ConnectionResetError(errno.ECONNRESET, "no handshake"))

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._soon()

    # The events

    def want(self, instance: Any, events: int) -> None:
        """pyftpdlib wants these events, or none."""
        self._instance = instance
        self._events = events
        self._soon()

    def look(self) -> None:
        """pyftpdlib's handler reads again, which it did not for a while."""
        self._soon()

    def _soon(self) -> None:
        if not self._turn:
            self._turn = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._turn = False
        instance = self._instance
        if instance is None:
            return
        self._running = True
        try:
            if self._is_to_be_read(instance):
                instance.handle_read_event()
            self._hand_over_room(instance)
        except Exception:  # noqa: BLE001  # as its own pollers do
            instance.handle_error()
        self._running = False
        if self._instance is None:
            return
        if (self._is_to_be_read(self._instance) and not self._ended) or (self._is_to_be_written(self._instance)):
            self._soon()
        elif self.is_reset:
            self._instance.handle_close()

    def _hand_over_room(self, instance: Any) -> None:
        """Let pyftpdlib write, until it or the link has enough or the others have their turn."""
        time_slice = TimeSlice()
        while self._is_to_be_written(instance) and not time_slice.over and instance.writable():
            instance.handle_write_event()

    def _is_to_be_read(self, instance: Any) -> bool:
        if not (self._buffer or self._eof or self.is_reset) or self.is_refused:
            return False  # a client that was blackholed has neither data nor an end
        return bool(self._events & READ) and instance.readable()

    def _is_to_be_written(self, instance: Any) -> bool:
        if not self._events & WRITE or self._full or self.is_refused:
            return False
        return self._instance is instance

    # pyftpdlib's side

    def fileno(self) -> int:
        return self._number

    def recv(self, size: int) -> bytes:
        if self._buffer:
            data, self._buffer = self._buffer[:size], self._buffer[size:]
            if len(self._buffer) < 1 << 16:
                self._link.resume_reading()
            return data
        if self.is_reset:
            self._ended = True
            raise _reset()
        if self._eof:
            self._ended = True
            return b""
        raise BlockingIOError(errno.EWOULDBLOCK, "nothing to read")

    def send(self, data: bytes) -> int:
        if self.is_reset:
            raise _reset()
        if self._full or self.is_refused:
            raise BlockingIOError(errno.EWOULDBLOCK, "full")
        self._link.write(bytes(data))
        return len(data)

    def forget(self) -> None:
        """What has come and was not read is no longer wanted."""
        self._buffer = b""

    def close(self) -> None:
        LinkSocket.known.pop(self._number, None)
        self._instance = None
        self._link.close()

    def when_drained(self, call: Callable[[], None]) -> None:
        """Call it when everything written has left, or there is nobody left to take it."""
        if self.gone or self._link.over or (self._begun and not self._link.get_write_buffer_size()):
            call()
        else:
            self._loop.call_later(DRAINED, self.when_drained, call)

    @property
    def session(self) -> Any:
        """The TLS session, `None` without one."""
        return self._link.get_extra_info("ssl_object")

    def getpeername(self) -> Any:
        # Data connections have to be of the same host, whatever a PROXY header says of the client's.
        return self._link.get_extra_info("connection").peer_address

    def getsockname(self) -> Any:
        return self._link.get_extra_info("sockname")

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    def setsockopt(self, *_: Any) -> None:
        """The options are the wire's."""

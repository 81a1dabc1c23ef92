"""A socket that somebody hears: what its calls come to is told, byte by byte, with every FIN and RST.

A tap, as a layer, sees what was written; here is what the kernel took and gave, and when. That is what a capture has.
"""

from __future__ import annotations

import errno
import socket as sockets
from collections.abc import Sequence
from typing import Any, Protocol

from pytest_netmocks.link import kernel
from pytest_netmocks.records.events import Direction, Sign

UP: Direction = "upstream"
DOWN: Direction = "downstream"

BROKEN = (errno.ECONNRESET, errno.EPIPE)
"""What calls fail with after the peer's RST; EPIPE where it came after our own end."""

PEEK = 1 << 20
"""Bytes that came and nobody read, of which is told when the socket is closed."""


class Ear(Protocol):
    """Who hears. Bytes are lent: copy to keep."""

    def now(self) -> float:
        """The time, as the others take it: before a call, for when it returns the peer may have answered."""

    def received(self, data: bytes, /) -> None:
        """These bytes have come."""

    def sent(self, data: bytes | memoryview, at: float, /) -> None:
        """The kernel has taken these bytes."""

    def ended(self, direction: Direction, sign: Sign, at: float, /) -> None:
        """A FIN or RST has passed."""


class HeardSocket:
    """Stands for a connected socket, all of whose words it has. Each direction has one FIN, an RST comes last."""

    def __init__(self, sock: sockets.socket, ear: Ear) -> None:
        self._sock = sock
        self._ear = ear
        self._ended: set[Direction] = set()
        self._broken = False
        self._resets = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _end(self, direction: Direction, sign: Sign, at: float | None = None) -> None:
        if self._broken or (sign == "FIN" and direction in self._ended):
            return
        self._broken = sign == "RST"
        self._ended.add(direction)
        self._ear.ended(direction, sign, self._ear.now() if at is None else at)

    def _failed(self, error: OSError) -> None:
        if error.errno in BROKEN:
            self._end(UP, "RST")

    # The words of a socket that a wire says

    def recv(self, size: int, flags: int = 0) -> bytes:
        """recv(2)"""
        try:
            data = self._sock.recv(size, flags)
        except OSError as error:
            self._failed(error)
            raise
        if data:
            self._ear.received(data)
        elif size:
            self._end(UP, "FIN")
        return data

    def send(self, data: bytes | memoryview, flags: int = 0) -> int:
        """send(2)"""
        at = self._ear.now()
        try:
            sent = self._sock.send(data, flags)
        except OSError as error:
            self._failed(error)
            raise
        if sent:
            self._ear.sent(memoryview(data)[:sent], at)
        return sent

    def sendmsg(self, pieces: Sequence[bytes | memoryview], ancillary: Any = (), flags: int = 0) -> int:
        """sendmsg(2)"""
        at = self._ear.now()
        try:
            sent = left = self._sock.sendmsg(pieces, ancillary, flags)
        except OSError as error:
            self._failed(error)
            raise
        for piece in pieces:
            if left <= 0:
                break
            self._ear.sent(memoryview(piece)[:left], at)
            left -= len(piece)
        return sent

    def getsockopt(self, *arguments: Any) -> Any:
        """getsockopt(2); who takes the error that waits there learns of the RST by it."""
        value = self._sock.getsockopt(*arguments)
        if arguments[:2] == (sockets.SOL_SOCKET, sockets.SO_ERROR) and value in BROKEN:
            self._end(UP, "RST")
        return value

    def setsockopt(self, *arguments: Any) -> None:
        """setsockopt(2)"""
        self._sock.setsockopt(*arguments)
        if arguments[:2] == (sockets.SOL_SOCKET, sockets.SO_LINGER):
            self._resets = arguments[2] == kernel.LINGER_ZERO

    def shutdown(self, how: int) -> None:
        """shutdown(2)"""
        at = self._ear.now()
        try:
            self._sock.shutdown(how)
        except OSError:  # there is no connection any more, and nothing goes out
            self._end(UP, "RST")
            raise
        if how != sockets.SHUT_RD:
            self._end(DOWN, "FIN", at)

    def close(self) -> None:
        """close(2): what comes of it says what the socket is in the middle of."""
        if self._sock.fileno() >= 0 and not self._broken and len(self._ended) < 2:
            unread = self._look()
            state = kernel.state(self._sock)
            if state in kernel.PEER_FINISHED and not unread:
                self._end(UP, "FIN")
            if state in kernel.GONE:
                self._end(UP, "RST")
            elif (self._resets or unread) and state not in kernel.BOTH_FINISHED:
                self._end(DOWN, "RST")
            else:
                self._end(DOWN, "FIN")
        self._sock.close()

    def _look(self) -> bool:
        """Tell of bytes that have come and nobody will read; the kernel answers them with an RST (RFC 2525, 2.17)."""
        try:
            data = self._sock.recv(PEEK, sockets.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError as error:
            self._failed(error)
            return False
        if data:
            self._ear.received(data)
        return bool(data)

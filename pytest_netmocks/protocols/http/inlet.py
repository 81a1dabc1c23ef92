"""`Inlet`: much that one read has brought, taken in pieces, so that one client does not hold up the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pytest_netmocks.link.nobody import NOBODY
from pytest_netmocks.servers.backpressure import Reading
from pytest_netmocks.servers.timeslice import TimeSlice

PIECE = 16 * 1024
"""Bytes that are dealt with before it is asked whether the others have waited long enough: hundreds of requests."""

_OTHERS = "the others have their turn"


class Inlet:
    """Gives what comes to `take`, piece by piece, or in one where `keeps` says that it is only put aside."""

    __slots__ = ("_behind", "_keeps", "_reading", "_take")

    def __init__(self, reading: Reading, take: Callable[[bytes], None], keeps: Callable[[], bool]) -> None:
        self._reading = reading
        self._take = take
        self._keeps = keeps
        self._behind: tuple[bytes, int] | None = None
        """What the piece that is being taken is of, and where the next one begins."""

    def give(self, data: bytes) -> None:
        """Take it, now or in turns; nothing more is read meanwhile."""
        time_slice = TimeSlice()
        at = 0
        while at < len(data):
            size = len(data) if self._keeps() else PIECE
            behind = self._behind = data, at + size
            self._take(data[at : at + size])
            if self._behind is not behind:
                return  # it was taken back, and has come again since
            at += size
            if at < len(data) and time_slice.over and not self._keeps():
                self._reading.hold(_OTHERS)
                asyncio.get_running_loop().call_soon(self.give, data[at:])
                return
        self._behind = None
        self._reading.go_on(_OTHERS)

    def close(self) -> bool:
        """Hold who takes what comes no longer, unless something is still to be taken; whether that is so."""
        if self._behind is None:
            self._take, self._keeps = NOBODY.nothing, bool
        return self._behind is None

    def take_back(self) -> bytes:
        """What is behind the piece that is being taken: who asks sees to it that it comes again."""
        data, at = self._behind or (b"", 0)
        self._behind = None
        return data[at:]

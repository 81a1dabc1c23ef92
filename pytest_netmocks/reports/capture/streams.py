"""Conversations put together again: bytes in order and once, from segments that may come twice, late or never."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_netmocks.records.plain import plain_data
from pytest_netmocks.reports.capture.frames import Carried
from pytest_netmocks.reports.capture.packets import ACK, FIN, RST, SYN, UDP, End
from pytest_netmocks.reports.capture.talk import DOWN, OTHER, UP, Way

HALF = 1 << 31
LATE = 512
"""Segments that wait for one before them; when there are more it is taken for lost."""

NAMES: dict[Way, str] = {UP: "received", DOWN: "sent"}
ENDERS: dict[Way, str] = {UP: "client", DOWN: "server"}

Tell = Callable[[int, dict[str, Any]], None]


class Stream:
    """One direction: what came so far, and what came too early."""

    def __init__(self) -> None:
        self.first: int | None = None
        """The sequence number of its first byte."""
        self.offset = 0
        """Bytes that were told."""
        self.end: int | None = None
        """How many there are in all, once its FIN has come."""
        self.finished = False
        self.early: dict[int, tuple[bytes, int]] = {}
        """Bytes and their number, by where they begin."""

    def place(self, sequence: int) -> int:
        """Where a sequence number is in the stream; the first of all says where it begins."""
        if self.first is None:
            self.first = sequence
        ahead = (sequence - self.first - self.offset) & 0xFFFFFFFF
        return self.offset + (ahead - (1 << 32) if ahead >= HALF else ahead)


class Conversation:
    """One connection; what is found is told as events."""

    def __init__(self, client: End, server: End, tell: Tell, *, is_udp: bool) -> None:
        self.client = client
        self.server = server
        self.is_udp = is_udp
        self._tell = tell
        self._streams = {UP: Stream(), DOWN: Stream()}
        self.over = False
        self._at = 0
        self._piece: tuple[int, Way, int, bytearray, int] | None = None
        """What is put together of segments of the same moment: when, which way, from where on, the bytes, how many."""

    def way(self, carried: Carried) -> Way:
        """Which way it goes."""
        return UP if carried.source == self.client else DOWN

    def begins_again(self, carried: Carried) -> bool:
        """Whether it is the beginning of another connection between the same ends."""
        if self.is_udp or carried.flags & (SYN | ACK) != SYN:
            return False
        first = self._streams[self.way(carried)].first
        return self.over or (first is not None and first != (carried.sequence + 1) & 0xFFFFFFFF)

    def take(self, at: int, carried: Carried) -> None:
        """A segment or datagram."""
        self._at = at
        way = self.way(carried)
        stream = self._streams[way]
        if self.is_udp:
            self._emit(at, way, stream.offset, carried.data, carried.size, whole=True)
            stream.offset += carried.size
            return
        if self.over:
            return
        sequence = carried.sequence
        if carried.flags & SYN:
            sequence = (sequence + 1) & 0xFFFFFFFF
            stream.first = sequence if stream.first is None else stream.first
        place = stream.place(sequence) if carried.size or carried.flags & (FIN | SYN) else stream.offset
        if carried.size:
            self._bytes(at, way, place, carried.data, carried.size)
        if carried.flags & FIN:
            stream.end = place + carried.size
        self._end(at, way)
        if carried.flags & RST:
            self._skip(at)
            self.flush()
            self._ended(at, way, "RST")
            self._close(at, way)

    def _bytes(self, at: int, way: Way, place: int, data: bytes, size: int) -> None:
        stream = self._streams[way]
        if place > stream.offset:
            known = stream.early.get(place)
            if known is None or known[1] < size:
                stream.early[place] = data, size
            if len(stream.early) > LATE:
                self._skip(at, way)
            return
        self._join(at, way, place, data, size)
        while stream.early and (place := min(stream.early)) <= stream.offset:
            self._join(at, way, place, *stream.early.pop(place))

    def _join(self, at: int, way: Way, place: int, data: bytes, size: int) -> None:
        """Bytes that begin where those before them end, or before that: what was told is not told again."""
        stream = self._streams[way]
        known = stream.offset - place
        if size > known:
            self._emit(at, way, stream.offset, data[known:], size - known)
            stream.offset += size - known

    def _skip(self, at: int, *ways: Way) -> None:
        """What waits is told although bytes before it are missing."""
        for way in ways or (UP, DOWN):
            stream = self._streams[way]
            while stream.early:
                place = min(stream.early)
                stream.offset = max(stream.offset, place)
                self._join(at, way, place, *stream.early.pop(place))

    def _emit(self, at: int, way: Way, offset: int, data: bytes, size: int, *, whole: bool = False) -> None:
        piece = self._piece
        if piece is not None and not whole and piece[:2] == (at, way) and piece[2] + piece[4] == offset:
            if len(piece[3]) == piece[4]:  # nothing is missing before them
                piece[3].extend(data)
            self._piece = (*piece[:4], piece[4] + size)
            return
        self.flush()
        self._piece = at, way, offset, bytearray(data), size
        if whole:
            self.flush()

    def flush(self) -> None:
        """Tell of what was put together."""
        if self._piece is not None:
            at, way, offset, data, size = self._piece
            self._piece = None
            self._tell(at, {"event": NAMES[way], "offset": offset, "size": size, **plain_data(data, size)})

    def _end(self, at: int, way: Way) -> None:
        stream = self._streams[way]
        if stream.end is None or stream.finished or stream.offset < stream.end:
            return
        stream.finished = True
        self.flush()
        self._ended(at, way, "FIN")
        if self._streams[OTHER[way]].finished:
            self._close(at, OTHER[way])

    def _ended(self, at: int, way: Way, sign: str) -> None:
        what = "has finished" if sign == "FIN" else "has reset the connection"
        by = ENDERS[way]
        self._tell(at, {"event": "ended", "by": by, "text": f"the {by} {what}", "sign": sign})

    def _close(self, at: int, way: Way) -> None:
        self.over = True
        self._tell(at, {"event": "closed", "by": ENDERS[way], "text": f"closed by {ENDERS[way]}"})

    def finish(self) -> None:
        """The capture ends: what waits is told."""
        if not self.over:
            self._skip(self._at)
            self.flush()
            for way in (UP, DOWN):
                self._end(self._at, way)


def is_from_client(carried: Carried, way: int) -> bool:
    """Whether the first packet of a conversation that is seen comes from its client.

    A SYN says it; else `way` does, where the capture has it of the server's side (1: it came in); else it is asked by
    whose port is larger, as those are that systems give away.
    """
    if carried.protocol != UDP and carried.flags & SYN:
        return not carried.flags & ACK
    if way:
        return way == 1
    return carried.protocol == UDP or carried.source.port >= carried.target.port

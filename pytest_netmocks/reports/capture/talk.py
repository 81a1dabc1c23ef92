"""One connection as packets: what is on record of it, between ends that speak TCP as it should be spoken."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable
from typing import Literal

from pytest_netmocks.reports.capture.packets import ACK, FIN, PSH, RST, SYN, UDP, End, datagram, mss, segment

Way = Literal["upstream", "downstream"]
UP: Way = "upstream"
DOWN: Way = "downstream"

OTHER: dict[Way, Way] = {UP: DOWN, DOWN: UP}

OFTEN = 65536
"""Bytes after which an acknowledgement comes, where the other side says nothing itself."""


@dataclasses.dataclass(slots=True)
class Packet:
    """A packet, `size` bytes long, of which `data` are known; `at` is in nanoseconds since 1970."""

    at: int
    server: int
    way: Way
    data: bytes
    size: int
    comments: list[str] = dataclasses.field(default_factory=list)
    taken: dict[str, int] = dataclasses.field(default_factory=dict)
    """Bytes that did not follow it, by what took them."""

    def said(self) -> list[str]:
        """All comments, each once."""
        return [*dict.fromkeys(self.comments), *(f"{size} B {what}" for what, size in self.taken.items())]


class Talk:
    """Makes the packets of one connection; comments wait for the packet that they are about."""

    def __init__(
        self, server: int, seed: str, client: End, own: End, protocol: int, put: Callable[[Packet], None]
    ) -> None:
        self.server = server
        self.is_udp = protocol == UDP
        self._ends = {UP: client, DOWN: own}
        self._put = put
        # The same ends may meet again; their numbers are then others, or the later would pass for a retransmission.
        first = zlib.crc32(f"{client.host} {client.port} {seed}".encode())
        self._first = {UP: first, DOWN: zlib.crc32(first.to_bytes(4))}
        """The sequence numbers that each side begins with."""
        self._next = {UP: 1, DOWN: 1}
        """What each side's next byte is, counted from there."""
        self._acknowledged = {UP: 0, DOWN: 0}
        """How far each side's bytes are acknowledged."""
        self._finished: set[Way] = set()
        self._broken = False
        self._last: dict[Way, Packet] = {}
        self._latest: Packet | None = None
        self._next_of_all: list[str] = []
        self._next_data: list[tuple[str, Packet | None]] = []
        """What is about the next bytes of the server, and what came last before it was said."""
        self._next_end: list[str] = []

    # What passes

    def open(self, at: int, *, dialled: bool) -> None:
        """The three packets that begin a connection; `dialled` by the server."""
        if self.is_udp:
            return
        asking = DOWN if dialled else UP
        for way, flags in ((asking, SYN), (OTHER[asking], SYN | ACK), (asking, ACK)):
            self._send(at, way, flags, 0 if flags & SYN else 1)

    def carry(self, at: int, way: Way, offset: int, data: bytes, size: int) -> None:
        """Bytes of a stream from that offset on, of which `data` are known; what has passed already does not again."""
        if self.is_udp:
            made = datagram(self._ends[way], self._ends[OTHER[way]], data, size)
            self._packet(Packet(at, self.server, way, made, len(made) - len(data) + size), is_data=True)
            return
        known = self._next[way] - 1 - offset
        if known > 0:
            offset, data, size = offset + known, data[known:], size - known
        if size <= 0 or way in self._finished or self._broken:
            return
        self._next[way] = 1 + offset
        most = mss(self._ends[way].host)
        for start in range(0, size, most):
            piece, length = data[start : start + most], min(most, size - start)
            last = start + length == size
            self._send(at, way, ACK | PSH if last else ACK, self._next[way], piece, length)
            self._next[way] += length
            if last or self._next[way] - self._acknowledged[way] >= OFTEN:
                self._acknowledge(at, OTHER[way])

    def end(self, at: int, way: Way, sign: str) -> None:
        """A FIN or RST of the side whose bytes go that way."""
        if self.is_udp or self._broken:
            return
        if sign == "RST":
            self._send(at, way, RST | ACK, self._next[way])
            self._broken = True
        elif way not in self._finished:
            self._send(at, way, FIN | ACK, self._next[way])
            self._finished.add(way)
            self._next[way] += 1
            self._acknowledge(at, OTHER[way])

    def _acknowledge(self, at: int, way: Way) -> None:
        if self._acknowledged[OTHER[way]] < self._next[OTHER[way]]:
            self._send(at, way, ACK, self._next[way])

    def _send(self, at: int, way: Way, flags: int, number: int, data: bytes = b"", size: int = 0) -> None:
        other = OTHER[way]
        acknowledged = 0
        if flags & ACK:
            acknowledged = self._acknowledged[other] = self._next[other]
        sequence = self._first[way] + number
        ends = self._ends[way], self._ends[other]
        made = segment(*ends, sequence, self._first[other] + acknowledged, flags, data, size)
        packet = Packet(at, self.server, way, made, len(made) - len(data) + size)
        if flags == ACK and not size:
            self._put(packet)  # nobody has anything to say of it
        else:
            self._packet(packet, is_data=bool(size), is_end=bool(flags & (FIN | RST)))

    # What is said of it

    def _packet(self, packet: Packet, *, is_data: bool, is_end: bool = False) -> None:
        packet.comments += self._next_of_all
        self._next_of_all = []
        if packet.way == DOWN:
            if is_end:
                packet.comments += self._next_end
                self._next_end = []
            if is_data or (is_end and packet.comments):
                packet.comments += [text for text, _ in self._next_data]
                self._next_data = []
        self._last[packet.way] = self._latest = packet
        self._put(packet)

    def say_next(self, text: str) -> None:
        """A comment on the next packet of either side."""
        self._next_of_all.append(text)

    def say_of_bytes(self, text: str, way: Way) -> None:
        """A comment on the client's bytes that came last, or on those of the server that come next."""
        if way == UP and UP in self._last:
            self._last[UP].comments.append(text)
        elif way == UP:
            self.say_next(text)
        else:
            self._next_data.append((text, self._latest))

    def say_of_end(self, text: str) -> None:
        """A comment on the server's FIN or RST that comes next."""
        self._next_end.append(text)

    def say(self, text: str) -> None:
        """A comment on what passed last."""
        if self._latest is not None:
            self._latest.comments.append(text)
        else:
            self.say_next(text)

    def take(self, what: str, size: int) -> None:
        """So many bytes did not follow what passed last."""
        if self._latest is not None:
            self._latest.taken[what] = self._latest.taken.get(what, 0) + size

    def close(self) -> None:
        """No more comes: what waited for it is said of what came before."""
        if self._latest is None:
            return
        for text, before in self._next_data:
            (before or self._latest).comments.append(text)
        self._latest.comments += [*self._next_end, *self._next_of_all]
        self._next_data, self._next_end, self._next_of_all = [], [], []

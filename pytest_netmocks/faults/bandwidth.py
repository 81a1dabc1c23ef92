"""`Bandwidth`: bytes trickle."""

from __future__ import annotations

import dataclasses

from pytest_netmocks import check
from pytest_netmocks.faults.base import DatagramFault, ShapingFault
from pytest_netmocks.faults.datagrams import DatagramStage, Sent
from pytest_netmocks.faults.draws import Draws
from pytest_netmocks.faults.shaper import Eof, LazyShaper, Shaper

TICK = 0.01
"""Seconds of the line that a piece fills: what is long in transfer arrives in hundredths of a second."""

BUFFER = 64 * 1024
"""Bytes that wait in front of a slow line before the sender has to: it is to notice."""

AHEAD = 0.2
"""Seconds of a fast line that wait in front of it: a sender that is told late, on a busy machine, leaves no gap."""

QUEUE = 256 * 1024
"""Bytes that a router in front of a slow line holds for one client; datagrams beyond them are dropped."""


@dataclasses.dataclass(frozen=True, repr=False)
class Bandwidth(ShapingFault, DatagramFault):
    """Bytes arrive at that rate (bytes per second), in pieces of a hundredth of a second.

    Datagrams wait for the line as a whole; when 256 KiB wait, the next is dropped (tail drop, as routers do).
    """

    bytes_per_second: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check.number("Bandwidth: bytes_per_second", self.bytes_per_second, unit="bytes per second", above=0)

    def shaper(self, draws: Draws) -> Shaper:
        return _Trickle(self.bytes_per_second)

    def datagrams(self, draws: Draws) -> DatagramStage:
        return _Line(self.bytes_per_second)


class _Trickle(LazyShaper):
    def __init__(self, rate: float) -> None:
        super().__init__()
        self._rate = rate
        self._piece = max(1, int(rate * TICK))
        self.limit = max(BUFFER, int(rate * AHEAD))
        self._free = 0.0

    def head(self) -> tuple[float, int]:
        at, item = self._queue[0]
        start = max(at, self._free)
        if isinstance(item, Eof):
            return start, 0
        size = min(self._piece, len(item))
        return start + size / self._rate, size

    def popped(self, due: float) -> None:
        if not isinstance(self._queue[0][1], Eof):
            self.hit()
        self._free = due


class _Line(DatagramStage):
    def __init__(self, rate: float) -> None:
        super().__init__()
        self._rate = rate
        self._free = 0.0

    def step(self, at: float, number: int, data: bytes) -> list[Sent]:
        self.hit()
        start = max(at, self._free)
        if (start - at) * self._rate > QUEUE:
            return []
        self._free = start + len(data) / self._rate
        return [(self._free, data)]

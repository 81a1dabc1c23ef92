"""`Bandwidth`: bytes trickle."""

from __future__ import annotations

import dataclasses

from pytest_netmocks import check, clock
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.shaper import Eof, Item, LazyShaper, Shaper
from pytest_netmocks.engine.stages import DatagramStage, Sent
from pytest_netmocks.faults.base import DatagramFault, ShapingFault

TICK = 0.01
"""Seconds of the line that a piece fills: what is long in transfer arrives in hundredths of a second."""

COARSE = 0.1
"""Seconds of it at most in virtual time: each piece is an event that costs real time."""

GROWTH = 10
"""In virtual time a piece is that fraction of what the line has been carrying: the first ones are as small as ever."""

BUFFER = 64 * 1024
"""Bytes that wait in front of a slow line before the sender has to: it is to notice."""

AHEAD = 0.2
"""Seconds of a fast line that wait in front of it: a sender that is told late, on a busy machine, leaves no gap."""

QUEUE = 256 * 1024
"""Bytes that a router in front of a slow line holds for one client; datagrams beyond them are dropped."""


class Line:
    """A line that carries one thing after the other."""

    def __init__(self) -> None:
        self.free = 0.0
        """When what has been promised to it so far is through."""

    def promise(self, at: float, seconds: float) -> float:
        """Take the line for so long, from `at` on or when it is free; when it will be through."""
        self.free = max(at, self.free) + seconds
        return self.free


@dataclasses.dataclass(frozen=True, repr=False)
class Bandwidth(ShapingFault, DatagramFault):
    """Bytes arrive at that rate (bytes per second), in pieces of a hundredth of a second.

    In virtual time the pieces of a long transfer grow to a tenth of a second.

    Datagrams wait for the line as a whole; when 256 KiB wait, the next is dropped (tail drop, as routers do). Each
    connection (or client) has a line of its own; with `shared=True` all have one together, each way, and take turns.
    """

    bytes_per_second: float
    """How many bytes come through in a second."""
    shared: bool = False
    """Whether all connections have that together."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check.number("Bandwidth: bytes_per_second", self.bytes_per_second, unit="bytes per second", above=0)
        check.instance("Bandwidth: shared", self.shared, bool, "True or False")

    def common(self) -> Line | None:
        return Line() if self.shared else None

    def shaper(self, draws: Draws) -> Shaper:
        return _Trickle(self.bytes_per_second)

    def datagrams(self, draws: Draws) -> DatagramStage:
        return _Queue(self.bytes_per_second)


class _Trickle(LazyShaper):
    def __init__(self, rate: float) -> None:
        super().__init__()
        self._rate = rate
        self.limit = max(BUFFER, int(rate * AHEAD))
        self._line = Line()
        self._last = 0.0
        self._carried = 0
        self._promised: tuple[float, int] | None = None
        """When the next piece is through, and its size."""

    def join(self, common: object) -> None:
        if isinstance(common, Line):
            self._line = common

    def head(self) -> tuple[float, int]:
        at, item = self._queue[0]
        if isinstance(item, Eof):
            return max(at, self._last), 0
        if self._promised is None:
            size = min(self._piece(), len(item))
            self._promised = self._line.promise(at, size / self._rate), size
        return self._promised

    def _piece(self) -> int:
        """Bytes of the next piece."""
        seconds = TICK
        if clock.is_virtual:
            seconds = min(COARSE, max(TICK, self._carried / self._rate / GROWTH))
        return max(1, int(self._rate * seconds))

    def popped(self, due: float) -> None:
        if self._promised is not None:
            self._carried += self._promised[1]
            self.hit()
        self._promised = None
        self._last = due

    def release(self) -> list[Item]:
        self._promised = None
        return super().release()


class _Queue(DatagramStage):
    def __init__(self, rate: float) -> None:
        super().__init__()
        self._rate = rate
        self._line = Line()

    def join(self, common: object) -> None:
        if isinstance(common, Line):
            self._line = common

    def step(self, at: float, number: int, data: bytes) -> list[Sent]:
        self.hit()
        if (self._line.free - at) * self._rate > QUEUE:
            return []
        return [(self._line.promise(at, len(data) / self._rate), data)]

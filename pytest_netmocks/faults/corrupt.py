"""`Corrupt`: bits flip on the way."""

from __future__ import annotations

import bisect
import dataclasses
import math

from pytest_netmocks import check
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.shaper import Eof, Item, Shaper
from pytest_netmocks.engine.stages import DatagramStage, Sent
from pytest_netmocks.faults.base import PLACED, DatagramFault, ShapingFault

BLOCK = 4096
"""Bytes whose flips are drawn together: addressed by offset, so that chunking makes no difference."""


@dataclasses.dataclass(frozen=True, repr=False)
class Corrupt(ShapingFault, DatagramFault):
    """Each byte has that chance (0 to 1) to have one bit flipped; sizes stay.

    In a sweep it may be left out: the place is the byte, or the datagram.
    """

    probability: float | None = dataclasses.field(default=None, metadata=PLACED)
    """The chance of each byte (0 to 1), `None` with `at`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.probability is not None:
            check.number("Corrupt: probability", self.probability, unit="a chance", minimum=0, maximum=1)

    def flips(self, draws: Draws, block: int, size: int) -> list[tuple[int, int]]:
        """Offset within the block and mask of each byte that is struck, in order."""
        probability = 1.0 if self.probability is None else self.probability
        if not probability:
            return []
        generator = draws.generator(block)
        found: list[tuple[int, int]] = []
        offset = -1
        while True:
            # The gaps of independent chances are geometric: one draw a flip, not one a byte.
            if probability < 1:
                gap = math.log(1 - generator.random()) / math.log1p(-probability)
                if gap >= size:
                    return found
                offset += int(gap)
            offset += 1
            if offset >= size:
                return found
            found.append((offset, 1 << generator.getrandbits(3)))

    def shaper(self, draws: Draws) -> Shaper:
        return _Flipper(self, draws)

    def datagrams(self, draws: Draws) -> DatagramStage:
        return _DatagramFlipper(self, draws)


class _Flipper(Shaper):
    def __init__(self, fault: Corrupt, draws: Draws) -> None:
        super().__init__()
        self._fault = fault
        self._draws = draws
        self._block = -1
        self._flips: list[tuple[int, int]] = []

    def schedule(self, at: float, item: Item) -> None:
        if isinstance(item, Eof):
            self._put(at, item)
            return
        begin, end = self.seen, self.seen + len(item)
        changed: bytearray | None = None
        for block in range(begin // BLOCK, -(-end // BLOCK)):
            if block != self._block:
                self._block = block
                self._flips = self._fault.flips(self._draws, block, BLOCK)
            start = block * BLOCK
            first = bisect.bisect_left(self._flips, (begin - start,))
            for offset, mask in self._flips[first : bisect.bisect_left(self._flips, (end - start,))]:
                if changed is None:
                    changed = bytearray(item)
                changed[start + offset - begin] ^= mask
        if changed is not None:
            self.hit()
        self._put(at, item if changed is None else bytes(changed))


class _DatagramFlipper(DatagramStage):
    def __init__(self, fault: Corrupt, draws: Draws) -> None:
        super().__init__()
        self._fault = fault
        self._draws = draws

    def step(self, at: float, number: int, data: bytes) -> list[Sent]:
        flips = self._fault.flips(self._draws, number, len(data))
        if flips:
            self.hit()
            changed = bytearray(data)
            for offset, mask in flips:
                changed[offset] ^= mask
            data = bytes(changed)
        return [(at, data)]

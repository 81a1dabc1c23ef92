"""`Latency`: everything arrives later."""

from __future__ import annotations

import dataclasses
import math
import typing
from typing import Literal

from pytest_netmocks import check
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.shaper import Item, Shaper
from pytest_netmocks.engine.stages import DatagramStage, Sent
from pytest_netmocks.faults.base import DatagramFault, ShapingFault

Distribution = Literal["uniform", "normal", "pareto", "lognormal"]

BLOCK = 64
"""Bytes that share a draw of the jitter: addressed by offset, so that chunking makes no difference."""

NOTHING = 1e-9
"""Seconds that are none."""

_PARETO = 3.0
_PARETO_MEAN = _PARETO / (_PARETO - 1)
_PARETO_DEVIATION = (_PARETO / ((_PARETO - 1) ** 2 * (_PARETO - 2))) ** 0.5


@dataclasses.dataclass(frozen=True, repr=False)
class Latency(ShapingFault, DatagramFault):
    """Every byte (datagram) arrives `seconds` later; a stream's order is kept, so is its pace.

    `jitter` (seconds) is the half-width of the `uniform` distribution or the standard deviation of `normal` and
    `pareto` (shape 3, a long tail); a delay is never negative. The words are netem's, see tc-netem(8). `lognormal` has
    `seconds` as its mean and `jitter` as its standard deviation: what round trips over the internet look like.
    """

    seconds: float
    jitter: float = 0.0
    distribution: Distribution = "uniform"
    """How delays spread around `seconds`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check.number("Latency: seconds", self.seconds, unit="seconds", minimum=0)
        check.number("Latency: jitter", self.jitter, unit="seconds", minimum=0)
        check.one_of("Latency: distribution", self.distribution, typing.get_args(Distribution))

    def delay(self, draws: Draws, number: int) -> float:
        """The delay in seconds of the block or datagram with that number."""
        if not self.jitter:
            return self.seconds
        if self.distribution == "lognormal":
            return self._lognormal(draws, number)
        if self.distribution == "uniform":
            spread = 2 * draws.uniform(number) - 1
        elif self.distribution == "normal":
            spread = draws.generator(number).gauss(0, 1)
        else:
            spread = (draws.generator(number).paretovariate(_PARETO) - _PARETO_MEAN) / _PARETO_DEVIATION
        return max(0.0, self.seconds + self.jitter * spread)

    def _lognormal(self, draws: Draws, number: int) -> float:
        if self.seconds < NOTHING:
            return 0.0  # what is never negative and 0 in the mean
        variance = 2 * math.log(math.hypot(1, self.jitter / self.seconds))
        return draws.generator(number).lognormvariate(math.log(self.seconds) - variance / 2, math.sqrt(variance))

    def shaper(self, draws: Draws) -> Shaper:
        return _Delay(self, draws)

    def datagrams(self, draws: Draws) -> DatagramStage:
        return _DatagramDelay(self, draws)


class _Delay(Shaper):
    # A long fat link holds rate times delay; 4 MiB keep 40 MB/s going over a tenth of a second.
    limit = 4 << 20

    def __init__(self, fault: Latency, draws: Draws) -> None:
        super().__init__()
        self._fault = fault
        self._draws = draws
        self._last = 0.0

    def schedule(self, at: float, item: Item) -> None:
        if not self._fault.jitter or not isinstance(item, (bytes, memoryview)):
            self._later(at, self.seen // BLOCK, item)
            return
        offset, view = self.seen, memoryview(item)
        while view:
            size = BLOCK - offset % BLOCK
            self._later(at, offset // BLOCK, view[:size])
            view = view[size:]
            offset += size

    def _later(self, at: float, block: int, item: Item) -> None:
        self._last = max(self._last, at + self._fault.delay(self._draws, block))
        if self._last > at:
            self.hit()
        self._put(self._last, item)


class _DatagramDelay(DatagramStage):
    def __init__(self, fault: Latency, draws: Draws) -> None:
        super().__init__()
        self._fault = fault
        self._draws = draws

    def step(self, at: float, number: int, data: bytes) -> list[Sent]:
        delay = self._fault.delay(self._draws, number)
        if delay:
            self.hit()
        return [(at + delay, data)]

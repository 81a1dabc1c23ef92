"""`ChanceFault`: the base of the datagram faults that strike each datagram with some chance."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod

from pytest_netmocks import check
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.stages import DatagramStage, Sent
from pytest_netmocks.faults.base import PLACED, DatagramFault


@dataclasses.dataclass(frozen=True, repr=False)
class ChanceFault(DatagramFault):
    """Each datagram is struck with that chance (`probability`, 0 to 1); a sweep's places choose without one."""

    probability: float | None = dataclasses.field(default=None, metadata=PLACED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.probability is not None:
            check.number(f"{self.name}: probability", self.probability, unit="a chance", minimum=0, maximum=1)

    @property
    def chance(self) -> float:
        """The chance that a datagram which it has to do with is struck."""
        return 1.0 if self.probability is None else self.probability

    @abstractmethod
    def struck(self, at: float, data: bytes) -> list[Sent]:
        """What becomes of a datagram that is struck."""

    def datagrams(self, draws: Draws) -> DatagramStage:
        return _Chance(self, draws)


class _Chance(DatagramStage):
    def __init__(self, fault: ChanceFault, draws: Draws) -> None:
        super().__init__()
        self._fault = fault
        self._draws = draws

    def step(self, at: float, number: int, data: bytes) -> list[Sent]:
        if self._draws.uniform(number) >= self._fault.chance:
            return [(at, data)]
        self.hit()
        return self._fault.struck(at, data)

"""`Loss`: datagrams vanish."""

from __future__ import annotations

import dataclasses

from pytest_netmocks import check
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.stages import DatagramStage, Sent
from pytest_netmocks.faults.chance import ChanceFault


@dataclasses.dataclass(frozen=True, repr=False)
class Loss(ChanceFault):
    """Each datagram is lost with that chance (`probability`, 0 to 1); with `burst` several in a row.

    `burst` is how many are lost one after the other in the mean, at least 1; of all `probability` are lost in the long
    run. That is Gilbert's model, the simple case of netem's `loss gemodel p r` with r = 1 / burst, see tc-netem(8). A
    client's datagrams are counted each way, and each has a draw of its own.
    """

    burst: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.burst is None:
            return
        check.number("Loss: burst", self.burst, unit="datagrams in a row", minimum=1)
        if self.chance < 1 and self.burst < self.chance / (1 - self.chance):
            least = self.chance / (1 - self.chance)
            raise ValueError(
                f"Loss: burst must be at least {least:g} where {self.chance:g} of all are lost "
                f"(no gap between bursts is shorter than one datagram), not {self.burst!r}"
            )

    def struck(self, at: float, data: bytes) -> list[Sent]:
        return []

    def datagrams(self, draws: Draws) -> DatagramStage:
        if self.burst is None or self.chance in (0, 1):
            return super().datagrams(draws)
        return _Bursts(self.chance, self.burst, draws)


class _Bursts(DatagramStage):
    def __init__(self, probability: float, burst: float, draws: Draws) -> None:
        super().__init__()
        self._ends = 1 / burst
        self._begins = probability / (burst * (1 - probability))
        self._draws = draws
        self._count = 0
        self._bad = draws.uniform(0) < probability

    def step(self, at: float, number: int, data: bytes) -> list[Sent]:
        if self._count:
            draw = self._draws.uniform(self._count)
            self._bad = draw >= self._ends if self._bad else draw < self._begins
        self._count += 1
        if not self._bad:
            return [(at, data)]
        self.hit()
        return []

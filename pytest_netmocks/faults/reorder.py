"""`Reorder`: datagrams overtake each other."""

from __future__ import annotations

import dataclasses

from pytest_netmocks import check
from pytest_netmocks.engine.stages import Sent
from pytest_netmocks.faults.chance import ChanceFault


@dataclasses.dataclass(frozen=True, repr=False)
class Reorder(ChanceFault):
    """Each datagram is held back for `delay` seconds with that chance, so that later ones overtake it."""

    delay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check.number("Reorder: delay", self.delay, unit="seconds", minimum=0)

    def struck(self, at: float, data: bytes) -> list[Sent]:
        return [(at + self.delay, data)]

"""`Garbage`: an answer that is no answer."""

from __future__ import annotations

import dataclasses

from pytest_netmocks import check
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.faults.base import SpoilingFault


@dataclasses.dataclass(frozen=True, repr=False)
class Garbage(SpoilingFault):
    """`size` random bytes in place of the answer, then a FIN."""

    size: int = 64

    def __post_init__(self) -> None:
        check.whole("Garbage: size", self.size, unit="bytes", minimum=1)

    def instead(self, head: bytes, body: bytes, draws: Draws) -> bytes:
        return draws.generator(0).randbytes(self.size)

"""`Duplicate`: datagrams come twice."""

from __future__ import annotations

import dataclasses

from pytest_netmocks.engine.stages import Sent
from pytest_netmocks.faults.chance import ChanceFault


@dataclasses.dataclass(frozen=True, repr=False)
class Duplicate(ChanceFault):
    """Each datagram comes twice with that chance (`probability`, 0 to 1)."""

    def struck(self, at: float, data: bytes) -> list[Sent]:
        return [(at, data), (at, data)]

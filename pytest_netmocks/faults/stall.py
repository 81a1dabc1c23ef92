"""`Stall`: delivery stops, and back-pressure builds up."""

from __future__ import annotations

import dataclasses

from pytest_netmocks.engine.gate import Action
from pytest_netmocks.faults.base import EndingFault


@dataclasses.dataclass(frozen=True, repr=False)
class Stall(EndingFault):
    """From then on (`after_bytes` bytes, `after` seconds) nothing is delivered and nothing is read.

    In time the sender's `send` blocks. Lifting it releases what was held.
    """

    action = Action.HOLD

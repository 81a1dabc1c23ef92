"""`Blackhole`: silence."""

from __future__ import annotations

import dataclasses

from pytest_netmocks.engine.gate import Action
from pytest_netmocks.faults.base import UNSAID_BOTH, Direction, EndingFault


@dataclasses.dataclass(frozen=True, repr=False)
class Blackhole(EndingFault):
    """From then on (`after_bytes` bytes, `after` seconds) nothing arrives any more and nothing closes.

    What it swallowed is gone when it is lifted, and a connection that it struck stays silent.
    """

    _: dataclasses.KW_ONLY
    direction: Direction = UNSAID_BOTH

    action = Action.DISCARD

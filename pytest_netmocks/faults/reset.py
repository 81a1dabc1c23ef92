"""`Reset`: a connection is cut hard."""

from __future__ import annotations

import dataclasses

from pytest_netmocks.engine.gate import Action
from pytest_netmocks.faults.base import EndingFault


@dataclasses.dataclass(frozen=True, repr=False)
class Reset(EndingFault):
    """A TCP RST (RFC 9293, section 3.5.2), after exactly `after_bytes` bytes and `after` seconds.

    It ends both ways at once; without arguments it strikes immediately. Every byte before it has reached the peer's
    kernel when it goes out.
    """

    action = Action.RST

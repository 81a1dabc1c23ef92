"""`Close`: the orderly end in the wrong place, a truncated answer."""

from __future__ import annotations

import dataclasses

from pytest_netmocks.engine.gate import Action
from pytest_netmocks.faults.base import EndingFault


@dataclasses.dataclass(frozen=True, repr=False)
class Close(EndingFault):
    """A FIN and only a FIN, after exactly `after_bytes` bytes and `after` seconds.

    Downstream the connection is over for the server, and what the client still sends is read and thrown away.
    Upstream the server sees the end of the stream; its answer still goes out.
    """

    action = Action.FIN

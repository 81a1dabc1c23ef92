"""`Refuse`: nobody listens."""

from __future__ import annotations

import dataclasses

from pytest_netmocks.faults.base import ConnectFault


@dataclasses.dataclass(frozen=True, repr=False)
class Refuse(ConnectFault):
    """Connecting fails with ECONNREFUSED, see connect(2); open connections live on, and the port stays the server's.

    Nobody hears who knocks at a closed port: it counts one hit for each server as soon as it is in force.
    """

    listener = "refusing"

"""`Unreachable`: connecting hangs."""

from __future__ import annotations

import dataclasses

from pytest_netmocks.faults.base import ConnectFault


@dataclasses.dataclass(frozen=True, repr=False)
class Unreachable(ConnectFault):
    """The connect itself hangs until the client's timeout: nobody answers its SYN.

    Linux only (a full accept queue, see listen(2)); elsewhere injecting it raises `OSError`. A client that waited gets
    in about a second after it is lifted, with its next SYN. Open connections live on. Nobody hears who tries: it counts
    one hit for each server as soon as it is in force.
    """

    listener = "unreachable"

"""`HandshakeStall`: the server's answer to the ClientHello does not come."""

from __future__ import annotations

import dataclasses

from pytest_netmocks.faults.base import HandshakeFault


@dataclasses.dataclass(frozen=True, repr=False)
class HandshakeStall(HandshakeFault):
    """The ClientHello is not answered and nothing closes; lifting it lets the handshake go on."""

    answer = None

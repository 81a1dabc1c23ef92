"""`HandshakeFailure`: the server will not speak TLS with this client."""

from __future__ import annotations

import dataclasses

from pytest_netmocks import check
from pytest_netmocks.faults import alerts
from pytest_netmocks.faults.base import HandshakeFault


@dataclasses.dataclass(frozen=True, repr=False)
class HandshakeFailure(HandshakeFault):
    """The ClientHello is answered with an alert and a FIN: `alert` is a name of RFC 8446, section 6, in lower case."""

    alert: str = "handshake_failure"

    def __post_init__(self) -> None:
        check.one_of("HandshakeFailure: alert", self.alert, alerts.ALERTS)

    @property
    def answer(self) -> bytes:
        """The alert's record."""
        return alerts.record(self.alert)

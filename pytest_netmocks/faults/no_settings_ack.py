"""`NoSettingsAck`: what a client of HTTP/2 says of itself is never acknowledged."""

from __future__ import annotations

import dataclasses

from pytest_netmocks.faults.base import SessionFault


@dataclasses.dataclass(frozen=True, repr=False)
class NoSettingsAck(SessionFault):
    """SETTINGS of the client are not acknowledged (RFC 9113, section 6.5.3), and all else goes on.

    A client that waits for it may end the connection with SETTINGS_TIMEOUT. Lifting it sends what was due.
    """

"""`NoPingAck`: a client of HTTP/2 that asks whether somebody is there hears nothing."""

from __future__ import annotations

import dataclasses

from pytest_netmocks.faults.base import SessionFault


@dataclasses.dataclass(frozen=True, repr=False)
class NoPingAck(SessionFault):
    """PING frames of the client are not answered (RFC 9113, section 6.7), and all else goes on.

    Lifting it answers them.
    """

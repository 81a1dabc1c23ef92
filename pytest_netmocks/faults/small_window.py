"""`SmallWindow`: a server of HTTP/2 that takes uploads in crumbs, or not at all."""

from __future__ import annotations

import dataclasses

from pytest_netmocks import check
from pytest_netmocks.faults.base import SessionFault


@dataclasses.dataclass(frozen=True, repr=False)
class SmallWindow(SessionFault):
    """A flow-control window of `size` bytes for the body of each request (SETTINGS_INITIAL_WINDOW_SIZE, RFC 9113).

    A client has to wait after so many until the server has taken them and says so; with 0 no window ever opens. It
    holds from the SETTINGS that say it, the first of a new connection. See section 6.9.2.
    """

    size: int

    def __post_init__(self) -> None:
        check.whole("SmallWindow: size", self.size, unit="bytes", minimum=0, maximum=(1 << 31) - 1)

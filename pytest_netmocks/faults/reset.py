"""`Reset`: a connection is cut hard."""

from __future__ import annotations

import dataclasses

from pytest_netmocks import check
from pytest_netmocks.engine.gate import Action
from pytest_netmocks.faults.base import EndingFault
from pytest_netmocks.faults.codes import CODES


@dataclasses.dataclass(frozen=True, repr=False)
class Reset(EndingFault):
    """A TCP RST (RFC 9293, section 3.5.2), after exactly `after_bytes` bytes and `after` seconds.

    It ends both ways at once; without arguments it strikes immediately. Every byte before it has reached the peer's
    kernel when it goes out. On the rule of an exchange of HTTP/2 it is an RST_STREAM with CANCEL, or with the `error`
    that is named (RFC 9113, section 7).
    """

    _: dataclasses.KW_ONLY
    error: str | None = None

    action = Action.RST

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.error is not None:
            check.one_of("Reset: error", self.error, CODES)

"""`Goaway`: a connection of HTTP/2 takes no more streams."""

from __future__ import annotations

import dataclasses

from pytest_netmocks import check
from pytest_netmocks.faults.base import FramesFault
from pytest_netmocks.faults.codes import CODES

MAX_STREAM = (1 << 31) - 1
"""The highest number of a stream."""


@dataclasses.dataclass(frozen=True, repr=False)
class Goaway(FramesFault):
    """A GOAWAY frame (RFC 9113, section 6.8) with this error when the exchange comes to its answer.

    Streams up to `last_stream` are answered, by default up to that of the exchange itself; those above are not, and a
    client may send their requests again elsewhere. With `"NO_ERROR"` the connection ends when the last of them is out,
    with any other error at once.
    """

    error: str = "NO_ERROR"
    """The name of the error code (RFC 9113, section 7)."""
    last_stream: int | None = None

    def __post_init__(self) -> None:
        check.one_of("Goaway: error", self.error, CODES)
        if self.last_stream is not None:
            unit = "the number of a stream"
            check.whole("Goaway: last_stream", self.last_stream, unit=unit, minimum=0, maximum=MAX_STREAM)

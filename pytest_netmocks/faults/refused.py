"""`Refused`: a stream of HTTP/2 that nobody looks at."""

from __future__ import annotations

import dataclasses

from pytest_netmocks.faults.base import FramesFault


@dataclasses.dataclass(frozen=True, repr=False)
class Refused(FramesFault):
    """RST_STREAM with REFUSED_STREAM in place of the answer (RFC 9113, section 8.7).

    It says that nothing was done with the request, so that a client may send any again, a POST too.
    """

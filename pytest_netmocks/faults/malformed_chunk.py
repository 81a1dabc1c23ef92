"""`MalformedChunk`: an HTTP answer whose chunks go wrong."""

from __future__ import annotations

import dataclasses
import re

from pytest_netmocks import check
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.faults.base import SpoilingFault

_LENGTH = re.compile(rb"\r\n(?:content-length|transfer-encoding):[^\r\n]*", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, repr=False)
class MalformedChunk(SpoilingFault):
    """A chunked HTTP answer (RFC 9112, section 7.1): a good chunk of `after_bytes` bytes, then one without a size."""

    after_bytes: int = 0

    schemes = frozenset({"http", "https"})

    def __post_init__(self) -> None:
        check.whole("MalformedChunk: after_bytes", self.after_bytes, unit="bytes", minimum=0)

    def instead(self, head: bytes, body: bytes, draws: Draws) -> bytes:
        if not head:  # a scripted answer is all payload
            head, _, body = body.partition(b"\r\n\r\n")
        head = _LENGTH.sub(b"", head.removesuffix(b"\r\n\r\n")) + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        good = body[: self.after_bytes]
        chunk = b"%x\r\n%b\r\n" % (len(good), good) if good else b""
        return head + chunk + b"this is no size\r\n"

"""The status of a call: its names and numbers, and how its text travels (PROTOCOL-HTTP2.md of gRPC)."""

from __future__ import annotations

import dataclasses
from typing import Any

from pytest_netmocks import check

CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""The names of the statuses, each at its number (statuscodes.md of gRPC)."""

_PLAIN = frozenset(range(0x20, 0x7F)) - {ord("%")}


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """How a call ends: the name of the code, a message of text, and `google.rpc.Status` in bytes, empty for none."""

    code: str
    message: str = ""
    details: bytes = b""

    @property
    def number(self) -> int:
        """The code as `grpc-status` has it."""
        return CODES.index(self.code)


class CallError(Exception):
    """What ends a call with a status, for a reason that the client is told."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = Status(code, message)


def code_of(name: str, value: Any) -> str:
    """The name of a code: given by its name or number, or as `grpc.StatusCode` or `grpclib.const.Status` have it.

    Raises `TypeError` or `ValueError` that names the argument.
    """
    if type(value).__name__ in ("StatusCode", "Status") and isinstance(getattr(value, "name", None), str):
        value = value.name
    if isinstance(value, str):
        if value not in CODES:
            raise ValueError(f"{name} must be the name of a status of gRPC, not {value!r}{check.nearest(value, CODES)}")
        return value
    check.instance(name, value, int, 'a status such as "UNAVAILABLE" or 14, or grpc.StatusCode.UNAVAILABLE')
    check.whole(name, value, unit="the number of a status", minimum=0, maximum=len(CODES) - 1)
    return CODES[value]


def quoted(message: str) -> bytes:
    """A message as `grpc-message` has it: UTF-8, with what is not printable in ASCII percent-encoded."""
    data = message.encode("utf-8", "surrogateescape")
    return b"".join(b"%c" % byte if byte in _PLAIN else b"%%%02X" % byte for byte in data)

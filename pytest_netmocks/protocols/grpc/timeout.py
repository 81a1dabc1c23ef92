"""`grpc-timeout`: how long a client waits."""

from __future__ import annotations

import re

from pytest_netmocks.protocols.grpc.status import CallError

_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")


def seconds(value: str) -> float:
    """The seconds that a field says. Raises `CallError` for what says none."""
    found = _TIMEOUT.fullmatch(value)
    if found is None:
        raise CallError(
            "INTERNAL", f"grpc-timeout {value[:40]!r} is none: it is eight digits at most and one of H M S m u n"
        )
    return int(found[1]) * _UNITS[found[2]]

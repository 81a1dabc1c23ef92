"""`google.rpc.Status`: what travels in `grpc-status-details-bin`, and what may be given as a status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_netmocks import check
from pytest_netmocks.protocols.grpc import wire
from pytest_netmocks.protocols.grpc.metadata import Given, Metadata, checked, pairs
from pytest_netmocks.protocols.grpc.status import CODES, Status, code_of

FIELD = "grpc-status-details-bin"


def status_of(status: Any, details: str, error_details: Iterable[Any]) -> Status:
    """The status that was given: a name, a number, an enumeration of a gRPC package, or a `google.rpc.Status`.

    Raises `TypeError` or `ValueError` that names the argument.
    """
    check.instance("details", details, str, "text")
    packed = list(error_details)
    if hasattr(status, "SerializeToString"):
        if details or packed:
            raise TypeError("a google.rpc.Status says it all: details= and error_details= have no place beside it")
        code = code_of("status.code", status.code)
        return Status(code, str(status.message), bytes(status.SerializeToString()))
    code = code_of("status", status)
    if not packed:
        return Status(code, details)
    for one in packed:
        if not hasattr(one, "SerializeToString") or not hasattr(one, "DESCRIPTOR"):
            raise TypeError(f"error_details must be messages of protobuf, not {one!r}")
    any_of = [
        wire.field(1, f"type.googleapis.com/{one.DESCRIPTOR.full_name}") + wire.field(2, one.SerializeToString())
        for one in packed
    ]
    said = wire.field(1, CODES.index(code)) + wire.field(2, details) + b"".join(wire.field(3, one) for one in any_of)
    return Status(code, details, said)


def apart(name: str, given: Given) -> tuple[Metadata, bytes]:
    """Trailing metadata, and the `google.rpc.Status` in it, where grpcio's `rpc_status.to_status` puts it."""
    if not given:
        return Metadata(), b""
    all_pairs = pairs(name, given)
    found = [value for key, value in all_pairs if key == FIELD]
    metadata = checked(name, [pair for pair in all_pairs if pair[0] != FIELD])
    value: Any = found[-1] if found else b""
    check.instance(f"{name}: {FIELD}", value, bytes, "bytes")
    return metadata, value

"""What stands around a call: the size of its head, who the client is, and heads that are none of gRPC's."""

from __future__ import annotations

import sys

from pytest_netmocks.protocols.grpc.metadata import Metadata, written
from pytest_netmocks.protocols.grpc.status import CallError
from pytest_netmocks.protocols.h2.fields import Fields, Head
from pytest_netmocks.protocols.web.heads import MAX_FIELDS, MAX_HEAD
from pytest_netmocks.records.addresses import Address, describe_address, is_unix, path_of

_TEXT = (b"content-type", b"text/plain; charset=utf-8")


def in_words(error: BaseException) -> str:
    """What the client is told of it, as grpcio says it."""
    return f"Exception calling application: {error}"


def check_size(head: Head) -> None:
    """Refuse a head that is too large. Raises `CallError`."""
    if len(head.fields) > MAX_FIELDS or head.size > MAX_HEAD:
        raise CallError("RESOURCE_EXHAUSTED", f"the metadata is more than {MAX_FIELDS} fields or {MAX_HEAD} bytes")


def peer(address: Address) -> str:
    """Who calls, as gRPC writes addresses."""
    if is_unix(address):
        return f"unix:{path_of(address)}"
    return f"ipv{6 if ':' in str(address[0]) else 4}:{describe_address(address)}"


def http(status: int, metadata: Metadata) -> Fields:
    """A head of HTTP, as a proxy gives it where there is no gRPC."""
    kind = (
        [] if any(name == "content-type" for name, _ in metadata) else [(b"content-type", b"text/plain; charset=utf-8")]
    )
    return [(b":status", b"%d" % status), *kind, *written(metadata)]


def broken_off() -> Exception:
    """What a servicer that waits for messages gets when its call is broken off, as grpcio has it."""
    kind = getattr(sys.modules.get("grpc"), "RpcError", ConnectionError)
    error: Exception = kind("the call is broken off")
    return error

"""Metadata of a call: names in lower case, text in ASCII, and bytes where the name ends in `-bin`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, SupportsIndex, overload

Value = str | bytes

_NAME = re.compile(r"[0-9a-z_.\-]+")
_TEXT = re.compile(r"[\x20-\x7e]*")

OF_THE_PROTOCOL = frozenset(
    {"te", "content-type", "grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "grpc-message-type"}
)
"""Fields of a request that are no metadata of the application's."""

OF_AN_ANSWER = frozenset({"grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-encoding"})
"""Names that an answer's metadata cannot have, since the protocol itself says them."""


class Metadatum(NamedTuple):
    """One of them."""

    key: str
    value: Value


class Metadata(tuple[Metadatum, ...]):
    """Pairs of names and values, in order; `metadata["name"]` gives the last value of that name."""

    __slots__ = ()

    @overload
    def __getitem__(self, key: SupportsIndex) -> Metadatum: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Metadatum, ...]: ...
    @overload
    def __getitem__(self, key: str) -> Value: ...
    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return super().__getitem__(key)
        found = self.get_all(key)
        if not found:
            raise KeyError(key)
        return found[-1]

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str):
            return any(name == key.lower() for name, _ in self)
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The last value of that name, or the default."""
        found = self.get_all(key)
        return found[-1] if found else default

    def get_all(self, key: str) -> list[Value]:
        """All values of that name, in order."""
        return [value for name, value in self if name == key.lower()]

    def as_text(self) -> Mapping[str, Value]:
        """The last value of each name."""
        return dict(self)


NONE = Metadata()
"""Most calls have none."""

Given = Mapping[str, Value] | Iterable[tuple[str, Value]] | None
"""What a test gives as metadata."""


def read(fields: tuple[tuple[bytes, bytes], ...]) -> Metadata:
    """The metadata among the fields of a head or of trailers; bytes that are no base64 are left as they came."""
    found: list[Metadatum] = []
    for field, value in fields:
        name = field.decode("latin-1")
        if name[:1] == ":" or name in OF_THE_PROTOCOL:
            continue
        if name.endswith("-bin"):
            found += [Metadatum(name, _unpacked(part)) for part in value.split(b",")]
        else:
            found.append(Metadatum(name, value.decode("latin-1")))
    return Metadata(found)


def _unpacked(value: bytes) -> bytes:
    """Padding may be there or not."""
    value = value.strip(b" \t=")
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return value


def written(metadata: Iterable[tuple[str, Value]]) -> list[tuple[bytes, bytes]]:
    """The fields that say it; bytes are in base64 without padding."""
    return [
        (
            name.encode("ascii"),
            base64.b64encode(value).rstrip(b"=")
            if name.endswith("-bin") and isinstance(value, bytes)
            else value.encode("latin-1")
            if isinstance(value, str)
            else value,
        )
        for name, value in metadata
    ]


def checked(name: str, given: Given) -> Metadata:
    """Metadata that can be sent. Raises `TypeError` or `ValueError` that names the argument."""
    return Metadata([_checked(name, key.lower(), value) for key, value in pairs(name, given)])


def pairs(name: str, given: Given) -> list[tuple[str, Any]]:
    """Names and values. Raises `TypeError` that names the argument."""
    accepted = f"{name} must be a mapping or pairs of names and values"
    if given is None:
        return []
    if isinstance(given, (str, bytes)) or not isinstance(given, (Mapping, Iterable)):
        raise TypeError(f"{accepted}, not {given!r}")
    found: list[Any] = list(given.items() if isinstance(given, Mapping) else given)
    for pair in found:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[0], str):
            raise TypeError(f"{accepted}, not {pair!r}")
    return [(pair[0], pair[1]) for pair in found]


def _checked(name: str, key: str, value: object) -> Metadatum:
    if not _NAME.fullmatch(key) or key in OF_AN_ANSWER:
        why = "the protocol says it itself" if key in OF_AN_ANSWER else "accepted are a-z, 0-9, _, - and ."
        raise ValueError(f"{name}: {key!r} is no name of metadata: {why}")
    if key.endswith("-bin"):
        if not isinstance(value, (bytes, bytearray)):
            raise TypeError(f"{name}: {key} must be bytes, for its name ends in -bin, not {value!r}")
        return Metadatum(key, bytes(value))
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise TypeError(f"{name}: {key} must be text, not {value!r}: only names that end in -bin have bytes")
    if not _TEXT.fullmatch(text):
        raise ValueError(f"{name}: {key} must be printable ASCII, not {value!r}: a name that ends in -bin has bytes")
    return Metadatum(key, text)

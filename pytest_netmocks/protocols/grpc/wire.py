"""Fields of Protocol Buffers in bytes (protobuf.dev, "Encoding"): as much as health, reflection and statuses need.

Their messages are few, small and fixed, so that nobody has to have protobuf installed for them; messages of users are
made and read by the code that was generated for them.
"""

from __future__ import annotations

from collections.abc import Iterator

Field = int | bytes


def fields(data: bytes) -> Iterator[tuple[int, Field]]:
    """Number and value of each field: numbers as they are, text and messages as bytes. Raises `ValueError`."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if at + size > len(data):
            raise ValueError("it is cut off")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("a number without an end")


def field(number: int, value: Field | str) -> bytes:
    """A field: a number of at least 0, text, or bytes."""
    if isinstance(value, int):
        return _written(number << 3) + _written(value)
    data = value.encode() if isinstance(value, str) else value
    return _written(number << 3 | 2) + _written(len(data)) + data


def _written(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    made.append(value)
    return bytes(made)

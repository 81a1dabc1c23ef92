"""Values of what is on record as JSON can have them."""

from __future__ import annotations

import base64
import re
from typing import Any

TOLD = 256 * 1024
"""Bytes of a body or a message that an exchange tells."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def plain_data(data: bytes | bytearray | memoryview, size: int | None = None) -> dict[str, Any]:
    """Bytes as fields: `"data"` where they are text in UTF-8, else `"base64"`; `"missing"` of `size` were not kept."""
    data = bytes(data)
    text = as_text(data)
    fields: dict[str, Any] = {"base64": base64.b64encode(data).decode()} if text is None else {"data": text}
    if size is not None and size > len(data):
        fields["missing"] = size - len(data)
    return fields


def as_text(data: bytes) -> str | None:
    """The text that these bytes are in UTF-8, `None` if they are none or have control characters."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


def data_of(fields: dict[str, Any]) -> bytes:
    """The bytes of such fields, as many as were kept."""
    if "base64" in fields:
        return base64.b64decode(fields["base64"])
    return str(fields.get("data", "")).encode()


AS_IT_IS = frozenset({str, int, float, bool})
"""Types of most values, in which nothing is to be looked at: there are many."""

_SCALARS = bool, int, float, str
_BYTES = bytes, bytearray, memoryview
_SEVERAL = list, tuple, set, frozenset


def plain(value: Any) -> Any:
    """A value as JSON can have it: tuples are lists, bytes fields of data, what has a text of its own is that."""
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, _BYTES):
        return plain_data(value)
    if isinstance(value, dict):
        return {str(key): one if type(one) in AS_IT_IS else plain(one) for key, one in value.items()}
    if isinstance(value, _SEVERAL):
        return [one if type(one) in AS_IT_IS else plain(one) for one in value]
    return str(value)

"""The target of a request."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*")


def origin_form(target: str) -> str:
    """The path and query of a target, in absolute form too (RFC 9112, section 3.2.2)."""
    absolute = _ABSOLUTE.match(target)
    if absolute is not None:
        rest = target[absolute.end() :]
        target = rest if rest.startswith("/") else "/" + rest
    return target.partition("#")[0]


def split_target(target: str) -> tuple[str, str]:
    """The decoded path and the query as it is."""
    path, _, query = target.partition("?")
    if path[:1] == "/" and "%" not in path and "#" not in target and path.isascii():
        return path, query  # by far the most
    path, _, query = origin_form(target).partition("?")
    return unquote_to_bytes(path.encode("latin-1", "replace")).decode("utf-8", "replace"), query

"""Charsets that others name: which of Python's codecs are one, and text in them."""

from __future__ import annotations

import codecs

_NO_CHARSETS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"})
"""Codecs of Python that no media type names: some warn, some take the square of the time."""


def is_charset(name: str) -> bool:
    """Whether there is a codec of that name which a media type may name."""
    try:
        return codecs.lookup(name).name not in _NO_CHARSETS
    except (LookupError, ValueError):
        return False


def text_of(data: bytes, charset: str, errors: str = "strict") -> str:
    """The bytes as text; in UTF-8 as far as they are that, where the charset is unknown or another than it says."""
    if is_charset(charset):
        try:
            return data.decode(charset, errors)
        except (LookupError, ValueError):
            pass
    return data.decode("utf-8", "replace")

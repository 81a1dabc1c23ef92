"""Text that goes out as UTF-8, whatever of a client's words is in it."""

from __future__ import annotations

import re

_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Lone surrogates that stand for no byte: JSON can say them, UTF-8 cannot (RFC 8259, section 8.2)."""

_ANY = re.compile("[\ud800-\udfff]")


def utf8(text: str) -> bytes:
    """The text in UTF-8: what `surrogateescape` made of a byte is that byte, another lone surrogate U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _LONE.sub("\ufffd", text).encode("utf-8", "surrogateescape")


def well_formed(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, for protocols whose text has to be UTF-8."""
    return text if text.isascii() else _ANY.sub("\ufffd", text)

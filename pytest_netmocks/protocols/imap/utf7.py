"""Names of folders: modified UTF-7 (RFC 3501, section 5.1.3), and the patterns of LIST."""

from __future__ import annotations

import base64
import binascii
import re

_SHIFTED = re.compile(r"[^\x20-\x7e]+")


def encoded(name: str) -> str:
    """A name as it goes over the wire."""

    def shift(found: re.Match[str]) -> str:
        data = base64.b64encode(found.group().encode("utf-16-be", "surrogatepass")).decode()
        return f"&{data.rstrip('=').replace('/', ',')}-"

    return _SHIFTED.sub(shift, name.replace("&", "&-"))


def decoded(name: str) -> str:
    """A name as a test has it; what is no modified UTF-7 is taken as it stands."""

    def unshift(found: re.Match[str]) -> str:
        data = found.group(1).replace(",", "/")
        if not data:
            return "&"
        try:
            return base64.b64decode(data + "=" * (-len(data) % 4), validate=True).decode("utf-16-be")
        except (binascii.Error, UnicodeDecodeError):
            return found.group()

    return re.sub(r"&([A-Za-z0-9+,]*)-", unshift, name)


def fits(pattern: str, name: str, separator: str) -> bool:
    """Whether a name is what a pattern of LIST asks for: `*` is anything, `%` anything on one level."""
    parts = (".*" if part == "*" else f"[^{re.escape(separator)}]*" if part == "%" else re.escape(part)
             for part in re.split(r"([*%])", re.sub(r"\*[*%]*|%[*%]*\*[*%]*", "*", pattern)))  # fmt: skip
    return re.fullmatch("".join(parts), name, re.DOTALL) is not None

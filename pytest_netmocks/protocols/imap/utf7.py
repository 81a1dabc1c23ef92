"""Names of folders: modified UTF-7 (RFC 3501, section 5.1.3), and the patterns of LIST."""

from __future__ import annotations

import base64
import binascii
import re

_SHIFTED = re.compile(r"[^\x20-\x7e]+")
_RUN = re.compile(r"[*%]+")


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
    """Whether a name is what a pattern of LIST asks for: `*` is anything, `%` anything on one level.

    Takes one pass over the pattern whatever it is: clients write it.
    """
    if len(pattern) - pattern.count("*") - pattern.count("%") > len(name):
        return False
    places: dict[str, int] = {}
    for at, letter in enumerate(name):
        places[letter] = places.get(letter, 0) | 1 << at
    inside = (1 << len(name)) - 1 & ~places.get(separator, 0)
    fitting = 1  # bit n: what there is of the pattern so far fits the first n letters
    for part in _RUN.sub(lambda run: "*" if "*" in run.group() else "%", pattern):
        if part == "*":
            fitting = (2 << len(name)) - (fitting & -fitting)
        elif part == "%":  # an addition carries each bit to the end of its level
            fitting |= ((fitting & inside) + inside) ^ inside
        else:
            fitting = (fitting & places.get(part, 0)) << 1
        if not fitting:
            return False
    return bool(fitting >> len(name) & 1)

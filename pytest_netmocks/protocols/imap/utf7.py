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


class Pattern:
    """A pattern of LIST: `*` is anything, `%` anything on one level."""

    def __init__(self, text: str) -> None:
        self._parts = _RUN.sub(lambda run: "*" if "*" in run.group() else "%", text)
        self._letters = len(self._parts) - self._parts.count("*") - self._parts.count("%")

    def fits(self, name: Letters) -> bool:
        """Whether a name is what it asks for; takes one pass over it whatever it is: clients write it."""
        if self._letters > name.count:
            return False
        fitting = 1  # bit n: what there is of the pattern so far fits the first n letters
        for part in self._parts:
            if part == "*":
                fitting = (2 << name.count) - (fitting & -fitting)
            elif part == "%":  # an addition carries each bit to the end of its level
                fitting |= ((fitting & name.inside) + name.inside) ^ name.inside
            else:
                fitting = (fitting & name.places.get(part, 0)) << 1
            if not fitting:
                return False
        return bool(fitting >> name.count & 1)


class Letters:
    """A name, made ready to be compared with patterns: bit n of each number is about its letter n."""

    def __init__(self, name: str, separator: str) -> None:
        self.count = len(name)
        self.places: dict[str, int] = {}
        """Where each letter stands."""
        for at, letter in enumerate(name):
            self.places[letter] = self.places.get(letter, 0) | 1 << at
        self.inside = (1 << self.count) - 1 & ~self.places.get(separator, 0)
        """Where no separator stands."""

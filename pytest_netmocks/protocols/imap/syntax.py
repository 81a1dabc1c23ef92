"""What a client's command is made of (RFC 3501, section 9), read from its bytes."""

from __future__ import annotations

import datetime
import re

from pytest_netmocks.protocols.mail.mailbox import FLAG

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_ATOM = re.compile(rb"[^(){ \x00-\x1f\x7f%*\"\\\]]+")
_ASTRING = re.compile(rb"[^(){ \x00-\x1f\x7f%*\"\\]+")
_PATTERN = re.compile(rb"[^(){ \x00-\x1f\x7f\"\\]+")
_FLAG = re.compile(FLAG.pattern.encode())
_QUOTED = re.compile(rb'"((?:[^"\\\r\n]|\\["\\])*)"')
_LITERAL = re.compile(rb"~?\{(\d{1,10})\+?\}\r?\n")
_NUMBER = re.compile(rb"\d{1,10}")
_MODSEQ = re.compile(rb"\d{1,19}")
_SET = re.compile(rb"(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?(?:,(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?)*")
_DATE_TIME = re.compile(r"( ?\d{1,2})-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d\d)(\d\d)")
_DATE = re.compile(r"(\d{1,2})-(\w{3})-(\d{4})")

DEPTH = 50
"""Parentheses within parentheses at most."""


class BadError(Exception):
    """The command is none: its tag is answered with BAD and this text."""


class Numbers:
    """A set of message numbers: single ones and ranges, of which either end may be `*`, the last there is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._ranges = [part.partition(":") for part in text.split(",")]

    def of(self, last: int) -> list[tuple[int, int]]:
        """The ranges where `last` is the highest number there is, lower ends first."""

        def number(text: str) -> int:
            return last if text == "*" else int(text)

        pairs = [(number(low), number(high) if colon else number(low)) for low, colon, high in self._ranges]
        return [(min(pair), max(pair)) for pair in pairs]

    def has(self, number: int, last: int) -> bool:
        """Whether a number is among them."""
        return any(low <= number <= high for low, high in self.of(last))


class Arguments:
    """Reads a command from the left to the right; each method takes what it is called for. All raise `BadError`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    # What is there

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self._at >= len(self._data)

    def peek(self, word: bytes) -> bool:
        """Whether that comes next, whatever its case; it is not taken."""
        return self._data[self._at : self._at + len(word)].upper() == word

    def take(self, word: bytes) -> bool:
        """Take it, if it comes next."""
        found = self.peek(word)
        self._at += len(word) if found else 0
        return found

    def need(self, word: bytes) -> None:
        """Take it; it has to be there."""
        if not self.take(word):
            raise BadError(f"{word.decode()!r} has to stand before {self._rest()}")

    def space(self) -> None:
        """A space."""
        self.need(b" ")

    def end(self) -> None:
        """The end."""
        if not self.is_over:
            raise BadError(f"too much: {self._rest()}")

    def _rest(self) -> str:
        return repr(self._data[self._at : self._at + 20].decode("latin-1")) if not self.is_over else "the end"

    def _find(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        found = pattern.match(self._data, self._at)
        if found is None:
            raise BadError(f"{what} has to stand where there is {self._rest()}")
        self._at = found.end()
        return found

    # Words

    def atom(self) -> str:
        """An atom, in upper case."""
        return self._find(_ATOM, "a word").group().decode("latin-1").upper()

    def number(self) -> int:
        """A number."""
        return int(self._find(_NUMBER, "a number").group())

    def modseq(self) -> int:
        """A mod-sequence, which has 63 bits (RFC 7162, section 7)."""
        return int(self._find(_MODSEQ, "a mod-sequence").group())

    def modifier(self, name: bytes) -> int | None:
        """A space and the modifier of that name with its mod-sequence in parentheses, if they come next."""
        if not self.take(b" ("):
            return None
        self.need(name)
        self.space()
        found = self.modseq()
        self.need(b")")
        return found

    def numbers(self) -> Numbers:
        """A set of message numbers; 0 is none."""
        found = self._find(_SET, "a set of numbers").group().decode()
        if re.search(r"(?<!\d)0+(?!\d)", found):
            raise BadError("no message has the number 0")
        return Numbers(found)

    def string(self) -> bytes:
        """A quoted string or a literal."""
        found = _QUOTED.match(self._data, self._at)
        if found is not None:
            self._at = found.end()
            return re.sub(rb"\\(.)", rb"\1", found.group(1))
        found = self._find(_LITERAL, "a string")
        size = int(found.group(1))
        data = self._data[self._at : self._at + size]
        if len(data) < size:
            raise BadError("a literal is shorter than it says")
        self._at += size
        return data

    @property
    def is_string(self) -> bool:
        """Whether a string comes next, and no word."""
        return self._data[self._at : self._at + 1] in (b'"', b"{") or self.peek(b"~{")

    def astring(self) -> bytes:
        """A word or a string."""
        return self.string() if self.is_string else self._find(_ASTRING, "a word or a string").group()

    def text(self) -> str:
        """An astring as text."""
        return self.astring().decode("utf-8", "surrogateescape")

    def folder(self) -> str:
        """The name of a folder as it goes over the wire."""
        first, separator, rest = self.text().partition("/")
        return ("INBOX" if first.upper() == "INBOX" else first) + separator + rest

    def pattern(self) -> str:
        """A pattern of LIST."""
        found = self.string() if self.is_string else self._find(_PATTERN, "a pattern").group()
        return found.decode("utf-8", "surrogateescape")

    def flag(self) -> str:
        """A flag or a keyword."""
        return self._find(_FLAG, "a flag").group().decode("latin-1")

    def flags(self) -> list[str]:
        """Flags, in parentheses or not."""
        found: list[str] = []
        closes = self.take(b"(")
        while not self.is_over and not self.peek(b")"):
            if found:
                self.space()
            found.append(self.flag())
        if closes:
            self.need(b")")
        return found

    def date_time(self) -> datetime.datetime:
        """A date and time in quotes."""
        text = self.string().decode("latin-1")
        found = _DATE_TIME.fullmatch(text)
        try:
            if found is None:
                raise ValueError(text)
            day, month, year, hour, minute, second, hours, minutes = found.groups()
            offset = datetime.timedelta(hours=int(hours), minutes=int(hours[0] + minutes))
            zone = datetime.timezone(offset)
            at = int(year), _month(month), int(day), int(hour), int(minute), int(second)
            return datetime.datetime(*at, tzinfo=zone)
        except ValueError:
            raise BadError(f"{text[:40]!r} is no date and time") from None

    def date(self) -> datetime.date:
        """A date, in quotes or not."""
        text = self.text()
        found = _DATE.fullmatch(text)
        try:
            if found is None:
                raise ValueError(text)
            day, month, year = found.groups()
            return datetime.date(int(year), _month(month), int(day))
        except ValueError:
            raise BadError(f"{text[:40]!r} is no date") from None


def _month(name: str) -> int:
    return MONTHS.index(name.capitalize()) + 1


# What a server says


def quoted(text: str | None) -> bytes:
    """A string, or NIL."""
    return b"NIL" if text is None else string(text.encode("utf-8", "surrogateescape"))


def string(data: bytes) -> bytes:
    """A quoted string where it may be one, else a literal."""
    if len(data) < 1000 and data.isascii() and not re.search(rb"[\r\n\0]", data):
        return b'"' + re.sub(rb'(["\\])', rb"\\\1", data) + b'"'
    return literal(data)


def literal(data: bytes) -> bytes:
    """A literal."""
    return b"{%d}\r\n%b" % (len(data), data)


def folder_name(name: str) -> bytes:
    """The name of a folder, which is in modified UTF-7 already."""
    data = name.encode("utf-8", "surrogateescape")
    return data if _ATOM.fullmatch(data) else string(data)


def date_time(at: datetime.datetime) -> bytes:
    """A date and time in quotes."""
    zone = at.strftime("%z") or "+0000"
    return f'"{at.day:2d}-{MONTHS[at.month - 1]}-{at.year:04d} {at:%H:%M:%S} {zone[:5]}"'.encode()


def ranges(numbers: list[int]) -> str:
    """Numbers as a set, in as few words as can be."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(f"{low}" if low == high else f"{low}:{high}" for low, high in found)

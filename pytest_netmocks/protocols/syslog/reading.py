"""What a message says (RFC 5424, section 6; RFC 3164, section 4.1), and where it ends in a stream (RFC 6587, 3.4).

No library reads both formats and is kept; the grammars are a line each.
"""

from __future__ import annotations

import re
from typing import Any

from pytest_netmocks.protocols.syslog.records import FACILITIES, SEVERITIES

LONGEST = 1 << 20
"""Bytes of one message."""

_PRIORITY = re.compile(rb"<(\d{1,3})>")
_HEADER = re.compile(
    rb"1 (?P<timestamp>\S{1,64}) (?P<hostname>\S{1,255}) (?P<app>\S{1,48}) (?P<procid>\S{1,128}) (?P<msgid>\S{1,32}) "
)
_PARAM = rb' [^ =\]"\x00-\x1f\x7f-\xff]{1,32}="(?:[^"\\\]]|\\.)*"'
_ELEMENT = re.compile(rb'\[([^ =\]"\x00-\x1f\x7f-\xff]{1,32})((?:' + _PARAM + rb")*)\]", re.DOTALL)
_PAIR = re.compile(rb' ([^=]+)="((?:[^"\\\]]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(rb'\\(["\\\]])')
_OLD = re.compile(
    rb"(?P<timestamp>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-3]\d \d\d:\d\d:\d\d) "
    rb"(?P<hostname>\S{1,255}) (?:(?P<app>[\w./-]{1,48})(?:\[(?P<procid>[^\]]{0,128})\])?: ?)?"
)
_COUNT = re.compile(rb"[1-9]\d{0,9} ")
_END = re.compile(rb"[\n\0]")
_BOM = b"\xef\xbb\xbf"


def fields(data: bytes) -> dict[str, Any]:
    """What a `SyslogMessage` says, of its bytes: whatever they are, they are a message."""
    said: dict[str, Any] = {}
    rest = data
    priority = _PRIORITY.match(data)
    if priority is not None and (number := int(priority[1])) <= 191:
        said |= {"facility": FACILITIES[number >> 3], "severity": SEVERITIES[number & 7]}
        rest = data[priority.end() :]
        if rest.startswith(b"1 "):
            return said | _new(rest)
        old = _OLD.match(rest)
        if old is not None:
            said |= {"format": "3164"} | {name: _text(value) for name, value in old.groupdict().items() if value}
            rest = rest[old.end() :]
    return said | {"message": _text(rest)}


def _new(rest: bytes) -> dict[str, Any]:
    header = _HEADER.match(rest)
    if header is None:
        return {"message": _text(rest), "wrong": "its header is none of RFC 5424"}
    said: dict[str, Any] = {"format": "5424"}
    said |= {name: _text(value) for name, value in header.groupdict().items() if value != b"-"}
    rest = rest[header.end() :]
    said["structured_data"], behind = _structured(rest)
    if behind is None or behind[:1] not in (b"", b" "):
        return said | {"message": _text(rest), "wrong": "its structured data is none of RFC 5424"}
    return said | {"message": _text(behind[1:].removeprefix(_BOM))}


def _structured(rest: bytes) -> tuple[dict[str, dict[str, str]], bytes | None]:
    """The structured data, and what is behind it; `None` if it is none."""
    if rest.startswith(b"-"):
        return {}, rest[1:]
    data: dict[str, dict[str, str]] = {}
    at = 0
    while (element := _ELEMENT.match(rest, at)) is not None:
        pairs = _PAIR.findall(element[2])
        data.setdefault(_text(element[1]), {}).update(
            {_text(name): _text(_ESCAPED.sub(rb"\1", value)) for name, value in pairs}
        )
        at = element.end()
    return data, rest[at:] if at else None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


class Frames:
    """The messages in a stream: each says how long it is, or it ends with a line feed or a NUL."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._looked = 0
        """Up to where there is no end."""
        self._counts = True
        """Whether no message ended with its line just before: then digits at the end are a length, cut short."""

    def __len__(self) -> int:
        return len(self._data)

    def add(self, data: bytes) -> None:
        """More has come."""
        self._data += data

    def next(self) -> bytes | None:
        """The next message, `None` if there is no whole one. Raises `ValueError` for one that is too long."""
        if self._data[:1].strip(b"\r\n\0") == b"":  # some send ends between messages
            del self._data[: len(self._data) - len(self._data.lstrip(b"\r\n\0"))]
        if b"1" <= self._data[:1] <= b"9":
            counted = re.match(rb"(\d{1,10})( ?)", self._data)
            assert counted is not None
            if counted[2]:
                size = int(counted[1])
                if size > LONGEST:
                    raise ValueError(f"a message of {size} bytes is longer than {LONGEST}")
                start = counted.end()
                self._counts = True
                return self._take(start, start + size, start + size) if len(self._data) >= start + size else None
            if counted.end() == len(self._data) and counted.end() < 10:
                return None
        end = _END.search(self._data, self._looked)
        if end is not None:
            self._counts = False
            return self._take(0, end.start(), end.end()).rstrip(b"\r")
        self._looked = len(self._data)
        if self._looked > LONGEST:
            raise ValueError(f"a message is longer than {LONGEST} bytes")
        return None

    def rest(self) -> bytes | None:
        """What is left when nothing more comes, `None` if nothing is: a message, unless it said how long it is."""
        if self.is_cut_short or not self._data:
            return None
        return self._take(0, len(self._data), len(self._data)).rstrip(b"\r")

    @property
    def is_cut_short(self) -> bool:
        """Whether what is left said how long it is."""
        return _COUNT.match(self._data) is not None or (self._counts and self._data.isdigit())

    def _take(self, start: int, end: int, until: int) -> bytes:
        taken = bytes(self._data[start:end])
        del self._data[:until]
        self._looked = 0
        return taken

"""RESP, the Redis serialization protocol: commands as clients send them, and values as they are answered.

    *3\\r\\n $3\\r\\nSET\\r\\n $1\\r\\nk\\r\\n $1\\r\\nv\\r\\n        a command: an array of bulk strings
    SET k "a value"\\r\\n                              inline: words on a line
    +OK\\r\\n  -ERR no\\r\\n  :1\\r\\n  $1\\r\\nv\\r\\n  *1\\r\\n...  answers

Limits and the texts of what is refused are those of Redis (networking.c). Specification:
https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

BULK = 512 << 20
"""Bytes of one argument (`proto-max-bulk-len`)."""

ARGUMENTS = 1 << 20
"""Arguments of one command."""

INLINE = 64 << 10
"""Bytes of a line: of an inline command, of a length."""

STRANGERS = 10, 16384
"""Arguments, and bytes of one, that a client may send before it has logged in where it has to."""

DEPTH = 64
"""How deeply arrays and maps may be nested in an answer."""


class ProtocolError(Exception):
    """What came is no command; the text is what the client is told before the connection ends."""


SHORT = 512
"""Bytes of a command that is looked at as a whole first."""


def _alone(data: bytes) -> list[bytes] | None:
    """The words if that is one whole command, as most of what comes is; `None` if it is anything else."""
    lines = data.split(b"\r\n")
    if _COUNT_LINES.get(lines[0], -1) * 2 + 2 != len(lines) or lines[-1]:
        return None
    fields = lines[2::2]
    for head, field in zip(lines[1::2], fields, strict=False):  # the last line is what ends the last field
        if _LENGTH_LINES.get(head) != len(field):
            return None
    return fields


class Commands:
    """The commands of one client, as they come."""

    __slots__ = ("_at", "_data", "_fields", "_left", "_more", "_need", "_size", "limits")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._more: list[bytes] = []
        """What came since and is not wanted yet."""
        self._size = 0
        """Bytes that wait."""
        self._need = 0
        """Bytes that have to wait before there is anything to be done."""
        self._fields: list[bytes] = []
        self._left = 0
        """Arguments of the command that are still to come."""
        self.limits = ARGUMENTS, BULK

    def __len__(self) -> int:
        return self._size

    def add(self, data: bytes) -> None:
        """More has come."""
        self._size += len(data)
        self._more.append(data)

    def next(self) -> list[bytes] | None:
        """The next command, which may have no words at all; `None` if there is no whole one.

        Raises `ProtocolError`, after which there is no telling where the next would begin.
        """
        if self._size < self._need or not self._size:
            return None
        if self._more:
            self._data = b"".join([self._data[self._at :], *self._more])
            self._at = 0
            self._more = []
        data, at = self._data, self._at
        if not at and not self._left and len(data) <= SHORT and (alone := _alone(data)) is not None:
            self._take(len(data))
            return alone
        if not self._left:
            end = data.find(b"\n", at)
            if end < 0:
                self._wait_for_line(at, "mbulk count string" if data[at] == STAR else "inline request")
                return None
            if data[at] != STAR:
                self._take(end + 1)
                return words(data[at:end])
            head = data[at:end]
            self._left = _COUNTS.get(head) or self._count(head)
            at = end + 1
            if self._left <= 0:
                self._left = 0
                self._take(at)
                return []
            self._fields = []
        fields, left = self._fields, self._left
        while left:
            end = data.find(b"\n", at)
            if end < 0:
                self._take(at)
                self._left = left
                self._wait_for_line(at, "bulk count string")
                return None
            head = data[at:end]
            size = _LENGTHS.get(head)
            if size is None:
                size = self._length(head)
            stop = end + 1 + size
            if len(data) < stop + 2:
                self._take(at)
                self._left = left
                self._need = stop + 2 - at
                return None
            fields.append(data[end + 1 : stop])
            at = stop + 2
            left -= 1
        self._left = 0
        self._take(at)
        return fields

    def _take(self, at: int) -> None:
        """All before that place is dealt with."""
        self._size -= at - self._at
        self._at = at
        self._need = 0

    def _wait_for_line(self, at: int, what: str) -> None:
        waits = len(self._data) - at
        if waits > INLINE:
            raise ProtocolError(f"ERR Protocol error: too big {what}")
        self._need = waits + 1

    def _count(self, head: bytes) -> int:
        """How many arguments that head announces."""
        count = _number(head)
        most = self.limits[0]
        if count is None or count > most:
            kind = "unauthenticated multibulk" if count is not None and most < ARGUMENTS else "invalid multibulk"
            raise ProtocolError(f"ERR Protocol error: {kind} length")
        return count

    def _length(self, head: bytes) -> int:
        """How many bytes that head announces."""
        if head[:1] != b"$":
            shown = chr(head[0]) if head and 32 <= head[0] < 127 else "?"
            raise ProtocolError(f"ERR Protocol error: expected '$', got '{shown}'")
        size = _number(head)
        most = self.limits[1]
        if size is None or size < 0 or size > most:
            kind = "unauthenticated bulk" if size is not None and size > most < BULK else "invalid bulk"
            raise ProtocolError(f"ERR Protocol error: {kind} length")
        return size

    def set_limits(self, *, strange: bool) -> None:
        """Take more or less from a client: little from one that has to log in and has not."""
        self.limits = STRANGERS if strange else (ARGUMENTS, BULK)


STAR = ord("*")

# What is looked up is not read: nearly all arguments are short.
_COUNTS = {b"*%d\r" % count: count for count in range(1, 11)}
_LENGTHS = {b"$%d\r" % size: size for size in range(1024)}
_COUNT_LINES = {head[:-1]: count for head, count in _COUNTS.items()}
_LENGTH_LINES = {head[:-1]: size for head, size in _LENGTHS.items()}

_NUMBER = re.compile(rb"[*$](-?\d{1,18})\r?")


def _number(head: bytes) -> int | None:
    found = _NUMBER.fullmatch(head)
    return int(found[1]) if found is not None else None


_WORD = re.compile(
    rb"""[ \t\r\n\0]*(?: "((?:[^"\\]|\\.)*)"(?=[\s\0]|\Z) | '((?:[^'\\]|\\'|\\)*)'(?=[\s\0]|\Z) | ([^\s\0"']+) )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


def words(line: bytes) -> list[bytes]:
    """The words of an inline command, quoted as for redis-cli. Raises `ProtocolError` for a quote without its other."""
    if b'"' not in line and b"'" not in line:
        return line.split()
    found = []
    at, end = 0, len(line.rstrip(b" \t\r\n\0"))
    while at < end:
        word = _WORD.match(line, at)
        if word is None:
            raise ProtocolError("ERR Protocol error: unbalanced quotes in request")
        double, single, plain = word.groups()
        if double is not None:
            found.append(_ESCAPED.sub(_unescaped, double))
        else:
            found.append(plain if plain is not None else single.replace(b"\\'", b"'"))
        at = word.end()
    return found


def _unescaped(escape: re.Match[bytes]) -> bytes:
    what = escape[1]
    return bytes([int(what[1:], 16)]) if len(what) == 3 else _CONTROLS.get(what, what)


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """A simple string: `OK`."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class ErrorReply:
    """An error: a code and words."""

    text: str


class Unordered(list[Any]):
    """An array that is a set for who knows sets."""


def one_line(text: str) -> bytes:
    """The text as a simple string or error can have it."""
    return text.replace("\r", " ").replace("\n", " ").encode("utf-8", "surrogateescape")


def as_text(value: Any) -> Any:
    """The value, of which a status and an error are text."""
    return value.text if isinstance(value, Status | ErrorReply) else value


Write = Callable[[Any, int, "list[bytes]", int], None]
"""Appends what a value is in that version of RESP; the last is how deep it is nested."""


def encode(value: Any, protocol: int) -> bytes:
    """What a Python value is as an answer. Raises `TypeError` for what is none, `ValueError` if it is too deep."""
    kind = type(value)
    if kind is bytes:
        return b"$%d\r\n%b\r\n" % (len(value), value)
    if kind is int and -(1 << 63) <= value < 1 << 63:
        return b":%d\r\n" % value
    out: list[bytes] = []
    _write(value, protocol, out, 0)
    return b"".join(out)


def push(items: list[Any], protocol: int) -> bytes:
    """What nobody asked for: a message of a channel."""
    out = [b">%d\r\n" % len(items) if protocol >= 3 else b"*%d\r\n" % len(items)]
    for item in items:
        _write(item, protocol, out, 1)
    return b"".join(out)


def _write(value: Any, protocol: int, out: list[bytes], depth: int) -> None:
    form = FORMS.get(type(value))
    if form is None:
        form = next((form for kind, form in _WIDER if isinstance(value, kind)), None)
        if form is None:
            raise TypeError(f"an answer must be {ACCEPTED}, not {value!r}")
    form(value, protocol, out, depth)


def _bulk(value: Any, protocol: int, out: list[bytes], depth: int) -> None:
    out.append(b"$%d\r\n%b\r\n" % (len(value), bytes(value)))


def _text(value: str, protocol: int, out: list[bytes], depth: int) -> None:
    _bulk(value.encode("utf-8", "surrogateescape"), protocol, out, depth)


def _none(value: None, protocol: int, out: list[bytes], depth: int) -> None:
    out.append(b"_\r\n" if protocol >= 3 else b"$-1\r\n")


def _integer(value: int, protocol: int, out: list[bytes], depth: int) -> None:
    if -(1 << 63) <= value < 1 << 63:
        out.append(b":%d\r\n" % value)
    elif protocol >= 3:
        out.append(b"(%d\r\n" % value)
    else:
        _bulk(b"%d" % value, protocol, out, depth)


def _boolean(value: bool, protocol: int, out: list[bytes], depth: int) -> None:
    yes, no = (b"#t\r\n", b"#f\r\n") if protocol >= 3 else (b":1\r\n", b":0\r\n")
    out.append(yes if value else no)


def _double(value: float, protocol: int, out: list[bytes], depth: int) -> None:
    written = b"%.17g" % value
    if protocol >= 3:
        out.append(b",%b\r\n" % written)
    else:
        _bulk(written, protocol, out, depth)


def _items(values: Any, protocol: int, out: list[bytes], depth: int) -> None:
    if depth >= DEPTH:
        raise ValueError(f"an answer must not be nested more than {DEPTH} deep")
    for value in values:
        if type(value) is bytes:
            out.append(b"$%d\r\n%b\r\n" % (len(value), value))
        else:
            _write(value, protocol, out, depth + 1)


def _array(value: Any, protocol: int, out: list[bytes], depth: int) -> None:
    out.append(b"*%d\r\n" % len(value))
    _items(value, protocol, out, depth)


def _set(value: Any, protocol: int, out: list[bytes], depth: int) -> None:
    out.append(b"~%d\r\n" % len(value) if protocol >= 3 else b"*%d\r\n" % len(value))
    _items(value, protocol, out, depth)


def _map(value: Mapping[Any, Any], protocol: int, out: list[bytes], depth: int) -> None:
    out.append(b"%%%d\r\n" % len(value) if protocol >= 3 else b"*%d\r\n" % (2 * len(value)))
    for pair in value.items():
        _items(pair, protocol, out, depth)


def _status(value: Status, protocol: int, out: list[bytes], depth: int) -> None:
    out.append(b"+%b\r\n" % one_line(value.text))


def _error(value: ErrorReply, protocol: int, out: list[bytes], depth: int) -> None:
    out.append(b"-%b\r\n" % one_line(value.text))


ACCEPTED = "bytes, text, a number, True, False, None, or a list, tuple, set or mapping of such"

FORMS: dict[type, Write] = {
    bytes: _bulk,
    str: _text,
    type(None): _none,
    int: _integer,
    bool: _boolean,
    float: _double,
    list: _array,
    tuple: _array,
    set: _set,
    frozenset: _set,
    dict: _map,
    Status: _status,
    ErrorReply: _error,
    Unordered: _set,
}
"""What writes values of exactly that type; the library's own types are added to it."""

_WIDER: tuple[tuple[Any, Write], ...] = (
    ((bytearray, memoryview), _bulk),
    (bytes, _bulk),
    (str, _text),
    (bool, _boolean),
    (int, _integer),
    (float, _double),
    (Mapping, _map),
    ((list, tuple), _array),
    ((set, frozenset), _set),
)
"""What writes those of types derived from them."""

"""HTTP messages in the bytes of a connection: where a head ends, what a body holds (RFC 9112, sections 2 and 6).

It reads what is on record, however broken; servers have a parser of their own.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import NamedTuple

_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(r"HTTP/(\d(?:\.\d)?) (\d{3})(?: (.*))?", re.DOTALL)

Fields = Sequence[Sequence[str]]
"""Names and values of header fields, in order."""


@dataclasses.dataclass(slots=True)
class Head:
    """The lines before a body: where they begin and end, the first of them, and the fields."""

    start: int
    end: int
    first: str
    fields: list[list[str]]


class Status(NamedTuple):
    """A status line."""

    version: str
    code: int
    reason: str


class Body(NamedTuple):
    """What a body holds without its transfer coding, where it ends, and whether all of it is there."""

    content: bytes
    end: int
    complete: bool


def text_of(data: bytes) -> str:
    """Text of a head: UTF-8 if it is that, else ISO-8859-1, which any bytes are."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_head(data: bytes, start: int, stop: int) -> Head | None:
    """The head that begins there; `None` if its end has not come before `stop`."""
    found = _END.search(data, start, stop)
    if found is None:
        return None
    lines = text_of(data[start : found.start()]).replace("\r\n", "\n").split("\n")
    fields: list[list[str]] = []
    for line in lines[1:]:
        if line[:1] in (" ", "\t") and fields:  # an old form, RFC 9112, section 5.2
            fields[-1][1] += f" {line.strip()}"
            continue
        name, _, value = line.partition(":")
        fields.append([name.strip(), value.strip()])
    return Head(start, found.end(), lines[0], fields)


def status_of(head: Head) -> Status | None:
    """The status line of a head; `None` if it is none."""
    found = _STATUS.fullmatch(head.first)
    return Status(found[1], int(found[2]), (found[3] or "").strip()) if found is not None else None


def values(fields: Fields, name: str) -> list[str]:
    """All values of the fields of that name."""
    return [value for other, value in fields if other.lower() == name]


def value(fields: Fields, name: str) -> str:
    """The last value of that name; empty if there is none."""
    found = values(fields, name)
    return found[-1] if found else ""


def has_no_body(method: str, status: int) -> bool:
    """Whether such an answer never has a body, whatever its fields say (RFC 9112, section 6.3)."""
    tunnel = method == "CONNECT" and 200 <= status < 300
    return method == "HEAD" or status < 200 or status in (204, 304) or tunnel


def read_body(data: bytes, start: int, stop: int, fields: Fields, *, until_close: bool) -> Body:
    """The body that begins there, and of which nothing is behind `stop`.

    `until_close` is whether one that says nothing of its length lasts until the connection ends: an answer's does.
    """
    if value(fields, "transfer-encoding").lower().split(",")[-1].strip() == "chunked":
        return _chunked(data, start, stop)
    length = value(fields, "content-length")
    if length.isascii() and length.isdigit():
        end = min(start + int(length[:18]), stop)
        return Body(data[start:end], end, end - start == int(length[:18]))
    end = stop if until_close else start
    return Body(data[start:end], end, True)


def _chunked(data: bytes, start: int, stop: int) -> Body:
    content = bytearray()
    at = start
    while (line := data.find(b"\n", at, stop)) >= 0:
        try:
            size = int(data[at:line].partition(b";")[0].strip() or b"-", 16)
        except ValueError:
            return Body(bytes(content), stop, False)
        at = line + 1
        if size <= 0:
            return _trailers(data, at, stop, bytes(content))
        content += data[at : min(at + size, stop)]
        at += size
        at += 2 if data[at : at + 2] == b"\r\n" else 1
    return Body(bytes(content), stop, False)


def _trailers(data: bytes, at: int, stop: int, content: bytes) -> Body:
    while (line := data.find(b"\n", at, stop)) >= 0:
        empty = not data[at:line].strip()
        at = line + 1
        if empty:
            return Body(content, at, True)
    return Body(content, stop, False)

"""The parts of HTTP/1.1 messages (RFC 9112): lines of the head, chunks, bodies."""

from __future__ import annotations

import re
from collections.abc import Generator

from pytest_netmocks.servers.parts import line_ends

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r\n", re.IGNORECASE)
_UPGRADE = re.compile(rb"\r\nupgrade:[ \t]*websocket[ \t]*\r\n", re.IGNORECASE)
_SIZE = re.compile(rb"[0-9A-Fa-f]+")


def message_parts(data: bytes) -> Generator[int, None, int]:
    """Where each part of a stream of requests or responses ends; gives where they have become WebSocket's frames.

    Both sides are read alike: a response without a length goes on to the end, one to HEAD has a length and no body.
    """
    at = 0
    while at < len(data):
        end = data.find(b"\r\n\r\n", at)
        if end < 0:
            yield from line_ends(data, at)
            break
        start, at = at, end + 4
        yield from line_ends(data, start, at)
        head = data[start:at]
        if _UPGRADE.search(head) and not _begins_message(data, at):
            return at
        if _CHUNKED.search(head):
            at = yield from _chunks(data, at)
        elif length := _LENGTH.search(head):
            if not _begins_message(data, at):
                at += int(length[1])
                yield at
        elif not _begins_message(data, at):
            break
    return len(data)


def _begins_message(data: bytes, at: int) -> bool:
    """Whether a head begins there, with a status line or a method's name."""
    return re.match(rb"HTTP/1\.|[A-Z]+ [^\r\n]+ HTTP/1\.", data[at : at + 8192]) is not None


def _chunks(data: bytes, at: int) -> Generator[int, None, int]:
    """The frame of each chunk (section 7.1), and the trailers; gives where the body ends."""
    while (size := _SIZE.match(data, at)) is not None and (end := data.find(b"\r\n", at)) >= 0:
        at = end + 2
        yield at
        if not int(size[0], 16):
            end = data.find(b"\r\n\r\n", at - 2)
            if end >= 0:
                yield end + 4
                return end + 4
            break
        at += int(size[0], 16)
        yield at
        at += 2
        yield at
    return len(data)

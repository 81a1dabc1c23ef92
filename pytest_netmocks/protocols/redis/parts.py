"""Where what is said in RESP has its parts: a place behind each command, answer and message."""

from __future__ import annotations

from collections.abc import Iterator

_AGGREGATES = {ord("*"): 1, ord("~"): 1, ord(">"): 1, ord("%"): 2, ord("|"): 2}
_ATTRIBUTES = ord("|")
_BULKS = frozenset(b"$=!")


def parts(data: bytes) -> Iterator[int]:
    """Where each whole value of RESP, or line of an inline command, has its end."""
    at = 0
    left = 0
    while (end := data.find(b"\n", at)) >= 0:
        sign, length = data[at], data[at + 1 : end].strip()
        at = end + 1
        count = int(length[:18]) if length[:18].isdigit() else 0
        if left:
            left -= 1
        if sign in _AGGREGATES:
            left += count * _AGGREGATES[sign] + (sign == _ATTRIBUTES)  # those stand before a value
        elif sign in _BULKS and length != b"-1":
            at += count + 2
            if at > len(data):
                return
        if not left:
            yield at

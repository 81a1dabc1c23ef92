"""Where what is said in RESP has its parts: a place behind each command, answer and message."""

from __future__ import annotations

from collections.abc import Iterator

_AGGREGATES = {ord("*"): 1, ord("~"): 1, ord(">"): 1, ord("%"): 2, ord("|"): 2}
_BULKS = frozenset(b"$=!")


def parts(data: bytes) -> Iterator[int]:
    """Where each whole value of RESP, or line of an inline command, has its end."""
    at = 0
    left = 0
    while (end := data.find(b"\n", at)) >= 0:
        sign, length = data[at], data[at + 1 : end].strip()
        at = end + 1
        count = int(length[:18]) if length[:18].isdigit() else 0
        if sign in _AGGREGATES:
            left += count * _AGGREGATES[sign]
        elif sign in _BULKS and length != b"-1":
            at += count + 2
            if at > len(data):
                return
        if sign == ord("|"):
            continue  # attributes stand before a value
        if left:
            left -= sign not in _AGGREGATES or not count
        if not left:
            yield at

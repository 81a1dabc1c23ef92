"""The parts that protocols have in common: lines."""

from __future__ import annotations

from collections.abc import Iterator


def line_ends(data: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Where each line of `data` has its end, from `start` on; lines end with a line feed."""
    at = data.find(b"\n", start, end)
    while at >= 0:
        yield at + 1
        at = data.find(b"\n", at + 1, end)

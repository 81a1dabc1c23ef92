"""`Shelf`: the newest of what was put on record, so that a server that runs for days does not hold all of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

SHARE = 1024
"""How many times its `record_limit` a server holds of all that passed."""

LEAST = 64 << 10
"""Bytes that are taken for its `record_limit` in that, where it is less: they cost little, and a test may want them."""


class Passed:
    """How many bytes have passed on a server, and how many may since the oldest that is kept."""

    __slots__ = ("bytes", "most")

    def __init__(self, record_limit: int) -> None:
        self.bytes = 0
        self.most = SHARE * max(record_limit, LEAST)


class Shelf(Generic[T]):
    """The newest: `most` of them at most, and fewer where too many bytes have passed since the oldest came."""

    def __init__(self, most: int, passed: Passed) -> None:
        self._most = most
        self._passed = passed
        self._kept: deque[T] = deque()
        self._marks: deque[int] = deque()
        self.dropped = 0
        """How many of the oldest were let go."""

    def put(self, item: T) -> Sequence[T]:
        """Keep it; gives what has to go for it."""
        kept, marks, passed = self._kept, self._marks, self._passed
        now = passed.bytes
        kept.append(item)
        marks.append(now)
        if now - marks[0] <= passed.most and len(kept) <= self._most:
            return ()  # by far the most
        gone = []
        while len(kept) > self._most or passed.bytes - marks[0] > passed.most:
            marks.popleft()
            gone.append(kept.popleft())
        self.dropped += len(gone)
        return gone

    def clear(self) -> None:
        """Keep nothing."""
        self._kept.clear()
        self._marks.clear()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[T]:
        return iter(self._kept.copy())


def keep(kept: list[T], item: T, most: int) -> None:
    """Append to a list of `most` items at most; when it is full the oldest eighth goes at once."""
    if len(kept) >= most:
        del kept[: max(1, most // 8)]
    kept.append(item)

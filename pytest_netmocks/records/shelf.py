"""`Shelf`: the newest of what was put on record, so that a server that runs for days does not hold all of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from pytest_netmocks.records.events import Log

T = TypeVar("T")

SHARE = 1024
"""How many times its `record_limit` a server holds of all that passed."""

LEAST = 64 << 10
"""Bytes that are taken for its `record_limit` in that, where it is less: they cost little, and a test may want them."""

PARTS = 64
"""How many parts a server divides all that it holds into: of a part either all is kept or nothing."""


def part_of(record_limit: int) -> int:
    """How many bytes pass in one of the parts that a server with that limit keeps or lets go as a whole."""
    return SHARE * max(record_limit, LEAST) // PARTS


class Shelf(Generic[T]):
    """The newest: `most` of them at most, and fewer where too many bytes have passed since the oldest came."""

    __slots__ = ("_due", "_kept", "_log", "_marks", "_most", "_part", "dropped")

    def __init__(self, most: int, log: Log, part: int) -> None:
        self._most = most
        self._log = log
        self._part = part
        """How many bytes pass in one part."""
        self._kept: deque[T] = deque()
        self.dropped = 0
        """How many of the oldest were let go."""
        self._marks = [(log.passed, 0)]
        """Where parts begin, `PARTS` and a few: how many bytes had passed, and how many items were put before."""
        self._due = log.passed + part
        """How many bytes have passed when the next part begins."""

    def put(self, item: T) -> Sequence[T]:
        """Keep it; gives what has to go for it."""
        kept = self._kept
        kept.append(item)
        if self._log.passed < self._due and len(kept) <= self._most:
            return ()  # by far the most
        return self._let_go()

    def _let_go(self) -> list[T]:
        """Begin another part if it is time, and let go what is too old or too much."""
        kept, marks = self._kept, self._marks
        now = self._log.passed
        if now >= self._due:
            marks.append((now, self.dropped + len(kept) - 1))
            self._due = now + self._part
        while now - marks[0][0] > PARTS * self._part:
            del marks[0]
        gone = [kept.popleft() for _ in range(max(marks[0][1] - self.dropped, len(kept) - self._most))]
        self.dropped += len(gone)
        return gone

    def clear(self) -> None:
        """Keep nothing."""
        self._kept.clear()
        self.dropped = 0
        self._marks = [(self._log.passed, 0)]
        self._due = self._log.passed + self._part

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[T]:
        return iter(self._kept.copy())


def keep(kept: list[T], item: T, most: int) -> None:
    """Append to a list of `most` items at most; when it is full the oldest eighth goes at once."""
    if len(kept) >= most:
        del kept[: max(1, most // 8)]
    kept.append(item)

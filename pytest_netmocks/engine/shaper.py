"""Shapers: state machines that take bytes with the time they came and give them back with the time they are due.

A shaper never loses, invents or reorders bytes, but for one that says so (`grown`). Times are whatever the caller's
clock says; nothing here looks at one.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Final


class Eof(enum.Enum):
    """The end of a stream, in good order or not, which travels in order behind its bytes."""

    EOF = "EOF"
    RESET = "RESET"


EOF: Final = Eof.EOF
Item = bytes | memoryview | Eof
Timed = tuple[float, Item]


def nothing() -> None:
    """The hit of a stage that nobody watches."""


class Shaper(ABC):
    """Base: a queue of items with their due times; `schedule` decides on each item as it comes."""

    limit = 1 << 20
    """Bytes that may be held before the sender is asked to wait."""

    apart = False
    """Whether what comes out is to stay in pieces on its further way."""

    def __init__(self) -> None:
        self._queue: deque[Timed] = deque()
        self.held = 0
        self.seen = 0
        self.grown = 0
        """Bytes by which the stream has become longer since somebody looked."""
        self.hit: Callable[[], None] = nothing

    def join(self, common: object) -> None:
        """Know what all connections of the injection have in common, see `Fault.common`."""

    @abstractmethod
    def schedule(self, at: float, item: Item) -> None:
        """Decide on an item that came at `at`: `_put` it, whole or in parts."""

    def push(self, at: float, item: Item) -> None:
        """Take an item that came at `at`, not earlier than the one before it."""
        self.schedule(at, item)
        if not isinstance(item, Eof):
            self.seen += len(item)

    def _put(self, due: float, item: Item) -> None:
        self._queue.append((due, item))
        if not isinstance(item, Eof):
            self.held += len(item)

    def due(self) -> float | None:
        """When the next item is due, `None` if nothing is held."""
        return self._queue[0][0] if self._queue else None

    def pop(self, now: float) -> Timed | None:
        """The next item that is due by `now`, with the time at which it was."""
        if not self._queue or self._queue[0][0] > now:
            return None
        due, item = self._queue.popleft()
        if not isinstance(item, Eof):
            self.held -= len(item)
        return due, item

    def release(self) -> list[Item]:
        """Give up everything that is held, in order."""
        items = [item for _, item in self._queue]
        self._queue.clear()
        self.held = 0
        return items

    @property
    def over(self) -> bool:
        """Whether the shaper has done its work and can be taken out."""
        return False


class LazyShaper(Shaper):
    """Base of the shapers that cut: pieces are made when they are due, so that a large write costs nothing at once."""

    def schedule(self, at: float, item: Item) -> None:
        self._put(at, item if isinstance(item, Eof) else memoryview(item))

    @abstractmethod
    def head(self) -> tuple[float, int]:
        """When the next piece of the first item is due, and its size in bytes (0 for the end of the stream)."""

    @abstractmethod
    def popped(self, due: float) -> None:
        """Note that the piece which `head` described is through."""

    def due(self) -> float | None:
        return self.head()[0] if self._queue else None

    def pop(self, now: float) -> Timed | None:
        if not self._queue:
            return None
        due, size = self.head()
        if due > now:
            return None
        self.popped(due)
        at, item = self._queue[0]
        if isinstance(item, Eof) or size == len(item):
            self._queue.popleft()
        else:
            self._queue[0] = (at, item[size:])
            item = item[:size]
        self.held -= size
        return due, item


class Window(Shaper):
    """Another shaper's work on one stretch of the stream only, given in bytes counted from now; order is kept."""

    def __init__(self, shaper: Shaper, start: int, end: int) -> None:
        super().__init__()
        self._shaper = shaper
        self._start = start
        self._end = end
        self._last = 0.0

    def schedule(self, at: float, item: Item) -> None:
        if isinstance(item, Eof):
            self._put(at, item)
            return
        before = max(0, min(len(item), self._start - self.seen))
        until = max(before, min(len(item), self._end - self.seen))
        view = memoryview(item)
        if before:
            self._put(at, view[:before])
        if until > before:
            self._shaper.push(at, view[before:until])
            self.held += until - before
        if until < len(item):
            self._put(at, view[until:])

    def end_here(self) -> None:
        """The stretch ends with what has been pushed."""
        self._end = min(self._end, self.seen)

    def _inner_first(self) -> bool:
        """Whether the next item is the inner shaper's; what came before the stretch has left when that is filled."""
        return self._shaper.due() is not None and self._through >= self._start

    @property
    def _through(self) -> int:
        return self.seen - self.held

    def due(self) -> float | None:
        if self._inner_first():
            return self._shaper.due()
        due = super().due()
        return None if due is None else max(due, self._last)

    def pop(self, now: float) -> Timed | None:
        if self._inner_first():
            popped = self._shaper.pop(now)
            if popped is not None:
                self._last, item = popped
                self.held -= len(item) if not isinstance(item, Eof) else 0
            return popped
        popped = super().pop(now)
        return None if popped is None else (max(popped[0], self._last), popped[1])

    def release(self) -> list[Item]:
        outside = [item for _, item in self._queue]
        inside = self._shaper.release()
        offset = self._through
        self._queue.clear()
        self.held = 0
        before: list[Item] = []
        for item in outside:
            if offset >= self._start or isinstance(item, Eof):
                break
            offset += len(item)
            before.append(item)
        return before + inside + outside[len(before) :]

    @property
    def over(self) -> bool:
        return self.seen >= self._end and not self.held and not self._queue

"""`Reader`: what one browser has not got yet; one that is slow loses the oldest events, and is told so."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Sequence

ROOM = 8 << 20
"""Characters that wait for one browser at most, besides what was there when it came."""


class Reader:
    """A queue with a bound."""

    def __init__(self, kept: Sequence[str] = ()) -> None:
        self._kept = deque(kept)
        self._messages: deque[tuple[str, int]] = deque()
        self._size = 0
        self._lost = 0
        self._over = False
        self._news = threading.Condition()

    def put(self, message: str, events: int = 0) -> None:
        """Hand on a message; where there is no room, the oldest that have only events are left out."""
        with self._news:
            self._messages.append((message, events))
            self._size += len(message)
            if self._size > ROOM:
                self._lose()
            self._news.notify()

    def _lose(self) -> None:
        """How it ended is worth more than how it began."""
        stay: deque[tuple[str, int]] = deque()
        while self._size > ROOM and len(self._messages) > 1:
            message, events = self._messages.popleft()
            if events:
                self._lost += events
                self._size -= len(message)
            else:
                stay.append((message, events))
        self._messages.extendleft(reversed(stay))

    def end(self) -> None:
        """Nothing more comes."""
        with self._news:
            self._over = True
            self._news.notify()

    def take(self, seconds: float) -> str | None:
        """The next message; `""` if none comes for so many seconds, `None` at the end."""
        with self._news:
            if self._kept:
                return self._kept.popleft()
            if not self._messages and not self._over:
                self._news.wait(seconds)
            if self._lost:
                lost, self._lost = self._lost, 0
                return json.dumps({"lost": lost})
            if self._messages:
                message, _ = self._messages.popleft()
                self._size -= len(message)
                return message
            return None if self._over else ""

"""`Reader`: what one browser has not got yet; one that is slow loses events, and is told so."""

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
        self._messages: deque[str] = deque(kept)
        self._first = len(kept)
        """How many of those are still there that it began with."""
        self._size = 0
        self._lost = 0
        self._over = False
        self._news = threading.Condition()

    def put(self, message: str, events: int = 0) -> None:
        """Hand on a message; one that has only events is left out where there is no room."""
        with self._news:
            if events and self._size + len(message) > ROOM:
                self._lost += events
            else:
                self._messages.append(message)
                self._size += len(message)
            self._news.notify()

    def end(self) -> None:
        """Nothing more comes."""
        with self._news:
            self._over = True
            self._news.notify()

    def take(self, seconds: float) -> str | None:
        """The next message; `""` if none comes for so many seconds, `None` at the end."""
        with self._news:
            if not self._messages and not self._lost and not self._over:
                self._news.wait(seconds)
            if self._messages:
                message = self._messages.popleft()
                if self._first:
                    self._first -= 1
                else:
                    self._size -= len(message)
                return message
            if self._lost:
                lost, self._lost = self._lost, 0
                return json.dumps({"lost": lost})
            return None if self._over else ""

"""`RunQueue`: work that takes the processor for long is done a little in each turn of the loop.

A handshake takes a millisecond, and a client may begin a thousand of them at once. The loop belongs to all: who has
waited for his turn is served first, and between two turns the loop looks after everybody else.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable

from pytest_netmocks import clock

SHARE = 0.01
"""Seconds of one turn."""


class RunQueue:
    """What waits for the processor in one loop; everything here happens in its thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._call_soon = loop.call_soon
        self._waiting: deque[Callable[[], None]] = deque()
        self._until = -SHARE
        self._ended = -SHARE
        """When the last work was over."""

    def take(self, work: Callable[[], None]) -> None:
        """Do the work at once if there is time left and nobody waits, else in one of the next turns."""
        if self._waiting:
            self._waiting.append(work)
            return
        now = clock.now()
        if now >= self._until:
            if now < self._ended + SHARE:  # it may be the same turn still
                self._waiting.append(work)
                self._call_soon(self._next)
                return
            self._until = now + SHARE  # for as long as that the loop was everybody else's
        work()
        self._ended = clock.now()

    def _next(self) -> None:
        self._until = clock.now() + SHARE
        try:
            while self._waiting:
                self._waiting.popleft()()
                self._ended = clock.now()
                if self._ended >= self._until:
                    break
        finally:
            if self._waiting:
                self._call_soon(self._next)


_queues: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, RunQueue] = weakref.WeakKeyDictionary()


def of(loop: asyncio.AbstractEventLoop) -> RunQueue:
    """The queue of the loop."""
    if loop not in _queues:
        _queues[loop] = RunQueue(loop)
    return _queues[loop]

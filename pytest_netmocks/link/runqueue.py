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
        self._until = 0.0
        self._is_on = False

    def take(self, work: Callable[[], None]) -> None:
        """Do the work at once if there is time left in this turn and nobody waits, else in one of the next."""
        if not self._is_on:
            self._begin()
        elif self._waiting or clock.now() >= self._until:
            self._waiting.append(work)
            return
        work()

    def _begin(self) -> None:
        self._is_on = True
        self._until = clock.now() + SHARE
        self._call_soon(self._next)

    def _next(self) -> None:
        self._is_on = False
        if not self._waiting:
            return
        self._begin()
        while self._waiting:
            self._waiting.popleft()()
            if clock.now() >= self._until:
                break


_queues: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, RunQueue] = weakref.WeakKeyDictionary()


def of(loop: asyncio.AbstractEventLoop) -> RunQueue:
    """The queue of the loop."""
    if loop not in _queues:
        _queues[loop] = RunQueue(loop)
    return _queues[loop]

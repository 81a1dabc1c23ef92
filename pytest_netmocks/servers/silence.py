"""`Silence`: ends connections on which nothing is said for a time, either way.

It hears of bytes as any subscriber of a server's events does, so a server without an `idle_timeout` pays nothing. What
counts is what the server sees and sends, and the steps of a TLS handshake: bytes that a fault holds or swallows have
not come, and those of a tunnel or proxy have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Closed, Event, Handshake, Opened, Received, Sent
from pytest_netmocks.records.journal import Journal

if TYPE_CHECKING:
    from pytest_netmocks.servers.stream_front import StreamFront

HEARD = frozenset({Opened, Received, Sent, Handshake, Closed})


class Silence:
    """Watches the connections of one front; methods belong to the loop's thread."""

    def __init__(
        self,
        front: StreamFront,
        journal: Journal,
        loop: asyncio.AbstractEventLoop,
        session_of: Callable[[Connection], Connection],
        parting: Callable[[Connection], bytes],
    ) -> None:
        self._front = front
        self._journal = journal
        self._loop = loop
        self._session_of = session_of
        self._parting = parting
        self._seconds: float | None = None
        self._latest: dict[int, float] = {}
        """When something was last said on each connection."""
        self._timers: dict[int, asyncio.TimerHandle] = {}

    def limit(self, seconds: float | None) -> None:
        """Bear so many seconds of silence, `None` for any number; on connections that are open from now on."""
        if seconds == self._seconds:
            return
        if self._seconds is None:
            self._journal.subscribe(self._hear, kinds=HEARD)
            self._latest = dict.fromkeys(self._front.links, self._loop.time())
        self._seconds = seconds
        for number in list(self._timers):
            self._timers.pop(number).cancel()
        if seconds is None:
            self._journal.unsubscribe(self._hear)
            self._latest.clear()
        for number in self._latest:
            self._watch(number)

    def _hear(self, event: Event) -> None:
        number = event.connection
        if isinstance(event, Closed):
            self._latest.pop(event.connection, None)
            if (timer := self._timers.pop(event.connection, None)) is not None:
                timer.cancel()
        elif number in self._front.links:
            now = self._loop.time()
            self._latest[number] = now
            if number not in self._timers:
                self._watch(number)
            session = self._session_of(self._journal.connections[number]).id
            if session != number and session in self._latest:
                self._latest[session] = now

    def _watch(self, number: int) -> None:
        assert self._seconds is not None
        due = self._latest[number] + self._seconds
        self._timers[number] = self._loop.call_at(due, self._look, number)

    def _look(self, number: int) -> None:
        del self._timers[number]
        stack = self._front.links.get(number)
        if stack is None or self._seconds is None or stack.link.is_closing():
            return
        if self._loop.time() < self._latest[number] + self._seconds:
            self._watch(number)
            return
        self._journal.note(number, f"silent for {self._seconds:g} s: the server ends it")
        stack.end_in_turn(self._parting(stack.connection))

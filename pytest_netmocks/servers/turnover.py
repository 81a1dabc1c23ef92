"""`Turnover`: ends connections behind the answer to their n-th request.

It hears of answers as any subscriber of a server's events does, so a server without `max_requests` pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Event, Exchange
from pytest_netmocks.records.journal import Journal

if TYPE_CHECKING:
    from pytest_netmocks.servers.stream_front import StreamFront


class Turnover:
    """Watches the exchanges of one front; methods belong to the loop's thread."""

    def __init__(
        self,
        front: StreamFront,
        journal: Journal,
        is_final: Callable[[Any], bool],
        parting: Callable[[Connection], bytes],
    ) -> None:
        self._front = front
        self._journal = journal
        self._is_final = is_final
        self._parting = parting
        self._most: int | None = None

    def limit(self, most: int | None) -> None:
        """Bear so many requests on a connection, `None` for any number; those that came before count."""
        if self._most is None and most is not None:
            self._journal.subscribe(self._hear, kinds=frozenset({Exchange}))
        elif self._most is not None and most is None:
            self._journal.unsubscribe(self._hear)
        self._most = most

    def _hear(self, event: Event) -> None:
        if not isinstance(event, Exchange) or event.phase != "delivered" or self._most is None:
            return
        stack = self._front.links.get(event.connection)
        if stack is None or stack.connection.counted < self._most or not self._is_final(event.exchange):
            return
        if not stack.link.is_closing():
            self._journal.note(event.connection, f"{stack.connection.counted} requests: the server ends it")
            stack.end_in_turn(self._parting(stack.connection))

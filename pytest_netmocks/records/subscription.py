"""`Subscription`: somebody hears what happens on a server, until it is lifted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType

from pytest_netmocks.records.events import Event
from pytest_netmocks.records.journal import Journal, Kinds


class Subscription:
    """What `subscribe` gives: in force until `lift()`, or the end of a `with` block."""

    def __init__(self, journal: Journal, subscriber: Callable[[Event], object], kinds: Kinds | None = None) -> None:
        self._journal = journal
        # One object for one call, so that a function that subscribes twice is not unsubscribed twice.
        self._tell = functools.partial(subscriber)
        journal.subscribe(self._tell, kinds=kinds)

    def lift(self) -> None:
        """Hear no more; lifting twice is no error."""
        self._journal.unsubscribe(self._tell)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lift()

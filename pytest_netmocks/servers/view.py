"""`View`: what can be seen of every server: where it is and what happened on it."""

from __future__ import annotations

import functools
import inspect
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self, TypeVar

from pytest_netmocks import check
from pytest_netmocks.records.addresses import describe_address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Event
from pytest_netmocks.records.journal import Dropped, Journal
from pytest_netmocks.records.subscription import Subscription
from pytest_netmocks.records.timeline import Timeline
from pytest_netmocks.servers import waiting
from pytest_netmocks.strict import Strict

V = TypeVar("V")


class View(Strict):
    """The part of a server that only looks."""

    scheme: str
    """The scheme of its URL."""

    journal: Journal
    _host: str
    _port: int
    _name: str
    _state: str

    def catch_up(self) -> None:
        """Take on record what a client can already see."""

    @property
    @abstractmethod
    def in_loop(self) -> bool:
        """Whether the caller runs in the servers' loop."""

    # Where it is

    @property
    def host(self) -> str:
        """The host it listens on."""
        return self._host

    @property
    def port(self) -> int:
        """The port it listens on; 0 before the first start of one that may choose."""
        return self._port

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, as `socket.connect` takes them."""
        return self._host, self._port

    @property
    def url(self) -> str:
        """The address as a URL, without a slash at the end."""
        return f"{self.scheme}://{describe_address(self.address)}"

    @property
    def name(self) -> str:
        """What reports call it."""
        return self._name

    @property
    def record_limit(self) -> int:
        """How many bytes of each transcript are kept; a new limit holds for connections from then on."""
        return self.journal.record_limit

    @record_limit.setter
    def record_limit(self, limit: int) -> None:
        check.whole("record_limit", limit, unit="bytes", minimum=0)
        self.journal.record_limit = limit

    @property
    def closed(self) -> bool:
        """Whether it was closed for good."""
        return self._state == "closed"

    # What happened

    @property
    def connections(self) -> list[Connection]:
        """Every connection so far, oldest first."""
        self.catch_up()
        return list(self.journal.connections.values())

    @property
    def open_connections(self) -> list[Connection]:
        """The connections that have not ended, oldest first."""
        self.catch_up()
        return list(self.journal.open.values())

    @property
    def peak_connections(self) -> int:
        """How many connections were open at one moment, at most."""
        self.catch_up()
        return self.journal.peak

    @property
    def dropped(self) -> Dropped:
        """How many of the oldest connections and requests were let go, to keep within `max_records`."""
        return self.journal.dropped

    @property
    def requests(self) -> list[Any]:
        """Every protocol-level exchange so far, oldest first."""
        return list(self.journal.requests)

    @property
    def timeline(self) -> Timeline:
        """Everything that happened, in order; `str()` of it is readable."""
        return Timeline(self.journal.log, f"{self._name}  {self.url}")

    def subscribe(self, subscriber: Callable[[Event], object]) -> Subscription:
        """Call it with every event from now on, in the thread of the servers' loop: it must not block.

        Events are values of `pytest_netmocks.events`; those of data have all of it, whatever `record_limit` is.
        What the subscriber raises fails the test, and it is called no more. The call ends with `lift()` of what this
        gives, which is a context manager too. Raises `TypeError` for what cannot be called.
        """
        if not callable(subscriber) or inspect.iscoroutinefunction(subscriber):
            raise TypeError(f"subscriber must be a plain function of an event, not {subscriber!r}")
        return Subscription(self.journal, subscriber)

    def wait_for(self, predicate: Callable[[Self], V | None], timeout: float = 5.0) -> V:
        """Block until `predicate(server)` is true, and give what it gave: a request that was looked for, say.

        Raises `TimeoutError`, which shows the timeline, after `timeout` seconds.
        """
        waiting.check_wait(predicate, timeout)
        if self.in_loop:
            raise RuntimeError("wait_for would block the servers' own loop: in a handler, await async_wait_for")
        return waiting.wait_for(self.journal, functools.partial(predicate, self), timeout, self._too_late)

    async def async_wait_for(self, predicate: Callable[[Self], V | None], timeout: float = 5.0) -> V:
        """As `wait_for`, for async tests under asyncio or trio."""
        waiting.check_wait(predicate, timeout)
        return await waiting.async_wait_for(self.journal, functools.partial(predicate, self), timeout, self._too_late)

    def _too_late(self, timeout: float) -> TimeoutError:
        return waiting.too_late(self, self.journal, timeout)

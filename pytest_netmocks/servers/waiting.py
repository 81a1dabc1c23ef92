"""Waiting for a server's state, from a thread or from any async library."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, TypeVar

from pytest_netmocks import check, clock
from pytest_netmocks.link import loop as loops
from pytest_netmocks.records.report import report
from pytest_netmocks.records.timeline import Timeline

if TYPE_CHECKING:
    from pytest_netmocks.servers.view import View

S = TypeVar("S", bound="View")
V = TypeVar("V")

_SHOWN = "netmocks_timeline"
"""Where such an error has the timeline that its text shows."""

LOOK_AGAIN = 0.05
"""Seconds after which a predicate is asked again though nothing changed: it may look at more than the server."""


def _check(predicate: object, timeout: object) -> None:
    if not callable(predicate):
        raise TypeError(f"predicate must be a function of the server, not {predicate!r}")
    if inspect.iscoroutinefunction(predicate):
        raise TypeError(f"predicate must be a plain function of the server, not the coroutine function {predicate!r}")
    check.number("timeout", timeout, unit="seconds", minimum=0)


def _too_late(server: View, timeout: float) -> TimeoutError:
    told = "\n".join(report(server.timeline))
    error = TimeoutError(f"the predicate was not true within {timeout:g} seconds; what happened:\n{told}")
    vars(error)[_SHOWN] = server.timeline
    return error


def was_shown(error: BaseException | None, timeline: Timeline) -> bool:
    """Whether the error, or one that led to it, has the timeline in its text."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if vars(error).get(_SHOWN) is timeline:
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def wait_for(server: S, predicate: Callable[[S], V | None], timeout: float) -> V:
    """Block until the predicate is true, and give what it gave; asked after every change on record."""
    _check(predicate, timeout)
    if server.in_loop:
        raise RuntimeError("wait_for would block the servers' own loop: in a handler, await async_wait_for")
    deadline = clock.now() + timeout
    changed = threading.Event()
    server.journal.watch(changed.set)
    try:
        while not (given := predicate(server)):
            left = deadline - clock.now()
            if left <= 0:
                raise _too_late(server, timeout)
            changed.wait(min(left, LOOK_AGAIN))
            changed.clear()
        return given
    finally:
        server.journal.unwatch(changed.set)


async def async_wait_for(server: S, predicate: Callable[[S], V | None], timeout: float) -> V:
    """Wait until the predicate is true, under asyncio or trio, and give what it gave.

    The times are those of the servers' loop: the test may have stopped the clock of its own.
    """
    _check(predicate, timeout)
    change = _change()
    deadline = clock.now() + timeout
    alarms = loops.shared().loop
    server.journal.watch(change.tell)
    try:
        while not (given := predicate(server)):
            left = deadline - clock.now()
            if left <= 0:
                raise _too_late(server, timeout)
            alarms.call_soon_threadsafe(alarms.call_later, min(left, LOOK_AGAIN), change.tell)
            await change.wait()
        return given
    finally:
        server.journal.unwatch(change.tell)


class _Change(Protocol):
    def tell(self) -> None:
        """Wake who waits, from any thread."""

    async def wait(self) -> None:
        """Wait for the next time that somebody tells."""


class _AsyncioChange:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._told = asyncio.Event()

    def tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._told.set)

    async def wait(self) -> None:
        await self._told.wait()
        self._told.clear()


class _TrioChange:
    def __init__(self, trio: ModuleType) -> None:
        self._trio = trio
        self._token = trio.lowlevel.current_trio_token()
        self._told = trio.Event()

    def tell(self) -> None:
        with contextlib.suppress(self._trio.RunFinishedError):
            self._token.run_sync_soon(self._set)

    def _set(self) -> None:
        self._told.set()

    async def wait(self) -> None:
        await self._told.wait()
        self._told = self._trio.Event()


def _change() -> _Change:
    try:
        return _AsyncioChange(asyncio.get_running_loop())
    except RuntimeError:
        pass
    if "trio" not in sys.modules:
        raise RuntimeError("async_wait_for works under asyncio and trio; neither is running here")
    import trio  # only where somebody runs it

    return _TrioChange(trio)

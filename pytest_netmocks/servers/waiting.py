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
from pytest_netmocks.records.journal import Journal

if TYPE_CHECKING:
    from pytest_netmocks.reports.story import Teller

V = TypeVar("V")

Late = Callable[[float], TimeoutError]
"""Makes the error of who waited in vain for so many seconds."""

_SHOWN = "netmocks_timeline"
"""Where such an error has the journal of the server of which its text tells."""

COLUMNS = 100
"""Of the lines in its text."""

HELD_UP = "wait_for has held up the event loop of this thread and all its tasks: in an async test, await async_wait_for"

LOOK_AGAIN = 0.05
"""Seconds after which a predicate is asked again though nothing changed: it may look at more than the server."""


def check_wait(predicate: object, timeout: object) -> None:
    """Refuse what cannot be asked, and what is no time. Raises `TypeError` or `ValueError`."""
    if not callable(predicate):
        raise TypeError(f"predicate must be a function of the server, not {predicate!r}")
    if inspect.iscoroutinefunction(predicate):
        raise TypeError(f"predicate must be a plain function of the server, not the coroutine function {predicate!r}")
    check.number("timeout", timeout, unit="seconds", minimum=0)


def too_late(server: Teller, journal: Journal, timeout: float) -> TimeoutError:
    """The error of who waited in vain, with what happened on the server."""
    from pytest_netmocks.reports import ladder, story  # only where somebody waits in vain

    told = "\n".join(ladder.ladder(story.Story(server), COLUMNS))
    told += "".join(f"\nconnection {number} is open" for number in list(journal.open)[:5])
    error = TimeoutError(f"the predicate was not true within {timeout:g} seconds; what happened:\n{told}")
    vars(error)[_SHOWN] = journal
    return error


def was_shown(error: BaseException | None, journal: Journal) -> bool:
    """Whether the error, or one that led to it, has what happened on the journal's server in its text."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if vars(error).get(_SHOWN) is journal:
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def wait_for(journal: Journal, ask: Callable[[], V | None], timeout: float, late: Late) -> V:
    """Block until `ask` gives something true, and give that; it is asked after every event."""
    deadline = clock.now() + timeout
    happened = threading.Event()

    def tell(event: object) -> None:
        happened.set()

    journal.subscribe(tell)
    try:
        while not (given := ask()):
            left = deadline - clock.now()
            if left <= 0:
                error = late(timeout)
                if _in_a_loop():
                    error.add_note(HELD_UP)
                raise error
            happened.wait(min(left, LOOK_AGAIN))
            happened.clear()
        return given
    finally:
        journal.unsubscribe(tell)


def _in_a_loop() -> bool:
    """Whether async code calls, under asyncio or trio."""
    try:
        _change()
    except RuntimeError:
        return False
    return True


async def async_wait_for(journal: Journal, ask: Callable[[], V | None], timeout: float, late: Late) -> V:
    """As `wait_for`, under asyncio or trio.

    The times are those of the servers' loop: the test may have stopped the clock of its own.
    """
    change = _change()
    deadline = clock.now() + timeout
    alarms = loops.shared().loop

    def tell(event: object) -> None:
        change.tell()

    journal.subscribe(tell)
    try:
        while not (given := ask()):
            left = deadline - clock.now()
            if left <= 0:
                raise late(timeout)
            alarms.call_soon_threadsafe(alarms.call_later, min(left, LOOK_AGAIN), change.tell)
            await change.wait()
        return given
    finally:
        journal.unsubscribe(tell)


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

"""Waiting for a server's state, from a thread or from any async library."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pytest_netmocks import check

if TYPE_CHECKING:
    from pytest_netmocks.servers.view import View

S = TypeVar("S", bound="View")

LOOK_AGAIN = 0.05
"""Seconds after which a predicate is asked again though nothing changed: it may look at more than the server."""


def _check(predicate: object, timeout: object) -> None:
    if not callable(predicate):
        raise TypeError(f"predicate must be a function of the server, not {predicate!r}")
    if inspect.iscoroutinefunction(predicate):
        raise TypeError(f"predicate must be a plain function of the server, not the coroutine function {predicate!r}")
    check.number("timeout", timeout, unit="seconds", minimum=0)


def _too_late(server: View, timeout: float) -> TimeoutError:
    return TimeoutError(f"the predicate was not true within {timeout:g} seconds; what happened:\n{server.timeline}")


def wait_for(server: S, predicate: Callable[[S], object], timeout: float) -> None:
    """Block until the predicate is true; asked after every change on record."""
    _check(predicate, timeout)
    if server.in_loop:
        raise RuntimeError("wait_for would block the servers' own loop: in a handler, await async_wait_for")
    deadline = time.monotonic() + timeout
    changed = threading.Event()
    server.journal.watch(changed.set)
    try:
        while not predicate(server):
            left = deadline - time.monotonic()
            if left <= 0:
                raise _too_late(server, timeout)
            changed.wait(min(left, LOOK_AGAIN))
            changed.clear()
    finally:
        server.journal.unwatch(changed.set)


async def async_wait_for(server: S, predicate: Callable[[S], object], timeout: float) -> None:
    """Wait until the predicate is true, under asyncio or trio."""
    _check(predicate, timeout)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        await _wait_in_trio(server, predicate, timeout)
    else:
        await _wait_in_asyncio(server, predicate, timeout)


async def _wait_in_asyncio(server: S, predicate: Callable[[S], object], timeout: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    changed = asyncio.Event()

    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(changed.set)

    server.journal.watch(wake)
    try:
        while not predicate(server):
            left = deadline - loop.time()
            if left <= 0:
                raise _too_late(server, timeout)
            try:
                await asyncio.wait_for(changed.wait(), min(left, LOOK_AGAIN))
            except TimeoutError:
                continue
            changed.clear()
    finally:
        server.journal.unwatch(wake)


async def _wait_in_trio(server: S, predicate: Callable[[S], object], timeout: float) -> None:
    if "trio" not in sys.modules:
        raise RuntimeError("async_wait_for works under asyncio and trio; neither is running here")
    import trio  # only where somebody runs it

    token = trio.lowlevel.current_trio_token()
    deadline = trio.current_time() + timeout
    changed = trio.Event()

    def wake() -> None:
        try:
            token.run_sync_soon(changed.set)
        except trio.RunFinishedError:
            return

    server.journal.watch(wake)
    try:
        while not predicate(server):
            left = deadline - trio.current_time()
            if left <= 0:
                raise _too_late(server, timeout)
            with trio.move_on_after(min(left, LOOK_AGAIN)):
                await changed.wait()
            changed = trio.Event()
    finally:
        server.journal.unwatch(wake)

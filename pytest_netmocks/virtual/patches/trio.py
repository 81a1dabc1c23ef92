"""trio: its idle threads, its sleeps, and the one way by which an error reaches its main task.

An exception out of `epoll.poll` would wreck a run. trio itself raises KeyboardInterrupt in the main task by aborting
what that waits for; an error of ours takes the same way.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from pytest_netmocks.virtual import clock, forever, library
from pytest_netmocks.virtual.patches import asynchronous

DAY = 86400
"""Seconds that trio waits at most in one go, see `_MAX_TIMEOUT` in trio._core._run."""


class _Run:
    """A run of trio that goes on: its main task, how other threads speak to it, and the thread whose time it takes."""

    def __init__(self, token: Any, main: Any) -> None:
        self.token = token
        self.main = main
        self.thread = threading.get_ident()


_runs: list[_Run] = []


def _going_on() -> list[_Run]:
    """The runs whose main task is not at its end."""
    _runs[:] = [run for run in _runs if run.main.coro.cr_frame is not None]
    return list(_runs)


def tasks() -> list[str]:
    """A line for each task that waits, and where."""
    return [line for run in _going_on() for line in _below(run.main)]


def deadline_of(timeout: float | None) -> float | None:
    """The time-out of one of trio's own waits: without any deadline trio comes back once a day."""
    _adopt()
    if timeout is None or timeout < DAY:
        return timeout
    return timeout if any(library.has_deadline(run.main) for run in _going_on()) else None


def _adopt() -> None:
    """Know the run that goes on in this thread, if trio was loaded too late for `_guarded`."""
    found = library.trio_run()
    if found is not None and not any(run.main is found[1] for run in _runs):
        _runs.append(_Run(*found))


def _below(task: Any) -> list[str]:
    lines = [f"task {task.name} waits in {forever.innermost(task.coro)}"]
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            lines += _below(child)
    return lines


def _guarded(lowlevel: Any, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The main function of a run, in whose task an error of ours can be raised."""

    @functools.wraps(function)
    async def main(*args: Any) -> Any:
        run = _Run(lowlevel.current_trio_token(), lowlevel.current_task())
        _runs.append(run)
        try:
            return await function(*args)
        except BaseExceptionGroup as group:
            found = group.subgroup(forever.WaitsForever)
            if found is None:
                raise
            raise _first(found) from group  # nurseries have wrapped it
        finally:
            _runs[:] = [other for other in _runs if other is not run]

    return main


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def is_at_home(thread: int) -> bool:
    """Whether that thread runs trio: its waits are trio's own, and no error may come out of them."""
    return any(run.thread == thread for run in _going_on())


def deliver(thread: int, error: BaseException) -> None:
    """Have the main task of the run in that thread raise the error, if what it waits for can be aborted."""
    run = next(run for run in reversed(_runs) if run.thread == thread)
    with contextlib.suppress(sys.modules["trio"].RunFinishedError):
        run.token.run_sync_soon(library.abort, run.main, error)


def _guarding(real: Any, lowlevel: Any) -> Any:
    @functools.wraps(real)
    def run(async_fn: Any, *args: Any, **kwargs: Any) -> Any:
        return real(_guarded(lowlevel, async_fn) if clock.here() is not None else async_fn, *args, **kwargs)

    return run


def _noting(real: Any) -> Any:
    @functools.wraps(real)
    async def sleep(seconds: float) -> None:
        asynchronous.note(seconds, library.frame_at(1))
        await real(seconds)

    return sleep


def patches() -> Iterator[tuple[object, str, object]]:
    """Those of trio, if somebody has loaded it; idle threads from before are none of ours."""
    trio = sys.modules.get("trio")
    if trio is None or not hasattr(trio, "lowlevel"):
        return
    lowlevel = trio.lowlevel
    yield trio, "run", _guarding(trio.run, lowlevel)
    yield lowlevel, "start_guest_run", _guarding(lowlevel.start_guest_run, lowlevel)
    yield trio, "sleep", _noting(trio.sleep)
    threads, cache = library.trio_threads()
    yield threads, "THREAD_CACHE", cache

"""Pools from before: their threads and processes are left out, the work that they get is not.

Threads that such a pool starts in virtual time take part. They wait for work in a queue in C, where nobody can see it:
so they wait by the clock first, and take it from the queue when it is there.
"""

from __future__ import annotations

import concurrent.futures.thread
import contextlib
import functools
import queue
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.thread import ThreadPoolExecutor
from typing import Any

from pytest_netmocks.virtual import alarm, clock, library

_submit: Any = ThreadPoolExecutor.submit
_work: Any = library.work_of_a_pool

_idle: dict[int, list[Any]] = {}
"""The alarms of the threads that wait for work, by the identity of their queue."""


@functools.wraps(_submit)
def _submitted(self: Any, *args: Any, **kwargs: Any) -> Future[Any]:
    future: Future[Any] = _submit(self, *args, **kwargs)
    running = clock.here()
    if running is not None and any(thread.ident in running.outsiders for thread in list(self._threads)):
        running.others.has_given(future)
    for waiting in _idle.get(id(self._work_queue), ()):
        waiting.ring()
    return future


def _submitted_to_processes(real: Any) -> Any:
    @functools.wraps(real)
    def submit(self: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = real(self, *args, **kwargs)
        running = clock.here()
        if running is not None:
            running.others.has_given(future)
        return future

    return submit


class _Queue:
    """A pool's queue in C, to a thread that takes part."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """As the real one."""
        running = clock.here()
        while running is not None and running.active and block:
            with contextlib.suppress(queue.Empty):
                return self.get_nowait()
            self._wait(running)
        return self._real.get(block, timeout)

    def get_nowait(self) -> Any:
        """As the real one; whose work that is from now on is known."""
        item = self._real.get_nowait()
        running = clock.here()
        if running is not None and item is not None:
            running.others.has_taken(item.future)
        return item

    def _wait(self, running: clock.VirtualClock) -> None:
        mine = alarm.mine()
        waiting = _idle.setdefault(id(self._real), [])
        waiting.append(mine)
        try:
            # Who ends the pool tells nobody.
            running.wait(lambda: not self._real.empty() or not running.active, None, "an idle pool", rings=False)
        finally:
            waiting.remove(mine)
            if not waiting:
                _idle.pop(id(self._real), None)


@functools.wraps(_work)
def _works(*args: Any) -> None:
    if clock.here() is not None:
        args = tuple(_Queue(each) if type(each) is library.QueueInC else each for each in args)
    _work(*args)


def patches() -> Iterator[tuple[object, str, object]]:
    """`submit`, by which asyncio's executor gets its work, too, and what threads of a pool do."""
    yield ThreadPoolExecutor, "submit", _submitted
    yield concurrent.futures.thread, library.WORK_OF_A_POOL, _works
    processes = sys.modules.get("concurrent.futures.process")
    if processes is not None:
        pool: Any = processes.ProcessPoolExecutor
        yield pool, "submit", _submitted_to_processes(pool.submit)

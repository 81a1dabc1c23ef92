"""Threads that wait for each other: conditions (and so events, semaphores, barriers, queues, futures) and joins."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import Any

from pytest_netmocks.virtual import alarm, clock, library, outsiders

_wait = threading.Condition.wait
_join = threading.Thread.join
_run = library.run_thread


class _Waiter:
    """In a condition's list of waiters, in a lock's stead."""

    def __init__(self) -> None:
        self._alarm = alarm.mine()
        self.told = False

    def release(self) -> None:
        """`notify()`; a second time is refused, as a lock does: the list may still have it."""
        if self.told:
            raise RuntimeError("release unlocked lock")
        self.told = True
        self._alarm.ring()


def _condition_wait(self: Any, timeout: float | None = None) -> bool:
    running = clock.here()
    if running is None:
        return bool(_wait(self, timeout))
    if not self._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    waiter = _Waiter()
    self._waiters.append(waiter)
    saved = self._release_save()
    told = False
    try:
        told = running.wait(lambda: waiter.told, timeout, "Condition.wait()")
        return told
    finally:
        self._acquire_restore(saved)
        if not told:
            with contextlib.suppress(ValueError):  # told just now
                self._waiters.remove(waiter)


_ending: set[threading.Thread] = set()
"""Those whose code has run to its end."""

_joining: dict[threading.Thread, list[Any]] = {}


def _thread_join(self: threading.Thread, timeout: float | None = None) -> None:
    running = clock.here()
    if running is not None and self is not threading.current_thread() and library.has_started(self):
        mine = alarm.mine()
        _joining.setdefault(self, []).append(mine)
        try:
            what = f"Thread.join() of {self.name}"
            if not running.wait(lambda: _is_over(self), timeout, what, thread=self, rings=False):
                return
        finally:
            with contextlib.suppress(ValueError, KeyError):
                _joining[self].remove(mine)
        timeout = None
    _join(self, timeout)


def _is_over(thread: threading.Thread) -> bool:
    """Whether a join takes no time any more."""
    return thread in _ending or not thread.is_alive()


def _run_to_its_end(self: threading.Thread) -> None:
    """What a new thread does: those of the run's machinery are left out, and who joins it is woken at its end."""
    running, ident = clock.current, threading.get_ident()
    if running is not None:
        if outsiders.of_machinery(self):
            running.others.leave_out(ident)
        else:
            running.others.forget(ident)
    try:
        _run(self)
    finally:
        if running is not None:
            _ending.add(self)
            for waiting in _joining.pop(self, ()):
                waiting.ring()
            _forget_the_dead()


def _forget_the_dead() -> None:
    _ending.difference_update([thread for thread in list(_ending) if not thread.is_alive()])


def patches() -> Iterator[tuple[object, str, object]]:
    """Queues in C wait where nobody can see it; an executor's idle workers do."""
    yield threading.Condition, "wait", _condition_wait
    yield threading.Thread, "join", _thread_join
    yield threading.Thread, "_bootstrap_inner", _run_to_its_end
    yield queue, "SimpleQueue", library.SimpleQueue

"""Locks that are waited for: `threading.Lock` and `RLock` of those who make one in virtual time."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Iterator
from typing import Any

from pytest_netmocks.virtual import alarm, clock, library

_RealRLock: Any = threading.RLock
_allocate = _thread.allocate_lock


class VirtualLock:
    """`threading.Lock`; who has to wait for it does so by the clock."""

    def __init__(self) -> None:
        self._real: Any = _allocate()
        self._waiting: list[Any] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As of a lock. Raises `ValueError` for a time-out that it does not take."""
        if not blocking:
            return bool(self._real.acquire(False, timeout))
        if self._real.acquire(False):
            return True
        running = clock.here()
        if running is None or (timeout < 0 and timeout != -1):
            return bool(self._real.acquire(blocking, timeout))
        deadline = None if timeout == -1 else running.now() + timeout
        mine = alarm.mine()
        self._waiting.append(mine)
        try:
            while not self._real.acquire(False):
                left = None if deadline is None else deadline - running.now()
                if not running.wait(lambda: not self._real.locked(), left, "Lock.acquire()"):
                    return False
            return True
        finally:
            self._waiting.remove(mine)

    def release(self) -> None:
        """As of a lock. Raises `RuntimeError` if it is not locked."""
        self._real.release()
        for waiting in self._waiting[:]:
            waiting.ring()

    def locked(self) -> bool:
        """Whether somebody has it."""
        return bool(self._real.locked())

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self._real = _allocate()
        self._waiting = []

    def __repr__(self) -> str:
        return f"<{'locked' if self.locked() else 'unlocked'} {type(self).__name__} at {id(self):#x}>"


class _Reentrant:
    """A real RLock that says whether somebody has it, which before Python 3.14 it does not."""

    def __init__(self) -> None:
        self.lock = _RealRLock()
        self.count = 0
        """How often its owner has it, who alone writes this."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        got: bool = self.lock.acquire(blocking, timeout)
        if got:
            self.count += 1
        return got

    def release(self) -> None:
        if library.owns(self.lock):
            self.count -= 1
        self.lock.release()

    def locked(self) -> bool:
        return self.count > 0


class VirtualRLock(VirtualLock):
    """`threading.RLock`; a signal's handler may take it at any moment, as the real one."""

    __module__ = _thread.__name__  # by which trio makes sure of just that

    def __init__(self) -> None:
        super().__init__()
        self._real = _Reentrant()

    def _at_fork_reinit(self) -> None:
        self.__init__()  # type: ignore[misc]

    # What a condition asks of its lock

    def _is_owned(self) -> bool:
        return library.owns(self._real.lock)

    def _recursion_count(self) -> int:
        return self._real.count if self._is_owned() else 0

    def _release_save(self) -> int:
        count = self._recursion_count()
        for _ in range(count):
            self.release()
        return count

    def _acquire_restore(self, count: int) -> None:
        for _ in range(count):
            self.acquire()


def patches() -> Iterator[tuple[object, str, object]]:
    """In the module that makes them; its own inner locks are the real ones."""
    yield threading, "Lock", VirtualLock
    yield threading, "RLock", VirtualRLock

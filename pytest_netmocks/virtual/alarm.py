"""What wakes a thread that sleeps: a descriptor of its own, so that it waits for sockets and threads alike.

`eventfd(2)` where there is one, elsewhere a pair of sockets. Waits are made by poll(2), or select(2) where that is all.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Iterable, Sequence

IN = getattr(select, "POLLIN", 1)
OUT = getattr(select, "POLLOUT", 4)
URGENT = getattr(select, "POLLPRI", 2)

Question = tuple[int, int]
"""A descriptor and the events of poll(2) that are waited for."""

_poll = getattr(select, "poll", None)
_select = select.select


class Poller:
    """Asks the kernel about some descriptors; an object is one thread's, or used under a lock: poll(2) refuses two."""

    def __init__(self, questions: Iterable[Question]) -> None:
        self._questions = questions
        self._real = None
        if _poll is not None:
            self._real = _poll()
            for number, events in questions:
                self._real.register(number, events)

    def told(self, timeout: float | None) -> Sequence[int]:
        """The descriptors that are ready, within so many seconds (`None`: no end)."""
        if self._real is not None:
            ready = self._real.poll(None if timeout is None else timeout * 1000)
            return [number for number, _ in ready] if ready else ()
        read, write, urgent = (
            [number for number, events in self._questions if events & flag] for flag in (IN, OUT, URGENT)
        )
        return [number for group in _select(read, write, urgent, timeout) for number in group]

    def ask(self) -> bool:
        """Whether something is ready now."""
        return bool(self.told(0))


class _EventAlarm:
    """An eventfd; it goes with the last who has it."""

    def __init__(self) -> None:
        self.number = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def ring(self) -> None:
        """Wake the thread, now or before its next sleep."""
        with contextlib.suppress(OSError):  # rung very often, and not heard yet
            os.eventfd_write(self.number, 1)

    def hush(self) -> None:
        """Forget that it was rung."""
        with contextlib.suppress(OSError):
            os.eventfd_read(self.number)

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.number)


class _PairAlarm:
    """A pair of sockets, for systems without eventfd(2); they go with the last who has it, too."""

    def __init__(self) -> None:
        self._heard, self._rung = socket.socketpair()
        self._heard.setblocking(False)
        self._rung.setblocking(False)
        self.number = self._heard.fileno()

    def ring(self) -> None:
        """As of the other."""
        with contextlib.suppress(OSError):
            self._rung.send(b"x")

    def hush(self) -> None:
        """As of the other."""
        with contextlib.suppress(OSError):
            while self._heard.recv(4096):
                pass

    def __del__(self) -> None:
        self._heard.close()
        self._rung.close()


Alarm = _EventAlarm if hasattr(os, "eventfd") else _PairAlarm


class _Here(threading.local):
    def __init__(self) -> None:
        self.alarm = Alarm()


_here = _Here()


def mine() -> _EventAlarm | _PairAlarm:
    """The calling thread's."""
    return _here.alarm

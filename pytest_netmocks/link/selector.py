"""The selector: what the loop waits by. It knows when the loop is idle, and lets somebody else see to the waiting."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import functools
import select
import selectors
from collections.abc import Callable, Iterable
from typing import Any

Sleeper = Callable[[selectors.BaseSelector, Callable[[], Iterable[int]], float | None], object]
"""Waits in a selector's stead until something is ready or so many seconds are over (`None`: no end).

Its arguments are the selector, what gives the descriptors that stand behind it, and the seconds.
"""


class Idle:
    """What a selector does besides: it tells when the loop has nothing to do and nothing waits in the kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.waiters: list[_thread.LockType] = []
        self._asleep = False
        """Whether the loop is about to wait in the kernel for as long as it takes, or does, or has just been woken."""

    @property
    def idle(self) -> bool:
        """Whether the loop is known to have nothing to do; in any thread."""
        return False

    def begin(self, number: int, callback: asyncio.Handle) -> bool:
        """Call back when there is something to read; whether it was done here."""
        return False

    def end(self, number: int) -> bool:
        """Listen no more; whether it was done here."""
        return False

    def sleep_by(self, sleeper: Sleeper | None, behind: Callable[[], Iterable[int]]) -> None:
        """From the next turn on let somebody else see to the waiting; `None`: the kernel again.

        It stands in the instance, before the class's own `select`: who asks for no such thing pays nothing.
        """
        if sleeper is None:
            vars(self).pop("select", None)
        else:
            vars(self)["select"] = functools.partial(self._slept, sleeper, behind)

    def _slept(self, sleeper: Sleeper, behind: Callable[[], Iterable[int]], timeout: float | None = None) -> Any:
        this: Any = self
        select = type(this).select
        events = select(self, 0)
        if events or (timeout is not None and timeout <= 0):
            return events
        self._tell()
        sleeper(this, behind, timeout)
        return select(self, 0)

    def await_idle(self, waiter: _thread.LockType) -> None:
        """Release it when there is nothing to do."""
        self.waiters.append(waiter)

    def _tell(self) -> None:
        waiters, self.waiters = self.waiters, []  # first: who is released may ask again at once
        for waiter in waiters:
            waiter.release()

    def told(self, timeout: float | None, poll: Callable[[float], Any]) -> Any:
        """The events that came meanwhile, or nothing and the waiters are told."""
        if timeout is None or timeout > 0:
            events = poll(0)
            if events:
                return events
            self._tell()
        return None


NEAR = 0.05
"""Seconds before a timer in which milliseconds begin to matter."""

MOST = 8
"""Descriptors that are looked after in one turn of the loop: who calls it from another thread waits for one turn.

epoll(7) tells of the others in the next, who was told of last comes last.
"""

if hasattr(selectors, "EpollSelector"):
    IN, OUT = select.EPOLLIN, select.EPOLLOUT
    READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

    class PreciseSelector(Idle, selectors.EpollSelector):
        """epoll(7) whose time-outs are not rounded up to whole milliseconds.

        select(2) on the epoll descriptor itself counts in microseconds; it costs a second call, made only while a
        timer is near.
        """

        _selector: select.epoll
        _fd_to_key: dict[int, selectors.SelectorKey]

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if self.waiters and (events := self.told(timeout, self._some)):
                return events  # type: ignore[no-any-return]  # those of `_some`
            if timeout is None or timeout > NEAR:
                self._asleep = True
                try:
                    # Before a timer: too early is no harm, the loop asks again.
                    return self._some(-1 if timeout is None else timeout - NEAR / 2)
                finally:
                    self._asleep = False
            if timeout > 0:
                with contextlib.suppress(ValueError):  # a descriptor above FD_SETSIZE: be late by up to a millisecond
                    select.select([self.fileno()], [], [], timeout)
                    timeout = 0
            return self._some(max(timeout, 0))

        def begin(self, number: int, callback: asyncio.Handle) -> bool:
            """Call back when there is something to read, if nobody listens to that descriptor yet."""
            keys = self._fd_to_key
            if number in keys:
                return False
            self._selector.register(number, IN)
            # As `register` does, which takes three times as long for what may be no number, and for any events.
            keys[number] = selectors.SelectorKey(number, number, READ, (callback, None))
            return True

        def end(self, number: int) -> bool:
            """Listen no more, if nobody waits to write to it either."""
            keys = self._fd_to_key
            key = keys.get(number)
            if key is None or key.data[1] is not None:
                return False
            del keys[number]
            try:  # noqa: SIM105  # each connection would pay for `suppress`
                self._selector.unregister(number)
            except OSError:  # it was closed before
                pass
            key.data[0].cancel()
            return True

        @property
        def idle(self) -> bool:
            """Whether the loop has nothing to do and nothing waits in the kernel; in any thread.

            What has just woken it is there until it is dealt with, and that is after the waiting has ended.
            """
            try:
                return self._asleep and not self._selector.poll(0, 1)
            except ValueError:  # closed meanwhile
                return False

        def _some(self, timeout: float) -> list[tuple[selectors.SelectorKey, int]]:
            """What `select` of the base gives, but for `MOST` descriptors at most."""
            try:
                told = self._selector.poll(timeout, MOST)
            except InterruptedError:
                return []
            keys = self._fd_to_key
            ready = []
            for number, event in told:
                key = keys.get(number)
                if key is None:
                    continue
                if event == IN:  # by far the most
                    ready.append((key, READ))
                else:
                    read = READ if event & ~OUT else 0
                    write = WRITE if event & ~IN else 0
                    ready.append((key, (read | write) & key.events))
            return ready

    Selector: Any = PreciseSelector
else:  # other systems; on them mypy sees this branch

    class IdleSelector(Idle, selectors.DefaultSelector):
        """The system's best selector."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if self.waiters and (events := self.told(timeout, super().select)):
                return events  # type: ignore[no-any-return]  # those of `select`
            return super().select(timeout)

    Selector = IdleSelector

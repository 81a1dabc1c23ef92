"""A stretch of virtual time: the patches, the servers' clock and loop, and everything real again afterwards."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

from pytest_netmocks import check, clock
from pytest_netmocks.link import loop as loops
from pytest_netmocks.virtual import clock as virtual
from pytest_netmocks.virtual import library
from pytest_netmocks.virtual.clock import VirtualClock
from pytest_netmocks.virtual.held import Held
from pytest_netmocks.virtual.patches import selecting, table
from pytest_netmocks.virtual.wait import SERVERS

PATIENCE = 30.0
"""Real seconds after which a wait without an end is taken for one that nobody ends, though somebody may have work."""


class _Spans:
    """The stretches of this process: one at a time, however often it was entered."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._depth = 0
        self._ahead = 0.0
        """Seconds that the servers' clock is ahead of the real one: who lives on must not see it go back."""
        self._patching: table.Patching | None = None

    def begin(self, patience: float) -> VirtualClock:
        """Enter one, or the one that there is."""
        with self.lock:
            if virtual.current is None:
                self._begin(patience)
            self._depth += 1
            assert virtual.current is not None
            return virtual.current

    def _begin(self, patience: float) -> None:
        if library.gevent_has("time"):
            raise RuntimeError(
                "virtual time is not possible where gevent has patched the time module: its hub waits by itself"
            )
        thread = loops.sleep_by(_sleep_for_the_servers)
        ahead = self._ahead
        try:
            running = VirtualClock(patience, thread.ident if thread is not None else 0, _tell)
            clock.follow(lambda: clock.real_now() + ahead + running.ahead, running.wall)
            clock.is_virtual = True
            virtual.current = running
            # Before the patches, and ended after them: it is about the C functions of the time module.
            running.calendar.begin(running.wall())
            self._patching = table.Patching()
            self._patching.apply()
        except BaseException:
            self._be_real()
            loops.sleep_by(None)
            raise

    def end(self) -> None:
        """Leave it; the last who does ends it."""
        with self.lock:
            self._depth -= 1
            if self._depth:
                return
            assert virtual.current is not None
            virtual.current.stop()  # from here on it is as far ahead as it will ever be
            self._be_real()
            loops.sleep_by(None)

    def _be_real(self) -> VirtualClock | None:
        running, virtual.current = virtual.current, None
        patching, self._patching = self._patching, None
        if patching is not None:
            patching.undo()
        if running is not None:
            running.calendar.end()
            self._ahead = ahead = self._ahead + running.ahead
            clock.follow((lambda: clock.real_now() + ahead) if ahead else None, None)
            clock.is_virtual = False
        return running

    def be_a_child(self) -> None:
        """A forked child lives in real time: its parent's threads are not there, and may have left locks shut."""
        self.lock = threading.RLock()
        self._depth = 0
        running = self._be_real()
        if running is not None:
            running.active = False


_spans = _Spans()


def check_patience(patience: object) -> None:
    """Refuse what is no time. Raises `TypeError` or `ValueError`."""
    check.number("patience", patience, unit="real seconds", above=0)


@contextlib.contextmanager
def virtual_time(*, patience: float = PATIENCE) -> Iterator[VirtualClock]:
    """Let the caller, the servers, and every thread that is started from here on live in virtual time.

    Nobody waits: when all of them do, the clock jumps to the earliest deadline. Within another `virtual_time` it is
    that one, with its patience. `patience` is in real seconds: so long somebody unknown may yet end a wait that has no
    time-out. Raises `TypeError` or `ValueError` for another patience, `RuntimeError` where gevent has patched `time`.
    """
    check_patience(patience)
    running = _spans.begin(patience)
    try:
        yield running
    finally:
        _spans.end()


def _sleep_for_the_servers(selector: Any, behind: Any, timeout: float | None) -> None:
    running = virtual.here()
    if running is not None:
        selecting.wait(running, selector, timeout, SERVERS, behind)


def _tell(held: Held) -> None:
    """Write into the servers' timelines who kept virtual time from jumping."""
    loops.tell_servers(str(held))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_spans.be_a_child)

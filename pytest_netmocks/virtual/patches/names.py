"""The clocks and the sleep of the time module, wherever their names were imported to."""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType
from typing import Any

from pytest_netmocks.virtual import clock, library

CLOCKS = ("time", "monotonic", "perf_counter")


def _asked(name: str) -> Callable[[], Any]:
    """Who tells the real time: whoever stands in the module just now, such as freezegun.

    time-machine writes into the module's own functions, before its version 3 into `monotonic` too, which then gives the
    date. The kernel is asked by a call of which it leaves that part alone.
    """
    found: Callable[[], Any] = vars(time)[name]
    if not name.startswith("monotonic") or not isinstance(found, BuiltinFunctionType) or sys.platform == "win32":
        return found
    call = time.clock_gettime_ns if name.endswith("_ns") else time.clock_gettime
    return functools.partial(call, time.CLOCK_MONOTONIC)


def _reads(name: str) -> Callable[[], float]:
    wall = name == "time"
    real: Callable[[], float] = _asked(name)

    @functools.wraps(vars(time)[name])
    def seconds() -> float:
        running = clock.here()
        if running is None or (wall and running.calendar.follows):
            return real()
        return running.wall() if wall else real() + running.ahead

    return seconds


def _counts(name: str) -> Callable[[], int]:
    wall = name == "time_ns"
    real: Callable[[], int] = _asked(name)

    @functools.wraps(vars(time)[name])
    def nanoseconds() -> int:
        running = clock.here()
        if running is None or (wall and running.calendar.follows):
            return real()
        return int((running.wall() if wall else running.ahead) * 1e9) + (0 if wall else real())

    return nanoseconds


def _sleeps(real: Callable[[float], None]) -> Callable[[float], None]:
    @functools.wraps(real)
    def sleep(seconds: float, /) -> None:
        running = clock.here()
        if running is None or not isinstance(seconds, (int, float)) or not seconds > 0:
            real(seconds)
            return
        running.note_sleep(seconds, library.frame_at(1))
        running.wait(_never, seconds, "time.sleep")

    return sleep


def _never() -> bool:
    return False


def patches() -> Iterator[tuple[object, str, object]]:
    """All of them, made anew each time, for who stands in the module changes."""
    for name in CLOCKS:
        yield time, f"{name}_ns", _counts(f"{name}_ns")
        ours = _reads(name)
        yield time, name, ours
        if name == "monotonic":  # names in threading are left alone for its locks' sake; this one counts time-outs
            yield threading, library.CLOCK_OF_THREADING, ours
    yield time, "sleep", _sleeps(vars(time)["sleep"])

"""The clocks and the sleep of the time module, wherever their names were imported to."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from pytest_netmocks.virtual import clock, library

CLOCKS = ("time", "monotonic", "perf_counter")


def _reads(name: str, real: Callable[[], float]) -> Callable[[], float]:
    wall = name == "time"

    @functools.wraps(real)
    def seconds() -> float:
        running = clock.here()
        if running is None or (wall and running.calendar.follows):
            return real()
        return running.wall() if wall else real() + running.jumped

    return seconds


def _counts(name: str, real: Callable[[], int]) -> Callable[[], int]:
    wall = name == "time_ns"

    @functools.wraps(real)
    def nanoseconds() -> int:
        running = clock.here()
        if running is None or (wall and running.calendar.follows):
            return real()
        return int((running.wall() if wall else running.jumped) * 1e9) + (0 if wall else real())

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


def _table() -> Iterator[tuple[str, Any]]:
    # Made anew each time: whoever stands in the module just now (freezegun) is who is asked in real time.
    for name in CLOCKS:
        yield name, _reads(name, vars(time)[name])
        yield f"{name}_ns", _counts(f"{name}_ns", vars(time)[f"{name}_ns"])
    yield "sleep", _sleeps(vars(time)["sleep"])


_ours: dict[str, Any] = {}
_real: dict[str, Any] = {}


def patches() -> Iterator[tuple[object, str, object]]:
    """Those in the module itself."""
    _ours.clear()
    _ours.update(_table())
    _real.update({name: vars(time)[name] for name in _ours})
    for name, ours in _ours.items():
        yield time, name, ours
    # Names in threading are left alone for its locks' sake, but by this one it counts what is left of a time-out.
    yield threading, library.CLOCK_OF_THREADING, _ours["monotonic"]


def names() -> Iterator[tuple[object, object]]:
    """The same for `from time import ...`."""
    for name, ours in _ours.items():
        yield _real[name], ours

"""The one clock: every time that the package reads and every wait that it makes by itself comes from here.

Tests replace `time.monotonic`, `time.time`, `time.sleep` and `asyncio.sleep`, by a patch or with freezegun, for the
client's sake; servers, faults, waits and records go on. `clock_gettime(2)` is what such tools leave alone, and a
partial object is not found by those that look for the functions themselves in every module. Virtual time alone moves
this clock too (`follow`): there servers and test have one clock.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
import threading
import time
import types
from collections.abc import Awaitable, Callable, Generator
from typing import Any

now: functools.partial[float]
"""Seconds that only go forward, from a beginning that means nothing: CLOCK_MONOTONIC, and what was jumped over."""

wall: functools.partial[float]
"""Seconds since 1970 in UTC: CLOCK_REALTIME, and what is jumped over while virtual time runs."""

real_now: Callable[[], float]
"""As `now`, but never virtual."""

if hasattr(time, "clock_gettime"):
    now = functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    wall = functools.partial(time.clock_gettime, time.CLOCK_REALTIME)
else:  # Windows
    now = functools.partial(time.monotonic)
    wall = functools.partial(time.time)
real_now = functools.partial(now.func, *now.args)
_real_wall = functools.partial(wall.func, *wall.args)

Pause = Callable[[float], Awaitable[object]]
"""Lets so many seconds pass, as `sleep` does."""

is_virtual = False
"""Whether virtual time runs just now."""

_since_1970 = 0.0
"""What the real clock that only goes forward lacks to the date, as it was before virtual time began."""


def follow(new_now: Callable[[], float] | None, new_wall: Callable[[], float] | None) -> None:
    """Let everybody who has `now` and `wall`, under whatever name, read these clocks instead; `None` is the real one.

    The partial objects stay and call something else, so that nobody who reads a clock has to ask which one it is.
    """
    global _since_1970  # noqa: PLW0603  # one clock a process is what this module is for
    _since_1970 = _real_wall() - real_now()
    _call_instead(now, new_now or real_now)
    _call_instead(wall, new_wall or _real_wall)


def _call_instead(clock: Any, function: Any) -> None:
    whole = isinstance(function, functools.partial)  # not one within the other: that would be another call
    clock.__setstate__((function.func, function.args, {}, {}) if whole else (function, (), {}, {}))


def utc() -> datetime.datetime:
    """The real date and time, in UTC and without a time zone: what OpenSSL compares a certificate's dates with."""
    real = _since_1970 + real_now() if is_virtual else _real_wall()  # the latter may be virtual too, by time-machine
    return datetime.datetime.fromtimestamp(real, datetime.UTC).replace(tzinfo=None)


async def sleep(seconds: float) -> None:
    """Wait that many seconds by the running loop; 0 lets the others have their turn."""
    if seconds <= 0:
        await _turn()
        return
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(seconds, _settle, over)
    try:
        await over
    finally:
        timer.cancel()


def block(seconds: float) -> None:
    """Let that many seconds pass for the thread that calls."""
    threading.Event().wait(seconds)


def _settle(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)


@types.coroutine
def _turn() -> Generator[None, None, None]:
    yield

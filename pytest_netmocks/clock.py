"""The one clock: every time that the package reads and every wait that it makes by itself comes from here.

Tests replace `time.monotonic`, `time.time`, `time.sleep` and `asyncio.sleep`, by a patch or with freezegun, for the
client's sake; servers, faults, waits and records go on. `clock_gettime(2)` is what such tools leave alone, and a
partial object is not found by those that look for the functions themselves in every module.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
import time
import types
from collections.abc import Callable, Generator

now: Callable[[], float]
"""Seconds that only go forward, from a beginning that means nothing: CLOCK_MONOTONIC."""

wall: Callable[[], float]
"""Seconds since 1970 in UTC: CLOCK_REALTIME."""

if hasattr(time, "clock_gettime"):
    now = functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    wall = functools.partial(time.clock_gettime, time.CLOCK_REALTIME)
else:  # Windows
    now = functools.partial(time.monotonic)
    wall = functools.partial(time.time)


def utc() -> datetime.datetime:
    """The date and time by the wall's clock, in UTC and without a time zone, as certificates have it."""
    return datetime.datetime.fromtimestamp(wall(), datetime.UTC).replace(tzinfo=None)


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


def _settle(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)


@types.coroutine
def _turn() -> Generator[None, None, None]:
    yield

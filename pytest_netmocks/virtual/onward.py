"""asyncio loops that outlive virtual time: their clock goes on from where it was, so that no timer is late."""

from __future__ import annotations

import asyncio
from typing import Any

from pytest_netmocks import clock
from pytest_netmocks.virtual import clock as virtual


class _Time:
    """The clock of one loop: as `time.monotonic`, and ahead of it by all that was jumped over while it took part."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ahead = 0.0
        self._stretch: virtual.VirtualClock | None = None

    def __call__(self) -> float:
        stretch = self._stretch
        if stretch is not None and stretch is not virtual.current:
            self._ahead += stretch.ahead
            self._stretch = stretch = None
        if stretch is None:
            self._stretch = stretch = virtual.here()
        if stretch is None:
            return asyncio.BaseEventLoop.time(self._loop) + self._ahead  # type: ignore[arg-type]  # `follow` asks
        return clock.real_now() + stretch.ahead + self._ahead


def follow(loop: asyncio.AbstractEventLoop | None) -> None:
    """Let a loop that waits in virtual time have such a clock, if it has the usual one."""
    if loop is None or "time" in vars(loop):
        return
    this: Any = loop
    if type(this).time is asyncio.BaseEventLoop.time:
        this.time = _Time(loop)

"""The sleeps of async libraries go on record; the waiting is done by their loops."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from typing import Any

from pytest_netmocks.virtual import clock, library

_sleep: Any = vars(asyncio)["sleep"]


@functools.wraps(_sleep)
async def _asyncio_sleep(delay: float, result: Any = None) -> Any:
    note(delay, library.frame_at(1))
    return await _sleep(delay, result)


def note(seconds: float, frame: Any) -> None:
    """Put a sleep on record that somebody asks for in that frame."""
    running = clock.here()
    if running is not None and isinstance(seconds, (int, float)) and seconds > 0:
        running.note_sleep(seconds, frame)


def patches() -> Iterator[tuple[object, str, object]]:
    """asyncio's; anyio, tenacity and others import it by name."""
    yield asyncio, "sleep", _asyncio_sleep

"""What one turn of the servers' loop costs: as long a canary on any other connection may have to wait."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Iterator
from typing import Any

from pytest_netmocks.link import loop as loops

LIMIT = 0.05
"""Seconds of CPU time that one client may keep the others waiting."""

ALLOWED = 4 * LIMIT
"""What a test puts up with: where other programs use the same caches the same work takes a multiple of its time.

What is wrong in kind takes seconds.
"""


class Meter:
    """The longest turn so far, in seconds of the loop's CPU time, which no other load of the machine changes."""

    def __init__(self) -> None:
        self.worst = 0.0
        self.turns = 0


@contextlib.contextmanager
def metered() -> Iterator[Meter]:
    """Measure every turn of the loop; a full garbage collection is the tests' and not the servers'."""
    meter = Meter()
    thread = loops.shared()
    selector: Any = thread._selector
    select = selector.select
    began: float | None = None

    def measured(timeout: float | None = None) -> Any:
        nonlocal began
        if began is not None:
            meter.worst = max(meter.worst, time.thread_time() - began)
            meter.turns += 1
        events = select(timeout)
        began = time.thread_time()
        return events

    gc.collect(1)  # of all there is it would take longer than the test
    gc.disable()
    thread.call(setattr, selector, "select", measured)
    try:
        yield meter
    finally:
        thread.call(delattr, selector, "select")
        gc.enable()

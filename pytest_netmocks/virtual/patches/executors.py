"""Pools of threads from before: their threads are left out, the work that they get is not."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.thread import ThreadPoolExecutor
from typing import Any

from pytest_netmocks.virtual import clock

_submit: Any = ThreadPoolExecutor.submit


@functools.wraps(_submit)
def _submitted(self: Any, *args: Any, **kwargs: Any) -> Future[Any]:
    future: Future[Any] = _submit(self, *args, **kwargs)
    running = clock.here()
    if running is not None and any(thread.ident in running.outsiders for thread in list(self._threads)):
        running.others.has_given(future)
    return future


def patches() -> Iterator[tuple[object, str, object]]:
    """`submit`, by which asyncio's executor gets its work, too."""
    yield ThreadPoolExecutor, "submit", _submitted

"""Children: while one runs, time is real."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from typing import Any

from pytest_netmocks.virtual import clock

_init: Any = subprocess.Popen.__init__


@functools.wraps(_init)
def _started(self: subprocess.Popen[Any], *args: Any, **kwargs: Any) -> None:
    _init(self, *args, **kwargs)
    running = clock.here()
    if running is not None:
        running.others.has_child(self)


def patches() -> Iterator[tuple[object, str, object]]:
    """`subprocess`, and so asyncio's; multiprocessing is asked, see `busy`."""
    yield subprocess.Popen, "__init__", _started

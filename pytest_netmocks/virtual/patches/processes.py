"""Children: while one runs, time is real."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterator
from typing import Any

from pytest_netmocks.virtual import clock, library

_init: Any = subprocess.Popen.__init__

FORKS = ("fork", "forkpty", "posix_spawn", "posix_spawnp")


@functools.wraps(_init)
def _started(self: subprocess.Popen[Any], *args: Any, **kwargs: Any) -> None:
    _init(self, *args, **kwargs)
    running = clock.here()
    if running is not None:
        running.others.has_child(self.pid, self.args, functools.partial(runs, self))


def runs(child: subprocess.Popen[Any]) -> bool:
    """Whether the process runs; it is not reaped, which is the test's to do."""
    return child.returncode is None and library.has_not_ended(child.pid)


def _forks(real: Any) -> Any:
    @functools.wraps(real)
    def fork(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        number = result[0] if isinstance(result, tuple) else result
        running = clock.here()
        if running is not None and number:
            running.others.has_child(number, number, lambda: library.has_not_ended(number))
        return result

    return fork


def patches() -> Iterator[tuple[object, str, object]]:
    """`subprocess`, and so asyncio's, and raw forks; other children of multiprocessing are asked, see `busy`."""
    yield subprocess.Popen, "__init__", _started
    for name in FORKS:
        if hasattr(os, name):
            yield os, name, _forks(getattr(os, name))

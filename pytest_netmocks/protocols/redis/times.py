"""The clock of fakeredis: the servers' for what serves here, and whatever it is for others who use it."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from typing import Any

from pytest_netmocks import clock


class Serving:
    """A `with` block in which the thread's commands have the servers' clock. One thread serves at a time."""

    thread = 0

    def __enter__(self) -> None:
        self.thread = threading.get_ident()

    def __exit__(self, *error: object) -> None:
        self.thread = 0


serving = Serving()


class _Time:
    """Stands for the module `time` in the library's modules: what serves here has the servers' clock.

    Others who use fakeredis in the same process have the module itself, with whatever has been done to it.
    """

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module
        self.time = self._time

    def _time(self) -> float:
        time: Callable[[], float] = clock.wall if threading.get_ident() == serving.thread else self._module.time
        return time()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def route() -> None:
    """Let the library read the time where it is told."""
    for name, module in sys.modules.copy().items():
        time = vars(module).get("time") if name.startswith("fakeredis.") else None
        if isinstance(time, types.ModuleType):
            vars(module)["time"] = _Time(time)

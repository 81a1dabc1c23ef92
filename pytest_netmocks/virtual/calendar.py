"""The date that Python's other clocks give: `datetime.now()`, `time.gmtime()` and the like ask the kernel in C.

time-machine can change what they are told; where it is installed they follow the virtual clock.
"""

from __future__ import annotations

import functools
import time
from types import BuiltinFunctionType, ModuleType
from typing import Any

WRITTEN_TO = ("clock_gettime", "clock_gettime_ns", "gmtime", "localtime", "strftime", "time", "time_ns")
"""The functions of the time module that time-machine writes into, by the layout that they have in C."""


@functools.cache
def _time_machine() -> ModuleType | None:
    """The package, if it is installed."""
    try:
        import time_machine
    except ImportError:
        return None
    return time_machine


def _is_as_in_c() -> bool:
    """Whether the time module has its own functions: to write into others, a test's lambda, crashes the process."""
    return all(isinstance(vars(time)[name], BuiltinFunctionType) for name in WRITTEN_TO if name in vars(time))


class Calendar:
    """The date of one stretch of virtual time."""

    def __init__(self) -> None:
        self._travel: Any = None
        self._traveller: Any = None

    @property
    def follows(self) -> bool:
        """Whether everything in Python that asks for the date gets the virtual one."""
        return self._traveller is not None

    def begin(self, wall: float) -> None:
        """Let the date be that many seconds since 1970 and go on from there, where that is possible."""
        machine = _time_machine() if _is_as_in_c() else None
        if machine is None:
            return
        travel = machine.travel(wall, tick=True)
        try:
            self._traveller = travel.start()
        except RuntimeError:  # freezegun has the date just now
            return
        self._travel = travel

    def jump(self, seconds: float) -> None:
        """So much later at once."""
        if self._traveller is not None:
            self._traveller.shift(seconds)

    def end(self) -> None:
        """Give the date back."""
        travel, self._travel, self._traveller = self._travel, None, None
        if travel is not None:
            travel.stop()

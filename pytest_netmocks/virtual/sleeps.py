"""The test's own sleeps: how a back-off is asserted without a mock."""

from __future__ import annotations

import dataclasses
import threading
from types import FrameType

from pytest_netmocks.virtual import forever

UNMEANT = ("subprocess", "multiprocessing.", "concurrent.")
"""Modules whose sleeps are how they wait for something else."""

SERVERS = "netmocks"
"""How the names of the servers' threads begin, of those that run users' rules too."""


@dataclasses.dataclass(frozen=True)
class Sleep:
    """A sleep of the test or its client: how many `seconds` it asked for, and `where` (file, line and function)."""

    seconds: float
    where: str

    def __str__(self) -> str:
        return f"{self.seconds:g} s at {self.where}"


def sleep_of(seconds: float, frame: FrameType | None) -> Sleep | None:
    """The sleep that is asked for in that frame; `None` if nobody means to sleep there, or a server does."""
    module = frame.f_globals.get("__name__", "") if frame is not None else ""
    if module.startswith(UNMEANT) or threading.current_thread().name.startswith(SERVERS):
        return None
    return Sleep(seconds, forever.caller(frame))

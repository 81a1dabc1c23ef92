"""What `inject` can be told besides the fault: which are struck, from when on and for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

from pytest_netmocks.records.connection import Connection

Where = Callable[[Connection], object]
"""Whether a connection is meant."""


class SelectorOptions(TypedDict, total=False):
    """The keyword arguments that say which are struck, from when on and for how long."""

    first: int | None
    nth: int | None
    every: int | None
    probability: float | None
    skip: int | None
    where: Where | None
    start: float | None
    duration: float | None

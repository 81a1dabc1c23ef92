"""`TimeSlice`: how long one client has had the loop, which belongs to all."""

from __future__ import annotations

from pytest_netmocks import clock

SLICE = 0.002
"""Seconds of the loop that a client may have before the others get their turn."""


class TimeSlice:
    """One client's: ask whether it is over while there is more to do, and let it rest when there is not."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: float | None = None

    def rest(self) -> None:
        """Nothing more is to be done, or the others have had theirs: the next slice begins when it is asked for."""
        self._until = None

    @property
    def over(self) -> bool:
        """Whether the others are to have theirs now."""
        now = clock.now()
        if self._until is None:
            self._until = now + SLICE
        return now >= self._until

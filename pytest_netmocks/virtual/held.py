"""Who kept virtual time from jumping, and for how long."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable

from pytest_netmocks import clock

SHORT = 0.02
"""Real seconds below which nobody has kept it: everybody's work takes a while."""

LONG = 0.5
"""Real seconds from which the servers' timelines tell of it."""


@dataclasses.dataclass(frozen=True)
class Held:
    """What kept virtual time at real time's pace: `who` in words, and for how many real `seconds` in all."""

    who: str
    seconds: float

    def __str__(self) -> str:
        return f"virtual time waited {self.seconds:.2g} s for {self.who}"


class Holds:
    """The account of one clock; used under its lock."""

    def __init__(self, tell: Callable[[Held], None]) -> None:
        self._tell = tell
        self._seconds: dict[str, float] = {}
        self._key: Hashable = None
        self._since = 0.0
        self._text: str | None = None

    def note(self, key: Hashable, text: Callable[[], str]) -> None:
        """It is held just now by who has this key; the text is asked for if that lasts."""
        if key != self._key:
            self.free()
            self._key, self._since = key, clock.real_now()
        elif self._text is None and clock.real_now() - self._since >= SHORT / 2:
            self._text = text()

    def free(self) -> None:
        """Nobody holds it."""
        if self._text is not None:
            lasted = clock.real_now() - self._since
            if lasted >= SHORT:
                self._seconds[self._text] = self._seconds.get(self._text, 0.0) + lasted
            if lasted >= LONG:
                self._tell(Held(self._text, lasted))
        self._key = self._text = None

    def all(self) -> list[Held]:
        """Who kept it so far, the longest first."""
        seconds = dict(self._seconds)
        if self._text is not None:
            seconds[self._text] = seconds.get(self._text, 0.0) + clock.real_now() - self._since
        found = [Held(who, lasted) for who, lasted in seconds.items()]
        return sorted(found, key=lambda held: -held.seconds)

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


@dataclasses.dataclass(slots=True)
class _Share:
    """One holder's part of a stretch in which there was no jump."""

    seconds: float = 0.0
    text: str | None = None


class Holds:
    """The account of one clock; used under its lock."""

    def __init__(self, tell: Callable[[Held], None]) -> None:
        self._tell = tell
        self._seconds: dict[str, float] = {}
        self._shares: dict[Hashable, _Share] = {}
        """Of all who held it since the last jump: who waits by short sleeps is seen at work between them."""
        self._key: Hashable = None
        self._since = 0.0

    def note(self, key: Hashable, text: Callable[[], str]) -> None:
        """It is held just now by who has this key; the text is asked for if that lasts."""
        now = clock.real_now()
        if key != self._key:
            self._count(now)
            self._key = key
            self._shares.setdefault(key, _Share())
        share = self._shares[key]
        if share.text is None and share.seconds + now - self._since >= SHORT / 2:
            share.text = text()

    def free(self) -> None:
        """Nobody holds it."""
        self._count(clock.real_now())
        for share in self._shares.values():
            if share.text is None:
                continue
            if share.seconds >= SHORT:
                self._seconds[share.text] = self._seconds.get(share.text, 0.0) + share.seconds
            if share.seconds >= LONG:
                self._tell(Held(share.text, share.seconds))
        self._shares.clear()
        self._key = None

    def all(self) -> list[Held]:
        """Who kept it so far, the longest first."""
        self._count(clock.real_now())
        seconds = dict(self._seconds)
        for share in self._shares.values():
            if share.text is not None:
                seconds[share.text] = seconds.get(share.text, 0.0) + share.seconds
        found = [Held(who, lasted) for who, lasted in seconds.items()]
        return sorted(found, key=lambda held: -held.seconds)

    def _count(self, now: float) -> None:
        """Add what the latest has held it."""
        if self._key is not None:
            self._shares[self._key].seconds += now - self._since
        self._since = now

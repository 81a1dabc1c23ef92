"""Gates: state machines at the far end of a stream that let so many bytes or seconds pass and then stop the flow.

A gate decides; what a FIN or an RST is, the link knows. One gate serves both directions of a connection, so that
whichever gets there first shuts both.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable

from pytest_netmocks.engine.shaper import nothing


class Action(enum.Enum):
    """What happens to the flow at a gate that is shut."""

    HOLD = "hold"
    DISCARD = "discard"
    FIN = "fin"
    RST = "rst"


def unheard(size: int) -> None:
    """The loss of which nobody wants to know."""


class Gate:
    """Shuts at a position of the stream (or, without one, at a time) and strikes when its time has come too."""

    __slots__ = ("_limits", "action", "hit", "notifies", "shut", "side", "struck", "swallowed", "time")

    def __init__(self, action: Action, time: float) -> None:
        self.action = action
        self.time = time
        self.shut = False
        self.struck = False
        self.notifies = True
        """Whether a layer that ends in good order says so first (a close_notify of TLS)."""
        self.side: Hashable = None
        self.hit: Callable[[], None] = nothing
        self.swallowed: Callable[[int], object] = unheard
        """Called with how many bytes it has thrown away."""
        self._limits: dict[Hashable, int | None] = {}

    def bound(self, side: Hashable, limit: int | None) -> None:
        """Stand in the way of that side's bytes from position `limit` on; `None` waits for the time alone."""
        self._limits[side] = limit

    def room(self, side: Hashable, position: int) -> int | None:
        """How many bytes may still pass, `None` for any number."""
        if self.shut:
            # An upstream end leaves the way down open: the answer to what came still goes out.
            return None if self.action is Action.FIN and side != self.side else 0
        limit = self._limits[side]
        return None if limit is None else limit - position

    def settle(self, side: Hashable, position: int, now: float) -> bool:
        """Shut and strike if it is time; true once, when the gate strikes."""
        if self.struck:
            return False
        if not self.shut:
            limit = self._limits[side]
            if not (now >= self.time if limit is None else position >= limit):
                return False
            self.shut = True
            self.side = side
        if now < self.time or side != self.side:
            return False
        self.struck = True
        return True

    def reopen(self, side: Hashable, position: int) -> None:
        """Let pass again if what came before its limit comes once more."""
        limit = self._limits[side]
        if limit is not None and limit > position and self.side == side:
            self.shut = self.struck = False
            self.side = None

    @property
    def ends(self) -> bool:
        """Whether it ends the connection, or one direction of it."""
        return self.action in (Action.FIN, Action.RST)

    @property
    def holds(self) -> bool:
        """Whether what comes while it is shut can still go on: what is to end has not ended yet."""
        return self.action is Action.HOLD or (self.ends and not self.struck)

    def guards(self, side: Hashable) -> bool:
        """Whether it stands in the way of that side's bytes."""
        return side in self._limits

    @property
    def waits_for_bytes(self) -> bool:
        """Whether the bytes before it are to be delivered first."""
        return any(limit is not None for limit in self._limits.values())

    def due(self, side: Hashable) -> float | None:
        """When the gate would act if no byte came, `None` if only bytes move it."""
        waits = not self.struck and (self.side == side if self.shut else self._limits[side] is None)
        return self.time if waits else None

"""Counting messages: where in a stream of bytes a gate stands that so many whole messages may pass."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from pytest_netmocks.engine.gate import Gate

Ends = Callable[[bytes | memoryview], Iterable[int]]
"""Looks at the stream piece by piece; gives where in the piece messages begin, and then where each ends, in order."""


class Counter:
    """Puts a gate behind that many messages, once it is known where that is."""

    __slots__ = ("_ends", "_gate", "_left", "_side")

    def __init__(self, gate: Gate, side: Hashable, count: int, ends: Ends) -> None:
        self._gate = gate
        self._side = side
        self._left = count + 1
        self._ends = ends

    @property
    def over(self) -> bool:
        """Whether it has found the place."""
        return self._left <= 0

    def look(self, data: bytes | memoryview, position: int) -> None:
        """See a piece of the stream, which begins at that position."""
        for end in self._ends(data):
            self._left -= 1
            if not self._left:
                self._gate.bound(self._side, position + end)
                return

"""`Replace`: bytes change into others on the way."""

from __future__ import annotations

import dataclasses
from typing import cast

from pytest_netmocks import check
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.shaper import Eof, Item, Shaper, Timed
from pytest_netmocks.faults.base import ShapingFault

PATIENCE = 0.05
"""Seconds for which the beginning of a match waits for its end: a sender that waits for an answer sends no more."""

LONGEST = 64 * 1024
"""Bytes of the longest pattern, which are held back at most."""


@dataclasses.dataclass(frozen=True, repr=False)
class Replace(ShapingFault):
    """Wherever the bytes `pattern` come, `replacement` arrives instead, also where the pattern comes in several pieces.

    The length may change: lengths that a protocol has said before do not, which is a fault of its own. Text stands for
    its UTF-8. What may be the beginning of a match waits for the rest of it, for 0.05 seconds at most. On a rule it
    lasts for the rest of the connection.
    """

    pattern: bytes | str
    replacement: bytes | str

    for_an_answer = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("pattern", "replacement"):
            value = getattr(self, name)
            check.instance(f"Replace: {name}", value, (bytes, str), "bytes or text")
            if isinstance(value, str):
                object.__setattr__(self, name, value.encode())
        if not 1 <= len(self.pattern) <= LONGEST:
            raise ValueError(f"Replace: pattern must have 1 to {LONGEST} bytes, not {len(self.pattern)}")

    def shaper(self, draws: Draws) -> Shaper:
        return _Replacer(cast("bytes", self.pattern), cast("bytes", self.replacement))  # see `__post_init__`


class _Replacer(Shaper):
    def __init__(self, pattern: bytes, replacement: bytes) -> None:
        super().__init__()
        self._pattern = pattern
        self._replacement = replacement
        self._tail = b""
        self._until = 0.0

    def schedule(self, at: float, item: Item) -> None:
        if isinstance(item, Eof):
            self._let_go(at)
            self._put(at, item)
            return
        if self._tail and at >= self._until:
            self._let_go(self._until)
        data = self._tail + bytes(item)
        self.held -= len(self._tail)
        before, *others = data.split(self._pattern)
        if others:
            self.hit()
            self.grown += len(others) * (len(self._replacement) - len(self._pattern))
            before = self._replacement.join([before, *others])
        last = others[-1] if others else before
        begun = self._begun(last)
        self._tail = last[len(last) - begun :]
        self._until = at + PATIENCE
        self.held += begun
        passed = before[: len(before) - begun]
        if passed:
            self._put(at, passed)

    def _begun(self, data: bytes) -> int:
        """How many of the last bytes may be the beginning of a match."""
        for size in range(min(len(data), len(self._pattern) - 1), 0, -1):
            if data.endswith(self._pattern[:size]):
                return size
        return 0

    def _let_go(self, at: float) -> None:
        tail, self._tail = self._tail, b""
        if tail:
            self.held -= len(tail)
            self._put(at, tail)

    def due(self) -> float | None:
        due = super().due()
        return self._until if due is None and self._tail else due

    def pop(self, now: float) -> Timed | None:
        if not self._queue and self._tail and self._until <= now:
            self._let_go(self._until)
        return super().pop(now)

    def release(self) -> list[Item]:
        self._let_go(0.0)
        return super().release()

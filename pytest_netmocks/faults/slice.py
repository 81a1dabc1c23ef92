"""`Slice`: bytes arrive in small pieces."""

from __future__ import annotations

import dataclasses

from pytest_netmocks import check
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.shaper import Eof, LazyShaper, Shaper
from pytest_netmocks.faults.base import ShapingFault


@dataclasses.dataclass(frozen=True, repr=False)
class Slice(ShapingFault):
    """Bytes arrive in pieces of at most `size` bytes, each at least `delay` seconds after the one before.

    Each piece is a segment of its own (under TLS a record in one), whatever the `delay`; a client that is slower than
    they come finds several of them in its kernel, and reads them as one.
    """

    size: int
    delay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check.whole("Slice: size", self.size, unit="bytes", minimum=1)
        check.number("Slice: delay", self.delay, unit="seconds", minimum=0)

    def shaper(self, draws: Draws) -> Shaper:
        return _Slicer(self.size, self.delay)


class _Slicer(LazyShaper):
    limit = 64 * 1024
    apart = True

    def __init__(self, size: int, delay: float) -> None:
        super().__init__()
        self._size = size
        self._delay = delay
        self._next = 0.0

    def head(self) -> tuple[float, int]:
        at, item = self._queue[0]
        if isinstance(item, Eof):
            return max(at, self._next - self._delay), 0
        size = min(self._size, len(item))
        if size < len(item) or at < self._next:
            self.hit()
        return max(at, self._next), size

    def popped(self, due: float) -> None:
        self._next = due + self._delay

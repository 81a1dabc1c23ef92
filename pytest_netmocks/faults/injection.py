"""`Injection`: a fault in force, what `inject` returns."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from pytest_netmocks.faults.base import Fault
from pytest_netmocks.faults.draws import Draws
from pytest_netmocks.faults.selector import Selector


class Injection:
    """A fault in force until it is lifted: by `lift()`, at the end of a `with` block, or after its duration.

    `hits` is how many connections, exchanges or datagrams it has struck; attaching alone is no hit.
    """

    def __init__(
        self,
        fault: Fault,
        selector: Selector,
        draws: Draws,
        where: str,
        lift: Callable[[Injection], None],
        duration: float | None = None,
    ) -> None:
        self.fault = fault
        self.selector = selector
        self.duration = duration
        self.draws = draws
        self.where = where
        self.hits = 0
        self.counted = 0
        self._counted_before = 0
        self.lifted = False
        self.expected = True
        """Whether a test that it never struck proves nothing; of a profile nobody expects that."""
        self.part: object = None
        """What a marker put before several servers at once: it has struck if it struck one of them."""
        self.address: tuple[object, ...] = ()
        """What addresses its draws, besides the seed and the test."""
        self._lift = lift

    def chooses(self) -> bool:
        """Count the next connection, exchange or datagram; whether it is one to strike."""
        self.counted += 1
        return self.selector.selects(self.counted, self.draws, self.drawn)

    def chance(self) -> Draws:
        """The draws for the one that was counted last."""
        return self.draws.child(self.drawn)

    @property
    def drawn(self) -> int:
        """How many were counted since its draws began."""
        return self.counted - self._counted_before

    def redraw(self, draws: Draws) -> None:
        """Draw from these from now on, as from the first: another test begins."""
        self.draws = draws
        self._counted_before = self.counted

    def lift(self) -> None:
        """End it; in force when this returns. Lifting twice is no error."""
        if not self.lifted:
            self._lift(self)

    def __enter__(self) -> Injection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lift()

    def __repr__(self) -> str:
        options = [str(self.selector)] if str(self.selector) else []
        options += [f"duration={self.duration!r}"] if self.duration is not None else []
        what = ", ".join([repr(self.fault), *options])
        return f"<Injection of {what} on {self.where}: {self.hits} hits{', lifted' if self.lifted else ''}>"

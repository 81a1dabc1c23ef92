"""`SlowClose`: the end of the stream comes late."""

from __future__ import annotations

import dataclasses

from pytest_netmocks import check
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.shaper import EOF, Item, Shaper
from pytest_netmocks.faults.base import ShapingFault


@dataclasses.dataclass(frozen=True, repr=False)
class SlowClose(ShapingFault):
    """The FIN comes that many `seconds` later; bytes do not."""

    seconds: float

    for_an_answer = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check.number("SlowClose: seconds", self.seconds, unit="seconds", minimum=0)

    def shaper(self, draws: Draws) -> Shaper:
        return _Ender(self.seconds)


class _Ender(Shaper):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def schedule(self, at: float, item: Item) -> None:
        if item is EOF:
            self.hit()
            at += self._seconds
        self._put(at, item)

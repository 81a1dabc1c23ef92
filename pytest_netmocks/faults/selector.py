"""Selectors: which connections, exchanges or datagrams an injection strikes, counted from its call on."""

from __future__ import annotations

import dataclasses
from typing import TypedDict

from pytest_netmocks import check
from pytest_netmocks.faults.draws import Draws


class SelectorOptions(TypedDict, total=False):
    """The keyword arguments that say which are struck, and for how long."""

    first: int | None
    nth: int | None
    every: int | None
    probability: float | None
    duration: float | None


@dataclasses.dataclass(frozen=True)
class Selector:
    """All, or the `first` n, or the `nth`, or `every` n-th, or each with a `probability`; counted from 1."""

    first: int | None = None
    nth: int | None = None
    every: int | None = None
    probability: float | None = None

    def __post_init__(self) -> None:
        given = self.given()
        if len(given) > 1:
            words = ", ".join(f"{name}={value!r}" for name, value in given.items())
            raise ValueError(f"only one of first, nth, every and probability may be given, not {words}")
        for name in ("first", "nth", "every"):
            if name in given:
                check.whole(name, given[name], unit="counted from 1", minimum=1)
        if self.probability is not None:
            check.number("probability", self.probability, unit="a chance", minimum=0, maximum=1)

    def given(self) -> dict[str, float]:
        """The selectors that were given, by name."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}

    def selects(self, number: int, draws: Draws, draw: int | None = None) -> bool:
        """Whether the one with that number (counted from 1) is struck; `draw` is its draw's number, if another."""
        if self.first is not None:
            return number <= self.first
        if self.nth is not None:
            return number == self.nth
        if self.every is not None:
            return number % self.every == 0
        if self.probability is not None:
            return draws.uniform(number if draw is None else draw) < self.probability
        return True

    def __str__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.given().items())

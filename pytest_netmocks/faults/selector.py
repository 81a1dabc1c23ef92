"""Selectors: which connections, exchanges or datagrams an injection strikes, counted from its call on, and when."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from pytest_netmocks import check
from pytest_netmocks.engine.draws import Draws

COUNTING = ("first", "nth", "every", "probability", "skip")
"""The selectors that count: what was there before is none of theirs."""


@dataclasses.dataclass(frozen=True)
class Selector:
    """All, or the `first` n, or the `nth`, or `every` n-th, or each with a `probability`; counted from 1.

    With `skip` the first n are let through and the count begins after them; with `where` only those are struck, and
    counted, of whose `Connection` the function says yes.
    """

    first: int | None = None
    nth: int | None = None
    every: int | None = None
    probability: float | None = None
    skip: int | None = None
    where: Callable[[Any], object] | None = None
    """Asked about the `Connection`."""

    def __post_init__(self) -> None:
        given = self.given()
        exclusive = {name: value for name, value in given.items() if name not in ("skip", "where")}
        if len(exclusive) > 1:
            words = ", ".join(f"{name}={value!r}" for name, value in exclusive.items())
            raise ValueError(f"only one of first, nth, every and probability may be given, not {words}")
        for name in ("first", "nth", "every", "skip"):
            if name in given:
                check.whole(name, given[name], unit="counted from 1", minimum=1)
        if self.probability is not None:
            check.number("probability", self.probability, unit="a chance", minimum=0, maximum=1)
        if self.where is not None and not callable(self.where):
            raise TypeError(f"where must be a function of the Connection, not {self.where!r}")

    def given(self) -> dict[str, object]:
        """The selectors that were given, by name."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def counts(self) -> bool:
        """Whether it counts, so that only what is new can be struck."""
        return any(getattr(self, name) is not None for name in COUNTING)

    def selects(self, number: int, draws: Draws, draw: int | None = None) -> bool:
        """Whether the one with that number (counted from 1) is struck; `draw` is its draw's number, if another."""
        number -= self.skip or 0
        if number < 1:
            return False
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
        return ", ".join(f"{name}={_shown(value)}" for name, value in self.given().items())


def _shown(value: object) -> str:
    return str(getattr(value, "__name__", value)) if callable(value) else repr(value)

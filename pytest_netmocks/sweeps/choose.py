"""Which places are tried: all of them, or where clients break, then where outcomes change, then what is left by lot."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence

from pytest_netmocks.sweeps.place import Group

Outcome = object
"""What a run came to; two runs that failed alike have equal ones."""

Edges = Callable[[Group], list[set[int]]]
"""The places of a group that come first, in classes."""


class Row:
    """The places of one group, and what those that were tried came to."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.known: dict[int, Outcome] = {}

    def untried(self, number: int) -> int:
        """The place with that number, from 0, of those that were not tried."""
        at = self.group.at.start + number
        for known in sorted(self.known):
            at += known <= at
        return at

    def differing(self) -> Iterator[tuple[int, int]]:
        """The neighbours among those tried that have places between them and came to different things."""
        for low, high in itertools.pairwise(sorted(self.known)):
            if high - low > 1 and self.known[low] != self.known[high]:
                yield low, high


class Choice:
    """Chooses place after place, as group and offset or number; it wants to be told what the one before came to.

    Each `limit` stands for a number of places, `None` for all. Draws are the generator's, so that a seed gives the
    same ones again.
    """

    def __init__(self, groups: Sequence[Group], limit: int | None, edges: Edges, generator: random.Random) -> None:
        self._rows = [Row(group) for group in groups]
        self.total = sum(len(group.at) for group in groups)
        """How many there are."""
        self._left = self.total if limit is None else min(limit, self.total)
        self._edges = edges
        self._generator = generator
        self._last: tuple[Row, int]

    def came_to(self, outcome: Outcome) -> None:
        """What the place that was given last came to."""
        row, at = self._last
        row.known[at] = outcome

    def __iter__(self) -> Iterator[tuple[Group, int]]:
        if self._left == self.total:
            for row in self._rows:
                yield from self._try(row, row.group.at)
            return
        yield from self._where_clients_break()
        yield from self._halve(self._rows)
        yield from self._by_lot()

    def _try(self, row: Row, at: Sequence[int]) -> Iterator[tuple[Group, int]]:
        for place in at:
            if self._left and place not in row.known:
                self._left -= 1
                self._last = row, place
                row.known[place] = None
                yield row.group, place

    def _where_clients_break(self) -> Iterator[tuple[Group, int]]:
        """Class by class; one that is too large for what is left is drawn from, and leaves half of that to others."""
        ranked = [(row, self._edges(row.group)) for row in self._rows]
        for rank in range(max(len(classes) for _, classes in ranked)):
            found = [(row, at) for row, classes in ranked if rank < len(classes) for at in sorted(classes[rank])]
            most = self._left if rank == 0 else self._left // 2
            for row, at in found if len(found) <= most else self._evenly(found, most):
                yield from self._try(row, [at])

    def _halve(self, rows: Sequence[Row]) -> Iterator[tuple[Group, int]]:
        """Between neighbours that differ, until they are next to each other: the edges of a span, to the byte."""
        again = True
        while again and self._left:
            again = False
            for row in rows:
                for low, high in list(row.differing()):
                    again = True
                    yield from self._try(row, [(low + high) // 2])

    def _by_lot(self) -> Iterator[tuple[Group, int]]:
        """What is left of the limit, evenly; where a draw differs from its neighbours it is looked into at once."""
        rest = [(row, len(row.group.at) - len(row.known)) for row in self._rows]
        total = sum(number for _, number in rest)
        drawn = [self._untried(rest, number) for number in self._stretches(total, self._left)]
        self._generator.shuffle(drawn)  # so that what is looked into takes its share from everywhere
        for row, at in drawn:
            yield from self._try(row, [at])
            yield from self._halve([row])

    def _untried(self, rest: Sequence[tuple[Row, int]], number: int) -> tuple[Row, int]:
        """The one with that number, from 0, of those that were not tried."""
        for row, count in rest:
            if number < count:
                return row, row.untried(number)
            number -= count
        raise IndexError(number)

    def _evenly(self, found: Sequence[tuple[Row, int]], count: int) -> list[tuple[Row, int]]:
        return [found[number] for number in self._stretches(len(found), count)]

    def _stretches(self, total: int, count: int) -> list[int]:
        """A number below `total` of each of `count` stretches of equal length."""
        bounds = [total * number // count for number in range(count + 1)] if count else []
        return [self._generator.randrange(a, b) for a, b in itertools.pairwise(bounds) if b > a]

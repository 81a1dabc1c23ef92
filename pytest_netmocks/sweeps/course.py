"""`Course`: the runs of one sweep, one after the other, whoever runs them: pytest's item, or a function's call."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from pytest_netmocks import clock
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.sweeps.arm import Arm
from pytest_netmocks.sweeps.choose import Choice
from pytest_netmocks.sweeps.edges import edges
from pytest_netmocks.sweeps.place import Group, Place
from pytest_netmocks.sweeps.plan import Plan
from pytest_netmocks.sweeps.survey import survey
from pytest_netmocks.sweeps.verdict import PASSED, TOLERANCE, Outcome, Result, Tally, difference


class Course:
    """Gives the runs, and takes what each came to.

    The reference run is `reference`; when it is over, `runs` gives the others, and wants `came_to` to be called with
    each before it is asked for the next. `shard` is one of how many parts of the places, counted from 0.
    """

    def __init__(self, plan: Plan, draws: Draws, *, shard: tuple[int, int] = (0, 1)) -> None:
        self.plan = plan
        self.reference = Arm(plan, None, looks=True)
        self.tally = Tally(self.reference)
        self._generator = draws.generator(0)
        self._shard = shard
        self._running: dict[Arm, Result] = {}
        self._owners: dict[Group, Arm] = {}
        """The run in which a group's places were seen."""
        self._brought: list[Group] = []
        """Places that the faults of this depth have brought about, to be swept in turn."""
        self._seen: set[object] = set()
        """What they look like."""

    @property
    def _limit(self) -> int | None:
        """This shard's share of how many places are tried."""
        limit, (number, of) = self.plan.limit, self._shard
        return None if limit is None else max(1, limit * (number + 1) // of - limit * number // of)

    def groups(self) -> list[Group]:
        """The places of the reference run, or this shard's. Raises `ValueError` if there are none at all."""
        found = [group.shard(*self._shard) for group in survey(self.plan, self.reference)]
        return [group for group in found if group.at]

    def runs(self, only: str | None = None) -> Iterator[Arm]:
        """The runs after the reference run; with `only` the one place that has that id. Raises as `groups`."""
        if only is not None:
            group, at = self.find(only)
            self.tally.total = 1
            yield self._begin(group, at, looks=False)
            return
        groups = self.groups()
        self._owners = dict.fromkeys(groups, self.reference)
        for depth in range(1, self.plan.depth + 1):
            choice = Choice(groups, self._limit, self._edges, self._generator)
            self.tally.total += choice.total
            self.tally.count(groups)
            for group, at in choice:
                yield self._begin(group, at, looks=depth < self.plan.depth)
                choice.came_to(self.tally.results[-1].came_to)
            groups, self._brought = self._brought, []

    def _edges(self, group: Group) -> list[set[int]]:
        return edges(self._owners[group], group)

    def _begin(self, group: Group, at: int, *, looks: bool) -> Arm:
        result = Result(group, at)
        self.tally.results.append(result)
        arm = Arm(self.plan, group.place(at), looks=looks)
        self._running[arm] = result
        return arm

    def came_to(self, arm: Arm, outcome: Outcome | str) -> None:
        """What a run came to, `PASSED` or how it failed, before its fixtures have gone; the next may be asked for."""
        self._running[arm].came_to = outcome
        if arm.witnesses and arm.place is not None and arm.place.struck:
            arm.settle()
            looks = outcome, *(witness.looks() for witness in arm.witnesses.values())
            if looks not in self._seen:
                self._seen.add(looks)
                brought = [group for group in survey(self.plan, arm) if group.at]
                self._brought += brought
                self._owners.update(dict.fromkeys(brought, arm))

    def over(self, arm: Arm, outcome: Outcome | str = PASSED, *, skipped: bool = False) -> None:
        """A run is over, with all of its fixtures; what their ends came to counts if it had passed before."""
        result = self._running.pop(arm)
        if not result.failed:
            result.came_to = outcome
        assert arm.place is not None
        result.reached = arm.is_reached and not skipped
        result.difference = difference(self.reference, arm)
        result.seconds = clock.real_now() - arm.began

    # One place by its id

    def find(self, only: str) -> tuple[Group, int]:
        """The place with that id. Raises `ValueError` if the reference run had no such connection or exchange."""
        known = survey(self.plan, self.reference)
        *first, last = only.split("+")
        after: Place | None = None
        for text in first:
            group, at = _found(text, known, after)
            after = group.place(at)
        return _found(last, known, after)


def _found(text: str, known: list[Group], after: Place | None) -> tuple[Group, int]:
    """The group that an id means, and where in it; behind another fault there may be more connections than known."""
    name, _, at = text.rpartition(":")
    for group in known:
        if at.isdecimal() and group.id == name:
            if after is None and int(at) > group.at[-1] + TOLERANCE:
                raise ValueError(
                    f"there is no place {text!r} in this test any more: the last is {group.id}:{group.at[-1]}"
                )
            return dataclasses.replace(group, after=after), int(at)
        before, _, direction = group.id.rpartition(":")
        server = before.rpartition(":")[0]
        connection = name.removeprefix(f"{server}:").removesuffix(f":{direction}")
        if after is not None and group.kind == "byte" and at.isdecimal() and connection.isdecimal():
            return dataclasses.replace(group, connection=int(connection), after=after), int(at)
    raise ValueError(f"there is no place {text!r} in this test: its places begin with {', '.join(g.id for g in known)}")

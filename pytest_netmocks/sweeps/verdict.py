"""The verdict: what the runs came to, in spans of neighbours that failed alike, and how it is told."""

from __future__ import annotations

import collections
import dataclasses
import functools
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from pytest_netmocks.faults.base import Fault
from pytest_netmocks.reports.seen import who_waits_briefly
from pytest_netmocks.sweeps.arm import Arm, Strike
from pytest_netmocks.sweeps.place import Group, Place, position, shown
from pytest_netmocks.sweeps.shape import Witness

PASSED: Final = "passed"

TOLERANCE = 8
"""Bytes by which two conversations may differ and still be the same: a port, a date or a signature is not always as
long."""

FEW = 10
"""One in so many places may differ, or not be reached, before it is worth a warning."""

AROUND = 32
"""Bytes that are shown before a place, and after it."""


LINE = 200
"""Characters of an error's first line that are kept of each place."""


_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")

SAID = 80
"""Characters of it that the line of a span shows."""


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How a run failed: the exception's type, and the line of the test. Two that have these in common failed alike."""

    kind: str
    line: int | None
    error: str = dataclasses.field(default="", compare=False)
    """The first line of what it raised."""

    def __str__(self) -> str:
        return self.kind if self.line is None else f"{self.kind}, line {self.line}"

    @property
    def told(self) -> str:
        """The same with what the error said."""
        said = self.error.removeprefix(self.kind)
        return f"{self}{said if len(said) <= SAID else f'{said[:SAID]}...'}"


def outcome(error: BaseException, file: str | None) -> Outcome:
    """How a run failed; the line is the last one in that file."""
    kind = type(error).__name__
    line, entry = None, error.__traceback__
    while entry is not None:  # the module `traceback` would read each file of it
        if _is_same(entry.tb_frame.f_code.co_filename, file):
            line = entry.tb_lineno
        entry = entry.tb_next
    text = str(error).strip()
    said = (who_waits_briefly(text) if kind == "WaitsForever" else text.partition("\n")[0])[:LINE]
    return Outcome(kind, line, f"{kind}: {said}" if said else kind)


@functools.cache
def _is_same(path: str, other: str | None) -> bool:
    return other is not None and pathlib.PurePath(path) == pathlib.PurePath(other)


class Result:
    """One place that was tried: a small record, for there are many."""

    __slots__ = ("at", "came_to", "difference", "group", "reached", "seconds")

    def __init__(self, group: Group, at: int) -> None:
        self.group = group
        self.at = at
        self.came_to: Outcome | str = PASSED
        self.reached = False
        self.difference: str | None = None
        self.seconds = 0.0
        """Real ones that the run took."""

    @property
    def failed(self) -> bool:
        """Whether the run failed."""
        return self.came_to != PASSED

    @property
    def told(self) -> str:
        """What it came to, in words."""
        return self.came_to.told if isinstance(self.came_to, Outcome) else self.came_to

    def place(self) -> Place:
        """The place, made anew."""
        return self.group.place(self.at)


class Span(NamedTuple):
    """Neighbours among those tried that failed alike."""

    first: Result
    last: Result
    tried: int
    other: Result | None = None
    """The first of them whose error has other words, numbers apart."""


def by_group(results: Sequence[Result]) -> list[list[Result]]:
    """The results of each group in the order of its places; the groups in the order in which they were begun."""
    groups: dict[int, list[Result]] = {}
    for result in results:
        groups.setdefault(id(result.group), []).append(result)
    for row in groups.values():
        row.sort(key=lambda result: result.at)
    return list(groups.values())


def spans(results: Sequence[Result]) -> list[Span]:
    """The runs of neighbouring places that failed alike, in the order of their groups."""
    found: list[Span] = []
    for row in by_group(results):
        before: Result | None = None
        for result in row:
            if before is not None and before.came_to == result.came_to and result.failed:
                span = found[-1]
                other = span.other or (None if _words(result) == _words(span.first) else result)
                found[-1] = Span(span.first, result, span.tried + 1, other)
            elif result.failed:
                found.append(Span(result, result, 1))
            before = result
    return found


def _words(result: Result) -> str:
    """What its error said, without what is another number each time: sizes, addresses."""
    return _NUMBER.sub("#", result.came_to.error if isinstance(result.came_to, Outcome) else result.came_to)


class Tally:
    """All that a sweep has tried so far."""

    def __init__(self, reference: Arm) -> None:
        self.results: list[Result] = []
        self.total = 0
        """How many places there are."""
        self.of_faults: dict[int, tuple[Fault, int]] = {}
        """The faults by their numbers, and how many places each has."""
        self.ended_early: str | None = None
        """Why not all that were chosen were tried."""
        self.witnesses = reference.witnesses
        """What was seen of each server in the reference run."""

    @property
    def failures(self) -> list[Result]:
        """Those that failed, in the order in which they were tried."""
        return [result for result in self.results if result.failed]

    @property
    def missed(self) -> int:
        """How many runs ended before their place, or skipped."""
        return sum(not result.reached and not result.failed for result in self.results)

    def count(self, groups: Sequence[Group]) -> None:
        """These have places that may be tried."""
        for group in groups:
            fault, before = self.of_faults.get(group.which, (group.fault, 0))
            self.of_faults[group.which] = fault, before + len(group.at)

    def headline(self) -> str:
        """How many places failed of how many tried."""
        tried = len(self.results)
        there = f" (of {self.total} that there are)" if tried < self.total else ""
        return f"{len(self.failures)} of {tried} {'place' if tried == 1 else 'places'} failed{there}"

    def lines(self, again: Callable[[Place], str]) -> list[str]:
        """The report: the headline, a line for each span, and what repeats the first place of each."""
        lines = [self.headline()]
        if self.ended_early is not None:
            lines.append(f"it ended early: {self.ended_early}")
        found = spans(self.results)
        for span in found:
            lines += [f"  {self._told(span)}", f"    {self._around(span.first)}", f"    {again(span.first.place())}"]
            lines += [f"    {self._other(span.other)}"] if span.other is not None else []
        lines += [f"  {line}" for line in self._harmless()]
        first = next((result for result in self.results if result.failed), None)
        if first is not None and found[0].first is not first:
            place = first.place()
            lines.append(f"  the traceback is of {place}")
            if all(span.first is not first for span in found):
                lines.append(f"    {again(place)}")
        if self.missed:
            runs = "run ended before its place" if self.missed == 1 else "runs ended before their place"
            lines.append(f"  {self.missed} {runs}, or skipped")
        difference = self.warning()
        return [line for line in lines if line.strip()] + ([difference] if difference else [])

    def _harmless(self) -> list[str]:
        """Of several faults those that did no harm: whether they cannot, or nobody has looked where."""
        failed = {result.group.which for result in self.failures}
        if not failed:
            return []
        tried = collections.Counter(result.group.which for result in self.results)
        lines = []
        for which, (fault, total) in sorted(self.of_faults.items()):
            if which not in failed:
                there = f" (of {total} that there are)" if tried[which] < total else ""
                lines.append(f"{shown(fault)}: 0 of {tried[which]} failed{there}")
        return lines

    def _told(self, span: Span) -> str:
        group = span.first.group
        first = f"{group.after}, and then " if group.after is not None else ""
        where = position(group.kind, span.first.at, span.last.at)
        tried = "" if span.tried == span.last.at - span.first.at + 1 else f" ({span.tried} tried)"
        on = group.where(span.first.at, span.last.at)
        return f"{first}{shown(group.fault)} on {on}, {where}{tried}: {span.first.told}"

    def _other(self, result: Result) -> str:
        """A place of a span that failed in other words: the same line may see more than one thing go wrong."""
        return f"else {position(result.group.kind, result.at)}: {result.told}"

    def _around(self, result: Result) -> str:
        return " | ".join(around(self.witnesses, result) or ())

    def warning(self) -> str | None:
        """What a reader has to know if the conversation is not the same from run to run."""
        differing = [result for result in self.results if result.difference is not None]
        tried = len(self.results)
        if differing and len(differing) * FEW > tried:
            return (
                "the conversation is not the same from run to run, so places are not what they were in the reference "
                f"run in {len(differing)} of {tried}: {differing[0].place()}: {differing[0].difference}"
            )
        if self.missed * FEW > tried:
            first = next(result for result in self.results if not result.reached and not result.failed)
            if tried == self.total == 1:
                return f"the place was not reached: {first.place()}; does the client say something else by now?"
            return (
                "the conversation is not the same from run to run: "
                f"{self.missed} of {tried} places were not reached, the first is {first.place()}"
            )
        return None


def around(witnesses: Mapping[str, Witness], result: Result) -> tuple[str, str] | None:
    """The last bytes before the place, and the first after it; `None` where that says nothing.

    Of an answer it is how what it answers begins, and how the answer does; of a datagram how it begins.
    """
    group = result.group
    witness = witnesses.get(group.server)
    if group.after is not None or witness is None:
        return None
    if group.kind == "answer":
        asked, answered = witness.around_answer(result.at)
        return (_first_line(asked), _first_line(answered)) if asked or answered else None
    if group.kind == "datagram":
        data = witness.datagram(group.direction, result.at)
        return _shown(b""), _shown(data[:AROUND])
    if group.kind != "byte":
        return None
    talk = witness.talk(group.connection)
    text = talk.flow(group.layer, group.direction).text if talk is not None else bytearray()
    if result.at > len(text):
        return None
    before, after = text[max(0, result.at - AROUND) : result.at], text[result.at : result.at + AROUND]
    return _shown(bytes(before)), _shown(bytes(after))


def _first_line(data: bytes) -> str:
    return _shown(data.lstrip(b"\r\n").split(b"\n", 1)[0].rstrip(b"\r")[:LINE])


def _shown(data: bytes) -> str:
    """As text where it is text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return repr(data)
    return repr(text) if all(character.isprintable() or character in "\r\n\t" for character in text) else repr(data)


def _difference_at(witness: Witness, place: Place, strike: Strike) -> str | None:
    """How many bytes had passed when an answer or a datagram was struck that was not so in the reference run.

    The one before it and the one after it on the same connection are the bounds: of what is read in one go, more or
    less may have come.
    """
    moments = witness.answers if place.kind == "answer" else witness.datagrams[place.direction]
    if place.at > len(moments):
        return None
    mine = moments[place.at - 1].connection
    talk = witness.talk(mine)
    assert talk is not None
    before = (moments[at] for at in range(place.at - 2, -1, -1) if moments[at].connection == mine)
    after = (moments[at] for at in range(place.at, len(moments)) if moments[at].connection == mine)
    _, *least = next(before, (mine, 0, 0))
    _, *most = next(after, (mine, *talk.sizes()))
    for seen, low, high, way in zip(strike, least, most, ("up", "down"), strict=True):
        if not low - TOLERANCE <= seen <= high + TOLERANCE:
            return f"{seen} bytes had gone {way}, and {low} to {high} in the reference run"
    return None


def difference(reference: Arm, arm: Arm) -> str | None:
    """How the conversation before the place differs from the reference run's, `None` if it does not.

    Lengths are what counts: those of the other direction when the fault struck, and of the connections before.
    """
    place, strike = arm.place, arm.strike
    if place is None or strike is None or place.after is not None:
        return None
    witness = reference.witnesses.get(place.server)
    if witness is None:
        return None
    if place.kind in ("answer", "datagram"):
        found = _difference_at(witness, place, strike)
        if found is not None:
            return found
    talk = witness.talk(place.connection)
    if talk is None:
        return None
    if place.kind == "byte" and getattr(place.fault, "layer", "application") == "application":
        up, down = talk.sizes()
        flow = talk.flow("application", place.direction)
        downward = place.direction == "downstream"
        seen, final = (strike.received, up) if downward else (strike.delivered, down)
        fewest, most = flow.other_at(place.at, final)
        if not fewest - TOLERANCE <= seen <= most + TOLERANCE:
            was = f"{fewest}" if fewest == most else f"{fewest} to {most}"
            return f"{seen} bytes had gone the other way, and {was} in the reference run"
    for before in witness.talks.values():
        if before.number in talk.over:
            now = arm.met[place.server].sizes(before.number)
            if now is not None and any(abs(a - b) > TOLERANCE for a, b in zip(now, before.sizes(), strict=True)):
                return (
                    f"connection {before.number} before it had {now.received} bytes up and {now.delivered} down, and "
                    "{} and {} in the reference run".format(*before.sizes())
                )
    return None

"""The strip: what a sweep has tried, as plain values that JSON takes, for whoever draws it or counts in it."""

from __future__ import annotations

from typing import Final, TypedDict

from pytest_netmocks.records.events import Direction, Layer
from pytest_netmocks.sweeps.place import Group, Kind, shown
from pytest_netmocks.sweeps.verdict import Outcome, Tally, around, by_group, spans

TEXT = 4096
"""Bytes of each flow that a strip has, to show what is around a place."""

PASSED: Final = "p"
FAILED: Final = "f"
MISSED: Final = "n"
"""The letters of `Row`'s `outcomes`; the last is of a run that ended before its place, or skipped."""


class Text(TypedDict):
    """What one direction of a connection said in the reference run."""

    server: str
    connection: int
    direction: Direction
    layer: Layer
    size: int
    """All of its bytes."""
    text: str
    """The first 4,096 of them in ISO 8859-1: a character is a byte."""


class Row(TypedDict):
    """The places of one fault in one direction of one connection (or of one server's datagrams, answers, handshakes).

    `at`, `outcomes`, `seconds` and `errors` have an entry for each place that was tried, in the order of the places. A
    place's id, which `--netmocks-sweep-place=` takes, is `f"{row['id']}:{at}"`.
    """

    id: str
    fault: str
    """As it is written: `"Reset()"`."""
    server: str
    connection: int | None
    """The how-manieth since the run began; `None` where places are not those of one connection."""
    direction: Direction
    kind: Kind
    """What is counted to get to a place: `"byte"`, `"datagram"`, `"answer"` or `"handshake"`."""
    layer: Layer
    first: int
    last: int
    """The row goes from here to here, tried or not: offsets from 0 of bytes, numbers from 1 of all else."""
    text: int | None
    """Which of the strip's `texts` the bytes are those of."""
    after: str | None
    """The id of the place where another fault struck first."""
    at: list[int]
    outcomes: str
    """A letter each: `p` passed, `f` failed, `n` not reached."""
    seconds: list[float]
    """Real seconds that each run took, with its fixtures."""
    errors: list[int | None]
    """Which of the strip's `errors` each failed by."""


class Part(TypedDict):
    """Neighbouring places that failed alike: from `first` to `last` in the row with that number."""

    row: int
    first: int
    last: int
    tried: int
    kind: str
    """The exception's type."""
    line: int | None
    """The line of the test."""
    before: str
    after: str
    """The last bytes before the first place and the first after it, as the terminal shows them; empty if unknown."""


class Strip(TypedDict):
    """All of a sweep: what `report.netmocks_sweep` is of the report of a swept test's call."""

    places: int
    """How many there are."""
    tried: int
    failed: int
    not_reached: int
    ended_early: str | None
    """Why not all that were chosen were tried."""
    warning: str | None
    """What is to be known if the conversation is not the same from run to run."""
    shown: str | None
    """The id of the place that failed first: the report's traceback and timeline are those of its run."""
    rows: list[Row]
    spans: list[Part]
    errors: list[str]
    """The first lines of what the places raised, each once."""
    texts: list[Text]


def strip(tally: Tally) -> Strip:
    """What was tried, in columns: ten thousand places are some 200 kB of JSON."""
    groups = by_group(tally.results)
    numbers = {id(row[0].group): number for number, row in enumerate(groups)}
    errors: dict[str, int] = {}
    texts = _Texts(tally)
    rows: list[Row] = []
    for results in groups:
        group = results[0].group
        failed_by = [result.came_to.error if isinstance(result.came_to, Outcome) else None for result in results]
        rows.append(
            {
                "id": group.id,
                "fault": shown(group.fault),
                "server": group.server,
                "connection": group.connection,
                "direction": group.direction,
                "kind": group.kind,
                "layer": group.layer,
                "first": group.at.start,
                "last": group.at.stop - 1,
                "text": texts.number(group),
                "after": group.after.id if group.after is not None else None,
                "at": [result.at for result in results],
                "outcomes": "".join(
                    FAILED if result.failed else PASSED if result.reached else MISSED for result in results
                ),
                "seconds": [round(result.seconds, 6) for result in results],
                "errors": [None if error is None else errors.setdefault(error, len(errors)) for error in failed_by],
            }
        )
    parts: list[Part] = []
    for span in spans(tally.results):
        came_to = span.first.came_to
        assert isinstance(came_to, Outcome)
        before, after = around(tally.witnesses, span.first) or ("", "")
        parts.append(
            {
                "row": numbers[id(span.first.group)],
                "first": span.first.at,
                "last": span.last.at,
                "tried": span.tried,
                "kind": came_to.kind,
                "line": came_to.line,
                "before": before,
                "after": after,
            }
        )
    failures = tally.failures
    return {
        "places": tally.total,
        "tried": len(tally.results),
        "failed": len(failures),
        "not_reached": tally.missed,
        "ended_early": tally.ended_early,
        "warning": tally.warning(),
        "shown": failures[0].place().id if failures else None,
        "rows": rows,
        "spans": parts,
        "errors": list(errors),
        "texts": texts.found,
    }


class _Texts:
    """The texts of the flows that have places, each once."""

    def __init__(self, tally: Tally) -> None:
        self._witnesses = tally.witnesses
        self._numbers: dict[tuple[str, int, Direction, Layer], int] = {}
        self.found: list[Text] = []

    def number(self, group: Group) -> int | None:
        """Which text is that of a group's bytes; `None` if it has none, or the reference run had no such flow."""
        if group.kind != "byte" or group.connection is None or group.after is not None:
            return None
        witness = self._witnesses.get(group.server)
        talk = witness.talk(group.connection) if witness is not None else None
        if talk is None:
            return None
        flow = talk.flow(group.layer, group.direction)
        key = group.server, group.connection, group.direction, group.layer
        if key not in self._numbers:
            self._numbers[key] = len(self.found)
            self.found.append(
                {
                    "server": group.server,
                    "connection": group.connection,
                    "direction": group.direction,
                    "layer": group.layer,
                    "size": flow.size,
                    "text": flow.text[:TEXT].decode("latin-1"),
                }
            )
        return self._numbers[key]

"""The timeline: what happened on a server, in order, and its text form.

A view over the events: what follows in one direction of a connection is one line, and what has no line of its own
(bytes that wait at a fault, the phases of an exchange) is left to who asks for events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, cast

from pytest_netmocks.records.events import (
    PREVIEW,
    Closed,
    Ended,
    Event,
    Exchange,
    Failed,
    Handshake,
    InForce,
    Lifted,
    Log,
    Lost,
    Note,
    Opened,
    Piece,
    Received,
    Sent,
    Struck,
    Unmatched,
    Unread,
    shown,
)
from pytest_netmocks.records.sides import Sides
from pytest_netmocks.records.words import quoted

SHOWN = 200
"""Lines that the text form shows at most: a quarter of them from the beginning, the others from the end."""

TOLD = 200
"""Bytes of data that are told as text."""

INDENT = 27
"""Columns before what happened, and before the further lines of it."""

Kind = Literal[
    "opened", "received", "sent", "ended", "closed", "fault", "note", "unmatched", "exchange", "server", "tls"
]

KINDS: dict[type[Any], Kind] = {
    Opened: "opened",
    Received: "received",
    Sent: "sent",
    Ended: "ended",
    Closed: "closed",
    Struck: "fault",
    Unmatched: "unmatched",
    Exchange: "exchange",
    Handshake: "tls",
    InForce: "server",
    Lifted: "server",
    Lost: "note",
    Failed: "note",
    Note: "note",
}
"""The events that have a line, and its kind."""


def between(asked: bytes, replies: Sequence[bytes]) -> str:
    """What was asked and what was answered on one line; of several answers the first, and how many follow."""
    first = shown(replies[0]) if replies else "no reply"
    rest = f" (and {len(replies) - 1} more)" if len(replies) > 1 else ""
    return f"{shown(asked)} -> {first}{rest}"


def in_words(asked: bytes, replies: Sequence[bytes]) -> Sides:
    """What was asked and what was answered, each as text where it is text; of several answers the first."""
    rest = f" (and {len(replies) - 1} more)" if len(replies) > 1 else ""
    answered = f"{quoted(replies[0], TOLD)}{rest}" if replies else ""
    return Sides(quoted(asked, TOLD) if asked else "", answered)


class Line(NamedTuple):
    """One line of the timeline.

    `at` is seconds since the server started, `connection` the connection's id (`None`: the server itself). For data
    `size` counts bytes, over `pieces` reads or writes in a row, and `preview` holds the first of them.
    """

    at: float
    connection: int | None
    kind: Kind
    """What happened, in a word."""
    text: str = ""
    """What happened, in words."""
    size: int = 0
    pieces: int = 0
    preview: bytes = b""

    def __str__(self) -> str:
        who = "server" if self.connection is None else f"connection {self.connection}"
        return f"{self.at:9.4f}  {who:<14}  {self.describe()}".replace("\n", "\n" + " " * INDENT)

    def describe(self) -> str:
        """What happened, without when and to whom."""
        if self.kind not in ("received", "sent"):
            return f"! {self.text}" if self.kind == "fault" else self.text
        arrow = ">" if self.kind == "received" else "<"
        pieces = f" in {self.pieces} pieces" if self.pieces > 1 else ""
        more = "..." if self.size > len(self.preview) else ""
        return f"{arrow} {self.kind} {self.size} B{pieces}  {self.preview!r}{more}"


def line_of(event: Event) -> Line | None:
    """The line that an event has in the timeline, `None` if it has none."""
    kind = KINDS.get(type(event))
    if kind is None:
        return None
    if isinstance(event, Piece):
        return Line(event.at, event.connection, kind, "", event.size, 1, event.beginning(PREVIEW))
    if (isinstance(event, Exchange) and not event.tells) or (isinstance(event, InForce) and not event.waited):
        return None
    if isinstance(event, Note) and event.about == "server":
        kind = "server"
    return Line(event.at, event.connection, kind, cast("Any", event).text)


def lines_of(events: Iterable[Event]) -> Iterator[Line]:
    """The lines of events, data of one flow in a row as one."""
    last: Line | None = None
    for event in _read(events):
        line = line_of(event)
        if line is None:
            continue
        if last is not None:
            if last.pieces and line.pieces and (last.connection, last.kind) == (line.connection, line.kind):
                preview = (last.preview + line.preview)[:PREVIEW] if len(last.preview) == last.size else last.preview
                last = last._replace(size=last.size + line.size, pieces=last.pieces + 1, preview=preview)
                continue
            yield last
        last = line
    if last is not None:
        yield last


def _read(events: Iterable[Event]) -> list[Event]:
    """The events without what the server gave back: the pieces that it took before are shorter by that."""
    read: list[Event] = []
    for event in events:
        if not isinstance(event, Unread):
            read.append(event)
            continue
        size = event.size
        for index in range(len(read) - 1, -1, -1):
            piece = read[index]
            if size and isinstance(piece, Received) and piece.connection == event.connection:
                gone = min(size, piece.size)
                size -= gone
                read[index] = Received(*piece._replace(size=piece.size - gone))
    return [event for event in read if not (isinstance(event, Received) and not event.size)]


class Timeline:
    """What happened on one server, oldest first: iterate over its lines, index it, or `str()` it."""

    def __init__(self, log: Log, title: str = "") -> None:
        self._log = log
        self.title = title
        """What stands above the lines."""

    def __iter__(self) -> Iterator[Line]:
        return lines_of(self._log)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, index: int) -> Line:
        return list(self)[index]

    @property
    def dropped(self) -> int:
        """How many of the oldest events were dropped."""
        return self._log.dropped

    def since(self, count: int) -> list[Line]:
        """The lines of the kept events after the first `count` that ever were."""
        return list(lines_of(self._log.since(count)))

    def lines(self, since: int = 0, *, shown: int | None = SHOWN) -> list[str]:
        """The text form, an item a line under the title, `shown` at most; `since` as with `since()`."""
        dropped = self._log.dropped_since(since)
        lines = [str(line) for line in self.since(since)]
        if shown is not None and len(lines) > shown:
            gap = len(lines) - shown
            lines[shown // 4 : shown // 4 + gap] = [f"{'...':>9}  {gap} events are not shown"]
        if dropped:
            lines.insert(0, f"{'...':>9}  {self.dropped} earlier events are not kept")
        return [self.title, *(lines or [f"{'-':>9}  nothing happened"])]

    def __str__(self) -> str:
        return "\n".join(self.lines())

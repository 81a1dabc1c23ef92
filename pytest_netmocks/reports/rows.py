"""What happened on a server as rows of a ladder: who said what to whom, and what a fault took on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from pytest_netmocks.records import events
from pytest_netmocks.records.addresses import describe_address
from pytest_netmocks.records.events import Event, Piece
from pytest_netmocks.records.words import quoted, quoted_lines
from pytest_netmocks.reports.harm import took
from pytest_netmocks.reports.nearest import nearest
from pytest_netmocks.reports.story import Amount, Story, Talk, Turn

PREVIEW = 400
"""Bytes of data that a row shows."""

_ON_STREAM = re.compile(r"stream (\d+): ")
"""How a note begins that is about one stream of HTTP/2."""

Form = Literal["up", "down", "fault", "wrong", "note"]
Ordinary = Literal["", "usual", "bytes"]
Way = Literal["whole", "part", "none"]


class Row(NamedTuple):
    """One row: an arrow up (to the server) or down with its text, or what happened between."""

    at: float
    connection: int | None
    form: Form
    text: str
    way: Way = "whole"
    """How much of what an arrow stands for has come to its end."""
    begins: bool = False
    """Whether something new begins with it: a connection, an exchange."""
    ordinary: Ordinary = ""
    """Whether it is the usual, of which one wants to know where something went wrong, or bytes of exchanges."""
    stream: int | None = None
    """The stream of HTTP/2 that it is about."""

    @property
    def told(self) -> str:
        """The text, behind the number of its stream."""
        return self.text if self.stream is None else f"#{self.stream} {self.text}"

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it the same as another: not when, not who the client was, not on which stream."""
        opens = self.form == "up" and self.text.startswith("connects from")
        return self.form, "" if opens else self.text, self.way


class _Bytes(NamedTuple):
    """Pieces of one flow in a row."""

    first: Piece
    size: int
    pieces: int
    data: bytes


def rows(story: Story) -> list[Row]:
    """All rows of a server, in order, those among them that are ordinary too."""
    return sorted(_Rows(story), key=lambda row: row.at)


class _Rows:
    def __init__(self, story: Story) -> None:
        self._story = story
        self._turns = {id(turn.exchange): turn for talk in story.talks.values() for turn in talk.turns}
        self._asked: set[int] = set()
        self._answered: set[int] = set()
        self._bytes: _Bytes | None = None

    def __iter__(self) -> Iterator[Row]:
        for event in self._story.events:
            if isinstance(event, events.Received | events.Sent):
                yield from self._piece(event)
                continue
            found = list(self._rows(event))
            if found and self._bytes is not None:
                yield self._flow(self._bytes)
                self._bytes = None
            yield from found
        if self._bytes is not None:
            yield self._flow(self._bytes)

    # Bytes

    def _piece(self, event: Piece) -> Iterator[Row]:
        last = self._bytes
        if last is not None and type(last.first) is type(event) and last.first.connection == event.connection:
            data = last.data + event.beginning(PREVIEW) if len(last.data) < PREVIEW else last.data
            self._bytes = _Bytes(last.first, last.size + event.size, last.pieces + 1, data[:PREVIEW])
            return
        if last is not None:
            yield self._flow(last)
        self._bytes = _Bytes(event, event.size, 1, event.beginning(PREVIEW))

    def _flow(self, flow: _Bytes) -> Row:
        first = flow.first
        talk = self._story.talks[first.connection]
        pieces = f" in {flow.pieces} pieces" if flow.pieces > 1 else ""
        up = isinstance(first, events.Received)
        passed = flow.size if up else min(flow.size, max(0, talk.past - first.offset))
        way = _way(Amount(flow.size, passed, 0))
        before = f"{flow.size} B{pieces}  "
        text = before + f"\n{' ' * len(before)}".join(quoted_lines(flow.data, PREVIEW, flow.size))
        return Row(
            first.at, first.connection, "up" if up else "down", text, way, ordinary="bytes" if talk.turns else ""
        )

    # All else

    def _rows(self, event: Event) -> Iterator[Row]:
        at, number = event.at, event.connection
        talk = self._story.talks.get(number) if number is not None else None
        if isinstance(event, events.Exchange):
            yield from self._exchange(event)
        elif isinstance(event, events.Opened):
            how = "connects from" if event.how == "opened by" else event.how
            yield Row(at, number, "up", f"{how} {describe_address(event.client)}", begins=True, ordinary="usual")
        elif isinstance(event, events.Struck):
            what = took(talk, event) if talk is not None else ""
            text = f"{event._replace(stream=None).text}{f': {what}' if what else ''}"
            yield Row(at, number, "fault", text, stream=event.stream)
        elif isinstance(event, events.Lost):
            direction = "up" if event.direction == "upstream" else "down"
            yield Row(at, number, "up" if direction == "up" else "down", f"{quoted(event.data, 64)} lost", "none")
        elif isinstance(event, events.Unmatched):
            near = nearest(event.text, self._story.rules)
            yield Row(at, number, "wrong", f"{event.text}\n  {near}" if near else event.text)
        elif isinstance(event, events.Failed):
            yield Row(at, number, "wrong", event.text, stream=event.stream)
        elif isinstance(event, events.Ended):
            if not _is_over(event, talk):
                yield _end(event, talk)
        elif isinstance(event, events.Handshake):
            yield Row(
                at,
                number,
                "wrong" if event.step == "failed" else "note",
                event.text,
                ordinary=_usual(event.step in ("answered", "complete")),
            )
        elif isinstance(event, events.Note):
            yield _note(event)
        elif isinstance(event, events.Lifted) or (isinstance(event, events.InForce) and event.waited):
            yield Row(at, None, "note", event.text)
        elif isinstance(event, events.Closed) and talk is not None and not talk.ended:
            yield Row(at, number, "note", event.text, ordinary="usual")

    def _exchange(self, event: events.Exchange) -> Iterator[Row]:
        turn = self._turns[id(event.exchange)]
        sides, key = turn.sides, id(event.exchange)
        if turn.is_message:
            if key not in self._asked:
                self._asked.add(key)
                yield Row(event.at, event.connection, "up" if sides.asked else "down", sides.asked or sides.answered)
            return
        if key not in self._asked:
            self._asked.add(key)
            lost = turn.talk.to_server
            cut = getattr(turn.exchange, "complete", True) is False and not lost.is_whole
            way: Way = "part" if cut else "whole"
            yield Row(event.at, event.connection, "up", sides.asked, way, begins=True, stream=turn.stream)
        if event.phase == "answered" and key not in self._answered:
            self._answered.add(key)
            yield _answer(event, turn)


def _answer(event: events.Exchange, turn: Turn) -> Row:
    sides, amount = turn.sides, turn.amount
    # What a fault kept from going out is on record as no answer.
    words = [sides.answered or "an answer"]
    words += [f"by {sides.by}"] if sides.by else []
    words += [f"({amount.size} B)"] if sides.head_ends or sides.size is not None else []
    way = _way(amount) if turn.stream is None else _way_on_stream(turn)
    if not (sides.answered or amount.size) and any(one.at >= event.at for one in turn.talk.struck):
        way = "none"  # a fault has put an end in its place
    return Row(event.at, event.connection, "down", " ".join(words), way, stream=turn.stream)


def _way_on_stream(turn: Turn) -> Way:
    """Of an answer whose frames have those of others among them."""
    talk = turn.talk
    if talk.past <= turn.start and talk.sent > turn.start:
        return "none"
    left = turn.delivered is not None and talk.past >= (turn.end or 0)
    struck = not talk.to_client.is_whole or any(one.stream == turn.stream for one in talk.struck)
    return "part" if struck and not left else "whole"


def _way(amount: Amount) -> Way:
    return "whole" if amount.is_whole else "part" if amount.passed else "none"


USUAL = {"the client has finished", "the server has finished", "cut by the fault"}
"""Texts of ends that the sign says already."""


def _is_over(event: events.Ended, talk: Talk | None) -> bool:
    """Whether it is a FIN of a server's that a fault has ended the connection before: the client sees one."""
    ended = [] if talk is None or event.by != "server" or event.sign != "FIN" else talk.ended
    return any(one.by == "fault" and one.sign is not None and one.at <= event.at for one in ended)


def _end(event: events.Ended, talk: Talk | None) -> Row:
    sign = event.sign
    if sign is None:
        return Row(event.at, event.connection, "wrong", event.text)
    told = "" if event.text in USUAL else f": {event.text}"
    usual = event.by != "fault" and sign == "FIN"
    text = f"{sign}{told}" if event.by != "fault" else f"{sign} by the fault{told}"
    return Row(event.at, event.connection, "up" if event.by == "client" else "down", text, ordinary=_usual(usual))


def _usual(is_usual: bool) -> Ordinary:
    return "usual" if is_usual else ""


def _note(event: events.Note) -> Row:
    if event.about == "server":
        return Row(event.at, None, "note", event.text, ordinary=_usual(event.text == "started"))
    arrow, _, rest = event.text.partition(" ")
    if arrow in ("<", ">") and rest:  # a frame that is no message
        return Row(event.at, event.connection, "up" if arrow == ">" else "down", rest)
    if found := _ON_STREAM.match(event.text):
        return Row(event.at, event.connection, "note", event.text[found.end() :], stream=int(found[1]))
    return Row(event.at, event.connection, "note", event.text)

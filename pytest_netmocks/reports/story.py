"""`Story`: the events of one server, put together: what became of each connection and of each exchange on it."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from pytest_netmocks.records import events
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Direction, Event, Held, Piece, Struck, Swallowed
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.records.sides import Sides, sides_of


class Teller(Protocol):
    """What a story is of: a server."""

    journal: Journal

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def url(self) -> str:
        """Where it listens."""


@dataclasses.dataclass(slots=True)
class Amount:
    """How much of something came past the faults, and what became of the rest."""

    size: int
    passed: int
    lost: int
    """Thrown away for good."""
    up: bool = False
    """Whether it was on its way to the server."""

    @property
    def held(self) -> int:
        """Not here, and not lost: it waits at a fault."""
        return max(0, self.size - self.passed - self.lost)

    @property
    def is_whole(self) -> bool:
        """Whether all of it came past."""
        return self.passed >= self.size

    def __str__(self) -> str:
        words = [f"{self.passed} of {self.size} B {'reached the server' if self.up else 'delivered'}"]
        words += [f"{self.lost} lost"] if self.lost else []
        words += [f"{self.held} held"] if self.held else []
        return ", ".join(words)


@dataclasses.dataclass(slots=True)
class Turn:
    """One exchange: a request and its answer, a command and its reply, a message."""

    exchange: Any
    began: float
    talk: Talk
    answered: float | None = None
    delivered: float | None = None
    rule: Any = None
    start: int = 0
    """Where its answer begins in what was sent."""
    end: int | None = None
    """Where it ends, if another came behind it."""
    is_message: bool = False

    @property
    def stream(self) -> int | None:
        """The number of the stream of HTTP/2 that it is on, if it is on any."""
        number = getattr(self.exchange, "stream", None)
        return number if isinstance(number, int) else None

    @property
    def over(self) -> float | None:
        """When the last of its answer left, or a fault ended its stream."""
        return (
            self.delivered if self.stream is None or self.delivered is not None else self.talk.broken.get(self.stream)
        )

    @property
    def is_one_of_several(self) -> bool:
        """Whether other streams of its connection were open while it was."""
        if self.stream is None:
            return False
        end = math.inf if self.over is None else self.over
        others = (other for other in self.talk.streams.values() if other is not self and other.began <= end)
        return any(other.over is None or other.over >= self.began for other in others)

    @property
    def sides(self) -> Sides:
        """Both sides in words."""
        return sides_of(self.exchange)

    @property
    def asked(self) -> str:
        """What the client said, as text for a sentence."""
        sides = self.sides
        return sides.asked or sides.answered

    @property
    def named(self) -> str:
        """The same with its stream, where several were open."""
        return f"{self.asked.rstrip()} on stream {self.stream}" if self.is_one_of_several else self.asked

    @property
    def amount(self) -> Amount:
        """How much of its answer was delivered."""
        talk = self.talk
        own = self.sides.size
        if own is not None:
            return Amount(own, own, 0)
        end = talk.sent if self.end is None else self.end
        size = max(0, end - self.start)
        passed = min(size, max(0, talk.past - self.start))
        lost = min(size - passed, talk.lost["downstream"])
        return Amount(size, passed, lost)


class Talk:
    """One connection."""

    def __init__(self, number: int, record: Connection | None) -> None:
        self.number = number
        self.record = record
        self.opened: events.Opened | None = None
        self.turns: list[Turn] = []
        self.streams: dict[int, Turn] = {}
        """Those on streams of HTTP/2, by their number."""
        self.broken: dict[int, float] = {}
        """When faults ended streams, by their number."""
        self.leaving: list[Turn] = []
        """Those of them whose last frames are in what is sent next."""
        self.latest: Turn | None = None
        """Whose answer began last."""
        self.sent = 0
        self.received = 0
        self.arrived: int | None = None
        """Bytes of the client that came to a fault, `None` where none stood there."""
        self.came = bytearray()
        """Those, as far as they are on record one behind the other."""
        self.passed: int | None = None
        """Bytes that left for the client past the faults, `None` where none stood there."""
        self.lost: dict[Direction, int] = {"upstream": 0, "downstream": 0}
        self.swallowed: list[Swallowed] = []
        self.held: list[Held] = []
        self.struck: list[Struck] = []
        self.datagrams: list[events.Lost] = []
        self.ended: list[events.Ended] = []
        self.closed: events.Closed | None = None
        self.tls: list[events.Handshake] = []
        self.unmatched: list[events.Unmatched] = []
        self.failed: list[events.Failed] = []
        self.notes: list[events.Note] = []
        self.last = 0.0

    @property
    def past(self) -> int:
        """Bytes that have left for the client."""
        return self.sent if self.passed is None else self.passed

    @property
    def to_client(self) -> Amount:
        """Of all that was sent."""
        return Amount(self.sent, self.past, self.lost["downstream"])

    @property
    def to_server(self) -> Amount:
        """Of all that came."""
        size = self.received + self.lost["upstream"] if self.arrived is None else self.arrived
        return Amount(max(size, self.received), self.received, self.lost["upstream"], up=True)

    @property
    def open_turn(self) -> Turn | None:
        """The exchange that is not over: of those whose answer has not left as a whole the first."""
        return next((turn for turn in self.turns if not turn.is_message and turn.over is None), None)

    @property
    def client_left(self) -> float | None:
        """When the client ended its side."""
        return next((ended.at for ended in self.ended if ended.by == "client"), None)

    def answer(self, turn: Turn) -> bytes:
        """What was sent as its answer, before any fault, as far as it is on record."""
        sent = self.record.sent if self.record is not None else b""
        return sent[turn.start : turn.end]


class Story:
    """What happened on one server since a test began."""

    def __init__(self, server: Teller, since: int = 0, rules: Sequence[str] = ()) -> None:
        self.rules = rules
        """Its rules, as they are written."""
        self.name = server.name
        self.url = server.url
        log = server.journal.log
        self.dropped = log.dropped if log.dropped_since(since) else 0
        self.events: list[Event] = log.since(since)
        self.talks: dict[int, Talk] = {}
        self.stopped: float | None = None
        """When it was stopped, if it has not started again."""
        self.struck: list[Struck] = []
        """What struck no single connection: clients were kept from connecting."""
        self.failed: list[events.Failed] = []
        self.notes: list[events.Note] = []
        self._turns: dict[int, Turn] = {}
        self._read(server.journal.connections)

    @functools.cached_property
    def turns(self) -> list[Turn]:
        """All exchanges, in the order in which they began."""
        return sorted((turn for talk in self.talks.values() for turn in talk.turns), key=lambda turn: turn.began)

    @functools.cached_property
    def last_delivered(self) -> dict[str, Turn]:
        """By what was asked: the last exchange of the kind whose answer left as a whole."""
        return {turn.asked: turn for turn in self.turns if turn.delivered is not None}

    @property
    def came(self) -> list[Talk]:
        """The connections that began since."""
        return [talk for talk in self.talks.values() if talk.opened is not None]

    def _read(self, records: Mapping[int, Connection]) -> None:
        for event in self.events:
            if event.connection is None:
                self._server(event)
                continue
            talk = self.talks.get(event.connection)
            if talk is None:
                talk = self.talks[event.connection] = Talk(event.connection, records.get(event.connection))
            talk.last = event.at
            if isinstance(event, Piece):
                _piece(talk, event)
            elif isinstance(event, events.Exchange):
                self._turn(talk, event)
            else:
                _happened(talk, event)

    def _server(self, event: Event) -> None:
        if isinstance(event, Struck):
            self.struck.append(event)
        elif isinstance(event, events.Failed):
            self.failed.append(event)
        elif isinstance(event, events.Note):
            if event.about == "server":
                self.stopped = None if event.text.startswith("started") else event.at
            else:
                self.notes.append(event)

    def _turn(self, talk: Talk, event: events.Exchange) -> None:
        turn = self._turns.get(id(event.exchange))
        if turn is None:
            turn = self._turns[id(event.exchange)] = Turn(event.exchange, event.at, talk)
            talk.turns.append(turn)
            if (stream := turn.stream) is not None:
                talk.streams[stream] = turn
        if event.phase == "message":
            turn.is_message = True
        elif event.phase == "answered":
            if talk.latest is not turn:  # else it goes on, as behind a 150 of FTP or a 334 of SMTP
                if talk.latest is not None and talk.latest.end is None:
                    talk.latest.end = talk.sent
                turn.start, talk.latest = talk.sent, turn
            turn.answered = event.at if turn.answered is None else turn.answered
            turn.delivered = turn.end = None
            turn.rule = event.rule
        elif event.phase == "delivered":
            turn.delivered = event.at
            if turn.stream is not None:
                talk.leaving.append(turn)
            elif turn.end is None:
                turn.end = talk.sent


def _piece(talk: Talk, event: Piece) -> None:
    end = event.offset + event.size
    if isinstance(event, events.Sent):
        talk.sent = max(talk.sent, end)
        for turn in talk.leaving:
            turn.end = end
        talk.leaving.clear()
    elif isinstance(event, events.Received):
        talk.received = max(talk.received, end)
    elif isinstance(event, events.Delivered):
        talk.passed = max(talk.passed or 0, end)
    elif isinstance(event, events.Arrived):
        talk.arrived = max(talk.arrived or 0, end)
        if event.offset == len(talk.came):
            talk.came += event.data


def _happened(talk: Talk, event: Event) -> None:
    if isinstance(event, events.Opened):
        talk.opened = event
    elif isinstance(event, events.Unread):
        talk.received -= event.size
    elif isinstance(event, Swallowed):
        talk.swallowed.append(event)
        if event.layer == "application":
            talk.lost[event.direction] += event.size
            if event.direction == "downstream" and talk.passed is None:
                talk.passed = event.offset
    elif isinstance(event, Held):
        talk.held.append(event)
        if event.direction == "downstream" and event.layer == "application" and talk.passed is None:
            talk.passed = event.offset
    elif isinstance(event, events.Closed):
        talk.closed = event
    else:
        for kind, place in _KEPT:
            if isinstance(event, kind):
                getattr(talk, place).append(event)
        if isinstance(event, Struck) and event.stream is not None and _ends_stream(event.fault):
            talk.broken[event.stream] = event.at


def _ends_stream(fault: Any) -> bool:
    return fault.name in ("Reset", "Refused") or (fault.name == "Close" and fault.direction != "upstream")


_KEPT: Iterable[tuple[type[Any], str]] = (
    (Struck, "struck"),
    (events.Lost, "datagrams"),
    (events.Ended, "ended"),
    (events.Handshake, "tls"),
    (events.Unmatched, "unmatched"),
    (events.Failed, "failed"),
    (events.Note, "notes"),
)

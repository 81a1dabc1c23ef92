"""The shape of a run: what passed on each server and in which pieces, read from the events as they happen.

A `Witness` hears the events of one server from the run's beginning on. A connection that was open then is known by its
first event, and its bytes count from there.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import (
    CipherReceived,
    CipherSent,
    Closed,
    Direction,
    Event,
    Handshake,
    Layer,
    Lost,
    Opened,
    Piece,
    Received,
    Sent,
    Unread,
)

KEPT = 1 << 20
"""Bytes of each flow that are kept, to show what is around a place and to find the parts of the protocol."""

OTHER: dict[Direction, Direction] = {"upstream": "downstream", "downstream": "upstream"}


class Flow:
    """One direction of one connection: how many bytes, and in which pieces they came."""

    __slots__ = ("before", "ends", "size", "text")

    def __init__(self) -> None:
        self.size = 0
        self.ends: list[int] = []
        """Where each piece ended."""
        self.before: list[int] = []
        """How many bytes the other direction had when each piece came."""
        self.text = bytearray()

    def add(self, data: bytes, other: int) -> None:
        """A piece has come."""
        self.size += len(data)
        self.ends.append(self.size)
        self.before.append(other)
        if len(self.text) < KEPT:
            self.text += data[: KEPT - len(self.text)]

    def take_back(self, size: int) -> None:
        """The last bytes come again, or never."""
        self.size -= size
        del self.text[self.size :]
        while self.ends and self.ends[-1] > self.size:
            self.ends.pop()
            self.before.pop()
        if self.size and (not self.ends or self.ends[-1] < self.size):
            self.ends.append(self.size)
            self.before.append(self.before[-1] if self.before else 0)

    def other_at(self, offset: int, final: int) -> tuple[int, int]:
        """The fewest and the most bytes that the other direction can have had at that offset of this one.

        `final` is how many it had in the end.
        """
        before = self.before
        piece = bisect.bisect_left(self.ends, offset)  # the one that the byte before the offset is in
        later = piece + 1 if offset else 0  # the first that begins behind it
        fewest = before[min(piece, len(before) - 1)] if offset and before else 0
        most = before[later] if later < len(before) else final
        return fewest, max(fewest, most)

    def turns(self) -> Iterator[int]:
        """Where the other direction spoke in between."""
        for end, before, after in zip(self.ends, self.before, self.before[1:], strict=False):
            if after != before:
                yield end


class Talk:
    """One connection: what passed, and who was there before it."""

    def __init__(self, number: int, record: Connection | None, over: frozenset[int]) -> None:
        self.number = number
        """The how-manieth it is since the run began, from 1."""
        self.record = record
        self.over = over
        """The numbers of those that had ended when it began."""
        self.flows: dict[tuple[Layer, Direction], Flow] = {}

    @property
    def is_of_datagrams(self) -> bool:
        """Whether it is a client address that datagrams came from, and no stream."""
        return self.record is not None and self.record.transport == "udp"

    def flow(self, layer: Layer, direction: Direction) -> Flow:
        """One direction of the application's bytes, or of the cipher text."""
        key = layer, direction
        found = self.flows.get(key)
        if found is None:
            found = self.flows[key] = Flow()
        return found

    def sizes(self) -> tuple[int, int]:
        """The application's bytes each way, up and down."""
        return self.flow("application", "upstream").size, self.flow("application", "downstream").size

    def looks(self) -> tuple[object, ...]:
        """What two conversations that look the same have in common."""
        return (
            self.number,
            *((layer, direction, tuple(flow.ends)) for (layer, direction), flow in sorted(self.flows.items())),
        )


class Moment(NamedTuple):
    """When something was counted: on which connection, and how many of its bytes had passed up and down."""

    connection: int
    up: int
    down: int


class Counts(NamedTuple):
    """How many there were: connections, answers, handshakes, and datagrams each way."""

    talks: int
    answers: int
    handshakes: int
    datagrams: dict[Direction, int]


class Witness:
    """What is seen of one server in one run."""

    def __init__(self, name: str, connections: dict[int, Connection], already: Iterable[int]) -> None:
        self.name = name
        self._connections = connections
        self.talks: dict[int, Talk] = {}
        """By the ids of the connections."""
        self._over: set[int] = set()
        self.answers: list[Moment] = []
        """When each answer was decided."""
        self.handshakes: list[int] = []
        """On which connection each handshake was."""
        self.datagrams: dict[Direction, list[Moment]] = {"upstream": [], "downstream": []}
        """When each came or went."""
        self.struck: Counts | None = None
        """What there was when a fault struck."""
        for number in already:
            self._meet(number)

    def _meet(self, connection: int) -> Talk:
        record = self._connections.get(connection)
        talk = self.talks[connection] = Talk(len(self.talks) + 1, record, frozenset(self._over))
        return talk

    def _talk(self, connection: int) -> Talk:
        """That connection, new or not."""
        return self.talks.get(connection) or self._meet(connection)

    def _count_datagram(self, way: Direction, talk: Talk) -> None:
        self.datagrams[way].append(Moment(talk.number, *talk.sizes()))

    def talk(self, number: int | None) -> Talk | None:
        """The connection with that number, from 1 since the run began; `None` if there is none."""
        return next((talk for talk in self.talks.values() if talk.number == number), None)

    def mark(self) -> None:
        """A fault has struck: what comes from now on is what it brings about."""
        if self.struck is None:
            datagrams = {way: len(moments) for way, moments in self.datagrams.items()}
            self.struck = Counts(len(self.talks), len(self.answers), len(self.handshakes), datagrams)

    def decides(self, connection: Connection) -> None:
        """An answer on that connection is about to be decided."""
        talk = self._talk(connection.id)
        self.answers.append(Moment(talk.number, *talk.sizes()))

    def around_answer(self, number: int) -> tuple[bytes, bytes]:
        """What had come since the answer before on its connection, and what went out then and later."""
        if number > len(self.answers):
            return b"", b""
        this = self.answers[number - 1]
        before = (moment for moment in reversed(self.answers[: number - 1]) if moment.connection == this.connection)
        begin = next(before, Moment(this.connection, 0, 0)).up
        talk = self.talk(this.connection)
        assert talk is not None
        up, down = (talk.flow("application", way).text for way in ("upstream", "downstream"))
        return bytes(up[begin : this.up]), bytes(down[this.down :])

    def datagram(self, direction: Direction, number: int) -> bytes:
        """The one with that number, as much as was kept."""
        moment = self.datagrams[direction][number - 1]
        talk = self.talk(moment.connection)
        assert talk is not None
        flow = talk.flow("application", direction)
        begin = moment.up if direction == "upstream" else moment.down
        after = bisect.bisect_right(flow.ends, begin)
        return bytes(flow.text[begin : flow.ends[after]]) if after < len(flow.ends) else b""

    def hear(self, event: Event) -> None:
        """An event of the server."""
        kind = type(event)
        if kind in (Received, Sent, CipherReceived, CipherSent):
            assert isinstance(event, Piece)
            talk = self._talk(event.connection)
            if talk.is_of_datagrams:
                self._count_datagram(event.direction, talk)
            other = talk.flow(event.layer, OTHER[event.direction])
            talk.flow(event.layer, event.direction).add(event.data, other.size)
        elif kind is Opened:
            assert isinstance(event, Opened)
            self._talk(event.connection)
        elif kind is Handshake:
            assert isinstance(event, Handshake)
            number = self._talk(event.connection).number
            if event.step in ("answered", "complete") and number not in self.handshakes:
                self.handshakes.append(number)
        elif kind is Unread:
            assert isinstance(event, Unread)
            if (met := self.talks.get(event.connection)) is not None:
                met.flow("application", "upstream").take_back(event.size)
        elif kind is Lost:
            assert isinstance(event, Lost)
            if event.direction == "upstream":  # an answer was sent before it was lost
                self._count_datagram("upstream", self._talk(event.connection))
        elif kind is Closed:
            assert isinstance(event, Closed)
            if (met := self.talks.get(event.connection)) is not None:
                self._over.add(met.number)

    def looks(self) -> tuple[object, ...]:
        """What two runs have in common in which a fault has brought about what looks the same."""
        if self.struck is None:
            return ()
        before = self.struck
        return (
            self.name,
            tuple(talk.looks() for talk in self.talks.values() if talk.number > before.talks),
            tuple(moment.connection for moment in self.answers[before.answers :]),
            tuple(self.handshakes[before.handshakes :]),
            tuple(len(self.datagrams[way]) - count for way, count in before.datagrams.items()),
        )

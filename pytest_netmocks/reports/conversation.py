"""`Conversation`: the events of one connection put together: its bytes either way with their times, its exchanges."""

from __future__ import annotations

import bisect
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pytest_netmocks.records.plain import data_of
from pytest_netmocks.reports.recording import Recording

Plain = dict[str, Any]

BLAMED = ("fault", "client", "server", "")
"""Who ended a connection, where several did: a fault first, and last who may have done so in a wire that is dead."""


class Piece(NamedTuple):
    """Bytes that moved at once; of `size` those of `data` were kept."""

    offset: int
    at: float
    data: bytes
    size: int


class Stream:
    """One direction's bytes, by offset: those before the first that were not kept, and when each was there."""

    def __init__(self, pieces: Sequence[Piece] = ()) -> None:
        self.pieces = list(pieces)

    def add(self, event: Plain) -> None:
        """A piece goes on where the last has ended."""
        self._put(event["offset"], event["at"], data_of(event), event["size"])

    def _put(self, offset: int, at: float, data: bytes, size: int) -> None:
        self.pieces.append(Piece(offset, at, data, size))
        vars(self).pop("kept", None)
        vars(self).pop("_offsets", None)

    def take_back(self, size: int) -> None:
        """The last `size` bytes were not there after all."""
        end = self.end - size
        while self.pieces and self.pieces[-1][0] >= end:
            self.pieces.pop()
        if self.pieces:
            offset, at, data, _ = self.pieces.pop()
            self._put(offset, at, data[: end - offset], end - offset)

    def until(self, end: int) -> Stream:
        """What is before that offset."""
        cut = [
            Piece(offset, at, data[: end - offset], min(size, end - offset))
            for offset, at, data, size in self.pieces
            if offset < end
        ]
        return Stream(cut)

    def followed_by(self, other: Stream) -> Stream:
        """This, and then what the other has."""
        return Stream([*self.pieces, *other.pieces])

    @property
    def begin(self) -> int:
        """The offset of the first byte that is known of."""
        return self.pieces[0][0] if self.pieces else 0

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.pieces[-1][0] + self.pieces[-1][3] if self.pieces else 0

    @functools.cached_property
    def kept(self) -> bytes:
        """The bytes up to the first that was not kept."""
        kept: list[bytes] = []
        at = self.begin
        for offset, _, data, size in self.pieces:
            if offset != at:
                break
            kept.append(data)
            at += size
            if len(data) < size:
                break
        return b"".join(kept)

    @functools.cached_property
    def _offsets(self) -> list[int]:
        return [offset for offset, *_ in self.pieces]

    def has(self, start: int, end: int) -> bool:
        """Whether all bytes between are kept."""
        return self.begin <= start and end <= self.begin + len(self.kept)

    def read(self, start: int, end: int) -> bytes:
        """The bytes between, those that are kept."""
        return self.kept[max(0, start - self.begin) : max(0, end - self.begin)]

    def at(self, offset: int) -> float | None:
        """When the byte at that offset was there, in seconds since the server started; `None` if it never was."""
        if not self.pieces or not self.begin <= offset < self.end:
            return None
        return self.pieces[bisect.bisect_right(self._offsets, offset) - 1][1]


@dataclasses.dataclass
class Seen:
    """One exchange: what its events say, and where its answer begins in what was sent."""

    number: int
    facts: Plain
    began: float
    answered: float | None = None
    answer_at: int | None = None
    over: float | None = None
    rule: str | None = None


@dataclasses.dataclass
class Conversation:
    """All that is known of one connection. Times are seconds since the server started."""

    server: Plain
    number: int
    opened: float | None = None
    client: list[Any] | None = None
    address: list[Any] | None = None
    old: bool = False
    """Whether it was open before the recording began."""
    secured: float | None = None
    """When the TLS handshake was complete."""
    received: Stream = dataclasses.field(default_factory=Stream)
    arrived: Stream = dataclasses.field(default_factory=Stream)
    sent: Stream = dataclasses.field(default_factory=Stream)
    exchanges: list[Seen] = dataclasses.field(default_factory=list)
    messages: list[Plain] = dataclasses.field(default_factory=list)
    """The events of messages that are part of a longer conversation."""
    marks: list[Plain] = dataclasses.field(default_factory=list)
    """What faults did, what failed, what no rule matched, and notes."""
    last: float = 0.0
    """When the last of it happened."""
    ended: float | None = None
    """When it was over for the server; `None` if it never was."""
    end: str = ""
    """How it ended, in words: by a fault if it was one, else by the client if it was that."""
    _ended_by: str = ""
    _delivered: Stream = dataclasses.field(default_factory=Stream)
    _divided: int | None = None
    """From where on what was sent and what was delivered may differ."""
    _lost: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    """What faults threw away of what was sent: from where to where."""
    _by_number: dict[int, Seen] = dataclasses.field(default_factory=dict)

    def hear(self, event: Plain) -> None:
        """Add an event of this connection."""
        kind = event["event"]
        self.last = max(self.last, event["at"])
        stream = self._streams().get(kind)
        if stream is not None:
            if kind == "delivered":
                self._divide(event["offset"])
            stream.add(event)
        elif kind == "opened":
            self.opened, self.client, self.address = event["at"], event.get("client"), event.get("address")
            self.old = "since before" in event.get("text", "")
        elif kind == "unread":
            self.received.take_back(event["size"])
        elif kind == "handshake" and event.get("step") == "complete":
            self.secured = event["at"]
        elif kind == "exchange":
            self._exchange(event)
        elif kind in ("ended", "closed"):
            self.ended = event["at"]
            if kind == "ended" and BLAMED.index(event["by"]) < BLAMED.index(self._ended_by):
                self.end, self._ended_by = event["text"], event["by"]
        elif kind in ("held", "swallowed", "struck", "failed", "unmatched", "note", "handshake"):
            self.marks.append(event)
            if event.get("direction") == "downstream" and event.get("layer") == "application":
                self._lose(event)

    def _streams(self) -> dict[str, Stream]:
        return {"received": self.received, "arrived": self.arrived, "sent": self.sent, "delivered": self._delivered}

    def _divide(self, offset: int) -> None:
        if self._divided is None:
            self._divided = offset

    def _lose(self, event: Plain) -> None:
        self._divide(event["offset"])
        if event["event"] == "swallowed":
            start = event["offset"] + sum(stop - begin for begin, stop in self._lost)
            self._lost.append((start, start + event["size"]))

    def _exchange(self, event: Plain) -> None:
        if event["phase"] == "message":
            self.messages.append(event)
            return
        seen = self._by_number.get(event["exchange"])
        if seen is None:
            if "kind" not in event:
                return  # it began before the recording
            facts = {name: value for name, value in event.items() if name not in ("server", "at", "event", "phase")}
            seen = self._by_number[event["exchange"]] = Seen(event["exchange"], facts, event["at"])
            self.exchanges.append(seen)
        seen.rule = event.get("rule", seen.rule)
        if event["phase"] == "answered" and seen.answered is None:
            seen.answered, seen.answer_at = event["at"], self.sent.end
        elif event["phase"] == "delivered":
            seen.over = event["at"]

    @functools.cached_property
    def delivered(self) -> Stream:
        """What left for the client, past the faults."""
        if self._divided is None:
            return self.sent
        return self.sent.until(self._divided).followed_by(self._delivered)

    def delivered_at(self, offset: int) -> int:
        """The offset in what was delivered of a byte that was sent, or where it would be."""
        lost = sum(max(0, min(offset, stop) - start) for start, stop in self._lost if start < offset)
        if self._divided is not None and offset == self.sent.end and not self._lost:
            return self.delivered.end  # a fault may have made it longer
        return min(offset - lost, self.delivered.end)

    def between(self, start: float, end: float) -> list[Plain]:
        """The marks of that time."""
        return [event for event in self.marks if start <= event["at"] <= end]


def conversations(recording: Recording) -> Iterator[Conversation]:
    """The connections of a recording, in the order in which they are first told of."""
    servers = {server["id"]: server for server in recording.servers}
    found: dict[tuple[Any, Any], Conversation] = {}
    for event in recording.events:
        if event.get("connection") is None:
            continue
        key = event.get("server"), event["connection"]
        if key not in found:
            found[key] = Conversation(servers.get(key[0], {"id": key[0]}), key[1])
        found[key].hear(event)
    yield from found.values()

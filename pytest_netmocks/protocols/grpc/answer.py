"""`Answering`: the head, messages and status of one answer, as they go out through the faults and on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pytest_netmocks.faults.codes import CODES
from pytest_netmocks.protocols.grpc import frames
from pytest_netmocks.protocols.grpc.details import FIELD
from pytest_netmocks.protocols.grpc.metadata import Metadata, written
from pytest_netmocks.protocols.grpc.records import GrpcCall
from pytest_netmocks.protocols.grpc.status import Status, quoted
from pytest_netmocks.protocols.h2.stream import HEAD, Stream
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.records.shelf import keep
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.tasks import nothing

Fields = list[tuple[bytes, bytes]]

_FIELDS: Fields = [(b":status", b"200"), (b"content-type", b"application/grpc")]
_OK: Fields = [(b"grpc-status", b"0")]


class Answer:
    """What goes out on one stream; methods belong to the loop's thread.

    An answer with one message is given with `whole`; others with `begin`, `message` after `message`, and `end`.
    """

    def __init__(
        self, stream: Stream, call: GrpcCall, journal: Journal, accepts: bytes, on_over: Callable[[], None]
    ) -> None:
        self._stream = stream
        self._call = call
        self._journal = journal
        self._accepts = accepts
        self._on_over = on_over
        self._exchange: Exchange | None = None
        self.coding = "identity"
        """What messages are compressed with."""
        self.begun = False
        """Whether the head is out."""
        self.over = False
        """Whether the status is out, or nobody gets it any more."""
        self._room: asyncio.Event | None = None
        """Set when the client has taken most of what was sent; `None` as long as it does."""
        self._going: object = None
        self._size = 0

    @property
    def exchange(self) -> Exchange:
        """With the faults of the verdict, once there is one."""
        if self._exchange is None:
            self._exchange = Exchange(self._stream.link, Verdict(None, None, []), self._call)
        return self._exchange

    @exchange.setter
    def exchange(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def accept(self, coding: str | None) -> None:
        """Compress messages so, if the client takes that."""
        if coding is not None and coding.encode() in self._accepts.replace(b" ", b"").split(b","):
            self.coding = coding

    # How fast

    def hold(self) -> None:
        """The client is slow: whoever sends is to wait."""
        if not self.over:
            self._room = self._room or asyncio.Event()

    def go_on(self) -> None:
        """It has taken most, or nobody sends any more."""
        room, self._room = self._room, None
        if room is not None:
            room.set()

    async def room(self) -> None:
        """Wait until the client has taken most of what was sent."""
        if self._room is not None:
            await self._room.wait()

    # At once

    def whole(self, shown: object, data: bytes, status: Status, metadata: Metadata, trailing: Metadata) -> None:
        """Give all of an answer with one message; `shown` is what is on record of it."""
        before, data = self._framed(data, plain=False)
        self._stream.gathers = True
        try:
            self._give(shown, before, data, metadata)
            self._finish(status, trailing)
        finally:
            self._stream.goes_out()

    def _give(self, shown: object, before: bytes, data: bytes, metadata: Metadata) -> None:
        call = self._call
        head = self._stream.head(self._head(metadata)) + before
        self.begun = True
        if self.exchange.passes_whole:
            call.answered_at = self._journal.now()
            call.initial_metadata = metadata
            call.replies.append(shown)
            self.exchange.answer(head, data)
        else:

            def told(going: bytes) -> None:
                self.begins(going[: len(head)], metadata)
                if len(going) == len(head) + len(data):
                    call.replies.append(shown)

            self.exchange.answer(head, data, told)

    def nothing(self, status: Status, metadata: Metadata, trailing: Metadata) -> None:
        """Give an answer without a message: the status stands in its head ("Trailers-Only")."""
        fields = [*self._head(metadata), *_of_status(status, trailing)]
        passed: list[bytes] = []
        self.begun = True
        self.exchange.answer(self._stream.head(fields), b"", passed.append)
        self.begins(passed[0] if passed else b"", metadata)
        self._end(None, status, trailing, passes=bool(passed and passed[0]))

    def raw(self, fields: Fields, data: bytes) -> None:
        """Give a head and these bytes, whatever they are, and no status."""
        self.begun = True
        self.exchange.answer(self._stream.head(fields), data, lambda going: self.begins(going, Metadata()))
        self._stream.end()
        self.ended()

    def finish(self, status: Status, trailing: Metadata) -> None:
        """End the call with a status, whatever of the answer is out."""
        if self.over:
            return
        if self.begun:
            self.end(status, trailing)
        else:
            self.nothing(status, Metadata(), trailing)

    def give_up(self) -> None:
        """Break the call off."""
        if not self.over:
            self._call.status = "CANCELLED"
            self._call.ended_at = self._journal.now()
            self._stream.abort(CODES["CANCEL"])
            self.ended()

    def ended(self) -> None:
        """Nothing more can be said."""
        self.over = True
        self.go_on()
        on_over, self._on_over = self._on_over, nothing
        on_over()

    # In pieces

    def begin(self, metadata: Metadata) -> None:
        """Send the head."""
        self.begun = True
        self._metadata = metadata
        self.exchange.begin(self._stream.head(self._head(metadata)), self)

    def message(self, shown: object, data: bytes, *, plain: bool = False) -> None:
        """Send a message; a `plain` one is not compressed."""
        before, data = self._framed(data, plain=plain)
        self._going, self._size = shown, len(data)
        self.exchange.piece(before, data, b"")

    def bytes_instead(self, data: bytes) -> None:
        """Send bytes in place of messages."""
        self._going, self._size = data, len(data)
        self.exchange.piece(b"", data, b"")

    def end(self, status: Status, trailing: Metadata) -> None:
        """Send the status."""
        self.exchange.end(b"")
        self._finish(status, trailing)

    # What is told of it before it goes out

    def begins(self, head: bytes, metadata: Metadata | None = None) -> None:
        """The head goes out, unless a fault keeps it."""
        if head:
            self._call.initial_metadata = self._metadata if metadata is None else metadata
            self._call.answered_at = self._journal.now()

    def goes(self, payload: bytes) -> None:
        """As much of a message as faults let through."""
        if len(payload) == self._size:
            keep(self._call.replies, self._going, self._journal.max_records)

    # Their bytes

    def _head(self, metadata: Metadata) -> Fields:
        if not metadata and self.coding == "identity":
            return [*_FIELDS]
        coding = [(b"grpc-encoding", self.coding.encode())] if self.coding != "identity" else []
        return [*_FIELDS, *coding, *written(metadata)]

    def _framed(self, data: bytes, *, plain: bool) -> tuple[bytes, bytes]:
        if self.coding == "identity" or plain:
            return b"\0" + len(data).to_bytes(4), data
        packed = frames.compress(self.coding, data)
        return frames.prefix(len(packed), compressed=True), packed

    def _finish(self, status: Status, trailing: Metadata) -> None:
        fields = _OK if status.code == "OK" and not trailing else _of_status(status, trailing)
        passes = bool(self._stream.link.passing(HEAD))
        self._end(fields if passes else None, status, trailing, passes=passes)

    def _end(self, tail: Fields | None, status: Status, trailing: Metadata, *, passes: bool) -> None:
        if passes:
            call = self._call
            call.status, call.details, call.trailing_metadata = status.code, status.message, trailing
            call.ended_at = self._journal.now()
        self._stream.end(tail)
        self.ended()


def _of_status(status: Status, trailing: Metadata) -> Fields:
    fields = [(b"grpc-status", b"%d" % status.number)]
    if status.message:
        fields.append((b"grpc-message", quoted(status.message)))
    more = [(FIELD, status.details)] if status.details else []
    return fields + written([*trailing, *more])

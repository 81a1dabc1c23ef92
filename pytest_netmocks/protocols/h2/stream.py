"""`Stream`: one stream of an HTTP/2 connection, with a link of its own: what faults, exchanges and handlers know.

    who answers (an asyncio protocol)
        |  link.write(stream.head(fields) + payload)        ^  data_received, eof_received
    StreamLink        the faults on this stream; its bytes are those of DATA frames, and one for each head
        |  Stream.write, finish, reset                      ^
    Stream            what waits for windows; FIN is END_STREAM, RST is RST_STREAM
        |                                                   ^
    Session           frames

A head has no bytes of its own on the link: it stands in `head`'s one byte there, in order with what is around it, so
that a fault in place of the answer lets no HEADERS go out, and `after_bytes` counts the bytes of DATA alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from typing import Any, Protocol

from pytest_netmocks.faults.base import Fault
from pytest_netmocks.faults.codes import CODES, name_of
from pytest_netmocks.link.link import Link
from pytest_netmocks.link.nobody import NOBODY
from pytest_netmocks.link.wire import HIGH
from pytest_netmocks.protocols.h2.fields import Fields, Head
from pytest_netmocks.records.connection import Connection, Ender
from pytest_netmocks.records.events import Direction, Sign
from pytest_netmocks.records.journal import Journal

HEAD = b"\0"
"""What stands for a head in the bytes of a stream's link."""


class Carrier(Protocol):
    """What a stream asks of its connection."""

    link: Link
    journal: Journal
    connection: Connection

    @abstractmethod
    def changed(self, stream: Stream) -> None:
        """It has something to send, or an end."""

    @abstractmethod
    def credit(self, number: int, size: int) -> None:
        """So many bytes of that stream's body have been taken: the client may send as many more."""


class StreamRecord:
    """What happens on a stream's link, as it is put on record of the connection."""

    __slots__ = ("_awaited", "_carrier", "_number", "closed_by", "code", "why")

    def __init__(self, carrier: Carrier, number: int) -> None:
        self._carrier = carrier
        self._number = number
        self.code = CODES["CANCEL"]
        """With which an end in the middle resets the stream."""
        self._awaited: Any = None
        """What was answered and has not left as a whole."""
        self.closed_by: Ender | None = None
        self.why = ""

    def received(self, data: bytes) -> None:
        self._carrier.credit(self._number, len(data))

    def unread(self, size: int) -> None:
        """The credit stays given."""

    def sent(self, data: bytes | memoryview) -> None:
        """It is on record as it goes out in frames."""

    def arrived(self, data: bytes) -> None:
        """As it came in frames it is on record."""

    def divide(self) -> None:
        """The connection's bytes are the same either way."""

    def delivered(self, data: bytes | memoryview) -> None:
        """As `sent`."""

    def held(self, direction: Direction, size: int, faults: tuple[Fault, ...]) -> None:
        names = ", ".join(map(repr, faults))
        self.note(f"{size} B on the way {'up' if direction == 'upstream' else 'down'} wait at {names}")

    def swallowed(self, direction: Direction, size: int, fault: Fault) -> None:
        if direction == "upstream":
            self._carrier.credit(self._number, size)
        self.note(f"{size} B on the way {'up' if direction == 'upstream' else 'down'} are swallowed by {fault!r}")

    def struck(self, fault: Fault) -> None:
        self.code = CODES[getattr(fault, "error", None) or "CANCEL"]
        self._carrier.journal.struck(self._carrier.connection, fault, self._number)

    def answered(self, exchange: Any, rule: Any) -> float:
        journal = self._carrier.journal
        at = journal.now()
        journal.phase(at, self._carrier.connection.id, exchange, "answered", rule)
        return at

    def sent_all(self, exchange: Any) -> None:
        self._awaited = exchange

    def left(self) -> None:
        """The last of the answer has left in frames."""
        if self._awaited is not None:
            journal = self._carrier.journal
            journal.phase(journal.now(), self._carrier.connection.id, self._awaited, "delivered")

    def ended(self, by: Ender, text: str, sign: Sign | None = None) -> None:
        if self.closed_by is None and by != "server":
            self.closed_by, self.why = by, text

    def closed(self, by: Ender) -> None:
        if self.closed_by is None:
            self.closed_by = by

    def failed(self, error: BaseException) -> None:
        self._carrier.journal.failed(self._carrier.connection.id, error, self._number)

    def note(self, text: str) -> None:
        """Something is worth a line of the timeline."""
        self._carrier.journal.note(self._carrier.connection.id, f"stream {self._number}: {text}")


class StreamLink(Link):
    """A stream as the protocol above sees it: an asyncio transport for the payload of its DATA frames."""

    __slots__ = ()

    record: StreamRecord

    def let_go(self) -> None:
        super().let_go()
        self._below = NOBODY

    def _see_off(self, pause: float = 0.0) -> None:
        """Whether its client is still there, the connection's link finds out."""


class Stream:
    """One stream. `link` is for who answers; every method belongs to the loop's thread.

    `request` are the fields of the request, `trailers` those behind its body, there when `eof_received` is called. An
    answer is `link.write(stream.head(fields) + payload)`, then `end()`; an `Exchange` on the link takes
    `stream.head(fields)` as its head. Interim answers are heads before that. `error` is the code by which the client
    has reset the stream, `None` if it has not.
    """

    def __init__(self, carrier: Carrier, loop: Any, number: int, request: Head, *, ended: bool) -> None:
        self._carrier = carrier
        self.id = number
        self.request = request
        self.trailers: Fields = []
        self.connection = carrier.connection
        self.record = StreamRecord(carrier, number)
        self.link = StreamLink(loop, self.record)
        self.link.stand_on(self)
        self.link.on_answers = carrier.link.on_answers
        self.error: int | None = None
        self.is_client_done = ended
        """Whether the client has sent END_STREAM."""
        self.owed = 0
        """Bytes that were taken of its body and that the client has no new window for."""
        self._heads: deque[Fields] = deque()
        self.out: deque[Fields | bytes | memoryview] = deque()
        """What waits to be sent: heads, and payload."""
        self._waiting = 0
        self._paused = False
        self.begun = False
        """Whether the head of the answer has been sent."""
        self.tail: Fields = []
        """The trailers of the answer."""
        self.finishing = self.resetting = False
        self.gathers = False
        """Whether more is to be said at once, and to go out with what is said now: then `goes_out` is called."""
        self.is_last = False
        """Whether the connection says GOAWAY behind its answer: before it many clients take none any more."""
        self.closed = False
        """Whether nothing can be sent any more."""

    # Who answers

    def head(self, fields: Fields) -> bytes:
        """What stands for these fields, `:status` first, in the bytes that are written on the link next."""
        self._heads.append(fields)
        return HEAD

    def end(self, trailers: Fields | None = None) -> None:
        """The answer is complete: END_STREAM, or the trailers with it, go out behind what was written."""
        self.tail = trailers or []
        self.link.close()

    def abort(self, code: int) -> None:
        """Break it off: RST_STREAM goes out behind what was written."""
        self.record.code = code
        self.link.reset_in_turn()

    def goes_out(self) -> None:
        """What was gathered goes out."""
        self.gathers = False
        if not self.closed:
            self._carrier.changed(self)

    # What its link stands on

    @property
    def socket(self) -> Any:
        """The connection's."""
        return self._carrier.link.socket

    @property
    def buffered(self) -> int:
        """Bytes of payload that wait for a window."""
        return self._waiting

    @property
    def unread(self) -> bool:
        """What has come is handed up at once."""
        return False

    @property
    def deserted(self) -> bool:
        """That, the connection finds out."""
        return False

    def carry(self, above: Any) -> None:
        """It is its link's for ever."""

    def resume_reading(self) -> None:
        """Its window opens as its bytes are taken."""

    def pause_reading(self) -> None:
        """As long as none is taken its window stays as it is."""

    def write(self, data: bytes | memoryview) -> None:
        """Send, as windows allow."""
        if self.closed or self.finishing or self.resetting:
            return
        view: bytes | memoryview = data
        while self._heads and view:
            self.out.append(self._heads.popleft())
            view = view[1:] if len(view) < HIGH else memoryview(view)[1:]
        if view:
            self.out.append(view)
            self._waiting += len(view)
            if self._waiting > HIGH and not self._paused:
                self._paused = True
                self.link.pause_writing()
        self._said()

    def _said(self) -> None:
        if not self.gathers:
            self._carrier.changed(self)

    def sent(self, size: int) -> None:
        """So much of the payload has gone out."""
        self._waiting -= size
        if self._paused and self._waiting <= HIGH // 4 and not self.closed:
            self._paused = False
            self.link.resume_writing()

    def keep_apart(self, *, apart: bool) -> None:
        """Each piece is a frame of its own anyway."""

    def hold_for_the_end(self) -> None:
        """What ends a stream is a flag on its last frame where it can be."""

    def write_eof(self) -> None:
        """END_STREAM behind what was written."""
        self.finish()

    def finish(self, *, at_once: bool = False, past_faults: bool = False, notify: bool = True) -> None:
        """As `write_eof`; `at_once` gives up what waits."""
        if self.closed or self.resetting or self.finishing:
            return
        if at_once:
            self._drop()
        self.finishing = True
        self._said()

    def reset(self, *, at_once: bool = False) -> None:
        """RST_STREAM behind what was written, or `at_once`."""
        if self.closed or self.resetting:
            return
        if at_once:
            self._drop()
        self.resetting = True
        self._said()

    def _drop(self) -> None:
        self.out.clear()
        self._waiting = 0

    # What its connection says

    def over(self) -> None:
        """END_STREAM or RST_STREAM has gone out."""
        self._close()
        self.link.ending()

    def lost(self, code: int | None, error: Exception | None) -> None:
        """The client has reset it with that code, or the connection has gone."""
        self.error = code
        self._close()
        if code is not None:
            error = ConnectionResetError(f"the client has reset stream {self.id}: {name_of(code)}")
        self.link.wire_lost(error)

    def _close(self) -> None:
        self.closed = True
        self._drop()

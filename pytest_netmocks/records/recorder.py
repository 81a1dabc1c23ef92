"""The recorder: what one connection writes into its server's journal."""

from __future__ import annotations

from collections import deque
from typing import Any, Literal

from pytest_netmocks.records.connection import Connection, Ender
from pytest_netmocks.records.events import (
    PREVIEW,
    Direction,
    Handshake,
    Held,
    Layer,
    Lost,
    Sign,
    Swallowed,
    Unread,
)
from pytest_netmocks.records.journal import Journal


class Recorder:
    """Writes one connection's part of the journal."""

    __slots__ = (
        "_arrived",
        "_awaited",
        "_began",
        "_clock",
        "_journal",
        "_kept",
        "_limit",
        "_log",
        "_thrown",
        "connection",
    )

    def __init__(self, journal: Journal, connection: Connection) -> None:
        self._journal = journal
        self._log = journal.log
        self._kept = journal.log.kept.append
        self._limit = journal.record_limit
        self._clock = journal.clock
        self._began = journal.began
        self._arrived: int | None = None
        self._awaited: deque[tuple[int, Any]] | None = None
        """Answers of which the last has not left, and where each ends in what was sent."""
        self._thrown = 0
        """Bytes of what was sent that no longer can be delivered."""
        self.connection = connection

    # `received` and `sent` are alike and written out: they are called for every piece, and a call costs more than the
    # line it would save.

    def received(self, data: bytes) -> None:
        """The server sees these bytes."""
        connection, size = self.connection, len(data)
        offset, transcript = connection.bytes_received, connection.transcript.received
        connection.bytes_received = offset + size
        log = self._log
        log.passed += size
        log.count += 1
        if offset + size <= self._limit:
            transcript += data
            self._kept(("Received", self._clock() - self._began, connection.id, offset, size, transcript, offset))
        else:
            self._cut("Received", transcript, offset, data)
        if self._journal.subscribers:
            self._tell("Received", offset, data)

    def sent(self, data: bytes | memoryview) -> None:
        """The server sends these bytes."""
        connection, size = self.connection, len(data)
        offset, transcript = connection.bytes_sent, connection.transcript.sent
        connection.bytes_sent = offset + size
        log = self._log
        log.passed += size
        log.count += 1
        if offset + size <= self._limit:
            transcript += data
            self._kept(("Sent", self._clock() - self._began, connection.id, offset, size, transcript, offset))
        else:
            self._cut("Sent", transcript, offset, data)
        if self._journal.subscribers:
            self._tell("Sent", offset, data)

    def unread(self, size: int) -> None:
        """The server has not seen the last bytes after all: they come again, or never."""
        connection = self.connection
        connection.bytes_received -= size
        del connection.transcript.received[connection.bytes_received :]
        self._journal.publish(Unread(self._journal.now(), connection.id, size))

    # Exchanges

    def answered(self, exchange: Any, rule: Any) -> float:
        """The first of an answer is about to be sent; gives the time of that."""
        at = self._clock() - self._began
        self._journal.phase(at, self.connection.id, exchange, "answered", rule)
        return at

    def sent_all(self, exchange: Any) -> None:
        """The last of an answer was sent; it is delivered when that has come past the faults."""
        connection = self.connection
        transcript = connection.transcript
        if transcript.delivered is not None and transcript.bytes_delivered + self._thrown < connection.bytes_sent:
            self._awaited = self._awaited or deque()
            self._awaited.append((connection.bytes_sent, exchange))
            return
        self._journal.phase(self._clock() - self._began, connection.id, exchange, "delivered")

    def divide(self) -> None:
        """From now on what is sent and what is delivered may differ: a fault stands between."""
        connection = self.connection
        transcript = connection.transcript
        if transcript.delivered is None:
            transcript.delivered = bytearray(transcript.sent)
            transcript.bytes_delivered = connection.bytes_sent

    def delivered(self, data: bytes | memoryview) -> None:
        """These bytes leave for the client; to be told once `divide` was called."""
        connection = self.connection
        transcript = connection.transcript
        offset = transcript.bytes_delivered
        transcript.bytes_delivered = offset + len(data)
        assert transcript.delivered is not None
        self._put("Delivered", transcript.delivered, offset, data)
        awaited = self._awaited
        while awaited and transcript.bytes_delivered + self._thrown >= awaited[0][0]:
            self._journal.phase(self._journal.now(), connection.id, awaited.popleft()[1], "delivered")

    def arrived(self, data: bytes) -> None:
        """These bytes of the client come to a fault."""
        if self._arrived is None:
            self._arrived = self.connection.bytes_received
        offset, self._arrived = self._arrived, self._arrived + len(data)
        self._put("Arrived", None, offset, data)

    def _put(self, kind: str, transcript: bytearray | None, offset: int, data: bytes | memoryview) -> None:
        self._log.count += 1
        size = len(data)
        if transcript is not None and offset + size <= self._limit:
            transcript += data
            self._kept((kind, self._clock() - self._began, self.connection.id, offset, size, transcript, offset))
        else:
            self._cut(kind, transcript, offset, data)
        if self._journal.subscribers:
            self._tell(kind, offset, data)

    def _cut(self, kind: str, transcript: bytearray | None, offset: int, data: bytes | memoryview) -> None:
        """Keep what there is room for; without a transcript that is how it begins."""
        if transcript is not None:
            self.connection.truncated = True
            room = self._limit - len(transcript)
            if room > 0:
                transcript += data[:room]
        preview = bytes(data[:PREVIEW])
        self._kept((kind, self._clock() - self._began, self.connection.id, offset, len(data), preview, 0))

    def _tell(self, kind: str, offset: int, data: bytes | memoryview) -> None:
        at = self._log.kept[-1][1]
        self._journal.tell((kind, at, self.connection.id, offset, len(data), data, 0))

    def cipher(self, kind: Literal["CipherReceived", "CipherSent"], offset: int, data: bytes | memoryview) -> None:
        """Cipher text passes, from that offset of its stream on."""
        if self._journal.subscribers:
            at = self._clock() - self._began
            self._journal.tell((kind, at, self.connection.id, offset, len(data), data, 0))

    @property
    def tells_cipher_text(self) -> bool:
        """Whether anybody wants to hear of cipher text."""
        return self._journal.tells_cipher_text

    # Faults on bytes

    def held(self, direction: Direction, size: int, faults: tuple[Any, ...], layer: Layer = "application") -> None:
        """The last `size` bytes that were sent or have arrived wait at these faults."""
        came = self.connection.bytes_sent if direction == "downstream" else self._arrived or 0
        event = Held(self._journal.now(), self.connection.id, direction, max(0, came - size), size, faults, layer)
        self._journal.publish(event)

    def swallowed(self, direction: Direction, size: int, fault: Any, layer: Layer = "application") -> None:
        """A fault has thrown these many bytes away."""
        connection = self.connection
        if direction == "downstream" and layer == "application":
            self._thrown += size
            self._awaited = None  # those answers have lost some of theirs
        past = connection.bytes_delivered if direction == "downstream" else connection.bytes_received
        self._journal.publish(Swallowed(self._journal.now(), connection.id, direction, past, size, fault, layer))

    def lost(self, direction: Direction, data: bytes) -> None:
        """A fault has thrown this datagram away."""
        self._journal.publish(Lost(self._journal.now(), self.connection.id, direction, data))

    def struck(self, fault: Any) -> None:
        """A fault changes what the peer gets."""
        self._journal.struck(self.connection, fault)

    # All else

    def note(self, text: str) -> None:
        """Something is worth a line in the timeline."""
        self._journal.note(self.connection.id, text)

    def tls(
        self, text: str, step: Literal["answered", "complete", "failed", "alert", "note"], certificate: Any = None
    ) -> None:
        """The handshake goes on."""
        self._journal.publish(Handshake(self._journal.now(), self.connection.id, text, step, certificate))

    def ended(self, by: Ender, text: str, sign: Sign | None = None) -> None:
        """One side ended it; the first counts."""
        if self.connection.closed_by is None:
            self.connection.closed_by = by
        self._journal.publish(("Ended", self._clock() - self._began, self.connection.id, by, text, sign))

    def failed(self, error: BaseException) -> None:
        """A user's handler raised."""
        self._journal.failed(self.connection.id, error)

    def closed(self, by: Ender) -> None:
        """It is over."""
        connection = self.connection
        if connection.closed_at is None:
            connection.closed_by = connection.closed_by or by
            self._journal.closed(connection, self._clock() - self._began)

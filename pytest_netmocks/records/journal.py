"""The journal: everything one server has on record, and who waits for it to change.

Written by the loop's thread alone, read by any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pytest_netmocks import clock
from pytest_netmocks.records.connection import Address, Connection, Ender
from pytest_netmocks.records.shelf import Passed, Shelf, keep
from pytest_netmocks.records.timeline import Kind, Timeline

MAX_RECORDS = 100_000
"""Connections and exchanges that are kept unless told otherwise."""


class Dropped(NamedTuple):
    """How many of the oldest records a server let go to keep within `max_records` and `record_limit`."""

    connections: int
    requests: int


class Journal:
    """Connections, exchanges, timeline and the errors of handlers; `watch` it to hear of every change."""

    def __init__(self, record_limit: int, max_records: int = MAX_RECORDS) -> None:
        self.record_limit = record_limit
        self.max_records = max_records
        self.passed = Passed(record_limit)
        self.numbers = 0
        """The number of the latest connection."""
        self.connections: dict[int, Connection] = {}
        self.open: dict[int, Connection] = {}
        self._closed: Shelf[int] = Shelf(max_records, self.passed)
        """The numbers of those that are over, in the order of their ends."""
        self.peak = 0
        self.requests: Shelf[Any] = self.shelf()
        self.timeline = Timeline()
        self.errors: list[BaseException] = []
        self._began = 0.0
        self._watchers: list[Callable[[], None]] = []

    def shelf(self) -> Shelf[Any]:
        """A place for more of what is on record, within the same bounds."""
        return Shelf(self.max_records, self.passed)

    def next_number(self) -> int:
        """The number of a new connection."""
        self.numbers += 1
        return self.numbers

    @property
    def dropped(self) -> Dropped:
        """What was let go."""
        return Dropped(self._closed.dropped, self.requests.dropped)

    def over(self, connection: Connection) -> None:
        """A connection has ended; the oldest of those that have may have to go for it."""
        self.open.pop(connection.id, None)
        for number in self._closed.put(connection.id):
            self.connections.pop(number, None)

    def forget(self) -> None:
        """Keep only what is open: ids and the clock go on."""
        self.connections = dict(self.open)
        self.peak = len(self.open)
        self._closed.clear()
        self.requests.clear()
        self.timeline.clear()

    def begin(self) -> None:
        """Start the clock; a second start changes nothing."""
        if not self._began:
            self._began = clock.now()

    def now(self) -> float:
        """Seconds since the server started."""
        return clock.now() - self._began if self._began else 0.0

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call the watcher, in the thread that writes, after every change."""
        self._watchers = [*self._watchers, watcher]

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Call it no more."""
        self._watchers = [other for other in self._watchers if other != watcher]

    def changed(self) -> None:
        """Tell the watchers."""
        for watcher in self._watchers:
            watcher()

    def opened(self, connection: Connection, text: str) -> None:
        """A connection begins."""
        self.connections[connection.id] = connection
        self.open[connection.id] = connection
        self.peak = max(self.peak, len(self.open))
        self.note(connection.id, "opened", text)

    def note(self, connection: int | None, kind: Kind, text: str) -> None:
        """Something else than data happened."""
        self.timeline.add(self.now(), connection, kind, text)
        self.changed()

    def unmatched(self, connection: int, text: str) -> None:
        """Something came that no rule matched."""
        self.timeline.unmatched += 1
        self.note(connection, "unmatched", text)

    def event(self, at: float, connection: int, what: object) -> None:
        """Something that is on record by itself happened; it is described when somebody reads it."""
        self.timeline.add(at, connection, "exchange", what)
        if self._watchers:
            self.changed()

    def failed(self, connection: int | None, error: BaseException) -> None:
        """A user's handler raised."""
        self.errors.append(error)
        self.note(connection, "note", f"the handler raised {type(error).__name__}: {error}")

    def take_errors(self) -> list[BaseException]:
        """The errors that nobody took yet."""
        taken, self.errors = self.errors, []
        return taken

    def request(self, connection: Connection, request: Any) -> None:
        """A protocol-level exchange begins; one that is `told` is a line of the timeline and grows with its answer."""
        connection._counted += 1
        request.number = connection._counted
        if len(connection.requests) < self.max_records:
            connection.requests.append(request)
        else:
            keep(connection.requests, request, self.max_records)
        for gone in self.requests.put(request):
            self.timeline.forget(gone.at)
        if getattr(request, "told", False):
            self.timeline.add(request.at, connection.id, "exchange", request)
        if self._watchers:
            self.changed()


class Recorder:
    """Writes one connection's part of the journal."""

    __slots__ = ("_journal", "_limit", "_passed", "connection")

    def __init__(self, journal: Journal, connection: Connection) -> None:
        self._journal = journal
        self._limit = journal.record_limit
        self._passed = journal.passed
        self.connection = connection

    def received(self, data: bytes) -> None:
        """The server sees these bytes."""
        connection, size = self.connection, len(data)
        connection.bytes_received += size
        self._passed.bytes += size
        if len(connection._received) + size <= self._limit:
            connection._received += data
        else:
            self._cut(connection._received, data)
        journal = self._journal
        journal.timeline.data(clock.now() - journal._began, connection.id, "received", data)
        if journal._watchers:
            journal.changed()

    def unread(self, size: int) -> None:
        """The server has not seen the last bytes after all: they come again, or never."""
        connection = self.connection
        connection.bytes_received -= size
        del connection._received[connection.bytes_received :]
        self._journal.timeline.unread(connection.id, size)

    def sent(self, data: bytes | memoryview) -> None:
        """The server sends these bytes."""
        connection, size = self.connection, len(data)
        connection.bytes_sent += size
        self._passed.bytes += size
        if len(connection._sent) + size <= self._limit:
            connection._sent += data
        else:
            self._cut(connection._sent, data)
        journal = self._journal
        journal.timeline.data(clock.now() - journal._began, connection.id, "sent", data)
        if journal._watchers:
            journal.changed()

    def _cut(self, transcript: bytearray, data: bytes | memoryview) -> None:
        """Keep what there is room for."""
        transcript += data[: max(0, self._limit - len(transcript))]
        self.connection.truncated = True

    def note(self, text: str) -> None:
        """Something worth a line in the timeline."""
        self._journal.note(self.connection.id, "note", text)

    def tls(self, text: str) -> None:
        """The handshake goes on."""
        self._journal.note(self.connection.id, "tls", text)

    def struck(self, fault: str, text: str) -> None:
        """A fault changed what the peer gets, for the first time on this connection."""
        keep(self.connection.faults, fault, self._journal.max_records)
        self._journal.note(self.connection.id, "fault", text)

    def ended(self, by: Ender, text: str) -> None:
        """One side ended it; the first counts."""
        if self.connection.closed_by is None:
            self.connection.closed_by = by
        self._journal.note(self.connection.id, "ended", text)

    def failed(self, error: BaseException) -> None:
        """A user's handler raised."""
        self._journal.failed(self.connection.id, error)

    def closed(self, by: Ender) -> None:
        """It is over."""
        connection = self.connection
        if connection.closed_at is not None:
            return
        connection.closed_by = connection.closed_by or by
        connection.closed_at = self._journal.now()
        self._journal.over(connection)
        self._journal.note(connection.id, "closed", f"closed by {connection.closed_by}")


def describe_address(address: Address) -> str:
    """`127.0.0.1:80` or `[::1]:80`."""
    host, port = str(address[0]), address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

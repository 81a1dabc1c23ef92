"""The journal: everything one server has on record, and who waits for it to change.

Written by the loop's thread alone, read by any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pytest_netmocks import clock
from pytest_netmocks.records.connection import Address, Connection, Ender
from pytest_netmocks.records.timeline import Kind, Timeline


class Journal:
    """Connections, exchanges, timeline and the errors of handlers; `watch` it to hear of every change."""

    def __init__(self, record_limit: int) -> None:
        self.record_limit = record_limit
        self.connections: list[Connection] = []
        self.open: dict[int, Connection] = {}
        self.peak = 0
        self.requests: list[Any] = []
        self.timeline = Timeline()
        self.errors: list[BaseException] = []
        self._began = 0.0
        self._watchers: list[Callable[[], None]] = []

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
        self.connections.append(connection)
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
        self.timeline.add(at, connection, "note", what)
        if self._watchers:
            self.changed()

    def data(self, connection: int, kind: Literal["received", "sent"], data: bytes | memoryview) -> None:
        """Bytes passed."""
        self.timeline.data(clock.now() - self._began, connection, kind, data)
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
        """A protocol-level exchange begins."""
        connection.count(request)
        connection.requests.append(request)
        self.requests.append(request)
        self.changed()


class Recorder:
    """Writes one connection's part of the journal."""

    __slots__ = ("_journal", "_limit", "connection")

    def __init__(self, journal: Journal, connection: Connection) -> None:
        self._journal = journal
        self._limit = journal.record_limit
        self.connection = connection

    def received(self, data: bytes) -> None:
        """The server sees these bytes."""
        self.connection.bytes_received += len(data)
        self._keep(self.connection._received, data)
        self._journal.data(self.connection.id, "received", data)

    def sent(self, data: bytes | memoryview) -> None:
        """The server sends these bytes."""
        self.connection.bytes_sent += len(data)
        self._keep(self.connection._sent, data)
        self._journal.data(self.connection.id, "sent", data)

    def _keep(self, transcript: bytearray, data: bytes | memoryview) -> None:
        room = self._limit - len(transcript)
        if len(data) <= room:
            transcript += data
        else:
            transcript += data[:room]
            self.connection.truncated = True

    def note(self, text: str) -> None:
        """Something worth a line in the timeline."""
        self._journal.note(self.connection.id, "note", text)

    def tls(self, text: str) -> None:
        """The handshake goes on."""
        self._journal.note(self.connection.id, "tls", text)

    def struck(self, fault: str, text: str) -> None:
        """A fault changed what the peer gets, for the first time on this connection."""
        self.connection.faults.append(fault)
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
        self._journal.open.pop(connection.id, None)
        self._journal.note(connection.id, "closed", f"closed by {connection.closed_by}")


def describe_address(address: Address) -> str:
    """`127.0.0.1:80` or `[::1]:80`."""
    host, port = str(address[0]), address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

"""`Tape`: what one server tells, from the beginning on or from now, with all the bytes, until it is made plain."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, ClassVar, Literal, Protocol

from pytest_netmocks.records.addresses import of_server
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Event, Opened, Piece
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.reports.quick import Quick
from pytest_netmocks.reports.recording import Recording

ROOM = 32 << 20
"""Bytes of data that the tapes of a test hold; of what comes later there is only how much it was."""

EVENTS = 200_000
"""Events that one tape holds."""


class Told(Protocol):
    """What a recording has to know of a server."""

    journal: Journal
    transport: ClassVar[Literal["tcp", "udp"]]

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def url(self) -> str:
        """Where it is."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""


class Room:
    """How many bytes there is room for, over several tapes."""

    def __init__(self, size: int = ROOM) -> None:
        self.left = size


class Tape:
    """Hears one server."""

    def __init__(self, server: Told, room: Room, *, wire: bool = False) -> None:
        self.server = server
        self.room = room
        self._events: list[Event] = []
        self._missed = 0
        server.journal.subscribe(self._hear, wire=wire)

    def _hear(self, event: Event) -> None:
        if len(self._events) >= EVENTS:
            self._missed += 1
            return
        if isinstance(event, Piece):
            # It is lent: what is to last has to be bytes of its own.
            kept = event.data if event.size <= self.room.left else b""
            self.room.left -= len(kept)
            event = type(event)(event.at, event.connection, event.offset, event.size, kept, 0)
        self._events.append(event)

    def stop(self) -> None:
        """Hear no more."""
        self.server.journal.unsubscribe(self._hear)

    def take(self) -> tuple[list[Event], int]:
        """What was heard since it was last taken, and how many events there was no room for."""
        taken, self._events = self._events, []
        missed, self._missed = self._missed, 0
        return taken, missed

    def begin(self, room: Room) -> None:
        """Another test begins: what is open from before is told once more, by how it stands."""
        self.take()
        self.room = room
        journal = self.server.journal
        self._events += [since_before(one, journal.now()) for one in list(journal.open.values())]


def since_before(connection: Connection, now: float) -> Event:
    """That a connection is open from before."""
    client, server = connection.client_address, connection.server_address
    return Opened(now, connection.id, client, server, "open since before, by")


Heard = list[tuple[Told, list[Event], int]]
"""What servers told: its events, and of how many there is nothing else."""


def recording_of(told: Heard, **facts: Any) -> Recording:
    """The recording of what servers told; `facts` are what is known of the test."""
    recording = written_of(told, **facts)
    recording.read()
    return recording


def written_of(told: Heard, **facts: Any) -> Recording:
    """The same, with its events written."""
    recording = Recording(**facts)
    if not told:
        return recording
    # One anchor for all: the wall clock may have been set in between.
    first = min((server.journal for server, _, _ in told), key=lambda journal: journal.began or float("inf"))
    rows: list[tuple[float, str]] = []
    gone = 0
    for number, (server, heard, missed) in enumerate(told, 1):
        journal = server.journal
        began = first.began_wall + (journal.began - first.began if journal.began else 0.0)
        recording.servers.append(described(number, server, began))
        if missed:
            recording.notes.append(f"{server.name}: {missed} events came when there was no more room")
        quick = Quick(number)
        rows += [(began + event.at, quick(event)) for event in heard]
        gone += quick.missing
    rows.sort(key=itemgetter(0))
    recording.written = f"[{','.join([text for _, text in rows])}]"
    if not recording.began:
        recording.began = rows[0][0] if rows else first.began_wall
        recording.seconds = rows[-1][0] - recording.began if rows else 0.0
    if gone:
        recording.notes.append(f"of {gone} bytes there is only how many they were")
    return recording


def on_record(server: Told) -> Recording:
    """The recording of what one server has on record: bytes within its `record_limit`, and no cipher text."""
    log = server.journal.log
    recording = recording_of([(server, list(log), log.dropped)], title=server.name)
    if _secure(server):
        recording.notes.append("made of what is on record: bytes below TLS are not kept")
    return recording


def _secure(server: Told) -> bool:
    return bool(getattr(server, "offers_tls", False))


def described(number: int, server: Told, began: float) -> dict[str, Any]:
    """What a recording says of a server; its clock was at 0 when it `began`."""
    return {
        "id": number,
        "name": server.name,
        "kind": type(server).__name__,
        "url": str(server.url),
        "transport": server.transport,
        "address": list(of_server(server.address)),
        "tls": _secure(server),
        "began": began,
    }

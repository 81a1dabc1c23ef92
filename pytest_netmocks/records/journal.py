"""The journal: everything one server has on record, and who is told of it.

Written by the loop's thread alone, read by any.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable
from typing import Any, NamedTuple

from pytest_netmocks import clock
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import (
    BY_NAME,
    Event,
    Failed,
    Log,
    Note,
    Phase,
    Raw,
    Struck,
    Unmatched,
    typed,
)
from pytest_netmocks.records.shelf import Shelf, keep, part_of

MAX_RECORDS = 100_000
"""Connections and exchanges that are kept unless told otherwise."""

Subscriber = Callable[[Event], object]
Kinds = frozenset[type[Event]]
Ear = tuple[Subscriber, Kinds | None]
"""Who hears of events: of those kinds, or of all."""


_changing = _thread.allocate_lock()
"""Taken by who changes what subscribers there are: any thread may."""


class Dropped(NamedTuple):
    """How many of the oldest records a server let go to keep within `max_records` and `record_limit`."""

    connections: int
    """How many of the oldest connections went."""
    requests: int
    """How many of the oldest requests went."""


class Journal:
    """Connections, exchanges, events and the errors of handlers; `subscribe` to hear of every event."""

    def __init__(
        self, record_limit: int, max_records: int = MAX_RECORDS, *, clock: Callable[[], float] = clock.now
    ) -> None:
        self.record_limit = record_limit
        self.max_records = max_records
        self.clock = clock
        self.log = Log()
        self._keep = self.log.kept.append
        self._part = part_of(record_limit)
        self.numbers = 0
        """The number of the latest connection."""
        self.connections: dict[int, Connection] = {}
        self.open: dict[int, Connection] = {}
        self._closed: Shelf[int] = self.shelf()
        """The numbers of those that are over, in the order of their ends."""
        self.peak = 0
        self.requests: Shelf[Any] = self.shelf()
        self.errors: list[BaseException] = []
        self.began = 0.0
        """When the server first started, by its clock; 0 before."""
        self.began_wall = 0.0
        """The same in seconds since 1970, UTC."""
        self.subscribers: tuple[Ear, ...] = ()
        self.tells_cipher_text = False
        """Whether subscribers hear of the bytes below TLS too."""
        self.on_the_wire: tuple[Ear, ...] = ()
        """Those of them who hear of every byte, FIN and RST on the wires of new connections too, and of TLS keys."""

    def shelf(self) -> Shelf[Any]:
        """A place for more of what is on record, within the same bounds."""
        return Shelf(self.max_records, self.log, self._part)

    def next_number(self) -> int:
        """The number of a new connection."""
        self.numbers += 1
        return self.numbers

    @property
    def dropped(self) -> Dropped:
        """What was let go."""
        return Dropped(self._closed.dropped, self.requests.dropped)

    def forget(self) -> None:
        """Keep only what is open: ids and the clock go on."""
        self.connections = dict(self.open)
        self.peak = len(self.open)
        self._closed.clear()
        self.requests.clear()
        self.log.clear()

    def begin(self) -> None:
        """Start the clock; a second start changes nothing."""
        if not self.began:
            self.began = self.clock()
            self.began_wall = clock.wall()

    def now(self) -> float:
        """Seconds since the server started."""
        return self.clock() - self.began if self.began else 0.0

    # Who is told

    def subscribe(self, subscriber: Subscriber, *, wire: bool = False, kinds: Kinds | None = None) -> None:
        """Call it, in the thread that writes, with every event from now on; those of the `wire` too if it asks.

        With `kinds` it hears of those alone, and the others cost nothing for its sake.
        """
        with _changing:
            self.subscribers = (*self.subscribers, (subscriber, kinds))
            if wire:
                self.on_the_wire = (*self.on_the_wire, (subscriber, kinds))

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Call it no more."""
        with _changing:
            self.subscribers = tuple([ear for ear in self.subscribers if ear[0] != subscriber])
            self.on_the_wire = tuple([ear for ear in self.on_the_wire if ear[0] != subscriber])

    def publish(self, event: Event | Raw) -> None:
        """Put an event on record, and tell of it; what every connection has comes raw."""
        self.log.add(event)
        if self.subscribers:
            self.tell(event)

    def tell(self, event: Event | Raw) -> None:
        """Tell of an event that is on record; a subscriber that raises fails the test and hears no more."""
        self._tell(self.subscribers, event)

    def tell_of_wire(self, event: Event | Raw) -> None:
        """Tell those who asked for the wire; it is not on record."""
        self._tell(self.on_the_wire, event)

    def _tell(self, ears: tuple[Ear, ...], event: Event | Raw) -> None:
        kind: Any = BY_NAME[event[0]] if type(event) is tuple else type(event)
        told: Event | None = None
        for subscriber, kinds in ears:
            if kinds is not None and kind not in kinds:
                continue
            if told is None:
                told = typed(event)
            try:
                subscriber(told)
            except BaseException as error:  # noqa: BLE001  # whatever it raises, the server goes on
                self.unsubscribe(subscriber)
                self.failed(None, error)

    # What happens

    def opened(self, connection: Connection, how: str = "opened by", *, counts: bool = True) -> None:
        """A connection begins; one that is turned away at once does not count for how many there were at most."""
        number = connection.id
        self.connections[number] = self.open[number] = connection
        if counts and len(self.open) > self.peak:
            self.peak = len(self.open)
        self.publish(
            ("Opened", connection.opened_at, number, connection.client_address, connection.server_address, how)
        )

    def closed(self, connection: Connection, at: float) -> None:
        """A connection has ended; the oldest of those that have may have to go for it."""
        number = connection.id
        for one in self._closed.put(number):
            gone = self.connections.pop(one, None)
            if gone is not None and gone.closed_at is not None:
                self.log.forget(gone.closed_at)
        event = ("Closed", at, number, connection.closed_by)
        # Who sees in another thread that it is open no more finds its end on record, and who hears of the end in this
        # one sees it open no more.
        self.log.add(event)
        connection.closed_at = at
        self.open.pop(number, None)
        if self.subscribers:
            self.tell(event)

    def note(self, connection: int | None, text: str) -> None:
        """Something else is worth a line."""
        self.publish(Note(self.now(), connection, text))

    def server(self, text: str) -> None:
        """The server itself goes up or down."""
        self.publish(Note(self.now(), None, text, "server"))

    def unmatched(self, connection: int, text: str) -> None:
        """Something came that no rule matched."""
        self.log.unmatched += 1
        self.publish(Unmatched(self.now(), connection, text))

    def failed(self, connection: int | None, error: BaseException, stream: int | None = None) -> None:
        """A user's handler raised."""
        self.errors.append(error)
        self.publish(Failed(self.now(), connection, error, stream))

    def take_errors(self) -> list[BaseException]:
        """The errors that nobody took yet."""
        taken, self.errors = self.errors, []
        return taken

    def request(self, connection: Connection, request: Any) -> None:
        """A protocol-level exchange begins; one that is `told` is a line of the timeline and grows with its answer."""
        connection.counted = request.number = number = connection.counted + 1
        if number <= self.max_records:
            connection.requests.append(request)
        else:
            keep(connection.requests, request, self.max_records)
        for gone in self.requests.put(request):
            self.log.forget(gone.at)
        self.phase(request.at, connection.id, request, "begun")

    def message(self, connection: Connection, message: Any) -> None:
        """As `request`, of what nobody answers: it is over as soon as it has come."""
        self.request(connection, message)
        self.phase(message.at, connection.id, message, "message")

    def struck(self, connection: Connection, fault: Any, stream: int | None = None) -> None:
        """A fault changes what the peer of that connection gets, or of one stream of it."""
        keep(connection.faults, fault.name, self.max_records)
        received, delivered = connection.bytes_received, connection.bytes_delivered
        self.publish(Struck(self.now(), connection.id, fault, received, delivered, stream=stream))

    def phase(self, at: float, connection: int, exchange: Any, phase: Phase, rule: Any = None) -> None:
        """An exchange that is on record gets on; `rule` is what answers it."""
        self.log.count += 1
        event = ("Exchange", at, connection, exchange, phase, rule)
        self._keep(event)
        if self.subscribers:
            self.tell(event)

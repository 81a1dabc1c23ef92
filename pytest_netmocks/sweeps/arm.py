"""`Arm`: one run of a sweep. It puts the place's fault before the servers of the run, and hears what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import Counter
from typing import Any, NamedTuple

from pytest_netmocks import clock
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import CipherReceived, CipherSent, Direction, Event, Opened, Piece, Struck
from pytest_netmocks.records.journal import Kinds
from pytest_netmocks.records.subscription import Subscription
from pytest_netmocks.rules.book import Exchanges
from pytest_netmocks.servers.datagram_front import DatagramFront
from pytest_netmocks.servers.server import Server
from pytest_netmocks.servers.stream import StreamServer
from pytest_netmocks.sweeps import placed
from pytest_netmocks.sweeps.place import Place
from pytest_netmocks.sweeps.plan import Plan
from pytest_netmocks.sweeps.shape import Witness


class Strike(NamedTuple):
    """What had passed on a connection since the run began, when a fault struck it."""

    received: int
    delivered: int


class Met:
    """A server of the run, with the connections that it has had since the run began."""

    def __init__(self, name: str, server: Server) -> None:
        self.name = name
        self.server = server
        self.is_wider = server.shared_by is not None
        if self.is_wider:
            server.settle()  # what the run before has left open and its clients have closed is over
        self.connections = [connection.id for connection in server.open_connections] if self.is_wider else []
        self.bases = {
            number: (connection.bytes_received, connection.bytes_delivered)
            for number in self.connections
            if (connection := server.journal.connections.get(number)) is not None
        }
        """What those that were open then had received and delivered before."""
        self.cipher_text: Counter[tuple[int, Direction]] = Counter()
        """Bytes below TLS of each connection each way, where somebody asks for them."""

    def since(self, connection: int, received: int, delivered: int) -> Strike:
        """The counts of a connection, from the run's beginning on."""
        before = self.bases.get(connection, (0, 0))
        return Strike(received - before[0], delivered - before[1])

    def record(self, number: int | None) -> Connection | None:
        """The connection with that number, if it is on record."""
        if number is None or number > len(self.connections):
            return None
        return self.server.journal.connections.get(self.connections[number - 1])

    def sizes(self, number: int | None) -> Strike | None:
        """What has passed on the connection with that number; `None` if there is none on record."""
        record = self.record(number)
        return None if record is None else self.since(record.id, record.bytes_received, record.bytes_delivered)

    def passed(self, place: Place) -> int:
        """How many of the bytes that a place counts have come by."""
        record = self.record(place.connection)
        if record is None:
            return -1
        if getattr(place.fault, "layer", "application") == "tls":
            return self.cipher_text[record.id, place.direction]
        sizes = self.since(record.id, record.bytes_received, record.bytes_delivered)
        return sizes.received if place.direction == "upstream" else sizes.delivered


class Arm:
    """One run: with the faults of a place, or as it is (the reference run) where there is none.

    A server is met when it is made, or for a wider one when the test begins to use it. `looks` says whether the shape
    of the conversation is wanted.
    """

    def __init__(self, plan: Plan, place: Place | None, *, looks: bool) -> None:
        self.plan = plan
        self.place = place
        self.strike: Strike | None = None
        """What had passed when the (last) place's fault struck."""
        self.met: dict[str, Met] = {}
        self.witnesses: dict[str, Witness] = {}
        self.is_told = True
        """Whether anybody reads what is said of its failure."""
        self.began = 0.0
        """When, by the real clock."""
        self._heard: Kinds = frozenset({Opened, Struck})
        if plan.hears_cipher_text:
            self._heard |= {CipherReceived, CipherSent}
        self._looks = looks
        self._injections: list[tuple[Server, Injection]] = []
        self._subscriptions: list[Subscription] = []
        self._heard_at: list[tuple[Exchanges[Any], Witness]] = []
        self._timers: list[tuple[asyncio.AbstractEventLoop, asyncio.TimerHandle]] = []

    @property
    def places(self) -> list[Place]:
        """The place and those before it, the first to be struck first."""
        found: list[Place] = []
        place = self.place
        while place is not None:
            found.insert(0, place)
            place = place.after
        return found

    def begin(self) -> None:
        """The run begins, with its fixtures."""
        self.began = clock.real_now()

    def meet(self, server: Server) -> None:
        """A server belongs to the run from now on."""
        name, number = server.name, 1
        while name in self.met:
            number += 1
            name = f"{server.name} ({number})"
        met = self.met[name] = Met(name, server)
        if self.plan.hears_cipher_text:
            server.journal.tells_cipher_text = True
        if self._looks:
            witness = self.witnesses[name] = Witness(name, server.journal.connections, met.connections)
            self._subscriptions.append(server.subscribe(witness.hear))
            exchanges = server.exchanges if self.plan.strikes_answers else None
            if exchanges is not None:
                exchanges.hear(witness.decides)
                self._heard_at.append((exchanges, witness))
        mine = [(place, placed.placed(place, self.plan.repeat)) for place in self.places if place.server == name]
        if not mine:
            return
        faults = {id(fault): place for place, fault in mine}
        hear = functools.partial(self._hear, met, faults)
        self._subscriptions.append(Subscription(server.journal, hear, self._heard))
        for place, fault in mine:
            selector = placed.selector(place, self.plan.repeat)
            self._injections.append((server, server.put_before(placed.armed(place), fault, selector)))

    def _hear(self, met: Met, faults: dict[int, Place], event: Event) -> None:
        """In the loop: an event of a server that has a place."""
        if type(event) is Opened:
            if event.connection not in met.connections:
                met.connections.append(event.connection)
        elif type(event) in (CipherReceived, CipherSent):
            assert isinstance(event, Piece)
            met.cipher_text[event.connection, event.direction] += event.size
        elif type(event) is Struck and (place := faults.get(id(event.fault))) is not None:
            place.struck += 1
            if place.struck == 1:
                self._struck(met, place, event)

    def _struck(self, met: Met, place: Place, event: Struck) -> None:
        if place is self.place and event.connection is not None:
            self.strike = met.since(event.connection, event.received, event.delivered)
            for witness in self.witnesses.values():
                witness.mark()
        if self.plan.duration is not None:
            loop = asyncio.get_running_loop()
            for _, injection in self._injections:
                if injection.fault is event.fault:
                    self._timers.append((loop, loop.call_later(self.plan.duration, injection.lift)))

    @property
    def is_reached(self) -> bool:
        """Whether the conversation came to the place; behind the last byte a silence may change nothing."""
        place = self.place
        if place is None or place.struck:
            return place is not None
        met = self.met.get(place.server)
        return met is not None and place.kind == "byte" and met.passed(place) >= place.at

    def settle(self) -> None:
        """Let what clients have done so far come to be known."""
        for met in self.met.values():
            met.server.settle()

    def end(self) -> None:
        """The run is over: nothing of it is in force any more."""
        for loop, timer in self._timers:
            with contextlib.suppress(RuntimeError):  # a loop that is closed has no timers
                loop.call_soon_threadsafe(timer.cancel)
        for met in self.met.values():
            if met.is_wider:
                met.server.settle()
        for server, injection in self._injections:
            if not server.closed:
                injection.lift()
        for subscription in self._subscriptions:
            subscription.lift()
        for exchanges, witness in self._heard_at:
            exchanges.unhear(witness.decides)
        self._heard_at.clear()
        for met in self.met.values():
            met.server.journal.tells_cipher_text = False

    @property
    def speaks(self) -> bool:
        """Whether anything passed on a server of the run."""
        return any(witness.talks for witness in self.witnesses.values())

    def has_datagrams(self, name: str) -> bool:
        """Whether that server has datagrams, a byte stream beside them or not."""
        return any(isinstance(front, DatagramFront) for front in self.met[name].server.fronts)

    def refuses(self, name: str, fault: Fault) -> str | None:
        """Why the fault makes no sense on that server."""
        return self.met[name].server.refuses(fault)

    def stream(self, name: str) -> StreamServer | None:
        """That server, if it has a byte stream."""
        server = self.met[name].server
        return server if isinstance(server, StreamServer) else None

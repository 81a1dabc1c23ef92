"""`DatagramFront`: what speaks over UDP of a server: one record a client address, faults a datagram."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.stages import DatagramStage, through
from pytest_netmocks.faults.answer import Answer
from pytest_netmocks.faults.base import DatagramFault, Fault, StreamFault
from pytest_netmocks.faults.selection import SelectorOptions
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link import loop as loops
from pytest_netmocks.link.datagrams import Agenda, DatagramSocket
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.connection import Connection, UdpConnection
from pytest_netmocks.records.recorder import Recorder
from pytest_netmocks.records.sides import Sides
from pytest_netmocks.records.timeline import between, in_words
from pytest_netmocks.servers.server import Server

if TYPE_CHECKING:
    from pytest_netmocks.records.wire import WireRecorder

REPLIES = 1 << 20
"""More answers than a datagram ever has: what keeps the draws of one apart from those of the next."""


@dataclasses.dataclass(slots=True)
class Datagram:
    """One datagram as the server saw it: `data`, who sent it, when (seconds since the server started).

    `replies` are the datagrams that the client was sent in answer, before any fault.
    """

    data: bytes
    client_address: Address
    connection: Connection
    at: float
    replies: list[bytes] = dataclasses.field(default_factory=list)
    number: int = 0
    """Its place among the client's, from 1."""

    def __str__(self) -> str:
        return between(self.data, self.replies)

    def sides(self) -> Sides:
        """The datagram and its answers."""
        return in_words(self.data, self.replies)


class Peer:
    """One client address."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self.connection = connection
        self.recorder = recorder
        self.injections: list[Injection] = []
        self.stages: dict[tuple[Injection, str, Draws], DatagramStage] = {}
        self.wire: WireRecorder | None = None
        """Where what passes is told, if anybody wants to hear of it."""
        self.unasked = 0
        """How many datagrams it was sent that answer none of its own."""
        self.calls = asyncio.Lock()
        """Held while a plain function is called for it: its answers keep the order of what it asked."""
        self.extra: Any = None


class Asked:
    """One datagram of a client, with the faults that its selectors chose for it and for its answers."""

    def __init__(self, peer: Peer, chosen: list[tuple[Injection, int]], answers: int = 0) -> None:
        self.peer = peer
        self._chosen = chosen
        self._also: dict[Injection, Callable[[], None]] = {}
        self._hit: set[Injection] = set()
        self._answers = answers
        self.datagram: Datagram | None = None
        """What came of it through the faults, the latest copy."""

    @classmethod
    def unasked(cls, peer: Peer, injections: list[Injection]) -> Asked:
        """A datagram that answers none: what counts the client's does not count it."""
        peer.unasked += 1
        chosen = [(injection, 0) for injection in injections if not injection.selector.given()]
        return cls(peer, chosen, peer.unasked - 1)

    def add(self, injections: list[Injection], struck: Callable[[], None]) -> None:
        """A rule's faults strike the answers too; `struck` is called when one has."""
        self._chosen += [(injection, injection.drawn) for injection in injections]
        self._also.update(dict.fromkeys(injections, struck))

    def stages(self, direction: str) -> list[tuple[DatagramStage, int]]:
        """The stages of one direction, each with the number that addresses its draws."""
        answer = 0
        if direction == "downstream":
            self._answers += 1
            answer = self._answers
        found = []
        for injection, number in self._chosen:
            fault = injection.fault
            if isinstance(fault, DatagramFault) and fault.direction in (direction, "both") and not injection.lifted:
                key = (injection, direction, injection.draws)
                stage = self.peer.stages.get(key)
                if stage is None:
                    stage = self.peer.stages[key] = fault.datagrams(injection.draws.child(direction))
                    stage.join(injection.common(direction))
                stage.hit = functools.partial(self._struck, injection)
                found.append((stage, number * REPLIES + answer))
        return found

    def _struck(self, injection: Injection) -> None:
        """A datagram and its answers count one hit."""
        if injection in self._hit:
            return
        self._hit.add(injection)
        injection.hits += 1
        if injection in self._also:
            self._also[injection]()
        self.peer.recorder.struck(injection.fault)


class DatagramFront:
    """Takes datagrams for a server.

    `deliver` gets each one that has come through its faults, and `leave` each peer that is let go.
    """

    _agenda: Agenda
    _thread: loops.LoopThread

    def __init__(
        self,
        server: Server,
        injections: list[Injection],
        deliver: Callable[[Asked, Datagram], None],
        leave: Callable[[Peer], None],
    ) -> None:
        self._server = server
        self._injections = injections
        """Those in force, the server's own list."""
        self._deliver = deliver
        self._leave = leave
        self._open = False
        self.sockets: list[DatagramSocket] = []
        """What datagrams come by; the first is what answers leave by."""
        self.peers: dict[Address, Peer] = {}
        """The clients that are known, by their address."""
        self.also: tuple[str, ...] = ()
        """Hosts besides the server's own on whose port it listens."""

    # Faults

    def refusal(self, fault: Fault) -> str | None:
        """Why the fault makes no sense here, and what would; `None` if it does."""
        if isinstance(fault, Answer):
            if self._server.exchanges is None:
                return (
                    f"{fault!r} strikes answers, and {self._server.name} passes on those of others: inject it into "
                    "the server that answers, or Loss, Duplicate, Reorder, Latency or Corrupt here"
                )
            return None
        if not isinstance(fault, DatagramFault):
            return (
                f"{fault!r} strikes a byte stream, and {self._server.name} has only datagrams: "
                "use Loss, Duplicate, Reorder, Latency, Bandwidth or Corrupt; stop() refuses them all"
            )
        if isinstance(fault, StreamFault) and fault.layer == "tls":
            return f"{fault!r} acts on cipher text, and there is no TLS on {self._server.name}: leave layer= out"
        return None

    def refusal_on_a_rule(self, fault: Fault) -> str | None:
        """As `refusal`, for a rule's faults."""
        if isinstance(fault, DatagramFault) and fault.direction == "upstream":
            return f"{fault!r} acts on what the client sends, and a rule strikes the answers to it"
        return self.refusal(fault)

    @staticmethod
    def takes(injection: Injection) -> bool:
        """Whether it strikes datagrams, of those that are in force on the server."""
        return not injection.of_exchanges and isinstance(injection.fault, DatagramFault)

    def strike(self, injection: Injection) -> None:
        """Faults strike datagrams as they come: there is nothing open to strike."""

    def release(self, injection: Injection) -> None:
        """Lift it from every client."""
        for peer in self.peers.values():
            if injection in peer.injections:
                peer.injections.remove(injection)
            for direction in ("upstream", "downstream"):
                peer.stages.pop((injection, direction, injection.draws), None)

    # Going up and down

    def bind(self, thread: loops.LoopThread, host: str, port: int) -> int:
        """Take the port."""
        self._thread = thread
        first = DatagramSocket(host, port, self.failed)
        self.sockets = [first]
        try:
            for other in self.also:
                self.sockets.append(DatagramSocket(other, first.address[1], self.failed))
        except OSError:
            self.give_back()
            raise
        return first.address[1]  # type: ignore[no-any-return]  # a port

    def serve(self, thread: loops.LoopThread) -> None:
        """Take what comes."""
        self._open = True
        self._agenda = Agenda(thread.loop)
        if thread.doors.any_thread:
            self._attach()
        else:
            # Not waited for: the kernel keeps what comes from here on, and every other call queues behind this one.
            thread.loop.call_soon_threadsafe(self._attach)

    def _attach(self) -> None:
        for one in self.sockets:
            one.attach(self._thread.loop, self._thread.doors, self.arrived)

    def give_back(self) -> None:
        """Give the port back that nobody was served on."""
        for one in self.sockets:
            one.abandon()
        self.sockets = []

    def close_at_once(self) -> bool:
        """End it in the caller's thread if nobody ever came and the doors allow it; whether it has ended."""
        if not self.sockets or not self._thread.doors.any_thread:
            return False
        with contextlib.ExitStack() as held:
            for one in self.sockets:
                held.enter_context(one.lock)
            if self.peers or self._server.is_busy or self.may_wait():
                return False
            self._open = False
            for one in self.sockets:
                one.close()
            return True

    def halt(self) -> None:
        """Take what has come, and refuse the rest."""
        self._open = False
        for one in self.sockets:
            one.halt()
        self._agenda.clear()
        for peer in self.peers.values():
            self._leave(peer)

    def resume(self) -> None:
        """Take what comes again. Raises `OSError` if the port cannot be had."""
        for one in self.sockets:
            one.resume()
        self._open = True

    def end_all(self) -> None:
        """Let every client go."""
        self._agenda.clear()
        for peer in list(self.peers.values()):
            self.let_go(peer)

    def finish(self) -> None:
        """Let every client go, and give the port back."""
        self._open = False
        self._agenda.clear()
        for one in self.sockets:
            one.close()
        for peer in list(self.peers.values()):
            self.let_go(peer)

    def abandon(self) -> None:
        """In a forked child: close the descriptors without a word to peers or loop."""
        self._open = False
        for one in self.sockets:
            one.abandon()

    def may_wait(self) -> bool:
        """Whether datagrams may wait."""
        return self._open and any(one.waiting() for one in self.sockets)

    def drain(self) -> None:
        """Take all that has come."""
        for one in self.sockets:
            one.drain()

    def let_go(self, peer: Peer) -> None:
        """Know a client no more: its next datagram is the first of a new record."""
        self.peers.pop(peer.connection.client_address, None)
        self._leave(peer)
        peer.recorder.closed("server")

    # Datagrams

    def failed(self, error: OSError) -> None:
        self._server.journal.note(None, f"the socket reports: {error.strerror or error}")

    def arrived(self, data: bytes, address: Address) -> None:
        peer = self.peers.get(address) or self.meet(address)
        here = [*self._injections, *peer.injections]
        injections = [one for one in here if self.takes(one) and one.chooses(peer.connection)]
        asked = Asked(peer, [(injection, injection.drawn) for injection in injections])
        pieces = through(asked.stages("upstream"), self._thread.loop.time(), data)
        if not pieces:
            peer.recorder.lost("upstream", data)
        for due, piece in pieces:
            self._agenda.at(due, functools.partial(self._take, asked, piece))

    def meet(self, address: Address, how: str = "first datagram from") -> Peer:
        connection = UdpConnection(self._server.journal.next_number(), address, self._server.journal.now())
        if len(self.peers) >= self._server.journal.max_records:
            self.let_go(next(iter(self.peers.values())))  # they have no ends: the first known goes
        peer = self.peers[address] = Peer(connection, Recorder(self._server.journal, connection))
        connection.live = _Control(self._server, self, peer)
        if self._server.journal.on_the_wire:
            from pytest_netmocks.records.wire import WireRecorder  # only where somebody hears the wire

            peer.wire = WireRecorder(self._server.journal, connection.id)
        self._server.journal.opened(connection, how)
        return peer

    def _take(self, asked: Asked, data: bytes) -> None:
        peer = asked.peer
        if not peer.connection.is_open:
            return
        if peer.wire is not None:
            peer.wire.received(data)
        peer.recorder.received(data)
        datagram = Datagram(data, peer.connection.client_address, peer.connection, self._server.journal.now())
        asked.datagram = datagram
        self.record(datagram)
        self._deliver(asked, datagram)

    def record(self, datagram: Datagram) -> None:
        """Put a datagram on record as what the client asked."""
        self._server.journal.request(datagram.connection, datagram)

    def answer(self, asked: Asked, data: bytes, send: Callable[[Peer, bytes], None] | None = None) -> None:
        """In the loop: send the client an answer to that datagram, through its faults."""
        peer = asked.peer
        if not peer.connection.is_open:
            return
        if asked.datagram is not None:
            asked.datagram.replies.append(data)
        peer.recorder.sent(data)
        pieces = through(asked.stages("downstream"), self._thread.loop.time(), data)
        if not pieces:
            peer.recorder.lost("downstream", data)
        send = send or self._send
        if peer.wire is not None:
            send = functools.partial(self._send_heard, send)
        for due, piece in pieces:
            self._agenda.at(due, functools.partial(send, peer, piece))

    def _send_heard(self, send: Callable[[Peer, bytes], None], peer: Peer, data: bytes) -> None:
        if peer.wire is not None and peer.connection.is_open:
            peer.wire.sent(data, self._server.journal.now())
        send(peer, data)

    def _send(self, peer: Peer, data: bytes) -> None:
        if peer.connection.is_open:
            self.sockets[0].send(data, peer.connection.client_address)


class _Control:
    """What a connection's record can do to the client it is of."""

    def __init__(self, server: Server, front: DatagramFront, peer: Peer) -> None:
        self._server = server
        self._front = front
        self._peer = peer

    def inject(self, fault: Fault, *, start: float | None = None, duration: float | None = None) -> Injection:
        if isinstance(fault, Fault) and (refused := self._front.refusal(fault)) is not None:
            raise ValueError(refused)
        options: SelectorOptions = {"start": start, "duration": duration}
        injection = self._server.make_injection(fault, options, [f"connection {self._peer.connection.id}"])
        self._server.run_in_loop(self._server.when_due, injection, self._begin)
        return injection

    def _begin(self, injection: Injection) -> None:
        if injection.of_exchanges:
            self._server.strike_exchanges(injection, self._peer.connection)
        else:
            self._peer.injections.append(injection)

    def send(self, data: bytes) -> None:
        number = self._peer.connection.id
        raise ValueError(f"send: connection {number} is no stream: a server over UDP sends with send(data, address)")

    def close(self) -> None:
        self._server.run_in_loop(self._front.let_go, self._peer)

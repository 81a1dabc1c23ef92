"""`StreamFront`: what speaks over TCP of a server: a listener, a stack of layers for each connection, their faults."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pytest_netmocks.faults.base import AnswerFault, ConnectFault, Fault, HandshakeFault, SessionFault, StreamFault
from pytest_netmocks.faults.selection import SelectorOptions
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link import kernel
from pytest_netmocks.link import loop as loops
from pytest_netmocks.link.link import Link, Top
from pytest_netmocks.link.listener import Listener, State
from pytest_netmocks.link.tap import Ear
from pytest_netmocks.link.wire import Wire
from pytest_netmocks.records.addresses import Address, unix_address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Struck
from pytest_netmocks.records.recorder import Recorder
from pytest_netmocks.servers.server import Server
from pytest_netmocks.servers.stack import Place, Stack
from pytest_netmocks.servers.stream_refusals import StreamRefusals

if TYPE_CHECKING:
    from pytest_netmocks.encryption.offer import Offer


class StreamFront(StreamRefusals):
    """Takes connections for a server.

    `protocol` gives what stands on a new connection's link, `record` makes its record, `arm` lets an injection strike
    it.
    """

    # What most of them never need is the class's.

    _down = False
    """Whether the server is stopped, or closed."""

    _thread: loops.LoopThread

    listener: Listener | None = None

    _address: Address | None = None
    """The server's end of each connection that it accepts, `None` if they differ."""

    secure = False
    """Whether they begin with it."""

    path: str | None = None
    """The path of the UNIX socket that it listens on, in place of a port."""

    introduced = False
    """Whether new connections begin with a PROXY header."""

    refusal_of: Callable[[Address], str | None] | None = None
    """Why the client that such a header tells of is refused, `None` if it is not."""

    taps: tuple[tuple[Place, Callable[[Connection], Ear]], ...] = ()
    """Who hears what passes on a new connection, and where."""

    on_accept: Callable[[socket.socket, Address], bool] | None = None
    """Called with a new connection's socket and the client's address before all else; says whether it goes on."""

    on_over: Callable[[int], None] | None = None
    """Called with the number of a connection that has ended."""

    on_drain: Callable[[], None] | None = None
    """Called when all that waits in the kernel is to be taken, after the listener's own."""

    def __init__(
        self,
        server: Server,
        injections: list[Injection],
        protocol: Callable[[Link, Connection], Top],
        record: Callable[[int, Address], Connection],
        arm: Callable[[Stack, Injection], None],
    ) -> None:
        self._server = server
        self._injections = injections
        """Those in force, the server's own list."""
        self._protocol = protocol
        self._record = record
        self.arm_on = arm
        self.links: dict[int, Stack] = {}
        """The stacks of the open connections, by their number."""
        self.wires: set[Wire] = set()
        """The wires that are not closed, those to an upstream too."""

    # Faults

    @staticmethod
    def takes(fault: Fault) -> bool:
        """Whether it strikes connections, of those that the server takes."""
        return isinstance(fault, StreamFault | HandshakeFault | AnswerFault | SessionFault)

    def strike(self, injection: Injection) -> None:
        """What a new injection does to the connections that are open."""
        if isinstance(injection.fault, ConnectFault):
            self._settle()
        elif self.takes(injection.fault) and not (injection.of_exchanges or injection.selector.counts):
            for number, stack in list(self.links.items()):
                if injection.chooses(self._server.journal.connections.get(number)):
                    self.arm_on(stack, injection)

    def release(self, injection: Injection) -> None:
        """Lift it from every connection."""
        if isinstance(injection.fault, ConnectFault):
            self._settle()
        else:
            for stack in list(self.links.values()):
                stack.disarm(injection)

    def _settle(self) -> None:
        """Bring the listener into the state that the server's own and the faults in force ask for."""
        if self.listener is None:
            return
        faults = [injection for injection in self._injections if isinstance(injection.fault, ConnectFault)]
        wanted = {injection.fault.listener for injection in faults if isinstance(injection.fault, ConnectFault)}
        state: State = "accepting"
        if self._down or "refusing" in wanted:
            state = "refusing"
        elif "unreachable" in wanted:
            state = "unreachable"
        self.listener.change(state)
        for injection in faults:
            if not injection.hits and getattr(injection.fault, "listener", None) == state:
                injection.hits = 1
                what = f"strikes: new connections are {state}"
                journal = self._server.journal
                journal.publish(Struck(journal.now(), None, injection.fault, 0, 0, what))

    # Going up and down

    def bind(self, thread: loops.LoopThread, host: str, port: int) -> int:
        """Take the port."""
        self._thread = thread
        if self.path is not None:
            from pytest_netmocks.link.unix import UnixListener  # only where there is one

            self.listener = UnixListener(self.path, self._accept, self.exhausted)
            self._address = unix_address(self.path)
            return 0
        self.listener = thread.listener(host, port, self._accept, self.exhausted)
        address = self.listener.address
        self._address = None if address[0] in kernel.EVERYWHERE else address
        return address[1]  # type: ignore[no-any-return]  # a port

    def serve(self, thread: loops.LoopThread) -> None:
        """Accept who comes."""
        assert self.listener is not None
        self.listener.attach(thread.loop, thread.doors)
        if thread.doors.any_thread:
            self._settle()
        else:
            thread.call(self._settle)

    def give_back(self) -> None:
        """Give the port back that nobody was served on."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def close_at_once(self) -> bool:
        """End it in the caller's thread if nobody is there and the doors allow it; whether it has ended."""
        listener = self.listener
        if listener is None or not self._thread.doors.any_thread:
            return False
        with listener.lock:
            if self.wires or self.links or self._server.is_busy or (not self._thread.idle and listener.waiting()):
                return False
            self._down = True
            listener.close()
            return True

    def halt(self) -> None:
        """End every connection with a FIN, and refuse new ones."""
        self._down = True
        try:
            self._settle()
        except BaseException:
            self._down = False
            raise
        self._stop("the server stops")

    def resume(self) -> None:
        """Accept who comes again. Raises `OSError` if the kernel cannot."""
        self._down = False
        try:
            self._settle()
        except BaseException:
            self._down = True
            raise

    def end_all(self) -> None:
        """End every connection with a FIN, those that wait for a place too."""
        waits = self.listener is not None and self.listener.held
        self._stop("the server is reset")
        for _ in range(kernel.BACKLOG + 1):  # whoever comes back meanwhile is not waited for
            if not (waits and self.may_wait()):
                break
            self.drain()
            self._stop("the server is reset")

    def _refusal_now(self, address: Address) -> str | None:
        """Why a client is refused whose header has come: the limits may be others than when it connected."""
        return None if self.refusal_of is None else self.refusal_of(address)

    def _stop(self, why: str) -> None:
        for stack in list(self.links.values()):
            stack.stop(why)
        for wire in list(self.wires):
            wire.finish(at_once=True)

    def finish(self) -> None:
        """End every connection, with all that has come, and give the port back."""
        self.drain()
        self._down = True
        for stack in list(self.links.values()):
            stack.stop("the server is closed")
        for wire in list(self.wires):
            wire.kill()
        if self.listener is not None:
            self.listener.close()

    def abandon(self) -> None:
        """In a forked child: close the descriptors without a word to peers or loop."""
        self._down = True
        if self.listener is not None:
            self.listener.abandon()
        for wire in list(self.wires):
            wire.abandon()

    def may_wait(self) -> bool:
        """Whether a client waits to be accepted."""
        return self.listener is not None and self.listener.waiting()

    def drain(self) -> None:
        """Accept everybody who waits."""
        if self.listener is not None:
            self.listener.drain()
        if self.on_drain is not None:
            self.on_drain()

    # Connections

    def exhausted(self, error: OSError) -> None:
        """Put on record that there are no descriptors for a client who waits."""
        self._server.journal.note(None, f"a client waits, for no connection can be accepted: {error}")

    def _accept(self, sock: socket.socket, address: Address) -> None:
        if self.on_accept is None or self.on_accept(sock, address):
            self.adopt(sock, address, self._protocol, secure=self.secure, introduced=self.introduced)

    def adopt(
        self,
        sock: socket.socket,
        address: Address,
        protocol: Callable[[Link, Connection], Top],
        *,
        secure: bool,
        introduced: bool = False,
        beside: Connection | None = None,
        how: str = "opened by",
        admitted: bool = True,
        **facts: Any,
    ) -> Stack:
        """Put a connected socket on record and a protocol on it; `facts` are for the record.

        TLS is offered as it was to the connection that it stands `beside`, if there is one. Of who is not `admitted`
        but turned away no fault hears.
        """
        thread = self._thread
        sock.setblocking(False)
        journal = self._server.journal
        sockname = self._address
        if beside is not None and self.path is None:  # not by our listener, of which the others have both
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sockname = None
        if sockname is None:
            sockname = sock.getsockname()
        connection = self._record(journal.next_number(), address)
        connection.server_address = sockname
        for name, value in facts.items():
            setattr(connection, name, value)
        listeners = [(place, ear(connection)) for place, ear in self.taps] if self.taps else ()
        tell_keys = None
        if journal.on_the_wire and sock.fileno() >= 0:
            from pytest_netmocks.link.heard import HeardSocket  # only where somebody hears the wire
            from pytest_netmocks.records.wire import WireRecorder

            ear = WireRecorder(journal, connection.id)
            sock, tell_keys = cast("socket.socket", HeardSocket(sock, ear)), ear.keys
        recorder = Recorder(journal, connection)
        stack = Stack(thread.loop, recorder, secure=secure, listeners=listeners, tell_keys=tell_keys)
        if introduced:
            stack.await_header(self._refusal_now)
        wire = self.keep_wire(thread.wire(thread.loop, sock, stack.bottom))
        self.links[connection.id] = stack
        stack.on_over = functools.partial(self._over, connection.id)
        connection.live = _Control(self._server, self, stack, connection)
        journal.opened(connection, how, counts=admitted)
        for injection in list(self._injections) if admitted else ():
            if injection.of_exchanges or not self.takes(injection.fault):
                continue
            if injection.chooses(connection):
                self.arm_on(stack, injection)
        stack.start(
            wire,
            functools.partial(protocol, stack.link, connection),
            {"peername": address, "sockname": sockname, "connection": connection},
            self._offered_beside(beside) if secure else None,
        )
        return stack

    def _offered_beside(self, connection: Connection | None) -> Offer:
        stack = self.links.get(connection.id) if connection is not None else None
        return (stack.offer if stack is not None else None) or self.offered()

    @property
    def next_number(self) -> int:
        """The number that the next connection has."""
        return self._server.journal.numbers + 1

    def offered(self) -> Offer:
        """What a new connection is offered of TLS; where somebody hears the wire the keys are told too."""
        assert self.contexts is not None
        return self.contexts.with_keys if self._server.journal.on_the_wire else self.contexts

    def encrypt(
        self, connection: Connection, on_open: Callable[[], None], early: bytes | None, offer: Offer | None
    ) -> None:
        """Put TLS under a connection that has begun in plain text, see `Encrypted.secure`."""
        self.links[connection.id].secure(offer or self.offered(), on_open, early)

    def keep_wire(self, wire: Wire) -> Wire:
        """Know the wire until it is closed: the server's end is its end."""
        wire.on_closed = self.wires.discard
        self.wires.add(wire)
        return wire

    def _over(self, number: int) -> None:
        self.links.pop(number, None)
        # The record stays, what it was a record of does not.
        connection = self._server.journal.connections.get(number)
        if connection is not None:
            connection.live = None
        if self.on_over is not None:
            self.on_over(number)


class _Control:
    """What a connection's record can do to the connection."""

    __slots__ = ("_connection", "_front", "_server", "_stack")

    def __init__(self, server: Server, front: StreamFront, stack: Stack, connection: Connection) -> None:
        self._server = server
        self._front = front
        self._stack = stack
        self._connection = connection

    def inject(self, fault: Fault, *, start: float | None = None, duration: float | None = None) -> Injection:
        server = self._server
        if isinstance(fault, ConnectFault):
            raise ValueError(f"{fault!r} keeps clients from connecting: inject it into the server")
        if isinstance(fault, Fault) and (refused := self._front.refusal(fault)) is not None:
            raise ValueError(refused)
        if isinstance(fault, HandshakeFault) and self._stack.is_handshake_over:
            raise ValueError(f"{fault!r} strikes a TLS handshake, and this connection's is over")
        options: SelectorOptions = {"start": start, "duration": duration}
        injection = server.make_injection(fault, options, [f"connection {self._connection.id}"])
        server.run_in_loop(server.when_due, injection, self._arm)
        return injection

    def _arm(self, injection: Injection) -> None:
        injection.counted += 1
        self._front.arm_on(self._stack, injection)

    def send(self, data: bytes) -> None:
        self._server.run_in_loop(self._say, data)

    def _say(self, data: bytes) -> None:
        refused = self._stack.link.unwritable
        if refused is not None:
            raise ValueError(f"send: nothing can be sent on connection {self._connection.id}: {refused}")
        self._stack.say(data)

    def close(self) -> None:
        self._server.run_in_loop(self._stack.shut)

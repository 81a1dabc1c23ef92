"""`StreamServer`: the base of everything that speaks over TCP: a listener, a link for each connection, their faults."""

from __future__ import annotations

import dataclasses
import functools
import socket
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, cast

from pytest_netmocks import check
from pytest_netmocks.encryption import authority, settings
from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.encryption.certificate import Certificate
from pytest_netmocks.encryption.settings import Contexts, TlsOptions, TlsSettings
from pytest_netmocks.faults.base import AnswerFault, ConnectFault, EndingFault, Fault, HandshakeFault, StreamFault
from pytest_netmocks.faults.selection import SelectorOptions
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link import loop as loops
from pytest_netmocks.link.link import Link, Top
from pytest_netmocks.link.listener import Listener, State
from pytest_netmocks.link.tap import Ear
from pytest_netmocks.link.wire import Wire
from pytest_netmocks.records.connection import Address, Connection
from pytest_netmocks.records.events import Direction, Struck
from pytest_netmocks.records.recorder import Recorder
from pytest_netmocks.servers.parts import line_ends
from pytest_netmocks.servers.server import Server, ServerOptions
from pytest_netmocks.servers.stack import Place, Stack

if TYPE_CHECKING:
    import ssl


class StreamOptions(ServerOptions, TlsOptions, total=False):
    """The keyword arguments that every server over TCP takes besides `tls`."""


class StreamServer(Server):
    """Base of the servers over TCP; a subclass says which protocol stands on a link.

    `tls` puts TLS under it from the first byte. Then `certificate` is what `tls_ca.issue()` gives (several: the
    client's SNI chooses, the first is shown to the others), `client_cert` `"required"` or `"optional"`,
    `min_version` and `max_version` are `"TLSv1"` to `"TLSv1.3"`, `alpn` is a list of protocols in the order of
    preference, `ciphers` a list in OpenSSL's notation (TLS 1.2 and older), `tickets=False` lets no session be
    resumed, `key_log` is the path of a key log (NSS format) for captures, and `dh_params` that of parameters for
    Diffie-Hellman over a finite field (PEM), without which no such cipher is offered.
    """

    secure_scheme: ClassVar[str | None] = None
    """The scheme of its URL with TLS."""

    always_secure: ClassVar[bool] = False
    """Whether TLS is what makes it this kind of server."""

    may_upgrade: ClassVar[bool] = False
    """Whether a connection can begin in plain text and go on with TLS (STARTTLS)."""

    in_messages: ClassVar[bool] = False
    """Whether what it sends is made of messages, which `after_messages` counts."""

    _listener: Listener | None = None
    _contexts: Contexts | None = None
    _tls: TlsSettings | None = None

    def __init__(self, *, tls: bool | str = False, **options: Unpack[StreamOptions]) -> None:
        self._secure = self._from_the_start(tls) or self.always_secure
        given: dict[str, Any] = {}
        if options:
            given = {name: options.pop(name) for name in TlsOptions.__annotations__ if name in options}  # type: ignore[misc]  # the names of its keys
        if self._secure or self.may_upgrade:
            wanted = settings.read(cast("TlsOptions", given))
            host = options.get("host", "127.0.0.1")
            check.instance("host", host, str, "a host name or address")
            self._contexts = wanted.contexts(authority.shared(), host)
            self._tls = wanted
        elif given:
            raise ValueError(f"{next(iter(given))}= is about TLS, and there is none: give tls=True with it")
        self.schemes: tuple[str, str] = self.scheme, self.secure_scheme or self.scheme
        """The schemes of its URL without TLS and with it."""
        if self._secure:
            self.scheme = self.schemes[1]
        super().__init__(**options)

    @classmethod
    def _option_names(cls) -> set[str]:
        return super()._option_names() | set(TlsOptions.__annotations__)

    def _from_the_start(self, tls: object) -> bool:
        """Whether the connection begins with TLS."""
        check.instance("tls", tls, bool, "True or False")
        return bool(tls)

    @property
    def offers_tls(self) -> bool:
        """Whether a client can speak TLS with it, from the first byte or later."""
        return self._contexts is not None

    def certify(self, *names: str) -> None:
        """Show new clients that ask for one of these names a certificate of the authority that is good for them.

        A server that was given a certificate goes on showing that one.
        """
        if self._tls is None or self._tls.certificates:
            return
        shown = (self.ca.default(self._host), self.ca.issue(*names))
        self._contexts = dataclasses.replace(self._tls, certificates=shown).contexts(self.ca, self._host)

    @property
    def ca(self) -> Authority:
        """The authority that its certificate comes from."""
        return authority.shared()

    def client_context(self, certificate: Certificate | None = None) -> ssl.SSLContext:
        """A context for clients that trusts its authority, with a client certificate if one is given."""
        return self.ca.client_context(certificate)

    def _prepare(self) -> None:
        self._taps: list[tuple[Place, Callable[[Connection], Ear]]] = []
        self._links: dict[int, Stack] = {}
        self._wires: set[Wire] = set()

    def listen_in(self, ear: Callable[[Connection], Ear], place: Place = "wire") -> None:
        """Let somebody hear what passes on every new connection: `ear` is called with it and gives who hears.

        On the `"wire"` that is what really passes, cipher text and the work of all faults included; below the
        `"application"`'s faults it is plain text, as those let it through.
        """
        self._taps.append((place, ear))

    @abstractmethod
    def _protocol(self, link: Link, connection: Connection) -> Top:
        """What stands on a new connection's link."""

    def _connection(self, number: int, address: Address) -> Connection:
        """The record of a new connection."""
        return Connection(number, address, self.journal.now())

    def parts(self, connection: Connection, direction: Direction, data: bytes) -> Iterable[int]:
        """Where the protocol's own parts begin in what has passed on a connection that way, for sweeps: its lines.

        `data` is what passed since the sweep's run began, the first MiB of it.
        """
        return line_ends(data)

    # Faults

    def _refusal(self, fault: Fault) -> str | None:
        if isinstance(fault, HandshakeFault):
            if self._contexts is None:
                return f"{fault!r} strikes a TLS handshake, and there is no TLS on {self._name}: give it tls=True"
            return None
        if isinstance(fault, AnswerFault):
            if self.exchanges is None:
                return (
                    f"{fault!r} strikes answers, and {self._name} passes on those of others: inject it into the server "
                    "that answers, or Reset, Close, Corrupt or Replace here"
                )
            return self._refusal_by_scheme(fault)
        if not isinstance(fault, StreamFault):
            return (
                f"{fault!r} strikes datagrams, and {self._name} speaks over a byte stream: "
                "use Blackhole, Stall or Latency there, or a udp server"
            )
        if fault.layer == "tls" and self._contexts is None:
            return f"{fault!r} acts on cipher text, and there is no TLS on {self._name}: leave layer= out"
        if isinstance(fault, EndingFault) and fault.after_messages is not None:
            if not self.in_messages:
                return (
                    f"{fault!r} counts WebSocket messages, or the chunks and events of HTTP answers, and {self._name} "
                    "has none: after_bytes= counts its bytes"
                )
            if fault.direction == "upstream":
                return f"{fault!r} counts the messages that the server sends, which go downstream"
        return None

    def _refusal_on_a_rule(self, fault: Fault) -> str | None:
        if not isinstance(fault, AnswerFault):
            refused = self._refusal(fault)
            shapes = isinstance(fault, StreamFault) and not isinstance(fault, EndingFault) and fault.layer == "tls"
            if refused is None and shapes:
                refused = (
                    f"{fault!r} acts on cipher text, where nobody knows one answer from the next: "
                    "inject it into the server or the connection"
                )
            return refused
        return self._refusal_by_scheme(fault)

    def _refusal_by_scheme(self, fault: AnswerFault) -> str | None:
        """As `_refusal`, for answers that are not its protocol's."""
        if fault.schemes is not None and self.scheme not in fault.schemes:
            spoken = ", ".join(sorted(fault.schemes))
            return f"{fault!r} strikes answers of {spoken}, and {self._name} speaks {self.scheme}"
        return None

    def _strike(self, injection: Injection) -> None:
        if isinstance(injection.fault, ConnectFault):
            self._settle_listener()
        elif not injection.of_exchanges and not injection.selector.counts:
            for number, stack in list(self._links.items()):
                if injection.chooses(self.journal.connections.get(number)):
                    self.arm_on(stack, injection)

    def arm_on(self, stack: Stack, injection: Injection) -> None:
        """In the loop: let it strike that connection."""
        if isinstance(injection.fault, AnswerFault):
            self.strike_exchanges(injection, stack.connection)
        else:
            stack.arm(injection)

    def _release(self, injection: Injection) -> None:
        if isinstance(injection.fault, ConnectFault):
            self._settle_listener()
        else:
            for stack in list(self._links.values()):
                stack.disarm(injection)

    def _settle_listener(self) -> None:
        """Bring the listener into the state that the server's own and the faults in force ask for."""
        if self._listener is None:
            return
        faults = [injection for injection in self._injections if isinstance(injection.fault, ConnectFault)]
        wanted = {injection.fault.listener for injection in faults if isinstance(injection.fault, ConnectFault)}
        state: State = "accepting"
        if self._state in ("stopped", "closed") or "refusing" in wanted:
            state = "refusing"
        elif "unreachable" in wanted:
            state = "unreachable"
        self._listener.change(state)
        for injection in faults:
            if not injection.hits and getattr(injection.fault, "listener", None) == state:
                injection.hits = 1
                what = f"strikes: new connections are {state}"
                self.journal.publish(Struck(self.journal.now(), None, injection.fault, 0, 0, what))

    # Going up and down

    def _open(self, thread: loops.LoopThread) -> None:
        listener = thread.listener(self._host, self._port, self._accept, self._exhausted)
        try:
            listener.attach(thread.loop, thread.doors)
            self._listener, self._port = listener, listener.address[1]
            if thread.doors.any_thread:
                self._settle_listener()
            else:
                thread.call(self._settle_listener)
        except BaseException:
            listener.close()
            raise

    def _close_at_once(self) -> bool:
        listener, thread = self._listener, self._thread
        if listener is None or thread is None or not thread.doors.any_thread:
            return False
        with listener.lock:
            if self._wires or self._timers or self.tasks or listener.waiting():
                return False
            listener.close()
            return True

    def _halt(self) -> None:
        self._settle_listener()
        for stack in list(self._links.values()):
            stack.stop("the server stops")
        self.tasks.cancel()
        for wire in list(self._wires):
            wire.finish(at_once=True)

    def _end_all(self) -> None:
        for stack in list(self._links.values()):
            stack.stop("the server is reset")
        for wire in list(self._wires):
            wire.finish(at_once=True)

    def _resume(self) -> None:
        self._settle_listener()

    def _finish(self) -> None:
        super()._finish()
        self._drain()
        for stack in list(self._links.values()):
            stack.stop("the server is closed")
        for wire in list(self._wires):
            wire.kill()
        if self._listener is not None:
            self._listener.close()

    def abandon(self) -> None:
        """In a forked child: close the descriptors without a word to peers or loop."""
        super().abandon()
        if self._listener is not None:
            self._listener.abandon()
        for wire in list(self._wires):
            wire.abandon()

    def catch_up(self) -> None:
        if self._listener is not None and self._listener.waiting():
            self.run_in_loop(self._drain)

    def _unsettled(self) -> bool:
        return self._listener is not None and self._listener.waiting()

    def _drain(self) -> None:
        if self._listener is not None:
            self._listener.drain()

    # Connections

    def _exhausted(self, error: OSError) -> None:
        self.journal.note(None, f"a client waits, for no connection can be accepted: {error}")

    def _accept(self, sock: socket.socket, address: Address) -> None:
        self._adopt(sock, address, self._protocol, secure=self._secure)

    def _adopt(
        self,
        sock: socket.socket,
        address: Address,
        protocol: Callable[[Link, Connection], Top],
        *,
        secure: bool,
        how: str = "opened by",
        **facts: Any,
    ) -> Stack:
        """Put a connected socket on record and a protocol on it; `facts` are for the record."""
        thread = self._runtime()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = self._connection(self.journal.next_number(), address)
        connection.server_address = sockname = sock.getsockname()
        for name, value in facts.items():
            setattr(connection, name, value)
        listeners = [(place, ear(connection)) for place, ear in self._taps] if self._taps else ()
        tell_keys = None
        if self.journal.on_the_wire and sock.fileno() >= 0:
            from pytest_netmocks.link.heard import HeardSocket  # only where somebody hears the wire
            from pytest_netmocks.records.wire import WireRecorder

            ear = WireRecorder(self.journal, connection.id)
            sock, tell_keys = cast("socket.socket", HeardSocket(sock, ear)), ear.keys
        recorder = Recorder(self.journal, connection)
        stack = Stack(thread.loop, recorder, secure=secure, listeners=listeners, tell_keys=tell_keys)
        wire = self.keep_wire(thread.wire(thread.loop, sock, stack.bottom))
        self._links[connection.id] = stack
        stack.on_over = functools.partial(self._over, connection.id)
        connection.live = _Control(self, stack, connection)
        self.journal.opened(connection, how)
        for injection in list(self._injections):
            if injection.of_exchanges or isinstance(injection.fault, ConnectFault):
                continue
            if injection.chooses(connection):
                self.arm_on(stack, injection)
        stack.start(
            wire,
            functools.partial(protocol, stack.link, connection),
            {"peername": address, "sockname": sockname, "connection": connection},
            self._offered() if secure else None,
        )
        return stack

    def _offered(self) -> Contexts:
        """What a new connection is offered of TLS; where somebody hears the wire the keys are told too."""
        assert self._contexts is not None
        return self._contexts.with_keys if self.journal.on_the_wire else self._contexts

    def secure(self, connection: Connection, on_open: Callable[[], None]) -> None:
        """In the loop: put TLS under a connection that has begun in plain text."""
        self._links[connection.id].secure(self._offered(), on_open)

    def keep_wire(self, wire: Wire) -> Wire:
        """In the loop: know the wire until it is closed: the server's end is its end."""
        wire.on_closed = self._wires.discard
        self._wires.add(wire)
        return wire

    def _over(self, number: int) -> None:
        self._links.pop(number, None)
        # The record stays, what it was a record of does not.
        connection = self.journal.connections.get(number)
        if connection is not None:
            connection.live = None


class _Control:
    """What a connection's record can do to the connection."""

    __slots__ = ("_connection", "_server", "_stack")

    def __init__(self, server: StreamServer, stack: Stack, connection: Connection) -> None:
        self._server = server
        self._stack = stack
        self._connection = connection

    def inject(self, fault: Fault, *, start: float | None = None, duration: float | None = None) -> Injection:
        server = self._server
        if isinstance(fault, ConnectFault):
            raise ValueError(f"{fault!r} keeps clients from connecting: inject it into the server")
        if isinstance(fault, HandshakeFault) and self._stack.is_handshake_over:
            raise ValueError(f"{fault!r} strikes a TLS handshake, and this connection's is over")
        options: SelectorOptions = {"start": start, "duration": duration}
        injection = server.make_injection(fault, options, [f"connection {self._connection.id}"])
        server.run_in_loop(server.when_due, injection, self._arm)
        return injection

    def _arm(self, injection: Injection) -> None:
        injection.counted += 1
        self._server.arm_on(self._stack, injection)

    def close(self) -> None:
        self._server.run_in_loop(self._stack.shut)

"""`Connection`: one connection on record, and the little that can be done to it from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pytest_netmocks import check
from pytest_netmocks.records.addresses import Address

if TYPE_CHECKING:
    from pytest_netmocks.faults.base import Fault
    from pytest_netmocks.injections.injection import Injection
    from pytest_netmocks.records.proxied import ProxyHeader
    from pytest_netmocks.records.tls import TlsInfo

Ender = Literal["client", "server", "fault"]


class Control(Protocol):
    """What a connection's record needs of the live connection."""

    def inject(self, fault: Fault, *, start: float | None = None, duration: float | None = None) -> Injection:
        """Strike this connection."""

    def send(self, data: bytes) -> None:
        """Send bytes to the client. Raises `ValueError` if none can be sent."""

    def close(self) -> None:
        """End this connection with a FIN."""


class Transcript:
    """What was said on a connection, as it grows; written by its recorder alone."""

    __slots__ = ("bytes_delivered", "delivered", "received", "sent")

    def __init__(self) -> None:
        self.received = bytearray()
        self.sent = bytearray()
        self.delivered: bytearray | None = None
        """Its own from the first fault on that stands between; until then all that is sent is delivered."""
        self.bytes_delivered = 0


class Connection:
    """One connection (for UDP: one client address), from its first moment on and after its end.

    `received` and `sent` are the application's bytes as the server saw and sent them, capped at the server's
    `record_limit`; `truncated` says that more came. `opened_at` and `closed_at` are seconds since the server started.
    """

    __slots__ = (
        "__weakref__",
        "bytes_received",
        "bytes_sent",
        "client_address",
        "closed_at",
        "closed_by",
        "counted",
        "faults",
        "id",
        "live",
        "opened_at",
        "peer_address",
        "proxy_header",
        "requests",
        "server_address",
        "tls",
        "transcript",
        "truncated",
    )

    transport: ClassVar[Literal["tcp", "udp"]] = "tcp"
    """What carries it: a byte stream, or datagrams."""

    def __init__(self, number: int, client_address: Address, opened_at: float) -> None:
        self.id = number
        """Its place among the server's connections, from 1."""
        self.client_address = client_address
        """Whose connection it is: the client's address, or with `proxy_protocol=True` what the header says."""
        self.peer_address = client_address
        """Where its bytes really come from."""
        self.proxy_header: ProxyHeader | None = None
        """What a proxy has said of it, with `proxy_protocol=True`; `None` until it has come."""
        self.server_address: Address | None = None
        """Where the client connected to: of a server on all addresses, the one that it chose."""
        self.opened_at = opened_at
        self.closed_at: float | None = None
        self.closed_by: Ender | None = None
        """Who ended it: `"client"`, `"server"` or `"fault"`; `None` while it is open."""
        self.bytes_received = 0
        """How many bytes the server saw of the client's, whatever is kept of them."""
        self.bytes_sent = 0
        """How many bytes the server sent, before any fault on the way down."""
        self.truncated = False
        self.faults: list[str] = []
        """The names of the faults that struck it, in the order in which they first did."""
        self.requests: list[Any] = []
        """The exchanges on it, as `server.requests` has them."""
        self.tls: TlsInfo | None = None
        """What the TLS handshake came to, `None` without TLS and until its ClientHello is answered."""
        self.transcript = Transcript()
        self.live: Control | None = None
        """The live connection, `None` once it has ended."""
        self.counted = 0
        """How many exchanges there were."""

    def count(self, request: Any) -> None:
        """Give an exchange its number, the place that it has on this connection."""
        self.counted += 1
        request.number = self.counted

    @property
    def is_open(self) -> bool:
        """Whether it has not ended yet."""
        return self.closed_at is None

    @property
    def received(self) -> bytes:
        """What the server saw of the client's bytes, the first `record_limit` of them."""
        return bytes(self.transcript.received)

    @property
    def sent(self) -> bytes:
        """What the server sent, before any fault on the way down, the first `record_limit` bytes of it."""
        return bytes(self.transcript.sent)

    @property
    def bytes_delivered(self) -> int:
        """How many bytes have left for the client, past the faults on their way; the kernel has them, or had."""
        transcript = self.transcript
        return self.bytes_sent if transcript.delivered is None else transcript.bytes_delivered

    @property
    def delivered(self) -> bytes:
        """What has left for the client, past the faults on its way, the first `record_limit` bytes of it."""
        transcript = self.transcript
        return bytes(transcript.sent if transcript.delivered is None else transcript.delivered)

    def inject(self, fault: Fault, *, start: float | None = None, duration: float | None = None) -> Injection:
        """Strike this connection alone; bytes and seconds count from now, or from `start` seconds later.

        `duration` (seconds) is as with a server's.

        Raises `ValueError` if the fault makes no sense here or the connection has ended.
        """
        return self._live("inject").inject(fault, start=start, duration=duration)

    def send(self, data: bytes, /) -> None:
        """Send the client bytes that nobody asked for, as the server; over TLS they are encrypted.

        They go behind all that the server has written, so never into an answer that is given as a whole; where one is
        given in pieces they may stand between two. Those of a TLS handshake are behind its end. Faults strike them as
        they strike answers; what the client does not read waits in memory. Raises `TypeError` for what is no bytes,
        `ValueError` if the connection has ended, or the server has finished it.
        """
        check.instance("data", data, bytes, "bytes")
        self._live("send").send(data)

    def close(self) -> None:
        """End it with a FIN, as the server; on a connection that has ended this does nothing."""
        if self.live is not None and self.is_open:
            self.live.close()

    def _live(self, what: str) -> Control:
        if self.live is None or not self.is_open:
            raise ValueError(f"{what}: connection {self.id} has ended, closed by the {self.closed_by}")
        return self.live

    def __repr__(self) -> str:
        state = "open" if self.is_open else f"closed by {self.closed_by}"
        return (
            f"<{type(self).__name__} {self.id} of {self.client_address}: {state}, "
            f"{self.bytes_received} B received, {self.bytes_sent} B sent, faults {self.faults}>"
        )


class UdpConnection(Connection):
    """A client address that datagrams come from."""

    __slots__ = ()

    transport = "udp"

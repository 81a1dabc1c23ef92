"""Events: everything that happens on a server, one typed value each, appended as it happens and never merged.

Whatever shows what happened reads these: the timeline, waits, the command line's log, `server.subscribe`. An event is a
tuple, since one is made for every piece of data; its texts are made when somebody asks for them. All have `at`, seconds
since the server started, and `connection`, the connection's id (`None`: the server itself), as their first two fields.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from pytest_netmocks.records.addresses import Address, describe_address

Layer = Literal["application", "tls", "wire"]
Direction = Literal["upstream", "downstream"]

LIMIT = 30_000
"""Events that are kept; of more the oldest go."""


class Opened(NamedTuple):
    """A connection begins (for UDP: a client's first datagram)."""

    at: float
    connection: int
    client: Address
    server: Address | None
    how: str = "opened by"

    @property
    def text(self) -> str:
        """By whom."""
        return f"{self.how} {describe_address(self.client)}"


class _Bytes(NamedTuple):
    at: float
    connection: int
    offset: int
    size: int
    source: bytes | bytearray | memoryview
    start: int


class Piece(_Bytes):
    """Bytes that moved at once: `size` of them, from `offset` of their stream on.

    `data` are the bytes: all of them for who subscribes, those within `record_limit` for who looks later. They are not
    copied before somebody asks.
    """

    __slots__ = ()
    direction: ClassVar[Direction]
    layer: ClassVar[Layer] = "application"

    @property
    def data(self) -> bytes:
        """The bytes, or as many of them as are kept."""
        return bytes(self.source[self.start : self.start + self.size])

    def beginning(self, most: int) -> bytes:
        """The first of the bytes, `most` at most."""
        return bytes(self.source[self.start : self.start + min(self.size, most)])

    def __repr__(self) -> str:
        where = f"at={self.at!r}, connection={self.connection!r}, offset={self.offset!r}, size={self.size!r}"
        return f"{type(self).__name__}({where})"


class Received(Piece):
    """The server sees bytes of the client."""

    __slots__ = ()
    direction = "upstream"


class Sent(Piece):
    """The server sends bytes; where no fault stands in the way they are delivered with it."""

    __slots__ = ()
    direction = "downstream"


class Arrived(Piece):
    """Bytes of the client come to the faults that stand between it and the server."""

    __slots__ = ()
    direction = "upstream"


class Delivered(Piece):
    """Bytes leave for the client, past the faults on their way."""

    __slots__ = ()
    direction = "downstream"


class CipherReceived(Piece):
    """Cipher text of the client, from the ClientHello on. Told only where it is asked for, and not kept."""

    __slots__ = ()
    direction = "upstream"
    layer = "tls"


class CipherSent(Piece):
    """Cipher text for the client, as `CipherReceived`."""

    __slots__ = ()
    direction = "downstream"
    layer = "tls"


class WireReceived(Piece):
    """Bytes that came to the socket, whatever reads them. Told only to who asks for the wire, and not kept."""

    __slots__ = ()
    direction = "upstream"
    layer = "wire"


class WireSent(Piece):
    """Bytes that the kernel took, as `WireReceived`."""

    __slots__ = ()
    direction = "downstream"
    layer = "wire"


class Unread(NamedTuple):
    """The server has not seen the last `size` bytes after all: they come again, or never."""

    at: float
    connection: int
    size: int


class Held(NamedTuple):
    """Bytes wait at faults: `size` of them, the first at `offset` of what was sent or has arrived."""

    at: float
    connection: int
    direction: Direction
    offset: int
    size: int
    faults: tuple[Any, ...]
    layer: Layer


class Swallowed(NamedTuple):
    """A fault has thrown bytes away, after `offset` bytes that came past it."""

    at: float
    connection: int
    direction: Direction
    offset: int
    size: int
    fault: Any
    layer: Layer


class Struck(NamedTuple):
    """A fault changes what the peer gets, after so many bytes received and delivered."""

    at: float
    connection: int | None
    fault: Any
    received: int
    delivered: int
    what: str = "strikes"
    stream: int | None = None
    """The stream of HTTP/2 whose exchange it strikes; `None` where it strikes the connection, or there are none."""

    @property
    def text(self) -> str:
        """`Reset(after_bytes=4) strikes`."""
        return f"{self.fault!r} {self.what}{'' if self.stream is None else f' on stream {self.stream}'}"


class InForce(NamedTuple):
    """A fault is in force from now on; `waited` says that its time had to come first."""

    at: float
    connection: None
    injection: Any
    waited: bool

    @property
    def text(self) -> str:
        """The fault is in force."""
        return f"{self.injection.fault!r} is in force"


class Lifted(NamedTuple):
    """A fault is in force no more."""

    at: float
    connection: None
    injection: Any

    @property
    def text(self) -> str:
        """The fault is lifted."""
        return f"{self.injection.fault!r} is lifted"


class Handshake(NamedTuple):
    """The TLS handshake goes on: its ClientHello is answered, it is complete, it failed, or an alert passed."""

    at: float
    connection: int
    text: str
    step: Literal["answered", "complete", "failed", "alert", "note"]
    certificate: Any = None
    """What the server shows, once the ClientHello is answered."""


Phase = Literal["begun", "body", "answered", "delivered", "message"]


class Exchange(NamedTuple):
    """An exchange gets on: it has begun (its head is there), its body is there, it is answered, the answer has left.

    The answer is `"answered"` when the first of it is sent, and `"delivered"` when the last of it has left past the
    faults; of one that a fault cut there is no such event. A body that comes with its head has no event of its own.
    `exchange` is its record: a request, a command, a mail, a datagram. The phase `"message"` is that of a message, from
    either side, that is part of a longer conversation.
    """

    at: float
    connection: int
    exchange: Any
    phase: Phase
    rule: Any = None
    """The rule that answers, from the phase `"answered"` on; `None` if none does."""

    @property
    def tells(self) -> bool:
        """Whether the timeline has a line of it: its bytes do not say it all, and the line grows with its answer."""
        return self.phase == "message" or (self.phase == "begun" and getattr(self.exchange, "told", False))

    @property
    def text(self) -> str:
        """The exchange on one line."""
        return str(self.exchange)


class Unmatched(NamedTuple):
    """Something came that no rule matched; the text names the rule that was nearest, and why it was not it."""

    at: float
    connection: int
    text: str


class Lost(NamedTuple):
    """A fault has thrown a datagram away."""

    at: float
    connection: int
    direction: Direction
    data: bytes

    @property
    def text(self) -> str:
        """Which way it was going, and how it begins."""
        to = "server" if self.direction == "upstream" else "client"
        return f"lost on the way to the {to}: {shown(self.data)}"


Sign = Literal["FIN", "RST"]


class Ended(NamedTuple):
    """One side ends its direction or all of the connection: `sign` is what it says that with, if it says so."""

    at: float
    connection: int
    by: Literal["client", "server", "fault"]
    text: str
    sign: Sign | None


class WireEnded(NamedTuple):
    """A FIN or RST on the wire, of the side whose bytes go in that direction. Told as `WireReceived` is."""

    at: float
    connection: int
    direction: Direction
    sign: Sign


class Keys(NamedTuple):
    """The secrets of a TLS handshake, as lines of a key log (NSS format). Told as `WireReceived` is."""

    at: float
    connection: int
    text: str


class Closed(NamedTuple):
    """A connection is over for the server."""

    at: float
    connection: int
    by: Literal["client", "server", "fault"]

    @property
    def text(self) -> str:
        """By whom."""
        return f"closed by {self.by}"


class Failed(NamedTuple):
    """Code of the user raised."""

    at: float
    connection: int | None
    error: BaseException
    stream: int | None = None
    """The stream of HTTP/2 whose exchange it was to answer, if there is one."""

    @property
    def text(self) -> str:
        """The exception."""
        return f"the handler raised {type(self.error).__name__}: {self.error}"


class Note(NamedTuple):
    """Something else that is worth a line; `about` is `"server"` where the server itself goes up or down."""

    at: float
    connection: int | None
    text: str
    about: Literal["connection", "server"] = "connection"


Event = (
    Opened
    | Received
    | Sent
    | Arrived
    | Delivered
    | CipherReceived
    | CipherSent
    | WireReceived
    | WireSent
    | Unread
    | Held
    | Swallowed
    | Struck
    | InForce
    | Lifted
    | Handshake
    | Exchange
    | Unmatched
    | Lost
    | Ended
    | WireEnded
    | Keys
    | Closed
    | Failed
    | Note
)

PREVIEW = 32
"""Bytes that a line shows of a piece of data."""


def shown(data: bytes) -> str:
    """Bytes on one line: how many, and the first of them."""
    return f"{len(data)} B  {data[:PREVIEW]!r}{'...' if len(data) > PREVIEW else ''}"


Raw = tuple[Any, ...]
"""An event as the hot paths append it: the name of its class, then its fields.

A tuple costs a tenth of an object, and one of nothing but text, numbers and bytes is nothing that Python's garbage
collector looks at ever again: with the class itself in it, a collection would go through all that is on record.
"""

BY_NAME: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Event)}
"""The classes of events."""


class Log:
    """The events of one server, oldest first, the newest `LIMIT` of them."""

    def __init__(self) -> None:
        self.kept: deque[Event | Raw] = deque(maxlen=LIMIT)
        self.count = 0
        """How many there ever were."""
        self.unmatched = 0
        """How many of them were `Unmatched`."""
        self.passed = 0
        """How many bytes have passed on the server."""
        self._forgotten = 0

    @property
    def dropped(self) -> int:
        """How many of the oldest were let go, for there were too many."""
        return self.count - self._forgotten - len(self.kept)

    def add(self, event: Event | Raw) -> None:
        """Append it."""
        self.count += 1
        self.kept.append(event)

    def dropped_since(self, count: int) -> bool:
        """Whether some of those after the first `count` were let go, for there were too many."""
        return self.dropped > max(0, count - self._forgotten)

    def clear(self) -> None:
        """Begin anew; the count goes on."""
        self.kept.clear()
        self._forgotten = self.count

    def forget(self, until: float) -> None:
        """Let go what happened up to then: it would hold what is no longer on record."""
        kept = self.kept
        while kept and (kept[0][1] if type(kept[0]) is tuple else kept[0][0]) <= until:
            kept.popleft()

    def since(self, count: int) -> list[Event]:
        """The kept events after the first `count` that ever were."""
        kept = self.kept.copy()  # one call: the loop's thread may append meanwhile
        first = max(0, count - (self.count - len(kept)))
        return [typed(event) for event in itertools.islice(kept, first, None)]

    def __iter__(self) -> Iterator[Event]:
        return map(typed, self.kept.copy())


def typed(event: Event | Raw) -> Event:
    """The event as a value of its class."""
    if type(event) is tuple:
        made: Event = BY_NAME[event[0]]._make(event[1:])
        return made
    return event  # type: ignore[return-value]  # it is no raw one

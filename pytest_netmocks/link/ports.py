"""The ports: the one pair of interfaces between the layers of a connection, and what a link writes on record.

A connection is a list of layers, the wire first. Of two neighbours the earlier is `Below` to the later, the later is
`Above` to the earlier; those in between are both. Over TLS, with a tap that listens in, it is

    wire              Below: the socket (or memory)
    tap               sees every byte, FIN and RST that passes
    link("tls")       the faults on cipher text
    TLS               cipher text below, plain text above
    link("app")       the faults on the application's bytes
    the protocol      Above: an asyncio protocol, or a proxy's relay

and without TLS and tap it is wire, link, protocol. Calls upward (`Above`) tell what has come; calls downward (`Below`)
send, or say how to read. Every call is made in the loop's thread.
"""

from __future__ import annotations

import enum
import socket as sockets
from typing import Any, Protocol

from pytest_netmocks.faults.base import Fault
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.records.connection import Ender
from pytest_netmocks.records.events import Direction, Sign


class End(enum.Enum):
    """How a direction of a connection ends on the wire."""

    FIN = "FIN"
    RST = "RST"


class Below(Protocol):
    """What a layer stands on: it takes what is to be sent and hands up what comes.

    It hands nothing up before the first `resume_reading`. Once it is at its end (`closed`) every call is allowed and
    does nothing.
    """

    @property
    def socket(self) -> sockets.socket | None:
        """The socket at the bottom, for `get_extra_info`; `None` where there is none."""

    @property
    def buffered(self) -> int:
        """Bytes that were written and that the kernel has not taken yet."""

    @property
    def closed(self) -> bool:
        """Whether there is no connection any more: nothing can be sent, not even an end."""

    @property
    def unread(self) -> bool:
        """Whether bytes have come that nobody has read; true where nobody can tell."""

    @property
    def deserted(self) -> bool:
        """Whether no process has the other end any more; false where nobody can tell."""

    def carry(self, above: Above, /) -> None:
        """Tell this one from now on: it stands here, or was put in between."""

    def resume_reading(self) -> None:
        """Hand up what comes."""

    def pause_reading(self) -> None:
        """Hand up and read nothing, so that in time the peer's sends block; its end is told all the same."""

    def write(self, data: bytes | memoryview, /) -> None:
        """Send, in order. It never blocks: what cannot leave yet is kept, and above a mark the writer is paused."""

    def keep_apart(self, *, apart: bool) -> None:
        """Whether from now on what is written at once leaves as a segment of its own, joined to nothing."""

    def hold_for_the_end(self) -> None:
        """Let what is written wait for the FIN that follows it, where the kernel can, so that they arrive together."""

    def write_eof(self) -> None:
        """Send a FIN (over TLS: a close_notify first) after what was written; the peer may go on sending."""

    def finish(self, *, at_once: bool = False, past_faults: bool = False, notify: bool = True) -> None:
        """End in good order: a FIN after what was written, and what the peer still sends is thrown away.

        `at_once` gives up what could not leave yet, `past_faults` waits for no fault, and without `notify` a layer that
        says farewell (TLS: close_notify) does not.
        """

    def reset(self, *, at_once: bool = False) -> None:
        """End with an RST once the peer has every byte that was written, or `at_once`."""


class Above(Protocol):
    """What stands on a layer: it is told what comes and when there is room.

    Of the ends `peer_finished` and `end_of_stream` come once at most, and after every byte; `gone` or `wire_lost` is
    the last call of all.
    """

    def connected(self) -> None:
        """Begin to speak: the first call, for one that was there before the first byte."""

    def data_received(self, data: bytes, /) -> None:
        """The peer sent this."""

    def peer_finished(self) -> None:
        """The peer's stream ends in good order (FIN, close_notify), after all its bytes: put it on record."""

    def end_of_stream(self) -> None:
        """As `peer_finished`, but the layer below has put on record already what ended it."""

    def peer_hung_up(self) -> None:
        """The peer's FIN is there, behind bytes that nobody wants to read just now; it may come more than once."""

    def ending(self) -> None:
        """Our last FIN is about to go out: put the end on record now, for the peer will see it."""

    def end_sent(self, end: End, /) -> None:
        """A FIN or RST of ours goes out at this moment."""

    def wire_lost(self, error: Exception | None) -> None:
        """There is no connection any more; `error` says why, and is to be put on record."""

    def gone(self, error: Exception | None) -> None:
        """There is no connection any more, and the layer below has put on record why."""

    def pause_writing(self) -> None:
        """Too much waits to be sent: write no more until `resume_writing`."""

    def resume_writing(self) -> None:
        """Write again."""

    def in_pieces(self, *, apart: bool) -> None:
        """Whether what is handed up from now on is to go on in these pieces: a fault has cut them."""


class Layer(Below, Above, Protocol):
    """One in between: it can be put on another."""

    def stand_on(self, below: Below, /) -> None:
        """Send through this one from now on."""


class Carried(Protocol):
    """The streams that a link carries within, each with a link of its own."""

    def disarm(self, injection: Injection, /) -> None:
        """Lift the injection from every stream."""

    def settle(self) -> None:
        """Other faults strike the connection as a whole from now on."""


class Record(Protocol):
    """Where a link writes what happens on it."""

    def received(self, data: bytes, /) -> None:
        """The server sees these bytes."""

    def unread(self, size: int, /) -> None:
        """The last of these bytes have not been seen after all: they come again, or never."""

    def sent(self, data: bytes | memoryview, /) -> None:
        """The server sends these bytes."""

    def arrived(self, data: bytes, /) -> None:
        """These bytes of the client come to a fault."""

    def divide(self) -> None:
        """From now on what is sent and what is delivered may differ: a fault stands between."""

    def delivered(self, data: bytes | memoryview, /) -> None:
        """These bytes have come through the faults and go on to the client."""

    def held(self, direction: Direction, size: int, faults: tuple[Fault, ...], /) -> None:
        """Bytes wait at these faults."""

    def swallowed(self, direction: Direction, size: int, fault: Fault, /) -> None:
        """A fault has thrown bytes away."""

    def struck(self, fault: Fault, /) -> None:
        """A fault strikes."""

    def answered(self, exchange: Any, rule: Any, /) -> float:
        """The first of an answer is about to be sent, by that rule or by none; gives the time of that."""

    def sent_all(self, exchange: Any, /) -> None:
        """The last of an answer was sent."""

    def ended(self, by: Ender, text: str, sign: Sign | None = None, /) -> None:
        """One side ends it; the first counts."""

    def closed(self, by: Ender, /) -> None:
        """It is over."""

    def failed(self, error: BaseException, /) -> None:
        """The protocol raised."""

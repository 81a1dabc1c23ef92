"""What is on record of a WebSocket connection: its handshake, messages either way, pings, and how it was closed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, Literal, Protocol, cast

from pytest_netmocks import check
from pytest_netmocks.protocols.web.records import HttpConnection
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.plain import TOLD, plain_data
from pytest_netmocks.records.sides import Sides

Direction = Literal["received", "sent"]
Opcode = Literal["text", "binary", "ping", "pong"]
Message = str | bytes | Sequence[str] | Sequence[bytes]
"""What can be sent: text or bytes, or a list of either, which goes out as the fragments of one message."""


@dataclasses.dataclass(slots=True, repr=False)
class WsMessage:
    """One message (or ping or pong) that came or went.

    `data` is text or bytes, all fragments of it and uncompressed, `at` is seconds since the server started; what was
    sent is as it was before any fault.
    """

    data: str | bytes
    connection: Connection
    at: float
    direction: Direction = "received"
    opcode: Opcode = "text"
    """What it is: `"text"`, `"binary"`, `"ping"` or `"pong"`."""
    fragments: int = 1
    """In how many frames it came."""
    number: int = 0
    """Of what a client sent: its place on the connection, from 1, after the requests of HTTP where there were some."""

    @property
    def size(self) -> int:
        """Bytes of the data."""
        return len(self.data.encode()) if isinstance(self.data, str) else len(self.data)

    def json(self) -> Any:
        """The data as JSON; raises `ValueError` if it is none."""
        try:
            return json.loads(self.data)
        except RecursionError:
            raise ValueError("the message is JSON that is nested too deeply to be read") from None

    def to_dict(self) -> dict[str, Any]:
        """What it was, as JSON can have it."""
        data = self.data.encode() if isinstance(self.data, str) else self.data
        kept = plain_data(data[:TOLD], len(data))
        message = {"direction": self.direction, "opcode": self.opcode, "fragments": self.fragments, "size": len(data)}
        return {"message": {**message, **kept}}

    def __str__(self) -> str:
        return f"{'>' if self.direction == 'received' else '<'} {self.opcode} {shown(self.data)}"

    def sides(self) -> Sides:
        """The message, on the side of who sent it."""
        told = f"{self.opcode} {shown(self.data)}"
        return Sides(told) if self.direction == "received" else Sides("", told)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.direction} {self.opcode} {shown(self.data)}>"


def shown(data: str | bytes) -> str:
    """A short form for reports."""
    return repr(data) if len(data) <= 40 else f"{data[:40]!r}..."


class Live(Protocol):
    """What a connection's record needs of the live WebSocket; methods belong to the loop's thread."""

    def run_in_loop(self, function: Any, *arguments: Any) -> Any:
        """Have it done."""

    @property
    def ready(self) -> bool:
        """Whether a message can be sent now."""

    def send(self, message: Message) -> None:
        """Send a message. Raises `ValueError` if none can be sent."""

    def ping(self, data: bytes) -> None:
        """Send a ping."""

    def shut(self, code: int | None, reason: str) -> None:
        """Begin the closing handshake."""


class WsConnection(HttpConnection):
    """A connection that speaks WebSocket, or may come to.

    `upgrade_request` is the HTTP request of the handshake (`None` before it has come), `upgraded` whether it was
    accepted, `messages` all data messages either way, `pings` the pings and pongs, `subprotocol` and `compressed` what
    was negotiated; `close_received` and `close_sent` are the close frames, code and reason.
    """

    __slots__ = ()

    _websocket: Live | None

    def __init__(self, number: int, client_address: Address, opened_at: float) -> None:
        super().__init__(number, client_address, opened_at)
        self._messages: list[WsMessage] = []
        self._pings: list[WsMessage] = []

    @property
    def messages(self) -> list[WsMessage]:
        """All data messages, either way."""
        return self._messages

    @property
    def pings(self) -> list[WsMessage]:
        """The pings and pongs, either way."""
        return self._pings

    def send(self, message: Message | None = None, *, raw: bytes | None = None) -> None:
        """Send text, bytes, or a list of either as fragments of one message.

        `raw` are bytes that need be no frame, at any time, before the handshake too: what `send` is on a connection
        that speaks something else. What the client does not read waits in memory. Raises `ValueError` if it is not
        open, `TypeError` for anything else to send.
        """
        if raw is not None:
            if message is not None:
                raise TypeError("send() takes a message or raw=, not both")
            check.instance("raw", raw, bytes, "bytes")
            super().send(raw)
            return
        check_message("message", message)
        assert message is not None
        live = self._speaking("send")
        live.run_in_loop(live.send, message)

    def ping(self, data: bytes = b"") -> None:
        """Send a ping of at most 125 bytes. Raises `ValueError` if it is not open or the data is too long."""
        check.instance("data", data, bytes, "bytes")
        if len(data) > 125:
            raise ValueError(f"data must have at most 125 bytes (RFC 6455, section 5.5), not {len(data)}")
        live = self._speaking("ping")
        live.run_in_loop(live.ping, data)

    def close(self, code: int | None = None, reason: str = "") -> None:
        """End it: with a code by the closing handshake (RFC 6455, section 7), without one by a FIN and no close frame.

        On a connection that has ended this does nothing. Raises `ValueError` for a code or reason that cannot be sent.
        """
        if code is None:
            if reason:
                raise ValueError(f"reason {reason!r} needs a code before it")
            super().close()
            return
        check_close(code, reason)
        if self.is_open:
            live = self._speaking("close")
            live.run_in_loop(live.shut, code, reason)

    def begin(self, live: Live) -> None:
        """In the loop: it speaks WebSocket from now on."""
        self._websocket = live
        self.upgraded = True

    def end(self) -> None:
        """In the loop: it has ended; the record stays, what it was a record of does not."""
        self._websocket = None

    def _speaking(self, what: str) -> Live:
        live = self._websocket
        if live is None or not self.is_open:
            never = self.is_open and not self.upgraded
            state = "speaks no WebSocket yet" if never else f"has ended, closed by the {self.closed_by}"
            raise ValueError(f"{what}: connection {self.id} {state}")
        return live


def become_websocket(connection: HttpConnection) -> WsConnection:
    """In the loop: it will speak WebSocket."""
    if isinstance(connection, WsConnection):
        return connection
    connection.become(WsConnection)
    return cast("WsConnection", connection)


def check_message(name: str, message: object) -> None:
    """Refuse what cannot be sent."""
    pieces = message if isinstance(message, (list, tuple)) and message else [message]
    for piece in pieces:
        check.instance(name, piece, (str, bytes), "text or bytes, or a list of either as the fragments of a message")
        if isinstance(piece, str):
            _check_text(name, piece)
    if len({type(piece) for piece in pieces}) > 1:
        raise TypeError(f"{name} must have fragments of one kind, text or bytes, not {message!r}")


def _check_text(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} must be text that UTF-8 has bytes for: {error}") from None


def check_close(code: int | None, reason: str) -> None:
    """Refuse what does not fit into a close frame; a code that must not be sent does."""
    if code is not None:
        check.whole("code", code, unit="a close code", minimum=0, maximum=65535)
    check.instance("reason", reason, str, "text")
    _check_text("reason", reason)
    if code is None and reason:
        raise ValueError(f"reason {reason!r} needs a code before it")
    if len(reason.encode()) > 123:
        raise ValueError(f"reason must have at most 123 bytes (RFC 6455, section 5.5), not {len(reason.encode())}")

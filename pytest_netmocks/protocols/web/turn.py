"""`RequestTurn`: one request on its way to its answer: all that those who answer it have to know of it.

Whoever answers gets the turn and nothing of the connection that it is on:

    session (parses, keeps the order) -> turn -> who answers -> sender -> exchange -> link

The connection hears of it again once: when the answer is out (`done`), or when another protocol takes over.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from pytest_netmocks import clock
from pytest_netmocks.link.link import Link
from pytest_netmocks.link.ports import Above
from pytest_netmocks.protocols.web.incoming import Incoming
from pytest_netmocks.protocols.web.prepare import Fields, Outgoing, encoded, interim_head
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.timeslice import TimeSlice
from pytest_netmocks.servers.unread import Unread


class Line(Protocol):
    """What a turn asks of the connection that it is on; all in the loop's thread."""

    link: Link
    journal: Journal
    over: bool
    """Whether the connection has ended."""
    finished: bool
    """Whether the client has said its last word."""
    drained: asyncio.Event
    """Set while the client takes what is written."""

    def body_of(self, request: HttpRequest) -> Incoming:
        """The body of the request that is being answered, to be taken as it comes."""

    def take_unread(self) -> Unread:
        """What came after an offer to speak something else; it is read there no more."""

    def hand_over(self) -> None:
        """Leave the connection to another protocol."""

    def answered(self, *, going: bool) -> None:
        """Go on with the next request, or end the connection."""


class RequestTurn:
    """One request that is being answered, its exchange with the faults around it, and whether the connection is kept.

    `respond` of the sender gives it a response; who answers in pieces sends `piece` after `piece` and says `done`.
    """

    __slots__ = ("_gone", "_line", "_slice", "exchange", "journal", "keep", "link", "request")

    def __init__(self, line: Line, request: HttpRequest, exchange: Exchange, *, keep: bool) -> None:
        self._line = line
        self._gone: asyncio.Event | None = None
        self._slice = TimeSlice()
        self.request = request
        self.exchange = exchange
        self.keep = keep
        """Whether the connection may be kept after the answer."""
        self.link = line.link
        self.journal = line.journal

    @property
    def over(self) -> bool:
        """Whether the connection has ended, so that nobody gets the answer."""
        return self._line.over

    @property
    def body(self) -> Incoming:
        """The body of the request, to be taken as it comes."""
        return self._line.body_of(self.request)

    @property
    def gone(self) -> asyncio.Event:
        """What is set when the client has said its last word, or is gone; who asks for it ends by itself."""
        if self._gone is None:
            self._gone = asyncio.Event()
            if self._line.finished:
                self._gone.set()
        return self._gone

    @property
    def is_watched(self) -> bool:
        """Whether somebody has asked for `gone`."""
        return self._gone is not None

    def tell(self) -> None:
        """The client sends no more: say so to whoever has asked."""
        if self._gone is not None:
            self._gone.set()

    def fail(self, error: BaseException) -> None:
        """Put on record that users' code failed."""
        self.journal.failed(self.request.connection.id, error, self.request.stream)

    # How it goes out

    def head_of(self, out: Outgoing, response: Response) -> bytes:
        """The bytes that stand for the head of a response in `exchange`, and of a link."""
        return out.head

    def head(self, status: int, reason: str, fields: Fields) -> bytes:
        """As `head_of`, of an answer that is no response of ours."""
        line = f"HTTP/1.1 {status} {reason}\r\n".encode("latin-1", "replace")
        return line + encoded(fields) + b"\r\n"

    def interim(self, status: int, fields: Fields) -> None:
        """Send what goes before the answer, to clients that know of it (RFC 9110, section 15.2)."""
        if self.request.http_version != "1.0":
            self.link.write(interim_head(status, fields))

    def end(self, trailers: Fields, *, chunked: bool) -> None:
        """An answer in pieces is out: say so, with the fields behind it."""
        self.exchange.end(b"0\r\n" + encoded(trailers) + b"\r\n" if chunked else b"")

    async def piece(self, data: bytes, *, chunked: bool) -> None:
        """Send more of a body, and wait until the client has taken most of it and the others had their turn."""
        if chunked:
            self.exchange.piece(b"%x\r\n" % len(data), data, b"\r\n")
        else:
            self.exchange.piece(b"", data, b"")
        await self.drain()
        if self._slice.over:
            self._slice.rest()
            await clock.sleep(0)

    async def drain(self) -> None:
        """Wait until the client has taken most of what was written."""
        if self.link.is_closing():
            await clock.sleep(0)  # let the loop say that it is over, to a stream that never waits
        await self._line.drained.wait()

    def done(self, *, going: bool) -> None:
        """The answer is out; the connection goes on or ends."""
        self._line.answered(going=going)

    # Another protocol

    def leave(self) -> Unread:
        """What came after the offer to speak something else."""
        return self._line.take_unread()

    def give(self, above: Above) -> None:
        """Let what stands on links have the connection from now on, and what came after the offer."""
        rest = self.leave().take()
        finished = self._line.finished
        self._line.hand_over()
        if rest:
            above.data_received(rest)
        self.link.begin(lambda: above)
        if finished and not self.over:
            above.peer_finished()

    def hand_over(self, protocol: asyncio.BaseProtocol, rest: bytes) -> None:
        """Let another protocol have the connection from now on, and what came after the offer."""
        self._line.hand_over()
        self.link.set_protocol(protocol)
        if not self._line.drained.is_set() and not self.over:
            protocol.pause_writing()
        asyncio.get_running_loop().call_soon(self.link.push_back, rest)

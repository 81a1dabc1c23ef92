"""HTTP/1.x on the link (RFC 9112), parsed by httptools (llhttp, the parser of Node.js)."""

from __future__ import annotations

import asyncio
from collections import deque

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.http import broken, uploads
from pytest_netmocks.protocols.http.answering import Answering
from pytest_netmocks.protocols.http.desk import HttpDesk
from pytest_netmocks.protocols.http.inlet import PIECE
from pytest_netmocks.protocols.http.lines import PREFACE
from pytest_netmocks.protocols.http.receiving import OFFERED
from pytest_netmocks.protocols.http.rules import HttpRule
from pytest_netmocks.protocols.http.unanswered import Unanswered
from pytest_netmocks.protocols.web import heads
from pytest_netmocks.protocols.web.heads import NO_BODY, Refused
from pytest_netmocks.protocols.web.incoming import Incoming
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.turn import RequestTurn
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.servers.backpressure import SLOW, Reading
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.timeslice import TimeSlice
from pytest_netmocks.servers.unread import Unread

PIPELINED = 64
"""Requests that wait for their answers before nothing more is read."""

_WAITING = "requests wait"


class HttpProtocol(Answering, Unanswered, asyncio.Protocol):
    """One connection: requests come in, wait their turn, and are answered in order."""

    def __init__(self, desk: HttpDesk, link: Link, connection: Connection) -> None:
        super().__init__(connection, desk.journal, Reading(link))
        self._desk = desk
        self.link = link
        self.over = False
        self.finished = False
        self._keep = True
        """Whether the connection may be kept after the request that is being answered."""
        self._refused: HttpRequest | None = None
        self._waiting: deque[tuple[HttpRequest, bool]] = deque()
        self._turn: RequestTurn | None = None
        """The request that is being answered by a task."""
        self._task: asyncio.Task[None] | None = None
        self._postponed = False
        self._closing = False
        self.drained = asyncio.Event()
        self.drained.set()
        self._early: HttpRequest | None = None
        self._incoming: Incoming | None = None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._desk.greet(self.link, self.connection, self._reading)

    def data_received(self, data: bytes) -> None:
        if len(data) <= PIECE:
            self._take(data)
        else:
            self._inlet.give(data)

    def _take(self, data: bytes) -> None:
        if self._rest is not None:
            self._rest += data
        elif not self._closing and not self.over and self._refusal is None:
            self._feed(data)
            if len(self._waiting) > PIPELINED:
                self._reading.hold(_WAITING)
            if self._rest is None:
                self._answer_all()
            else:
                self._next()

    def eof_received(self) -> bool:
        self.finished = True
        self._tell()
        answering = self._task is not None or bool(self._waiting)
        if not answering:
            self._break_off()
        return answering

    def connection_lost(self, error: Exception | None) -> None:
        self.over = True
        self.drained.set()
        self._pass_over(broken.reason(self.connection, error) if self._waiting else "")
        self._break_off(error)
        self._tell()
        if self._task is not None and (self._turn is None or not self._turn.is_watched):
            self._task.cancel()
        self.let_go()

    def _goes_on_in_frames(self, data: bytes, at: int) -> bool:
        if "2" not in self._desk.versions or self.connection.counted or self._waiting:
            return False
        from pytest_netmocks.protocols.http.http2 import Http2Protocol  # loads the library

        self.hand_over()
        protocol = Http2Protocol(self._desk, self.link, self.connection, greeted=True)
        self.link.set_protocol(protocol)
        protocol.connection_made(self.link)
        protocol.data_received(PREFACE + data[at:] + self._inlet.take_back())
        return True

    def _tell(self) -> None:
        """Tell an application that its client sends no more; it ends by itself."""
        if self._incoming is not None:
            self._incoming.break_off()
        if self._turn is not None:
            self._turn.tell()

    def body_of(self, request: HttpRequest) -> Incoming:
        """The body of the request that is being answered, to be taken as it comes."""
        if self._incoming is not None and request is self._early:
            return self._incoming
        return Incoming.of(self._reading, request.body)

    def pause_writing(self) -> None:
        self.drained.clear()
        self._reading.hold(SLOW)

    def resume_writing(self) -> None:
        self.drained.set()
        if self._waiting and self._task is None:
            asyncio.get_running_loop().call_soon(self._next)
        self._reading.go_on(SLOW)

    # The parser's side

    def on_headers_complete(self) -> None:
        if self._replaying:
            return
        self._in_head = False
        request = self._current = self._request()
        framing = self._framing = heads.check(self._fields, request.http_version, 0 if self._head_bytes else self._size)
        if self._parser.should_upgrade():
            self._body_framing = heads.framing_fields(self._fields)
            if self._body_framing and not self._parser.should_keep_alive():
                self._body_framing.append((b"connection", b"close"))
        self._received = 0
        self._with_head = True
        self._upload = None
        if framing is not NO_BODY:
            request.complete = False
            request.longest = self._desk.max_body
            if (framing.length or 0) > self._desk.max_body:
                raise Refused(413, f"the body of {framing.length} bytes is longer than {self._desk.max_body}")
            self._undecided = request
            if self._desk.strikes_uploads:
                self._upload = uploads.choose(self._desk, self.link, request)
            if self._upload is None and (framing.awaited or self._desk.may_answer_early):
                self._look_at_head()

    def _stops_at(self, data: bytes, at: int) -> bool:
        stops = super()._stops_at(data, at)
        self._look_at_head()
        return stops

    def _look_at_head(self) -> None:
        """When the answers before are out: answer a request whose body is not waited for, or ask for that."""
        request = self._undecided
        if request is None or self._waiting or self._task is not None or self.link.is_closing():
            return
        self._undecided = None
        early = self._desk.answers_early(request)
        if early is not None:
            self._early = request
            ask = self._say_continue if self._framing.awaited else None
            self._incoming = Incoming(self._reading, self._framing.length, ask) if early == "mount" else None
            if self._incoming is not None and self._received:
                self._incoming.feed(request.body)  # it has come while others were answered
            self._keep = early == "mount" and self._may_be_kept
            self._answer(request)
        elif self._framing.awaited and not self._received:
            when = self._desk.when_to_continue(request)
            if when is True:
                self._say_continue()
            elif when is not False:
                asyncio.get_running_loop().call_later(when, self._say_continue_late, request)

    def _say_continue(self) -> None:
        if not self.link.is_closing():
            self.link.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _say_continue_late(self, request: HttpRequest) -> None:
        """Ask for the body unless it comes unasked meanwhile (RFC 9110, section 10.1.1)."""
        if request is self._current and not self._received:
            self._say_continue()

    def on_body(self, body: bytes) -> None:
        received = self._received = self._received + len(body)
        if received > self._desk.max_body:
            raise Refused(413, f"the body is longer than {self._desk.max_body} bytes")
        request = self._current
        if request is None:
            return
        request.comes(body)
        if request is self._early and self._incoming is not None and not self._incoming.feed(body):
            self._close()  # the answer is out, and this would go on for long

    def on_message_complete(self) -> None:
        if self._body_framing:
            return  # the parser thinks so; its body comes yet
        if self._upload is not None:
            if self._upload.cuts_off(self._received):
                return
            self._upload.end()
        self._undecided = None
        self._line.is_whole = False
        request, self._current = self._current, None
        if request is None:
            return
        if self._framing is not NO_BODY:
            request.has_come()
            if not self._with_head:
                request.received_at = self.journal.now()
        if request is self._early:
            self._early = None
            self._tell_of_body(request)
            if self._incoming is not None:
                self._incoming.end()
            return
        self._waiting.append((request, self._framing.is_sure and self._parser.should_keep_alive()))

    # Answering

    def _next(self) -> None:
        """Answer what waits, in order, then read what had to wait for the answers."""
        self._answer_all()
        if self._rest is None:
            return
        time_slice = TimeSlice()
        while self._rest is not None and not (self._waiting or self._task or self._closing or self._postponed):
            rest, self._rest = self._rest, None
            self._feed(rest)
            if len(self._waiting) > PIPELINED:
                self._reading.hold(_WAITING)
            if self._rest is None:
                self._reading.go_on(OFFERED)
            self._answer_all()
            if self._rest is not None:
                self._pauses_after(time_slice)

    def _pauses_after(self, time_slice: TimeSlice) -> bool:
        """Whether the others are to have their turn before it goes on here."""
        if not self._postponed and time_slice.over:
            self._postponed = True
            asyncio.get_running_loop().call_soon(self._go_on)
        return self._postponed

    def _go_on(self) -> None:
        self._postponed = False
        self._next()

    def _answer_all(self) -> None:
        if self._postponed:
            return
        time_slice = TimeSlice() if len(self._waiting) > 1 else None
        while self._waiting and self._task is None and not self._closing and not self.link.is_closing():
            if not self.drained.is_set():
                return  # the client has to take some of the answers first
            request, self._keep = self._waiting.popleft()
            self._answer(request)
            if time_slice is not None and self._waiting and self._pauses_after(time_slice):
                return
        if self._closing or self._task is not None or self._rest is not None:
            return
        self._reading.go_on(_WAITING)
        if self._waiting or self._closing or self._task is not None:
            return  # what was held has come in meanwhile
        if self._undecided is not None:
            self._look_at_head()
            if self._task is not None:
                return
        if self._refusal is not None:
            self._say_no(self._refusal)
        elif self.finished:
            self._break_off()
            self._close()

    def _turn_of(self, request: HttpRequest, verdict: Verdict[HttpRule], *, keep: bool) -> RequestTurn:
        return RequestTurn(self, request, Exchange(self.link, verdict, request), keep=keep)

    def _sent(self, *, going: bool) -> None:
        if not going:
            self._close()

    # What a turn asks

    def answered(self, *, going: bool) -> None:
        self._task = self._turn = None
        if self._incoming is not None:
            going = self._incoming.dismiss() and going
        if not going:
            self._close()
        self._next()

    def take_unread(self) -> Unread:
        rest, self._rest = self._rest, None
        return Unread(rest or b"")

    def hand_over(self) -> None:
        self._task = self._turn = None
        self._closing = True

    # Without rules

    def _close(self) -> None:
        if not self._closing:
            self._closing = True
            self._pass_over("the answer before it was the last of the connection")
            self.link.close()

    def _put_on_record(self, request: HttpRequest) -> None:
        self._desk.met_by_head(request)
        self.journal.request(self.connection, request)

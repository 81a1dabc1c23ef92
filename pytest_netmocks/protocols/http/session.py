"""HTTP/1.x on the link (RFC 9112), parsed by httptools (llhttp, the parser of Node.js)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_netmocks import clock
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.http import broken, uploads
from pytest_netmocks.protocols.http.incoming import Incoming
from pytest_netmocks.protocols.http.inlet import PIECE
from pytest_netmocks.protocols.http.receiving import OFFERED
from pytest_netmocks.protocols.http.rules import HttpAnswer, HttpRule, Matching, make
from pytest_netmocks.protocols.http.unanswered import Unanswered
from pytest_netmocks.protocols.web import heads
from pytest_netmocks.protocols.web.heads import NO_BODY, Refused
from pytest_netmocks.protocols.web.prepare import Outgoing
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.protocols.web.sender import send_at_once, send_in_pieces, send_interim, send_plain
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.servers.backpressure import SLOW, Reading
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.turns import Turn
from pytest_netmocks.servers.unread import Unread
from pytest_netmocks.usercode import in_a_thread

if TYPE_CHECKING:
    from pytest_netmocks.protocols.http.server import HttpServer
    from pytest_netmocks.protocols.ws.session import WsProtocol

LONG = 8 * 1024
"""Characters of a query above which nobody looks into it in the loop that belongs to all."""

PIPELINED = 64
"""Requests that wait for their answers before nothing more is read."""

_WAITING = "requests wait"


class HttpProtocol(Unanswered, asyncio.Protocol):
    """One connection: requests come in, wait their turn, and are answered in order."""

    def __init__(self, server: HttpServer, link: Link, connection: Connection) -> None:
        super().__init__(connection, server.journal, Reading(link))
        self.server = server
        self.link = link
        self.keep = True
        """Whether the connection may be kept after the request that is being answered."""
        self.over = False
        self.out: Outgoing
        self._refused: HttpRequest | None = None
        self._waiting: deque[tuple[HttpRequest, bool]] = deque()
        self._watcher: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._finished = False
        self._postponed = False
        self._closing = False
        self._drained = asyncio.Event()
        self._drained.set()
        self._early: HttpRequest | None = None
        self._incoming: Incoming | None = None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.server._greet(self.link, self.connection, self._reading)

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
        self._finished = True
        self._tell()
        answering = self._task is not None or bool(self._waiting)
        if not answering:
            self._break_off()
        return answering

    def connection_lost(self, error: Exception | None) -> None:
        self.over = True
        self._drained.set()
        self._pass_over(broken.reason(self.connection, error) if self._waiting else "")
        self._break_off(error)
        self._tell()
        if self._watcher is None and self._task is not None:
            self._task.cancel()

    def _tell(self) -> None:
        """Tell an application that its client sends no more; it ends by itself."""
        if self._incoming is not None:
            self._incoming.break_off()
        if self._watcher is not None:
            self._watcher.set()

    def watch(self) -> asyncio.Event:
        """What is set when the client has said its last word, or is gone: for what answers this request."""
        self._watcher = asyncio.Event()
        if self._finished:
            self._watcher.set()
        return self._watcher

    def incoming(self, request: HttpRequest) -> Incoming:
        """The body of the request that is being answered, to be taken as it comes."""
        if self._incoming is not None and request is self._early:
            return self._incoming
        return Incoming.of(self._reading, request.body)

    def pause_writing(self) -> None:
        self._drained.clear()
        self._reading.hold(SLOW)

    def resume_writing(self) -> None:
        self._drained.set()
        if self._waiting and self._task is None:
            asyncio.get_running_loop().call_soon(self._next)
        self._reading.go_on(SLOW)

    async def drain(self) -> None:
        """Wait until the client has taken most of what was written."""
        if self.link.is_closing():
            await clock.sleep(0)  # let the loop say that it is over, to a stream that never waits
        await self._drained.wait()

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
        self._upload = None
        if framing is not NO_BODY:
            request.complete = False
            request.longest = self.server.max_body
            if (framing.length or 0) > self.server.max_body:
                raise Refused(413, f"the body of {framing.length} bytes is longer than {self.server.max_body}")
            self._undecided = request
            if self.server.strikes_uploads:
                self._upload = uploads.choose(self, request)
            if self._upload is None and (framing.awaited or self.server.may_answer_early):
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
        early = self.server.answers_early(request)
        if early is not None:
            self._early = request
            self.keep = early == "mount" and self._may_be_kept
            ask = self._say_continue if self._framing.awaited else None
            self._incoming = Incoming(self._reading, self._framing.length, ask) if early == "mount" else None
            if self._incoming is not None and self._received:
                self._incoming.feed(request.body)  # it has come while others were answered
            self._answer(request)
        elif self._framing.awaited and not self._received:
            when = self.server.when_to_continue(request)
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
        if received > self.server.max_body:
            raise Refused(413, f"the body is longer than {self.server.max_body} bytes")
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
            request.received_at = self.journal.now()
        if request is self._early:
            self._early = None
            self._tell_of_body(request)
            if self._incoming is not None:
                self._incoming.end()
            return
        self._waiting.append((request, self._framing.is_sure and self._parser.should_keep_alive()))

    def _tell_of_body(self, request: HttpRequest) -> None:
        if request.received_at is not None:
            self.journal.phase(request.received_at, self.connection.id, request, "body")

    # Answering

    def _next(self) -> None:
        """Answer what waits, in order, then read what had to wait for the answers."""
        self._answer_all()
        if self._rest is None:
            return
        turn = Turn()
        while self._rest is not None and not (self._waiting or self._task or self._closing or self._postponed):
            rest, self._rest = self._rest, None
            self._feed(rest)
            if len(self._waiting) > PIPELINED:
                self._reading.hold(_WAITING)
            if self._rest is None:
                self._reading.go_on(OFFERED)
            self._answer_all()
            if self._rest is not None:
                self._pauses_after(turn)

    def _pauses_after(self, turn: Turn) -> bool:
        """Whether the others are to have their turn before it goes on here."""
        if not self._postponed and turn.over:
            self._postponed = True
            asyncio.get_running_loop().call_soon(self._go_on)
        return self._postponed

    def _go_on(self) -> None:
        self._postponed = False
        self._next()

    def _answer_all(self) -> None:
        if self._postponed:
            return
        turn = Turn() if len(self._waiting) > 1 else None
        while self._waiting and self._task is None and not self._closing and not self.link.is_closing():
            if not self._drained.is_set():
                return  # the client has to take some of the answers first
            request, self.keep = self._waiting.popleft()
            self._answer(request)
            if turn is not None and self._waiting and self._pauses_after(turn):
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
        elif self._finished:
            self._break_off()
            self._close()

    def _answer(self, request: HttpRequest) -> None:
        self.journal.request(self.connection, request)
        if request.received_at is not None:
            self._tell_of_body(request)
        server = self.server
        if len(request.query_string) > LONG or (server.looks_at_bodies and (server.calls_to_match or request.is_heavy)):
            self._start(self._answer_apart(request), request)
        else:
            self._decide(request, server.matching)

    async def _answer_apart(self, request: HttpRequest) -> None:
        """Let rules look at much, or ask users' functions, in a thread: the loop belongs to all."""
        found = asyncio.ensure_future(in_a_thread(self.server.matching, request))
        found.add_done_callback(lambda future: future.cancelled() or future.exception())
        await asyncio.wait([found])
        self._task = None
        self._decide(request, lambda _: found.result())
        if self._task is None:
            self._next()

    def _decide(self, request: HttpRequest, matching: Callable[[HttpRequest], Matching]) -> None:
        server = self.server
        try:
            verdict = server.decide(request, matching(request))
        except Exception as error:  # noqa: BLE001  # a user's matcher raised
            self.journal.failed(self.connection.id, error)
            self._go(request, Verdict(None, None, []), HttpAnswer(server.failed(error), 0.0, False))
            return
        answer = verdict.take() if verdict.answering is not None else server.fallback(request)
        if isinstance(answer, HttpAnswer):
            self._go(request, verdict, answer)
        else:
            coroutine = answer(self, request, Exchange(self.link, verdict, request))
            self._start(coroutine, request)

    def _go(self, request: HttpRequest, verdict: Verdict[HttpRule], answer: HttpAnswer) -> None:
        self.keep = self.keep and not verdict.then_close
        made = answer.made
        if (
            isinstance(made, Response)
            and not (verdict.injections or answer.delay)
            and send_plain(self, request, made, verdict.answering)
        ):
            return
        exchange = Exchange(self.link, verdict, request)
        if isinstance(made, Response):
            if made.interim:
                send_interim(self.link, request, made)
            going = send_at_once(self, exchange, request, made) if not answer.delay else None
            if going is not None:
                if not going:
                    self._close()
                return
        self._start(self._later(exchange, answer, request), request)

    def _start(self, coroutine: Any, request: HttpRequest) -> None:
        self._task = self.server.tasks.start(coroutine, self.connection.id, failed=lambda: self._broke(request))

    async def _later(self, exchange: Exchange, answer: HttpAnswer, request: HttpRequest) -> None:
        if answer.delay:
            await clock.sleep(answer.delay)
        try:
            response = await make(answer, request)
        except Exception as error:  # noqa: BLE001  # a user's function raised: the test fails, the client gets a 500
            self.journal.failed(self.connection.id, error)
            response = self.server.failed(error)
        if self.over:
            return
        await self.respond(exchange, request, response, begun=response is answer.made)

    async def respond(
        self, exchange: Exchange, request: HttpRequest, response: Response, *, begun: bool = False
    ) -> None:
        """Send the response, as a whole or in pieces, and go on to the next request."""
        if response.interim and not begun:
            send_interim(self.link, request, response)
        going = send_at_once(self, exchange, request, response)
        if going is None:
            going = await send_in_pieces(self, exchange, request, response, self.out)
        self.done(going=going)

    def leave(self) -> Unread:
        """What came after the offer to speak something else: it is read here no more."""
        rest, self._rest = self._rest, None
        return Unread(rest or b"")

    def hand_over(self, protocol: WsProtocol, rest: bytes) -> None:
        """Let another protocol have the connection from now on, and what came after the offer."""
        self._task = None
        self._closing = True
        self.link.set_protocol(protocol)
        if not self._drained.is_set() and not self.over:
            protocol.pause_writing()
        loop = asyncio.get_running_loop()
        loop.call_soon(self.link.give_back, rest)
        loop.call_soon(protocol.looked)

    def done(self, *, going: bool) -> None:
        """The answer of a task is out."""
        self._task = self._watcher = None
        if self._incoming is not None:
            going = self._incoming.dismiss() and going
        if not going:
            self._close()
        self._next()

    def _broke(self, request: HttpRequest) -> None:
        """Users' code failed: an answer if none has begun, and the end of the connection."""
        self._task = None
        if request.response is None and not self.over:
            error = self.journal.errors[-1] if self.journal.errors else RuntimeError("failed")
            self._answer_without_rules(request, self.server.failed(error))
        self._close()

    def _close(self) -> None:
        if not self._closing:
            self._closing = True
            self._pass_over("the answer before it was the last of the connection")
            self.link.close()

    def _put_on_record(self, request: HttpRequest) -> None:
        self.server.met_by_head(request)
        self.journal.request(self.connection, request)

    def _answer_without_rules(self, request: HttpRequest, answer: Response) -> None:
        send_at_once(self, Exchange(self.link, Verdict(None, None, []), request), request, answer)

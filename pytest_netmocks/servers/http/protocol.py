"""HTTP/1.x on the link (RFC 9112), parsed by httptools (llhttp, the parser of Node.js)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

import httptools

from pytest_netmocks import clock
from pytest_netmocks.link.link import Link
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules import Verdict
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.http.fields import Headers
from pytest_netmocks.servers.http.messages import HttpRequest, SentResponse
from pytest_netmocks.servers.http.prepare import Outgoing, encoded
from pytest_netmocks.servers.http.response import REASONS, Response
from pytest_netmocks.servers.http.rules import HttpAnswer, HttpRule, make
from pytest_netmocks.servers.http.sender import put_on_record, send_at_once, send_in_pieces
from pytest_netmocks.servers.http.targets import split_target
from pytest_netmocks.servers.reading import SLOW, Reading

if TYPE_CHECKING:
    from pytest_netmocks.servers.http.server import HttpServer

MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers; a longer one gets 431."""

MAX_FIELDS = 1000
"""Header fields of a request; of more it gets 431."""

PIPELINED = 64
"""Requests that wait for their answers before nothing more is read."""


_OFFERED = "an upgrade is offered"
_WAITING = "requests wait"

_FRAMING = (b"content-length", b"transfer-encoding")


class _Refused(Exception):  # noqa: N818  # it is thrown through the parser, and never seen outside
    """A request that gets an error and the end of the connection."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class HttpProtocol(asyncio.Protocol):
    """One connection: requests come in, wait their turn, and are answered in order."""

    def __init__(self, server: HttpServer, link: Link, connection: Connection) -> None:
        self.server = server
        self.journal = server.journal
        self.link = link
        self.connection = connection
        self.keep = True
        """Whether the connection may be kept after the request that is being answered."""
        self.over = False
        self.out: Outgoing
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[HttpRequest, bool]] = deque()
        self._watcher: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._finished = False
        self._refusal: _Refused | None = None
        self._refused: HttpRequest | None = None
        self._closing = False
        self._drained = asyncio.Event()
        self._drained.set()
        self._reading = Reading(link)
        self._current: HttpRequest | None = None
        self._early: HttpRequest | None = None
        self._chunks: list[bytes] = []
        self._received = 0
        self._continue = False
        """Whether the client of the request that is coming in waits to be asked for its body."""
        self._url = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._in_head = False
        self._head_bytes = self._trailer_bytes = 0
        self._body_framing: list[tuple[bytes, bytes]] = []
        """The fields that say how long the body is, of a request whose body the parser would not read."""
        self._replaying = False
        self._rest: bytes | None = None
        """What came after an offer to upgrade: whose it is, the answer says."""

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.server._greet(self.link, self.connection)

    def data_received(self, data: bytes) -> None:
        if not self._closing and self._refusal is None:
            self._feed(data)
            self._next()

    def _feed(self, data: bytes) -> None:
        size = len(data)
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # Where we do not speak it the request is answered as if it had not asked (RFC 9110, section 7.8).
                data = data[upgrade.args[0] :]
                if self._body_framing:
                    self._read_body()
                    continue
                self._rest = data
                self._reading.hold(_OFFERED)
            except httptools.HttpParserError as error:
                cause = error.__context__
                self._refuse(cause if isinstance(cause, _Refused) else _Refused(400, str(error)))
            break
        if self._in_head:
            # What the head began in may be another request for the most part: it counts as one byte.
            self._head_bytes += size if self._head_bytes else 1
            if self._head_bytes > MAX_HEAD and self._refusal is None:
                self._refuse(_Refused(431, f"the head is longer than {MAX_HEAD} bytes"))
        self._reading.hold(_WAITING, hold=len(self._waiting) > PIPELINED)

    def eof_received(self) -> bool:
        self._finished = True
        if self._watcher is not None:
            self._watcher.set()
        if self._current is not None and self._refusal is None and not self._closing:
            self.journal.note(self.connection.id, "note", "the client finished in the middle of a request")
        return self._task is not None or bool(self._waiting)

    def connection_lost(self, error: Exception | None) -> None:
        self.over = True
        self._drained.set()
        if self._watcher is not None:
            self._watcher.set()  # an application is told, and ends by itself
        elif self._task is not None:
            self._task.cancel()

    def watch(self) -> asyncio.Event:
        """What is set when the client has said its last word, or is gone: for what answers this request."""
        self._watcher = asyncio.Event()
        if self._finished:
            self._watcher.set()
        return self._watcher

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

    def on_message_begin(self) -> None:
        if self._replaying:
            return
        self._url = b""
        self._fields = []
        self._in_head = True
        self._head_bytes = self._trailer_bytes = 0
        self._body_framing = []

    def _read_body(self) -> None:
        """Have the body read although the request offers an upgrade: the parser takes it for the other protocol's."""
        self._parser = httptools.HttpRequestParser(self)
        self._replaying = True
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + encoded(list(self._body_framing)) + b"\r\n")
        self._replaying = False
        self._body_framing = []

    def on_url(self, url: bytes) -> None:
        if self._replaying:
            return
        self._url += url
        if len(self._url) > MAX_HEAD:
            raise _Refused(414, f"the target is longer than {MAX_HEAD} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._replaying:
            return
        if self._in_head:
            self._fields.append((name, value))
            if len(self._fields) > MAX_FIELDS:
                raise _Refused(431, f"there are more than {MAX_FIELDS} header fields")
        elif self._current is not None:
            self._trailer_bytes += len(name) + len(value) + 4
            if self._trailer_bytes > MAX_HEAD:
                raise _Refused(431, f"the trailers are longer than {MAX_HEAD} bytes")
            self._current.trailers.add(name, value)

    def on_headers_complete(self) -> None:
        if self._replaying:
            return
        self._in_head = False
        parser = self._parser
        version = parser.get_http_version()
        length, expectation = self._checked_fields(version)
        if parser.should_upgrade():
            framing = [pair for pair in self._fields if pair[0].lower() in _FRAMING]
            self._body_framing = [] if all(value.strip(b" 0") == b"" for _, value in framing) else framing
            if self._body_framing and not parser.should_keep_alive():
                self._body_framing.append((b"connection", b"close"))
        target = self._url.decode("latin-1")
        path, query = split_target(target)
        request = self._current = HttpRequest(
            self.connection,
            self.journal.now(),
            method=parser.get_method().decode("latin-1"),
            target=target,
            path=path,
            query=query,
            headers=Headers(self._fields),
            http_version=version,
        )
        self._chunks = []
        self._received = 0
        if length.isdigit() and int(length) > self.server.max_body:
            raise _Refused(413, f"the body of {int(length)} bytes is longer than {self.server.max_body}")
        if self._is_early(request):
            return
        if version == "1.1" and expectation == b"100-continue":
            self._continue = True
            self._say_continue()

    def _checked_fields(self, version: str) -> tuple[bytes, bytes]:
        """The values of Content-Length and Expect; raises `_Refused` where the head is not as it has to be."""
        size = hosts = 0
        length = expectation = b""
        for name, value in self._fields:
            size += len(name) + len(value) + 4
            key = name.lower()
            if key == b"host":
                hosts += 1
            elif key == b"content-length":
                length = value
            elif key == b"expect":
                expectation = value.lower()
        if size > MAX_HEAD:
            raise _Refused(431, f"the head is longer than {MAX_HEAD} bytes")
        if version not in ("1.0", "1.1"):
            raise _Refused(505, f"HTTP/{version} is not spoken here")
        if hosts > 1 or (version == "1.1" and not hosts):
            raise _Refused(400, "there must be one Host (RFC 9112, section 3.2)")
        return length, expectation

    def _say_continue(self) -> None:
        """Ask for the body, when the answers before it are out."""
        if self._continue and not self._waiting and self._task is None and not self.link.is_closing():
            self._continue = False
            self.link.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._continue = False
        self._received += len(body)
        if self._received > self.server.max_body:
            raise _Refused(413, f"the body is longer than {self.server.max_body} bytes")
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        if self._body_framing:
            return  # the parser thinks so; its body comes yet
        self._continue = False
        request, self._current = self._current, None
        if request is None:
            return
        chunks = self._chunks
        request.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        if request is self._early:
            self._early = None
            return
        self._waiting.append((request, self._parser.should_keep_alive()))

    # Answering

    def _is_early(self, request: HttpRequest) -> bool:
        """Answer it now if its rule does not wait for the body."""
        if self._waiting or self._task is not None or not self.server.answers_early(request):
            return False
        self._early = request
        self.keep = False
        self._answer(request)
        return True

    def _next(self) -> None:
        """Answer what waits, in order, then read what had to wait for the answers."""
        self._answer_all()
        while self._rest is not None and not self._waiting and self._task is None and not self._closing:
            rest, self._rest = self._rest, None
            self._feed(rest)
            if self._rest is None:
                self._reading.go_on(_OFFERED)
            self._answer_all()

    def _answer_all(self) -> None:
        while self._waiting and self._task is None and not self._closing and not self.link.is_closing():
            if not self._drained.is_set():
                return  # the client has to take some of the answers first
            request, self.keep = self._waiting.popleft()
            self._answer(request)
        if self._closing or self._task is not None or self._rest is not None:
            return
        self._reading.go_on(_WAITING)
        if self._waiting or self._closing or self._task is not None:
            return  # what was held has come in meanwhile
        self._say_continue()
        if self._refusal is not None:
            self._say_no(self._refusal)
        elif self._finished:
            self._close()

    def _answer(self, request: HttpRequest) -> None:
        server = self.server
        self.journal.request(self.connection, request)
        try:
            verdict = server.decide(request)
        except Exception as error:  # noqa: BLE001  # a user's matcher raised
            self.journal.failed(self.connection.id, error)
            verdict = Verdict(None, None, [])
            self._go(request, verdict, HttpAnswer(server.failed(error), 0.0, False))
            return
        answer = verdict.answering.take() if verdict.answering is not None else server.fallback(request)
        if isinstance(answer, HttpAnswer):
            self._go(request, verdict, answer)
        else:
            coroutine = answer(self, request, Exchange(self.link, verdict))
            self._start(coroutine, request)

    def _go(self, request: HttpRequest, verdict: Verdict[HttpRule], answer: HttpAnswer) -> None:
        exchange = Exchange(self.link, verdict)
        if isinstance(answer.made, Response) and not answer.delay:
            going = send_at_once(self, exchange, request, answer.made)
            if going is not None:
                self._answered(going=going)
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
        await self.respond(exchange, request, response)

    async def respond(self, exchange: Exchange, request: HttpRequest, response: Response) -> None:
        """Send the response, as a whole or in pieces, and go on to the next request."""
        going = send_at_once(self, exchange, request, response)
        if going is None:
            going = await send_in_pieces(self, exchange, request, response, self.out)
        self.done(going=going)

    def hand_over(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol have the connection from now on, and what came after the offer."""
        self._task = None
        self._closing = True
        rest, self._rest = self._rest, None
        self.link.set_protocol(protocol)
        if not self._drained.is_set() and not self.over:
            protocol.pause_writing()
        # Not now: it has to begin first.
        asyncio.get_running_loop().call_soon(self.link.give_back, rest or b"")

    def done(self, *, going: bool) -> None:
        """The answer of a task is out."""
        self._task = self._watcher = None
        self._answered(going=going)
        self._next()

    def _answered(self, *, going: bool) -> None:
        if not going:
            self._close()

    def _broke(self, request: HttpRequest) -> None:
        """Users' code failed: an answer if none has begun, and the end of the connection."""
        self._task = None
        if request.response is None and not self.over:
            error = self.journal.errors[-1] if self.journal.errors else RuntimeError("failed")
            send_at_once(self, Exchange(self.link, Verdict(None, None, [])), request, self.server.failed(error))
        self._closing = True
        self.link.close()

    def _close(self) -> None:
        if not self._closing:
            self._closing = True
            self.link.close()

    def _refuse(self, refusal: _Refused) -> None:
        self._refusal = refusal
        self._in_head = self._continue = False
        self._refused, self._current = self._current, None

    def _say_no(self, refusal: _Refused) -> None:
        text = f"{refusal}\n".encode("latin-1", "replace")
        request = self._refused
        if request is not None and request is not self._early:
            self.journal.request(self.connection, request)
            put_on_record(self, request, SentResponse(refusal.status, [("Content-Type", "text/plain")], text))
        self.journal.note(self.connection.id, "note", f"{refusal.status} {REASONS[refusal.status]}: {refusal}")
        head = f"HTTP/1.1 {refusal.status} {REASONS[refusal.status]}\r\nContent-Type: text/plain\r\n"
        self.link.write(f"{head}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode() + text)
        self._close()

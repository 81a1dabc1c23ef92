"""The beginning of a WebSocket connection: the handshake, read and answered, up to the first message."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from websockets.http11 import Request

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.web.fields import Headers
from pytest_netmocks.protocols.web.prepare import interim_head, prepare
from pytest_netmocks.protocols.web.requests import HttpRequest, SentResponse
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.protocols.web.sender import answer_whole
from pytest_netmocks.protocols.web.targets import split_target
from pytest_netmocks.protocols.ws.library import Session
from pytest_netmocks.protocols.ws.records import Live, Message, WsConnection, WsMessage
from pytest_netmocks.protocols.ws.rules import ACCEPTED, HandshakeAnswer, HandshakeRule, MessageRule
from pytest_netmocks.protocols.ws.versions import line_of, refusal
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.servers.backpressure import Reading
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.following import Following
from pytest_netmocks.servers.stream import StreamServer
from pytest_netmocks.servers.unread import Unread

ACCEPT = HandshakeAnswer(Response(ACCEPTED), (), 0.0)

_OPENING = "the handshake is not answered"


def _latin(text: str) -> str:
    """Text as HTTP has it, in Latin-1, of which some versions of the library read what is no ASCII as surrogates."""
    return text if text.isascii() else text.encode("latin-1", "surrogateescape").decode("latin-1")


class Desk(Protocol):
    """What a session asks of the place that speaks WebSocket."""

    message_rules: RuleBook[MessageRule]
    handshake_rules: RuleBook[HandshakeRule]
    more_headers: list[tuple[str | bytes, str | bytes]]
    session_options: dict[str, Any]
    live: dict[int, Live]
    strikes_upward: bool
    take_over: Callable[[Any], None] | None
    """What gives a session's connection to the handler, if there is one."""

    def opened(self, connection: WsConnection, live: Live) -> None:
        """It speaks WebSocket from now on."""

    def arrived(self, message: WsMessage) -> None:
        """A message has come."""


class Opening(Live):
    """The part of a connection's protocol that opens it."""

    def __init__(self, endpoint: Desk, server: StreamServer, link: Link, connection: WsConnection) -> None:
        self.endpoint = endpoint
        self.link = link
        self.connection = connection
        self.server = server
        self.journal = server.journal
        self.session = Session(self.journal, connection, endpoint.arrived, **endpoint.session_options)
        self.over = False
        self._reading = Reading(link)
        self._following: Following | None = None
        self._tail = b""
        """The last bytes of the head so far: its end may come in two pieces."""
        self._early: Unread | None = None
        """What came with the handshake, and has to wait for its answer."""

    @abstractmethod
    def _start(self, coroutine: Any) -> None:
        """Let it run before anything else is answered."""

    @abstractmethod
    def _rest(self) -> None:
        """Nothing runs any more."""

    @abstractmethod
    def look(self) -> None:
        """Deal with the messages that have come."""

    @abstractmethod
    def flush(self) -> None:
        """Write what the library has to say."""

    def _read_head(self, data: bytes) -> None:
        """Read the handshake's head and no more: what comes after it is for the protocol that the answer opens."""
        session = self.session
        joint = self._tail + data
        end = joint.find(b"\r\n\r\n")
        size = end + 4 - len(self._tail) if end >= 0 else len(data)
        self._tail = joint[-3:]
        session.receive_data(data[:size])
        events = session.events_received()
        if events and isinstance(events[0], Request):
            self._early = Unread(data[size:])
            self._reading.hold(_OPENING)
            self._shake(events[0])
        elif session.eof_sent:
            cause = session.handshake_exc.__cause__ if session.handshake_exc else None
            self.journal.note(self.connection.id, f"no handshake: {cause or session.handshake_exc}")
            writes = session.data_to_send()
            answered = any(writes)
            self.link.write(b"".join(writes) if answered else refusal(cause or session.handshake_exc))
            self.link.close()

    def _shake(self, asked: Request) -> None:
        target = _latin(asked.path)
        path, query = split_target(target)
        method, http_version = line_of(asked)
        request = HttpRequest(
            self.connection,
            self.journal.now(),
            method=method,
            target=target,
            path=path,
            query=query,
            headers=Headers([(name, _latin(value)) for name, value in asked.headers.raw_items()]),
            http_version=http_version,
        )
        self.connection.upgrade_request = request
        verdict = self.endpoint.handshake_rules.decide(None, self.connection)
        answer: HandshakeAnswer = verdict.take() if verdict.answering is not None else ACCEPT
        if isinstance(answer.made, Response) and not answer.delay:
            self._opened(verdict, request, self._agree(request, answer.made, asked), answer.messages)
        else:
            self._start(self._open_later(verdict, request, answer))

    async def _open_later(self, verdict: Verdict[HandshakeRule], request: HttpRequest, answer: HandshakeAnswer) -> None:
        response = await self._made(request, answer)
        self._rest()
        if not self.over:
            self._opened(verdict, request, response, answer.messages)
            self.look()

    def _opened(
        self, verdict: Verdict[HandshakeRule], request: HttpRequest, response: Response, messages: Sequence[Message]
    ) -> None:
        early = self._early or Unread()
        exchange = Exchange(self.link, verdict, request)
        self.struck_around(verdict, early, lambda: self.answer(exchange, request, response))
        self._early = None
        if response.status != ACCEPTED or response.raw is not None:
            self.link.close()
            return
        self.begin(messages, then_close=verdict.then_close)
        self._reading.hand_over(early.take())
        self.looked()

    def struck_around(self, verdict: Verdict[Any], unread: Unread, answer: Callable[[], None]) -> None:
        """Answer, with the faults of the verdict on what the client sends next, of which some may be unread."""
        if not verdict.injections:
            answer()
            return
        if self._following is None:
            self._following = Following(self.link)
        self.flush()
        self._following.before(verdict, unread)
        answer()
        self._following.after(unread)

    def looked(self) -> None:
        """What has come is dealt with, as far as can be."""
        if self._following is not None:
            self._following.looked()

    async def negotiate(
        self, request: HttpRequest, verdict: Verdict[HandshakeRule]
    ) -> tuple[Response, Sequence[Message]]:
        """The answer to a handshake, and the messages to begin with."""
        answer: HandshakeAnswer = verdict.take() if verdict.answering is not None else ACCEPT
        return await self._made(request, answer), answer.messages

    async def _made(self, request: HttpRequest, answer: HandshakeAnswer) -> Response:
        try:
            ours = await answer.make(request, self.link.pause)
        except Exception as error:  # noqa: BLE001  # a user's function raised: the test fails, the client gets a 500
            self.journal.failed(self.connection.id, error)
            ours = Response(500, text=f"{type(error).__name__}: {error}\n")
        return self._agree(request, ours)

    def _agree(self, request: HttpRequest, ours: Response, asked: Request | None = None) -> Response:
        more = self.endpoint.more_headers
        if more and ours.status == ACCEPTED and ours.raw is None:
            ours = Response(ACCEPTED, headers=[*more, *ours.given], reason=ours.reason)
        return self.session.agree(request, ours, asked)

    def answer(self, exchange: Exchange, request: HttpRequest, response: Response) -> None:
        """Send the answer to a handshake."""
        for status, fields in response.interim if request.http_version != "1.0" else ():
            self.link.write(interim_head(status, fields))
        if response.raw is not None:
            sent = SentResponse(response.status, (), response.raw)
            answer_whole(exchange, request, sent, b"", self.journal.now())
            return
        accepted = response.status == ACCEPTED
        if accepted:  # before the client can know
            self.endpoint.opened(self.connection, self)
        out = prepare(response, request, keep=accepted)
        sent = SentResponse(out.status, out.fields, out.body)
        answer_whole(exchange, request, sent, out.head, self.journal.now())

    def begin(self, messages: Sequence[Message], *, then_close: bool) -> None:
        """The connection speaks WebSocket from now on, or says goodbye after its first messages."""
        if self.link.is_closing():
            return
        for message in messages:
            self.session.say(message)
        self.flush()
        if then_close:
            self.shut(1000, "")
        elif self.endpoint.take_over is not None:
            self.endpoint.take_over(self)

"""WebSocket on the link: the handshake, then messages that are echoed or answered by rules, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from websockets.http11 import Request
from websockets.protocol import CONNECTING, SEND_EOF

from pytest_netmocks import clock
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.web.fields import Headers
from pytest_netmocks.protocols.web.prepare import prepare
from pytest_netmocks.protocols.web.requests import HttpRequest, SentResponse
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.protocols.web.sender import answer_whole, send_interim
from pytest_netmocks.protocols.web.targets import split_target
from pytest_netmocks.protocols.ws.frames import split, ws_frame
from pytest_netmocks.protocols.ws.library import Session
from pytest_netmocks.protocols.ws.records import Message, WsConnection, WsMessage, shown
from pytest_netmocks.protocols.ws.rules import (
    ACCEPTED,
    HandshakeAnswer,
    HandshakeRule,
    MessageAnswer,
    MessageRule,
    matching,
)
from pytest_netmocks.protocols.ws.versions import line_of, refusal
from pytest_netmocks.rules.base import Verdict, decide
from pytest_netmocks.servers.backpressure import SLOW, Reading
from pytest_netmocks.servers.exchange import Exchange

if TYPE_CHECKING:
    from pytest_netmocks.protocols.ws.endpoint import Endpoint

CLOSING = 10.0
"""Seconds that a client has to answer a close frame, as with the library's own server."""

WAITING = 64
"""Messages that wait for their answers before nothing more is read."""

_OPENING = "the handshake is not answered"

ACCEPT = HandshakeAnswer(Response(ACCEPTED), (), 0.0)

BACKLOG = 4 << 20
"""Bytes that wait, either way, before nothing more is read: with less, reading and writing would take turns."""

FULL = 1 << 20
"""Bytes that wait to be written before nothing more is answered."""

TURN = 256
"""Messages that are answered before other connections get their turn."""


def _latin(text: str) -> str:
    """Text as HTTP has it, in Latin-1, of which some versions of the library read what is no ASCII as surrogates."""
    return text if text.isascii() else text.encode("latin-1", "surrogateescape").decode("latin-1")


class WsProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, endpoint: Endpoint, link: Link, connection: WsConnection) -> None:
        self.endpoint = endpoint
        self.link = link
        self.connection = connection
        self.server = endpoint._place
        self.journal = self.server.journal
        self.session = Session(self.journal, connection, endpoint.arrived, **endpoint.session_options)
        self.paused = False
        self.over = False
        self._reading = Reading(link)
        self._task: asyncio.Task[None] | None = None
        self._postponed = False
        self._timer: asyncio.TimerHandle | None = None
        self._finished = False
        self._tail = b""
        """The last bytes of the head so far: its end may come in two pieces."""
        self._early: bytes | None = None
        """What came with the handshake, and has to wait for its answer."""

    # asyncio's side

    def data_received(self, data: bytes) -> None:
        session = self.session
        if self._early is not None:
            self._early += data
        elif session.eof_sent or session.closing is not None:
            return
        elif session.state is CONNECTING:
            self._read_head(data)
        else:
            session.receive_data(data)
            session.events_received()
            self.look()

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
            self._early = data[size:]
            self._reading.hold(_OPENING)
            self._shake(events[0])
        elif session.eof_sent:
            cause = session.handshake_exc.__cause__ if session.handshake_exc else None
            self.journal.note(self.connection.id, "note", f"no handshake: {cause or session.handshake_exc}")
            writes = session.data_to_send()
            answered = any(writes)
            self.link.write(b"".join(writes) if answered else refusal(cause or session.handshake_exc))
            self.link.close()

    def eof_received(self) -> bool:
        self._finished = True
        self.look()
        return not self.session.eof_sent

    def connection_lost(self, error: Exception | None) -> None:
        self.over = True
        self.session.answer_close()
        self.connection.end()
        self.endpoint.live.pop(self.connection.id, None)
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._reading.go_on(SLOW)
        if not self._postponed:
            self._postponed = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def flush(self) -> None:
        """Write what the library has to say, and close where it says so."""
        writes = self.session.data_to_send()
        if not writes:
            return
        end = writes[-1] == SEND_EOF
        self.link.write(b"".join(writes))
        if end:
            failure = self.session.parser_exc
            if failure is not None and not isinstance(failure, EOFError):
                self.journal.note(self.connection.id, "note", f"the client breaks the protocol: {failure}")
            self.link.close()

    # The handshake

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
        verdict = decide(reversed(self.endpoint.handshake_rules), self.connection)
        answer: HandshakeAnswer = verdict.take() if verdict.answering is not None else ACCEPT
        if isinstance(answer.made, Response) and not answer.delay:
            self._opened(verdict, request, self._agree(request, answer.made), answer.messages)
        else:
            self._start(self._open_later(verdict, request, answer))

    async def _open_later(self, verdict: Verdict[HandshakeRule], request: HttpRequest, answer: HandshakeAnswer) -> None:
        response = await self._made(request, answer)
        self._task = None
        if not self.over:
            self._opened(verdict, request, response, answer.messages)
            self.look()

    def _opened(
        self, verdict: Verdict[HandshakeRule], request: HttpRequest, response: Response, messages: Sequence[Message]
    ) -> None:
        self.answer(Exchange(self.link, verdict), request, response)
        early, self._early = self._early, None
        if response.status != ACCEPTED or response.raw is not None:
            self.link.close()
            return
        self.begin(messages, then_close=verdict.then_close)
        self._reading.hand_over(early or b"")

    async def negotiate(
        self, request: HttpRequest, verdict: Verdict[HandshakeRule]
    ) -> tuple[Response, Sequence[Message]]:
        """The answer to a handshake, and the messages to begin with."""
        answer: HandshakeAnswer = verdict.take() if verdict.answering is not None else ACCEPT
        return await self._made(request, answer), answer.messages

    async def _made(self, request: HttpRequest, answer: HandshakeAnswer) -> Response:
        try:
            ours = await answer.make(request)
        except Exception as error:  # noqa: BLE001  # a user's function raised: the test fails, the client gets a 500
            self.journal.failed(self.connection.id, error)
            ours = Response(500, text=f"{type(error).__name__}: {error}\n")
        return self._agree(request, ours)

    def _agree(self, request: HttpRequest, ours: Response) -> Response:
        more = self.endpoint.more_headers
        if more and ours.status == ACCEPTED and ours.raw is None:
            ours = Response(ACCEPTED, headers=[*more, *ours.given], reason=ours.reason)
        return self.session.agree(request, ours)

    def answer(self, exchange: Exchange, request: HttpRequest, response: Response) -> None:
        """Send the answer to a handshake."""
        send_interim(self.link, request, response)
        if response.raw is not None:
            sent = SentResponse(response.status, (), response.raw)
            answer_whole(exchange, request, sent, b"", self.journal.now())
            return
        accepted = response.status == ACCEPTED
        if accepted:  # before the client can know
            self.connection.begin(self)
            self.endpoint.live[self.connection.id] = self
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
        elif self.endpoint.handler is not None:
            self._hand_over()

    def _hand_over(self) -> None:
        from pytest_netmocks.protocols.ws.handled import Handled  # loads the library's asyncio side

        assert self.endpoint.handler is not None
        handled = Handled(self, self.endpoint.handler)
        self.link.set_protocol(handled)
        handled.begin()

    # Messages

    @property
    def _busy(self) -> bool:
        full = self.paused and self.link.get_write_buffer_size() > FULL
        return self._task is not None or self._postponed or full

    def look(self) -> None:
        """Deal with the messages that have come."""
        session = self.session
        arrived = session.arrived
        for _ in range(TURN):
            if not arrived or self._busy or self.over or not session.is_open:
                break
            self._answer(arrived.popleft())
        else:
            self._postponed = True
            asyncio.get_running_loop().call_soon(self._go_on)
        if not session.is_open:
            arrived.clear()  # they are on record; nothing is answered after a close frame
        if not arrived and not self._busy:
            session.answer_close()
            if self._finished and not session.eof_sent:
                session.receive_eof()
        self.flush()
        if session.close_sent:
            # After our goodbye the client's own is waited for, past all that comes before it.
            self._reading.go_on_whatever()
            return
        much = len(arrived) > WAITING or sum(len(one.data) for one in arrived) > BACKLOG
        self._reading.hold("messages wait", hold=much)
        # What is answered without being asked, pings, may wait here too.
        if self.paused and self.link.get_write_buffer_size() > BACKLOG:
            self._reading.hold(SLOW)

    def _go_on(self) -> None:
        self._postponed = False
        self.look()

    def _answer(self, message: WsMessage) -> None:
        endpoint = self.endpoint
        if not endpoint.message_rules:
            self.session.say(message.data)
            return
        found = list(matching(endpoint.message_rules, message.data))
        if not found:
            self.server.unmatched(
                self.connection, f"no rule matches {shown(message.data)}: echoed", endpoint.message_rules
            )
        verdict = decide(found, self.connection)
        answer: MessageAnswer
        answer = verdict.take() if verdict.answering is not None else MessageAnswer((message.data,))
        if answer.ready:
            self._give(verdict, answer)
        else:
            self._start(self._later(verdict, answer, message))

    def _give(self, verdict: Verdict[MessageRule], answer: MessageAnswer) -> None:
        """Give an answer that is there as a whole."""
        self._say(verdict, answer)
        if verdict.then_close:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        """After the last answer, unless a fault has ended the connection."""
        if not self.link.is_closing():
            self.shut(1000, "")

    def _say(self, verdict: Verdict[MessageRule], answer: MessageAnswer) -> None:
        session = self.session
        if not verdict.injections and answer.raw is None and answer.close is None:
            for message in answer.messages:
                session.say(message)  # type: ignore[arg-type]  # there are no functions among them
            return
        self.flush()
        exchange = Exchange(self.link, verdict)
        if answer.raw is not None:
            exchange.answer(b"", answer.raw)
        elif answer.close is not None:
            code, reason = answer.close
            # A fault in place of the close frame: none was sent, and none is to be on record.
            bye = ws_frame(reason, "close", code=code) if exchange.replaced else self._parting(code, reason)
            exchange.answer(b"", bye)
        elif exchange.swallowed:
            exchange.answer(b"", b"")  # no message goes out, and none is to be on record
        else:
            frames: list[bytes] = []
            for message in answer.messages:
                session.say(message)  # type: ignore[arg-type]  # as above
                frames += session.data_to_send()
            self._send_frames(exchange, frames)

    @staticmethod
    def _send_frames(exchange: Exchange, frames: list[bytes]) -> None:
        if len(frames) == 1:
            exchange.answer(*split(frames[0]))
            return
        exchange.begin(b"")
        for frame in frames:
            head, payload = split(frame)
            exchange.piece(head, payload, b"", whole=bool(head[0] & 0x80))
        exchange.end(b"")

    def _start(self, coroutine: Any) -> None:
        self._task = self.server.tasks.start(coroutine, self.connection.id, failed=self._broke)

    def _broke(self) -> None:
        """Users' code failed."""
        self._task = None
        if self.session.is_open:
            self.shut(1011, "a rule failed")
        else:
            self.link.close()

    async def _later(self, verdict: Verdict[MessageRule], answer: MessageAnswer, message: WsMessage) -> None:
        if answer.delay:
            await clock.sleep(answer.delay)
        if answer.raw is not None or answer.close is not None:
            self._task = None
            if self.session.is_open:
                self._give(verdict, answer)
            self.look()
            return
        exchange = Exchange(self.link, verdict)
        messages = () if exchange.swallowed else answer.messages
        exchange.begin(b"")
        for number, reply in enumerate(messages):
            if number and answer.interval:
                await clock.sleep(answer.interval)
            made = await answer.make(reply, message)
            if not self.session.is_open or self.over:
                break
            self.flush()
            self.session.say(made)
            for frame in self.session.data_to_send():
                head, payload = split(frame)
                exchange.piece(head, payload, b"", whole=bool(head[0] & 0x80))
        exchange.end(b"")
        self._task = None
        if verdict.then_close:
            self._say_goodbye()
        self.look()

    # What the test and the rules may ask of it

    def run_in_loop(self, function: Any, *arguments: Any) -> Any:
        return self.server.run_in_loop(function, *arguments)

    @property
    def ready(self) -> bool:
        return self.session.is_open and not self.session.expect_continuation_frame

    def send(self, message: Message) -> None:
        self._check_open("send")
        if not self.ready:
            raise ValueError(f"send: connection {self.connection.id} is in the middle of a message in fragments")
        self.session.say(message)
        self.flush()

    def ping(self, data: bytes) -> None:
        self._check_open("ping")
        self.session.send_ping(data)
        self.flush()

    def _check_open(self, what: str) -> None:
        if not self.session.is_open:
            raise ValueError(f"{what}: connection {self.connection.id} is being closed")

    def shut(self, code: int | None, reason: str) -> None:
        if self.session.is_open:
            self.flush()
            self.link.write(self._parting(code, reason))
            self._reading.go_on_whatever()

    def _parting(self, code: int | None, reason: str) -> bytes:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CLOSING, self.link.close)
        return self.session.part(code, reason)

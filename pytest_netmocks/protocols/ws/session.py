"""WebSocket on the link: after the handshake messages are echoed or answered by rules, in order."""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.protocol import CONNECTING, SEND_EOF

from pytest_netmocks import clock
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.ws.frames import split, ws_frame
from pytest_netmocks.protocols.ws.opening import Desk, Opening
from pytest_netmocks.protocols.ws.records import Message, WsConnection, WsMessage, shown
from pytest_netmocks.protocols.ws.rules import (
    MessageAnswer,
    MessageRule,
)
from pytest_netmocks.rules.base import Verdict, decide
from pytest_netmocks.servers.backpressure import SLOW
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.stream import StreamServer
from pytest_netmocks.servers.timeslice import TimeSlice
from pytest_netmocks.servers.unread import Unread

CLOSING = 10.0
"""Seconds that a client has to answer a close frame, as with the library's own server."""

WAITING = 64
"""Messages that wait for their answers before nothing more is read."""

BACKLOG = 4 << 20
"""Bytes that wait, either way, before nothing more is read: with less, reading and writing would take turns."""

FULL = 1 << 20
"""Bytes that wait to be written before nothing more is answered."""

BATCH = 256
"""Messages that are answered before other connections get their turn."""

PIECE = 4096
"""Bytes that are read before it is asked whether the others have waited long enough: hundreds of pings."""

GROWTH = 16
"""How many times as many are read next in the middle of a long frame: the library copies what it has for each read."""

LONGEST = 1 << 20
"""Bytes that are read at once of a long frame: it is merely put together."""


class WsProtocol(Opening, asyncio.Protocol):
    """One connection."""

    def __init__(self, endpoint: Desk, server: StreamServer, link: Link, connection: WsConnection) -> None:
        super().__init__(endpoint, server, link, connection)
        self.paused = False
        self._task: asyncio.Task[None] | None = None
        self._postponed = False
        self._timer: asyncio.TimerHandle | None = None
        self._finished = False
        self._unread = Unread()
        """What has come and waits until the others had their turn, or until it is known what faults strike it."""
        self._reach = PIECE
        """Bytes that are read of it at once: `PIECE`, and more in the middle of a long frame."""

    # asyncio's side

    def data_received(self, data: bytes) -> None:
        session = self.session
        if self._early is not None:
            self._early.add(data)
        elif session.eof_sent or session.closing is not None:
            return
        elif session.state is CONNECTING:
            self._read_head(data)
        elif len(data) <= max(PIECE, session.missing) and not self.endpoint.strikes_upward and not self._unread:
            session.receive_data(data)
            session.events_received()
            self.look()
        else:
            self._unread.add(data)
            self.look()

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
        self._postpone()

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
                self.journal.note(self.connection.id, f"the client breaks the protocol: {failure}")
            self.link.close()

    # Messages

    @property
    def _busy(self) -> bool:
        full = self.paused and self.link.get_write_buffer_size() > FULL
        return self._task is not None or self._postponed or full

    def look(self) -> None:
        """Deal with the messages that have come."""
        session = self.session
        arrived = session.arrived
        time_slice = TimeSlice() if self._unread else None
        for _ in range(BATCH):
            if time_slice is not None and self._unread:
                self._read_on(time_slice)
            if not arrived or self._busy or self.over or not session.is_open:
                break
            self._answer(arrived.popleft())
        else:
            self._postpone()
        if not session.is_open:
            arrived.clear()  # they are on record; nothing is answered after a close frame
        if self._following is not None:
            self.flush()  # what was said before the fault goes out
            self.looked()
        if not arrived and not self._busy:
            session.answer_close()
            if self._finished and not session.eof_sent and not self._unread:
                session.receive_eof()
        self.flush()
        if session.close_sent:
            # After our goodbye the client's own is waited for, past all that comes before it.
            self._reading.go_on_whatever()
            return
        much = bool(self._unread) or len(arrived) > WAITING or sum(len(one.data) for one in arrived) > BACKLOG
        self._reading.hold("messages wait", hold=much)
        # What is answered without being asked, pings, may wait here too.
        if self.paused and self.link.get_write_buffer_size() > BACKLOG:
            self._reading.hold(SLOW)

    def looked(self) -> None:
        if not self._postponed:
            super().looked()

    def _read_on(self, time_slice: TimeSlice) -> None:
        """Read what is unread: up to the next message where a fault may strike what follows it."""
        session, unread = self.session, self._unread
        while unread and not self._postponed:
            if session.eof_sent or session.closing is not None:
                unread.take()  # nothing counts after a close frame
                return
            session.stepwise = self.endpoint.strikes_upward and session.is_open
            if session.stepwise and session.arrived:
                return
            session.one_frame = self._reach > PIECE and not session.missing
            waiting = len(session.arrived)
            session.receive_data(unread.take(session.missing or self._reach))
            session.events_received()
            session.one_frame = False
            left = session.left()
            unread.push_back(left)
            # In the middle of a long frame more is read at once, and no further than to its end.
            ends = left or session.missing or len(session.arrived) > waiting
            self._reach = PIECE if ends else min(GROWTH * self._reach, LONGEST)
            if not session.is_open:
                session.arrived.clear()
            if unread and time_slice.over:
                self._postpone()

    def _postpone(self) -> None:
        """Let the others have their turn."""
        if not self._postponed:
            self._postponed = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._postponed = False
        self.look()

    def _answer(self, message: WsMessage) -> None:
        endpoint = self.endpoint
        rules = endpoint.message_rules
        exchanges = rules.exchanges
        if not rules and exchanges is None:
            self.session.say(message.data)
            return
        found = rules.matching(message.data)
        if rules and not found:
            self.server.unmatched(self.connection, f"no rule matches {shown(message.data)}: echoed", rules)
        chosen = () if exchanges is None else exchanges.choose(self.connection)
        verdict = decide(found, self.connection, chosen=chosen)
        answer: MessageAnswer
        answer = verdict.take() if verdict.answering is not None else MessageAnswer((message.data,))
        if verdict.injections:
            self.struck_around(verdict, self._unread, lambda: self._begin_answer(verdict, answer, message))
        else:
            self._begin_answer(verdict, answer, message)

    def _begin_answer(self, verdict: Verdict[MessageRule], answer: MessageAnswer, message: WsMessage) -> None:
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

    def _rest(self) -> None:
        self._task = None

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
            await self.link.pause(answer.delay)
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

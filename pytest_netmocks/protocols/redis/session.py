"""One client: commands come in, rules are asked before each, and answers go out in their order.

What several commands that have come at once are answered is sent at once, as long as no fault and nobody who listens in
has to see them apart.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from pytest_netmocks import clock
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.redis import resp
from pytest_netmocks.protocols.redis.desk import Desk
from pytest_netmocks.protocols.redis.library import Engine
from pytest_netmocks.protocols.redis.records import RedisConnection, RedisRequest, left
from pytest_netmocks.protocols.redis.resp import Commands, ErrorReply, ProtocolError
from pytest_netmocks.protocols.redis.rules import RedisAnswer, RedisRule
from pytest_netmocks.records.addresses import describe_address
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.servers.dialogue import Dialogue
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.usual import offered

TOGETHER = 64 << 10
"""Bytes of answers that are kept to be sent at once."""

UNREAD = 32 << 20
"""Bytes that a client of channels may leave unread (`client-output-buffer-limit pubsub`)."""


class RedisSession(Dialogue):
    """One connection."""

    much = 1 << 20

    def __init__(self, desk: Desk, link: Link, connection: RedisConnection) -> None:
        super().__init__(link, connection, desk.tasks)
        self._desk = desk
        self._client = connection
        self._commands = Commands()
        self._together: list[bytes] = []
        """Answers that are on record and have not been sent."""
        self._size = 0
        self._unsent: list[RedisRequest] = []
        """Whose they are."""
        self._busy_with: RedisRequest | None = None
        """The command that is executed just now."""
        self._waiting: asyncio.Future[bytes] | None = None
        self._killed = False
        engine = self._engine = Engine(desk.store, connection.id, _addresses(connection))
        engine.on_push = self._push
        engine.on_kill = self._kill
        engine.on_refused = functools.partial(desk.login_failed, connection)
        connection.client = engine

    # What comes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._desk.store.must_log_in:
            self._commands.set_limits(strange=True)
        greetings = self._desk.greetings
        if greetings or self._desk.limits:
            verdict = greetings.decide(self.connection, self._client, limits=self._desk.limits)
            if verdict.answering is not None or verdict.injections:
                self._greet(Exchange(self.link, verdict), verdict)

    def keep(self, data: bytes) -> None:
        self._commands.add(data)

    def waiting(self) -> int:
        return len(self._commands)

    def look(self) -> None:
        super().look()
        self._send()

    def eof_received(self) -> bool:
        if self._waiting is not None:  # Redis does not wait for what nobody would hear
            self._leave()
            self.over = True
            return False
        return super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self._leave()
        super().connection_lost(error)

    def _leave(self) -> None:
        if self._client.client is self._engine:
            self._client.client = left(self._engine)
            self._engine.leave()

    def answer_next(self) -> bool:
        try:
            words = self._commands.next()
        except ProtocolError as error:
            self._desk.journal.note(self.connection.id, str(error))
            self._send()
            self.link.write(resp.encode(ErrorReply(str(error)), 2))
            self._close()
            return False
        if words is None:
            return False
        if words:
            self._command(words)
        return True

    def _command(self, words: list[bytes]) -> None:
        journal, engine = self._desk.journal, self._engine
        name = words[0].decode("utf-8", "backslashreplace").upper()
        request = RedisRequest(name, tuple(words[1:]), self._client, engine.db, journal.now())
        journal.request(self._client, request)
        verdict = self._desk.rules.decide(request, self._client)
        if verdict.answering is None:
            self._give_usual(request, words, verdict)
            return
        answer: RedisAnswer = verdict.take()
        if answer.takes_time:
            self.answer_later(self._later(request, words, verdict, answer))
        else:
            self._give(request, words, verdict, answer, answer.value)

    # What goes

    def _give_usual(self, request: RedisRequest, words: list[bytes], verdict: Verdict[RedisRule]) -> None:
        self._busy_with = request
        out = self._engine.execute(words)
        self._busy_with = None
        if out is None:
            self._wait(request, verdict)
            return
        self._say(request, verdict, out)

    def _give(
        self,
        request: RedisRequest,
        words: list[bytes],
        verdict: Verdict[RedisRule],
        answer: RedisAnswer,
        value: Any,
        *,
        done: bool = False,
    ) -> None:
        """Give a rule's answer; `done` if the command was executed for it already."""
        engine = self._engine
        if answer.raw is not None:
            if answer.execute and not done:
                engine.execute(words, may_wait=False)
            out = answer.raw
        elif isinstance(value, ErrorReply):
            engine.fail_transaction()
            out = resp.encode(value, engine.protocol)
        else:
            queued = engine.queued
            usual = b"" if done else engine.execute(words, may_wait=False)
            if usual is not None and 0 <= queued < engine.queued:
                engine.answer_in_transaction(value)
                out = usual
            else:
                out = resp.encode(value, engine.protocol)
        self._say(request, verdict, out)

    async def _later(
        self, request: RedisRequest, words: list[bytes], verdict: Verdict[RedisRule], answer: RedisAnswer
    ) -> None:
        if answer.delay:
            await self.link.pause(answer.delay)
        if not callable(answer.value):
            self._give(request, words, verdict, answer, answer.value)
            return
        done = False

        def run_ahead() -> Any:
            nonlocal done
            done = True
            self._engine.execute(words, may_wait=False)
            return resp.as_text(self._engine.answer)

        with offered(request, run_ahead, self._desk.run_in_loop):
            value = await answer.made(request)
        if not self.over:  # else the client did not wait
            self._give(request, words, verdict, answer, value, done=done)

    def _wait(self, request: RedisRequest, verdict: Verdict[RedisRule]) -> None:
        """Answer when there is what the client waits for, or when its time is over."""
        loop = asyncio.get_running_loop()
        engine = self._engine
        wait = engine.waits
        assert wait is not None, "it is in the store's list"
        self._waiting = loop.create_future()
        engine.on_answer = functools.partial(_settle, self._waiting)
        timer = loop.call_later(wait.timeout, engine.give_up) if wait.timeout is not None else None
        self.answer_later(self._awaited(request, verdict, self._waiting, timer))

    async def _awaited(
        self,
        request: RedisRequest,
        verdict: Verdict[RedisRule],
        waiting: asyncio.Future[bytes],
        timer: asyncio.TimerHandle | None,
    ) -> None:
        try:
            out = await waiting
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()
        self._say(request, verdict, out)

    def _say(self, request: RedisRequest, verdict: Verdict[RedisRule], out: bytes) -> None:
        """Send an answer, with the faults of its rule around it; or keep it for a moment, to be sent with others."""
        link = self.link
        if (
            not verdict.injections
            and not verdict.then_close
            and not self._killed
            and link.lets_answers_be()
            and not self._desk.journal.subscribers
        ):
            link.record.answered(request, verdict.answering)
            request.answered(out)
            self._together.append(out)
            self._unsent.append(request)
            self._size += len(out)
            if self._size > TOGETHER:
                self._send()
        else:
            self._send()
            exchange = Exchange(link, verdict, request)
            exchange.answer(b"", out, request.answered)
            self.over = exchange.close_if_last() or self.over
        if self._killed:
            self._close()
        if self._commands.limits is resp.STRANGERS and not self._is_strange:
            self._commands.set_limits(strange=False)

    @property
    def _is_strange(self) -> bool:
        return self._desk.store.must_log_in and not self._engine.logged_in

    def _send(self) -> None:
        """Send what was kept."""
        if not self._together:
            return
        out, requests = self._together, self._unsent
        self._together, self._unsent, self._size = [], [], 0
        link = self.link
        link.write(out[0] if len(out) == 1 else b"".join(out))
        if not link.is_closing():
            for request in requests:
                link.record.sent_all(request)

    def _push(self, data: bytes) -> None:
        """Send what the client has not asked for."""
        self._send()
        self.link.write(data)
        if self.link.buffered > UNREAD:
            self._desk.journal.note(self.connection.id, f"{self.link.buffered} B wait to be read: the server ends it")
            self._close()

    def _greet(self, exchange: Exchange, verdict: Verdict[RedisRule]) -> None:
        """Say something to a new connection, which Redis does only to one that it does not take."""
        answer: RedisAnswer | None = verdict.take() if verdict.answering is not None else None

        def say(value: Any) -> None:
            out = b"" if answer is None else answer.raw if answer.raw is not None else resp.encode(value, 2)
            exchange.answer(b"", out)
            self.over = exchange.close_if_last()

        async def later(answer: RedisAnswer) -> None:
            await clock.sleep(answer.delay)
            say(await answer.made(self._client))

        if answer is not None and answer.takes_time:
            self.answer_later(later(answer))
        else:
            say(None if answer is None else answer.value)

    # The end

    def _kill(self) -> None:
        """End it: behind the answer that is being given, if one is."""
        if self._busy_with is not None:
            self._killed = True
        else:
            self._close()

    def _close(self) -> None:
        self.over = True
        self._send()
        self.link.close()


def _settle(future: asyncio.Future[bytes], answer: bytes) -> None:
    if not future.done():
        future.set_result(answer)


def _addresses(connection: RedisConnection) -> dict[str, str]:
    server = connection.server_address
    return {
        "addr": _written(connection.client_address),
        "laddr": _written(server) if server is not None else "",
    }


def _written(address: Any) -> str:
    return describe_address(address) if address and isinstance(address, tuple) else str(address)

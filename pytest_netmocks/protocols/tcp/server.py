"""`TcpServer`: bytes over TCP. An echo server until it has rules or a handler."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from typing import Any

from pytest_netmocks.link.link import Link
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.timeline import between
from pytest_netmocks.rules.base import decide
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.rules.bytes import ByteAnswer, ByteRule, compile_pattern
from pytest_netmocks.rules.search import ByteSearch
from pytest_netmocks.servers.backpressure import SLOW, Reading
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.following import Following
from pytest_netmocks.servers.handlers import Handler, HandlerProtocol, check_handler
from pytest_netmocks.servers.ruled import Author
from pytest_netmocks.servers.stream import StreamServer

UNMATCHED = 1 << 20
"""Bytes that match no rule and are kept to wait for more; of more the oldest go."""

_MUCH = "much waits"

TURN = 256
"""Matches that are answered before other connections get their turn."""


@dataclasses.dataclass(slots=True)
class TcpRequest:
    """One match of a rule: the bytes that were taken, the match (`None` for a greeting), where and when.

    `at` is seconds since the server started; `number` is its place on the connection, from 1; `reply` is what the
    server answered, as much of it as the faults let out.
    """

    data: bytes
    match: re.Match[bytes] | None
    connection: Connection
    at: float
    reply: bytes = b""
    number: int = 0

    def answered(self, reply: bytes) -> None:
        """Put on record what goes out."""
        self.reply = reply

    def __str__(self) -> str:
        return between(self.data, [self.reply] if self.reply else [])


TcpRule = ByteRule[TcpRequest]


class TcpServer(StreamServer):
    """A TCP server: it echoes until there is a rule or a handler."""

    scheme = "tcp"
    secure_scheme = "tls"

    def _prepare(self) -> None:
        super()._prepare()
        self.rules: RuleBook[TcpRule] = self.book()
        """The rules over bytes, oldest first."""
        self.greetings: RuleBook[TcpRule] = self.book()
        """The rules for new connections, oldest first."""
        self._handler: Handler | None = None
        self._handled: Author = "a test"
        self.waiting: dict[int, _RuleProtocol] = {}
        """Where bytes wait for a rule, by connection."""

    def tell_unmatched(self) -> None:
        if self.waiting:
            self.run_in_loop(self._tell_all)

    def _end_all(self) -> None:
        self.waiting.clear()
        super()._end_all()

    def _tell_all(self) -> None:
        for protocol in list(self.waiting.values()):
            protocol.tell()

    @property
    def requests(self) -> list[TcpRequest]:
        """Every match of a rule so far, oldest first."""
        return super().requests

    def when(self, pattern: bytes | re.Pattern[bytes]) -> TcpRule:
        """Begin a rule for bytes, or a compiled pattern of bytes, wherever they come in the stream.

        They are taken out of the stream with all before them. Raises `TypeError` for anything else and `ValueError`
        for no bytes.
        """
        if pattern == b"" or getattr(pattern, "pattern", None) == b"":
            raise ValueError(f"pattern must have at least one byte, not {pattern!r}")
        rule = TcpRule(f"when({pattern!r})", compile_pattern(pattern), _literal(pattern), streams=True)
        return self.rules.add(rule)

    def when_connected(self) -> TcpRule:
        """Begin the rule for a new connection: what it replies is the greeting."""
        return self.greetings.add(TcpRule("when_connected()", streams=True))

    def handle(self, handler: Handler | None) -> None:
        """Give new connections to `async def handler(reader, writer)`, asyncio's streams; `None` takes it back.

        It has the connection to itself, after the greeting: no rule answers there. When it returns the connection is
        closed; what it raises fails the test. `writer.get_extra_info("connection")` is the `Connection`. Raises
        `TypeError` for what is no async function.
        """
        if handler is not None:
            check_handler(handler, "reader and writer")
        self._catch_up()
        self._handler = handler
        self._handled = self._author()

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        if not self._lasts(self._handled, keep=keep):
            self._handler = None

    def _protocol(self, link: Link, connection: Connection) -> asyncio.BaseProtocol:
        protocol = _RuleProtocol(self, link, connection)
        if self._handler is None:
            return protocol
        greeting = protocol.greet()
        return HandlerProtocol(self._handler, link, connection, self.tasks, after=greeting)


def _literal(pattern: bytes | re.Pattern[bytes]) -> bytes | None:
    return pattern if isinstance(pattern, bytes) else None


class TlsServer(TcpServer):
    """A TCP server over TLS: what `TcpServer` is, with certificates."""

    always_secure = True


class _RuleProtocol(asyncio.Protocol):
    """The echo and the rules on one connection."""

    def __init__(self, server: TcpServer, link: Link, connection: Connection) -> None:
        self._server = server
        self._link = link
        self._connection = connection
        self._search: ByteSearch[TcpRule] = ByteSearch()
        self._reading = Reading(link)
        self._postponed = False
        self._over = False
        self._told = False
        self._task: asyncio.Task[None] | None = None
        self._finished = False
        self._following: Following | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.greet()

    def greet(self) -> asyncio.Task[None] | None:
        """Give the greeting, if there is one; what gives it, if that takes time."""
        verdict = self._server.greetings.decide(None, self._connection)
        if verdict.answering is not None or verdict.injections:
            self._exchange(verdict, TcpRequest(b"", None, self._connection, self._server.journal.now()))
            if self._following is not None:
                self._following.looked()
        return self._task

    def data_received(self, data: bytes) -> None:
        server = self._server
        if not self._busy and not self._search and not server.rules and not server.greetings:
            self._link.write(data)
            return
        self._search.add(data)
        if self._busy and len(self._search) > UNMATCHED:
            self._reading.hold(_MUCH)
        self._look()

    def eof_received(self) -> bool:
        self._finished = True
        return self._busy

    def connection_lost(self, error: Exception | None) -> None:
        self._over = True
        self.tell()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._reading.hold(SLOW)

    def resume_writing(self) -> None:
        self._reading.go_on(SLOW)

    @property
    def _busy(self) -> bool:
        """Whether something has to be done before what has come is looked at."""
        return self._task is not None or self._postponed

    def _look(self) -> None:
        """Deal with the matches in what has come, the earliest first."""
        for _ in range(TURN):
            if self._busy or not self._search or self._over:
                break
            found = self._search.earliest(self._server.rules[::-1])
            if found is None:
                self._wait_for_more()
                break
            skipped, rules = found
            verdict = decide([rule for rule, _ in rules], self._connection)
            match = next((match for rule, match in rules if rule is verdict.answering), rules[0][1])
            self._search.skip(match.end())
            if self._told:
                self._told = False
                self._server.waiting.pop(self._connection.id, None)
            if skipped:
                self._note(f"{skipped} B before the match are skipped")
            request = TcpRequest(match.group(), match, self._connection, self._server.journal.now())
            self._server.journal.request(self._connection, request)
            self._exchange(verdict, request)
        else:
            self._postponed = True
            self._server._loop.call_soon(self._go_on)
        if self._following is not None:
            self._following.looked()
        if len(self._search) <= UNMATCHED:
            self._reading.go_on(_MUCH)

    def _go_on(self) -> None:
        """What waited for its turn is over."""
        self._postponed = False
        self._task = None
        self._look()
        if self._finished and not self._busy:
            self._link.close()

    def _wait_for_more(self) -> None:
        if not self._told:
            self._told = True
            self._note(f"no rule matches {self._search.head!r}: waiting for more")
            self._server.waiting[self._connection.id] = self
        if len(self._search) > UNMATCHED:
            gone = len(self._search) - UNMATCHED
            self._search.skip(gone)
            self._unmatched(f"{gone} B that matched no rule are given up")

    def tell(self) -> None:
        """Nothing more comes that the bytes could wait for; what only ends a line is no question."""
        if self._server.waiting.pop(self._connection.id, None) is not None and self._search.head.strip():
            head = self._search.head
            self._unmatched(f"no rule matched the last {len(self._search)} B: {head!r}", whole=False)

    def _unmatched(self, text: str, *, whole: bool = True) -> None:
        self._server.unmatched(self._connection, text, self._server.rules, whole=whole)

    def _note(self, text: str) -> None:
        self._server.journal.note(self._connection.id, text)

    def _exchange(self, verdict: Any, request: TcpRequest) -> None:
        if not verdict.injections:
            self._give(Exchange(self._link, verdict), verdict, request)
            return
        if self._following is None:
            self._following = Following(self._link)
        self._following.before(verdict, self._search)
        self._give(Exchange(self._link, verdict), verdict, request)
        self._following.after(self._search)

    def _give(self, exchange: Exchange, verdict: Any, request: TcpRequest) -> None:
        if verdict.answering is None:
            # Bytes of rules that are used up, or that only strike, fall to the echo.
            exchange.answer(b"", request.data, request.answered)
            return
        answer: ByteAnswer[TcpRequest] = verdict.take()
        if answer.ready:
            exchange.answer(b"", b"".join(answer.ready), request.answered)
            self._over = exchange.close_if_last()
        else:
            coroutine = self._later(exchange, answer, request)
            self._task = self._server.tasks.start(coroutine, self._connection.id, failed=self._link.close)

    async def _later(self, exchange: Exchange, answer: ByteAnswer[TcpRequest], request: TcpRequest) -> None:
        exchange.answer(b"", b"".join(await answer.make(request)), request.answered)
        self._over = exchange.close_if_last() or self._over
        self._go_on()

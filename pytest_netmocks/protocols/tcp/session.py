"""The echo and the rules on one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.tcp.records import TcpRequest, TcpRule
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.rules.base import Rule, Verdict, decide
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.rules.bytes import ByteAnswer
from pytest_netmocks.rules.search import ByteSearch
from pytest_netmocks.servers.dialogue import Dialogue
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.following import Following
from pytest_netmocks.servers.starttls import Secure, begin_tls_with
from pytest_netmocks.servers.tasks import Tasks

UNMATCHED = 1 << 20
"""Bytes that match no rule and are kept to wait for more; of more the oldest go."""


class Desk(Protocol):
    """What a session asks of its server."""

    rules: RuleBook[TcpRule]
    greetings: RuleBook[TcpRule]
    journal: Journal
    tasks: Tasks
    waiting: dict[int, TcpSession]

    @property
    def secure(self) -> Secure:
        """In the loop: put TLS under a connection that has begun in plain text."""

    def unmatched(self, connection: Connection, text: str, rules: Iterable[Rule[Any]], *, whole: bool = True) -> None:
        """Put on record that something came and no rule matched it."""


class TcpSession(Dialogue):
    """One connection: bytes come in, and each match of a rule is answered in turn."""

    much = UNMATCHED

    def __init__(self, desk: Desk, link: Link, connection: Connection) -> None:
        super().__init__(link, connection, desk.tasks)
        self._desk = desk
        self._search: ByteSearch[TcpRule] = ByteSearch()
        self._told = False
        self._following: Following | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.greet()

    def greet(self) -> asyncio.Task[None] | None:
        """Give the greeting, if there is one; what gives it, if that takes time."""
        verdict = self._desk.greetings.decide(None, self.connection)
        if verdict.answering is not None or verdict.injections:
            self._exchange(verdict, TcpRequest(b"", None, self.connection, self._desk.journal.now()))
            if self._following is not None:
                self._following.looked()
        return self._task

    def data_received(self, data: bytes) -> None:
        desk = self._desk
        if not desk.rules and not desk.greetings and not self._search and not self.busy:
            self.link.write(data)
        else:
            super().data_received(data)

    def keep(self, data: bytes) -> None:
        self._search.add(data)

    def waiting(self) -> int:
        return len(self._search)

    def look(self) -> None:
        super().look()
        if self._following is not None and not self._postponed:
            self._following.looked()

    def answer_next(self) -> bool:
        """Deal with the earliest match in what has come."""
        if not self._search:
            return False
        found = self._search.earliest(self._desk.rules[::-1])
        if found is None:
            self._wait_for_more()
            return False
        skipped, rules = found
        exchanges = self._desk.rules.exchanges
        chosen = () if exchanges is None else exchanges.choose(self.connection)
        verdict = decide([rule for rule, _ in rules], self.connection, chosen=chosen)
        match = next((match for rule, match in rules if rule is verdict.home), rules[0][1])
        self._search.skip(match.end())
        if self._told:
            self._told = False
            self._desk.waiting.pop(self.connection.id, None)
        if skipped:
            self._note(f"{skipped} B before the match are skipped")
        request = TcpRequest(match.group(), match, self.connection, self._desk.journal.now())
        self._desk.journal.request(self.connection, request)
        self._exchange(verdict, request)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.tell()

    def _wait_for_more(self) -> None:
        if not self._told:
            self._told = True
            self._note(f"no rule matches {self._search.head!r}: waiting for more")
            self._desk.waiting[self.connection.id] = self
        if len(self._search) > UNMATCHED:
            gone = len(self._search) - UNMATCHED
            self._search.skip(gone)
            self._unmatched(f"{gone} B that matched no rule are given up")

    def tell(self) -> None:
        """Nothing more comes that the bytes could wait for; what only ends a line is no question."""
        if self._desk.waiting.pop(self.connection.id, None) is not None and self._search.head.strip():
            head = self._search.head
            self._unmatched(f"no rule matched the last {len(self._search)} B: {head!r}", whole=False)

    def _unmatched(self, text: str, *, whole: bool = True) -> None:
        self._desk.unmatched(self.connection, text, self._desk.rules, whole=whole)

    def _note(self, text: str) -> None:
        self._desk.journal.note(self.connection.id, text)

    def _exchange(self, verdict: Verdict[TcpRule], request: TcpRequest) -> None:
        if not verdict.injections:
            self._give(Exchange(self.link, verdict, request), verdict, request)
            return
        if self._following is None:
            self._following = Following(self.link)
        self._following.before(verdict, self._search)
        self._give(Exchange(self.link, verdict, request), verdict, request)
        self._following.after(self._search)

    def _give(self, exchange: Exchange, verdict: Verdict[TcpRule], request: TcpRequest) -> None:
        if verdict.answering is None:
            # Bytes of rules that are used up, or that only strike, fall to the echo.
            exchange.answer(b"", request.data, request.answered)
            return
        answer: ByteAnswer[TcpRequest] = verdict.take()
        if answer.ready:
            exchange.answer(b"", b"".join(answer.ready), request.answered)
            self.over = exchange.close_if_last()
            if answer.then_tls and self._plain_text_ends():
                self.answer_later(self._secure())
        else:
            self.answer_later(self._later(exchange, answer, request))

    async def _later(self, exchange: Exchange, answer: ByteAnswer[TcpRequest], request: TcpRequest) -> None:
        exchange.answer(b"", b"".join(await answer.make(request, self.link.pause)), request.answered)
        self.over = exchange.close_if_last() or self.over
        if answer.then_tls and self._plain_text_ends():
            await self._secure()

    def _plain_text_ends(self) -> bool:
        """Whether TLS begins behind the answer; it may be there already."""
        if self.link.is_closing():
            return False
        if self.link.to_be_secured:
            self._note("TLS is there already")
            return False
        self.end_plain_text()
        return True

    async def _secure(self) -> None:
        if await begin_tls_with(self.link, lambda: self._search.cut(0), self._desk.secure):
            self.go_on_over_tls()

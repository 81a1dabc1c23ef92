"""One connection: messages with their lengths before them (RFC 1035, section 4.2.2; RFC 7766), answered in turn."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.dns.answering import Question
from pytest_netmocks.protocols.dns.records import Transport
from pytest_netmocks.protocols.dns.rules import DnsAnswer, DnsRule
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.servers.dialogue import Dialogue
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.tasks import Tasks

Give = Callable[[bytes], None]


class Desk(Protocol):
    """What a session asks of its server."""

    tasks: Tasks

    def ask(self, data: bytes, transport: Transport, connection: Connection) -> Question | bytes | None:
        """Read a message and put the question on record."""

    def decide(self, question: Question) -> Verdict[DnsRule]:
        """Who answers it, and with which faults."""

    def answer(self, question: Question, verdict: Verdict[DnsRule]) -> bytes | DnsAnswer | None:
        """The answer, or what has to be waited for."""

    def later(self, question: Question, answer: DnsAnswer, give: Give) -> Coroutine[Any, Any, None]:
        """Wait for it, and give it."""


class DnsSession(Dialogue):
    """One connection."""

    much = 1 << 17

    def __init__(self, desk: Desk, link: Link, connection: Connection) -> None:
        super().__init__(link, connection, desk.tasks)
        self._desk = desk
        self._data = bytearray()
        secure = link.get_extra_info("ssl_object") is not None
        self._transport: Transport = "tls" if secure else "tcp"

    def keep(self, data: bytes) -> None:
        self._data += data

    def waiting(self) -> int:
        return len(self._data)

    def answer_next(self) -> bool:
        size = int.from_bytes(self._data[:2])
        if len(self._data) < 2 or len(self._data) < 2 + size:
            return False
        data = bytes(self._data[2 : 2 + size])
        del self._data[: 2 + size]
        question = self._desk.ask(data, self._transport, self.connection)
        if isinstance(question, bytes):
            self.link.write(len(question).to_bytes(2) + question)
        elif question is None:
            self.over = True
            self.link.close()
        else:
            self._deal(question)
        return True

    def _deal(self, question: Question) -> None:
        verdict = self._desk.decide(question)
        exchange = Exchange(self.link, verdict, question.query)

        def give(made: bytes) -> None:
            if not self.over:
                exchange.answer(len(made).to_bytes(2), made)

        answer = self._desk.answer(question, verdict)
        if isinstance(answer, DnsAnswer):
            self.answer_later(self._desk.later(question, answer, give))
        elif answer is not None:
            give(answer)

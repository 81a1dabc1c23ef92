"""`when_connected()` for servers whose protocol has no greeting of its own: bytes before everything else."""

from __future__ import annotations

from pytest_netmocks.link.link import Link
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.rules.bytes import ByteAnswer, ByteRule
from pytest_netmocks.servers.backpressure import Reading
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.stream import StreamServer

_GREETING = "the greeting comes first"


class GreetingServer(StreamServer):
    """Base of those servers."""

    def _prepare(self) -> None:
        super()._prepare()
        self.greetings: RuleBook[ByteRule[Connection]] = self.book()
        """The rules for new connections, oldest first."""

    def when_connected(self) -> ByteRule[Connection]:
        """Begin the rule for a new connection: bytes that it gets before anything else, another protocol's banner, say.

        A function of the `Connection` may stand for the bytes.
        """
        return self.greetings.add(ByteRule("when_connected()"))

    def greet(self, link: Link, connection: Connection, reading: Reading) -> None:
        """Give the greeting, if there is one; nothing is read before."""
        if not self.greetings:
            return  # by far the most
        verdict = self.greetings.decide(connection, connection)
        exchange = Exchange(link, verdict)
        if verdict.answering is None:
            if verdict.injections:
                exchange.answer(b"", b"")
            return
        answer: ByteAnswer[Connection] = verdict.take()
        if answer.ready:
            exchange.answer(b"", b"".join(answer.ready))
            exchange.close_if_last()
        else:
            reading.hold(_GREETING)
            later = _later(link, exchange, answer, connection, reading)
            self.tasks.start(later, connection.id, failed=link.close)


async def _later(
    link: Link, exchange: Exchange, answer: ByteAnswer[Connection], connection: Connection, reading: Reading
) -> None:
    exchange.answer(b"", b"".join(await answer.make(connection, link.pause)))
    if not exchange.close_if_last():
        reading.go_on(_GREETING)

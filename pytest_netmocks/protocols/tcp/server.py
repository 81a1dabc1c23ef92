"""`TcpServer`: bytes over TCP. An echo server until it has rules or a handler."""

from __future__ import annotations

import asyncio
import re

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.tcp.records import TcpRequest, TcpRule
from pytest_netmocks.protocols.tcp.session import TcpSession
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.book import Exchanges, RuleBook
from pytest_netmocks.rules.bytes import compile_pattern
from pytest_netmocks.servers.handlers import Handler, HandlerProtocol, check_handler
from pytest_netmocks.servers.ruled import Author
from pytest_netmocks.servers.stream import StreamServer


class TcpServer(StreamServer):
    """A TCP server: it echoes until there is a rule or a handler."""

    scheme = "tcp"
    secure_scheme = "tls"
    may_begin = True

    _handler: Handler | None = None
    _handled: Author = "a test"

    def _prepare(self) -> None:
        super()._prepare()
        self.rules: RuleBook[TcpRule] = self.book()
        """The rules over bytes, oldest first."""
        self.greetings: RuleBook[TcpRule] = self.book()
        """The rules for new connections, oldest first."""
        self.waiting: dict[int, TcpSession] = {}
        """Where bytes wait for a rule, by connection."""

    def _make_exchanges(self) -> Exchanges[TcpRule]:
        """Each match of a rule is one: what is echoed without rules is none."""
        return Exchanges(self.rules, TcpRule("every match", stream=self))

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
        rule = TcpRule(f"when({pattern!r})", compile_pattern(pattern), _literal(pattern), stream=self)
        return self.rules.add(rule)

    def when_connected(self) -> TcpRule:
        """Begin the rule for a new connection: what it replies is the greeting."""
        return self.greetings.add(TcpRule("when_connected()", stream=self))

    def handle(self, handler: Handler | None) -> None:
        """Give new connections to `async def handler(reader, writer)`, asyncio's streams; `None` takes it back.

        It has the connection to itself, after the greeting: no rule answers there. When it returns the connection is
        closed; what it raises fails the test. `writer.get_extra_info("connection")` is the `Connection`, and `await
        writer.start_tls(server.context)` goes on with TLS. Raises `TypeError` for what is no async function.
        """
        if handler is not None:
            check_handler(handler, "reader", "writer")
        self.catch_up()
        self._handler = handler
        self._handled = self.author_now()

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        if not self._lasts(self._handled, keep=keep):
            self._handler = None

    def _protocol(self, link: Link, connection: Connection) -> asyncio.BaseProtocol:
        protocol = TcpSession(self, link, connection)
        if self._handler is None:
            return protocol
        greeting = protocol.greet()
        return HandlerProtocol(self._handler, link, connection, self.tasks, self.secure, after=greeting)


def _literal(pattern: bytes | re.Pattern[bytes]) -> bytes | None:
    return pattern if isinstance(pattern, bytes) else None


class TlsServer(TcpServer):
    """A TCP server over TLS: what `TcpServer` is, with certificates."""

    always_secure = True

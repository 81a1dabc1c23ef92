"""`SyslogServer`: messages on record, by UDP and TCP on one port, or over TLS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Unpack

from pytest_netmocks.faults.base import Fault, StreamFault
from pytest_netmocks.link.link import Link, Top
from pytest_netmocks.protocols.syslog.reading import fields
from pytest_netmocks.protocols.syslog.records import SyslogMessage, Transport
from pytest_netmocks.protocols.syslog.rules import Criteria, SyslogRule, Words
from pytest_netmocks.protocols.syslog.session import SyslogSession
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.servers.both import BothServer
from pytest_netmocks.servers.datagram_front import Asked, Datagram


def _of_streams(fault: Fault) -> bool:
    return isinstance(fault, StreamFault)


FITTING: Mapping[Transport, Callable[[Fault], bool]] = {
    "udp": lambda fault: False,  # nothing follows a datagram
    "tcp": _of_streams,
    "tls": _of_streams,
}
"""Which faults of a rule can strike behind a message, by what it came by."""


class SyslogServer(BothServer):
    """A syslog server over UDP (RFC 5426) and TCP (RFC 6587) on one port, or with `tls=True` over TLS alone (RFC 5425).

    Messages of RFC 5424, of RFC 3164 and of neither are understood as far as they go.
    """

    scheme = "syslog"
    secure_scheme = "syslog-tls"
    spoken = "syslog"
    no_requests = "nobody answers a message: when().inject(Close()) ends a connection behind one"

    def _prepare(self) -> None:
        super()._prepare()
        self.rules: RuleBook[SyslogRule] = self.book()
        """The rules over messages, oldest first."""

    # What a test says

    @property
    def requests(self) -> list[SyslogMessage]:
        """As `messages`."""
        return super().requests

    @property
    def messages(self) -> list[SyslogMessage]:
        """Every message so far, oldest first."""
        return self.requests

    def when(self, message: Words | None = None, **criteria: Unpack[Criteria]) -> SyslogRule:
        """Begin a rule for messages with this text in them, or in which a compiled pattern is found.

        `facility` and `severity` are names (`"local0"`, `"warning"`), `hostname` and `app` as the message has them.
        Nobody answers them: a rule has `expect()`, and `inject()` whose fault strikes behind the message, on TCP and
        TLS. Raises `TypeError` or `ValueError` that names the argument.
        """
        return self.rules.add(SyslogRule(message, **criteria))

    # What fronts and sessions ask

    def take(self, data: bytes, transport: Transport, connection: Connection) -> SyslogMessage:
        """In the loop: read a message and put it on record."""
        message = SyslogMessage(
            raw=data, transport=transport, connection=connection, at=self.journal.now(), **fields(data)
        )
        self.journal.message(connection, message)
        return message

    def decide(self, message: SyslogMessage) -> Verdict[SyslogRule]:
        """In the loop: which faults strike behind it."""
        return self.rules.decide(message, message.connection, fits=FITTING[message.transport])

    def _deliver(self, asked: Asked, datagram: Datagram) -> None:
        # Some end a datagram as they would end a line.
        self.decide(self.take(datagram.data.rstrip(b"\r\n\0"), "udp", datagram.connection))

    def _protocol(self, link: Link, connection: Connection) -> Top:
        return SyslogSession(self, link, connection)

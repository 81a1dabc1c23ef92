"""One connection: messages one after another, none of which is answered (RFC 6587; RFC 5425 over TLS)."""

from __future__ import annotations

from typing import Protocol

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.syslog.reading import Frames
from pytest_netmocks.protocols.syslog.records import SyslogMessage, Transport
from pytest_netmocks.protocols.syslog.rules import SyslogRule
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.servers.dialogue import Dialogue
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.tasks import Tasks


class Desk(Protocol):
    """What a session asks of its server."""

    tasks: Tasks
    journal: Journal

    def take(self, data: bytes, transport: Transport, connection: Connection) -> SyslogMessage:
        """Read a message and put it on record."""

    def decide(self, message: SyslogMessage) -> Verdict[SyslogRule]:
        """Which faults strike behind it."""


class SyslogSession(Dialogue):
    """One connection."""

    def __init__(self, desk: Desk, link: Link, connection: Connection) -> None:
        super().__init__(link, connection, desk.tasks)
        self._desk = desk
        self._frames = Frames()
        self._transport: Transport = "tls" if link.get_extra_info("ssl_object") is not None else "tcp"

    def keep(self, data: bytes) -> None:
        self._frames.add(data)

    def waiting(self) -> int:
        return len(self._frames)

    def answer_next(self) -> bool:
        try:
            data = self._frames.next()
        except ValueError as error:
            self._desk.journal.note(self.connection.id, str(error))
            self.over = True
            self.link.close()
            return False
        if data is None and self._finished:
            data = self._frames.rest()
            if data is None and len(self._frames):
                text = f"{len(self._frames)} B of a message that never came as a whole"
                self._desk.journal.note(self.connection.id, text)
                self.over = True
        if data is None:
            return False
        message = self._desk.take(data, self._transport, self.connection)
        verdict = self._desk.decide(message)
        if verdict.injections or verdict.answering is not None:
            Exchange(self.link, verdict).answer(b"", b"")
        return True

    def eof_received(self) -> bool:
        self._finished = True
        self.look()
        return super().eof_received()

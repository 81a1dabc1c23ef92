"""`Pop3Server`: a mailbox that a test fills, rules over commands, STLS and SASL."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import ClassVar, Unpack

from pytest_netmocks import check
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.mail.mailbox import Deliverable, Mailbox, StoredMessage
from pytest_netmocks.protocols.mail.server import MailboxServer
from pytest_netmocks.protocols.pop3.commands import COMMANDS
from pytest_netmocks.protocols.pop3.desk import Pop3Desk
from pytest_netmocks.protocols.pop3.records import Pop3Request
from pytest_netmocks.protocols.pop3.session import Pop3Session
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.commands import Command, CommandRule, Wanted
from pytest_netmocks.rules.dialect import PLUS_MINUS
from pytest_netmocks.servers.option import Option
from pytest_netmocks.servers.stream import StreamOptions


class Pop3Server(MailboxServer[Pop3Request]):
    """A POP3 server (RFC 1939) over `messages`, a list that `deliver` fills and that clients delete from with QUIT.

    With `users` (names to passwords) USER and PASS, APOP and AUTH (PLAIN, LOGIN, CRAM-MD5, XOAUTH2) let in only those;
    without them any credentials pass. `stls=False`, `utf8=False` leave that extension out, `auth_requires_tls=True`
    lets nobody log in before STLS, and `hostname` is what it calls itself. `mailbox` is one that other servers use too.
    """

    scheme = "pop3"
    secure_scheme: ClassVar[str | None] = "pop3s"
    dialect = PLUS_MINUS
    # RFC 3206, section 3: what may be had later.
    busy = "-ERR [SYS/TEMP] too many requests, try again later"
    busy_greeting = "-ERR [SYS/TEMP] too many connections, try again later"
    desk: Pop3Desk
    stls = Option(check.flag)
    utf8 = Option(check.flag)

    def __init__(
        self,
        *,
        tls: bool = False,
        users: Mapping[str, str] | None = None,
        hostname: str = "localhost",
        stls: bool = True,
        utf8: bool = True,
        auth_requires_tls: bool = False,
        mailbox: Mailbox | None = None,
        **options: Unpack[StreamOptions],
    ) -> None:
        self._take_options(users=users, hostname=hostname, stls=stls, utf8=utf8, auth_requires_tls=auth_requires_tls)
        self._take_mailbox(mailbox)
        super().__init__(tls=tls, **options)

    # What a test says

    def deliver(self, message: Deliverable, *, user: str | None = None, uid: str | None = None) -> StoredMessage:
        """Put a message into the mailbox, for everybody or for one user alone; gives what is kept.

        Each line ends with CRLF then. A session that has begun does not see it (RFC 1939, section 5). `uid` is its
        unique-id; unless said, one that no other has. Raises `TypeError` or `ValueError` that names the argument.
        """
        return self._deliver(message, user=user, uid=uid)

    @property
    def messages(self) -> list[StoredMessage]:
        """The messages that are there now, the oldest first; what is taken out of the list is gone."""
        return self.mailbox.messages

    def when(self, command: Command, argument: Wanted = None) -> CommandRule[Pop3Request]:
        """Begin a rule for a command, with that argument if one is given: text or a compiled pattern, as it was sent.

        Raises `ValueError` for a command that is not known.
        """
        return self._when(CommandRule, command, argument, COMMANDS, lambda request: None)

    def _make_desk(self) -> Pop3Desk:
        return Pop3Desk(self, self)

    def _protocol(self, link: Link, connection: Connection) -> asyncio.BaseProtocol:
        return Pop3Session(self.desk, link, connection)


class Pop3sServer(Pop3Server):
    """A POP3 server that speaks TLS from the first byte."""

    always_secure = True

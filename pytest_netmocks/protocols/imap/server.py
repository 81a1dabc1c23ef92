"""`ImapServer`: folders that a test fills, rules over commands, STARTTLS and SASL."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterable, Mapping
from typing import ClassVar, Unpack

from pytest_netmocks import check
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.imap.commands import COMMANDS
from pytest_netmocks.protocols.imap.desk import ImapDesk
from pytest_netmocks.protocols.imap.records import ImapRequest
from pytest_netmocks.protocols.imap.rules import ImapRule
from pytest_netmocks.protocols.imap.session import ImapSession
from pytest_netmocks.protocols.mail.mailbox import Deliverable, Folder, Mailbox, StoredMessage
from pytest_netmocks.protocols.mail.server import MailboxServer
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.book import Exchanges
from pytest_netmocks.rules.commands import Command, CommandRule, Wanted
from pytest_netmocks.rules.dialect import TAGGED
from pytest_netmocks.servers.limited import Parting
from pytest_netmocks.servers.option import Option
from pytest_netmocks.servers.stream import StreamOptions

MAX_MESSAGE = 64 << 20
"""Bytes of a message that a client puts in, unless told otherwise."""


class ImapServer(MailboxServer[ImapRequest]):
    """An IMAP4rev1 server (RFC 3501) over `folders`, which `deliver` fills and clients change.

    With `users` (names to passwords) LOGIN and AUTHENTICATE (PLAIN, LOGIN, CRAM-MD5, XOAUTH2) let in only those;
    without them any credentials pass. `starttls=False` leaves that out, `auth_requires_tls=True` lets nobody log in
    before it, `hostname` is what it calls itself, and `max_message` is how many bytes a message may have that a client
    appends. `mailbox` is one that other servers use too.
    """

    scheme = "imap"
    secure_scheme: ClassVar[str | None] = "imaps"
    dialect = TAGGED
    busy = "NO [LIMIT] too many requests, try again later"  # RFC 5530, section 3
    busy_greeting = "BYE [UNAVAILABLE] too many connections, try again later"
    partings: ClassVar[Mapping[Parting, str]] = {  # RFC 3501, sections 5.4 and 7.1.5
        "silence": "* BYE idle for too long",
        "logins": "* BYE too many failed logins",
        "requests": "* BYE too many commands",
    }
    desk: ImapDesk
    starttls = Option(check.flag)
    max_message: Option[int] = Option(check.kept(check.whole, unit="bytes", minimum=0))

    def __init__(
        self,
        *,
        tls: bool = False,
        users: Mapping[str, str] | None = None,
        hostname: str = "localhost",
        starttls: bool = True,
        auth_requires_tls: bool = False,
        max_message: int = MAX_MESSAGE,
        mailbox: Mailbox | None = None,
        **options: Unpack[StreamOptions],
    ) -> None:
        self._take_options(
            users=users,
            hostname=hostname,
            starttls=starttls,
            auth_requires_tls=auth_requires_tls,
            max_message=max_message,
        )
        self._take_mailbox(mailbox)
        super().__init__(tls=tls, **options)

    def _make_exchanges(self) -> Exchanges[CommandRule[ImapRequest]]:
        """Each command is one; a greeting is none."""
        return Exchanges(self.rules, ImapRule("every command", dialect=self.dialect, busy=self.busy))

    # What a test says

    @property
    def folders(self) -> dict[str, Folder]:
        """The folders by their names: INBOX, and what was delivered to or made by clients; live."""
        return self.mailbox.folders

    def deliver(
        self,
        message: Deliverable,
        *,
        folder: str = "INBOX",
        flags: Iterable[str] = (),
        internal_date: datetime.datetime | None = None,
        user: str | None = None,
    ) -> StoredMessage:
        r"""Put a message into a folder, for everybody or for one user alone; gives what is kept.

        Clients in IDLE hear of it at once, others with their next command. `flags` are such as `["\\Seen"]`, and
        `internal_date` is when it came. Raises `TypeError` or `ValueError` that names the argument.
        """
        stored = self._deliver(message, folder=folder, flags=flags, internal_date=internal_date, user=user)
        if self._state == "running":
            self.run_in_loop(self.desk.changed)
        return stored

    def when(self, command: Command, argument: Wanted = None) -> ImapRule:
        """Begin a rule for a command, with that argument if one is given: text or a compiled pattern, as it was sent.

        `when("FETCH")` is for UID FETCH too. Raises `ValueError` for a command that is not known.
        """
        return self._when(ImapRule, command, argument, COMMANDS, lambda request: None)

    def bye(self, text: str = "the server goes down") -> None:
        """Say BYE to all clients, and end their connections with a FIN. Raises `TypeError` for what is no text."""
        check.instance("text", text, str, "a text on one line")
        check.not_empty("text", text.strip(), "a text on one line")
        line = " ".join(text.split())
        self.run_in_loop(self.desk.say_bye, line)

    def _make_desk(self) -> ImapDesk:
        return ImapDesk(self, self, lambda: self.max_message)

    def _protocol(self, link: Link, connection: Connection) -> asyncio.BaseProtocol:
        return ImapSession(self.desk, link, connection)


class ImapsServer(ImapServer):
    """An IMAP server that speaks TLS from the first byte."""

    always_secure = True

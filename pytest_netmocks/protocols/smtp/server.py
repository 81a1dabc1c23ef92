"""`SmtpServer`: mail that arrives, rules over commands and messages, STARTTLS and AUTH."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from pytest_netmocks import check
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.mail.mailbox import Mailbox
from pytest_netmocks.protocols.mail.server import MailServer
from pytest_netmocks.protocols.smtp.desk import SmtpDesk
from pytest_netmocks.protocols.smtp.library import commands
from pytest_netmocks.protocols.smtp.records import MailMessage, SmtpRequest
from pytest_netmocks.protocols.smtp.session import SmtpSession
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.commands import (
    Command,
    CommandRule,
    Wanted,
    argument_matches,
    check_wanted,
)
from pytest_netmocks.rules.dialect import CODES
from pytest_netmocks.servers.limited import Parting
from pytest_netmocks.servers.option import Option
from pytest_netmocks.servers.stream import StreamOptions

MAX_SIZE = 32 << 20
"""Bytes of a message unless told otherwise."""


class SmtpServer(MailServer[SmtpRequest]):
    """An SMTP server that keeps what it gets: `messages`.

    It offers STARTTLS and AUTH (PLAIN, LOGIN, CRAM-MD5, XOAUTH2), which is required as soon as there are `users` (names
    to passwords); without them any credentials pass. `max_size` is the size in bytes above which a message is refused.
    `starttls=False`, `smtputf8=False` leave that extension out, `auth_requires_tls=True` offers AUTH after STARTTLS
    only, and `hostname` is what it calls itself. What it gets goes into the `mailbox`, too, if it is given one.
    """

    scheme = "smtp"
    secure_scheme: ClassVar[str | None] = "smtps"
    dialect = CODES
    # As Postfix says it where smtpd_client_message_rate_limit or smtpd_client_connection_rate_limit is exceeded.
    busy = "450 4.7.1 Error: too much mail, try again later"
    busy_greeting = "421 4.7.0 Error: too many connections, try again later"
    partings: ClassVar[Mapping[Parting, str]] = {  # RFC 5321, section 3.8
        "silence": "421 4.4.2 Error: timeout exceeded",
        "logins": "421 4.7.0 Error: too many failed logins",
        "requests": "421 4.7.0 Error: too many commands",
    }
    preliminary = "3"
    limited = "MAIL"
    desk: SmtpDesk
    max_size: Option[int] = Option(check.kept(check.whole, unit="bytes", minimum=1))
    starttls = Option(check.flag)
    smtputf8 = Option(check.flag)

    def __init__(
        self,
        *,
        tls: bool = False,
        users: Mapping[str, str] | None = None,
        max_size: int = MAX_SIZE,
        hostname: str = "localhost",
        starttls: bool = True,
        smtputf8: bool = True,
        auth_requires_tls: bool = False,
        mailbox: Mailbox | None = None,
        **options: Unpack[StreamOptions],
    ) -> None:
        self._take_options(users=users, max_size=max_size, hostname=hostname)
        self._take_options(starttls=starttls, smtputf8=smtputf8, auth_requires_tls=auth_requires_tls)
        self.mailbox = self._checked(mailbox)
        super().__init__(tls=tls, **options)

    def _make_desk(self) -> SmtpDesk:
        return SmtpDesk(self, self, self.book(), self.journal.shelf())

    # What a test says

    def when(self, command: Command, argument: Wanted = None) -> CommandRule[SmtpRequest]:
        """Begin a rule for a command, with that argument if one is given (a compiled pattern, or the whole of it).

        Of MAIL and RCPT the bare address will do. Raises `ValueError` for a command that is not known.
        """
        return self._when(CommandRule, command, argument, commands(), operator.attrgetter("address"), uploads=("DATA",))

    def when_message(
        self, *, mail_from: Wanted = None, to: Wanted = None, subject: Wanted = None
    ) -> CommandRule[MailMessage]:
        """Begin the rule for a whole message that has come; a 4xx or 5xx refuses it, a fault strikes the answer.

        The subject is compared as far as its first 2,000 bytes go.
        """
        wanted = {"mail_from": mail_from, "to": to, "subject": subject}
        for name, value in wanted.items():
            check_wanted(name, value)

        def matches(arrival: Any) -> bool:
            envelope = arrival.envelope
            return (
                argument_matches(mail_from, envelope.mail_from)
                and argument_matches(to, *envelope.rcpt_tos)
                and (subject is None or argument_matches(subject, arrival.subject))
            )

        label = ", ".join(f"{name}={value!r}" for name, value in wanted.items() if value is not None)
        rule: CommandRule[MailMessage] = CommandRule(f"when_message({label})", matches, dialect=CODES, busy=self.busy)
        return self.desk.message_rules.add(rule)

    @property
    def messages(self) -> list[MailMessage]:
        """The messages that were accepted, oldest first."""
        self.catch_up()
        return [arrival.message for arrival in list(self.desk.arrivals)]

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        self.desk.arrivals.clear()

    def _protocol(self, link: Link, connection: Connection) -> asyncio.BaseProtocol:
        return SmtpSession(self.desk, link, connection)


class SmtpsServer(SmtpServer):
    """An SMTP server that speaks TLS from the first byte."""

    always_secure = True

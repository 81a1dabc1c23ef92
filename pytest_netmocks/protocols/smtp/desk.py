"""`SmtpDesk`: what a session asks of its server: commands and messages, the rules over them, and who may."""

from __future__ import annotations

from typing import Protocol

from pytest_netmocks.protocols.mail.mailbox import Mailbox
from pytest_netmocks.protocols.smtp.records import Arrival, MailMessage, SmtpRequest
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.shelf import Shelf
from pytest_netmocks.rules.base import Verdict, decide
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.rules.commands import CommandRule
from pytest_netmocks.servers.desk import CommandDesk, Home
from pytest_netmocks.servers.sasl import Users


class Settings(Protocol):
    """What a test may say otherwise while the server runs: it holds for the next session, `users` at once."""

    users: dict[str, str]
    max_size: int
    hostname: str
    starttls: bool
    smtputf8: bool
    auth_requires_tls: bool
    mailbox: Mailbox | None


class SmtpDesk(CommandDesk[SmtpRequest, Connection]):
    """Keeps mail, too: `arrivals`, over which `message_rules` decide."""

    def __init__(
        self,
        home: Home[SmtpRequest, Connection],
        settings: Settings,
        message_rules: RuleBook[CommandRule[MailMessage]],
        arrivals: Shelf[Arrival],
    ) -> None:
        super().__init__(home, SmtpRequest)
        self.settings = settings
        self.message_rules = message_rules
        self.arrivals = arrivals

    @property
    def users(self) -> Users:
        """Who may, as it is now."""
        return Users(self.settings.users, self.settings.hostname)

    def decide_message(self, arrival: Arrival) -> Verdict[CommandRule[MailMessage]]:
        """As `decide`, for a message: the answer to it is a later one to DATA."""
        connection = arrival.envelope.connection
        chosen = self.choose_later(connection)
        if not self.message_rules and not chosen:
            return Verdict(None, None, [])
        return decide(self.message_rules.matching(arrival), connection, chosen=chosen)

    def arrived(self, arrival: Arrival) -> None:
        """All of a message has come, whatever becomes of it."""
        arrival.at = self.journal.now()
        self.journal.phase(arrival.at, arrival.envelope.connection.id, arrival, "body")

    def store(self, arrival: Arrival) -> None:
        """A message is accepted."""
        if self.settings.mailbox is not None:
            self.settings.mailbox.deliver(arrival.envelope.content)
        for gone in self.arrivals.put(arrival):
            self.journal.log.forget(gone.at)

"""`CommandServer`: the base of servers whose clients send commands and get replies of some dialect."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from pytest_netmocks.limits import By, Kind, Limit
from pytest_netmocks.matchers import fits_text, leaves
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.book import Exchanges, RuleBook
from pytest_netmocks.rules.commands import (
    Command,
    CommandRule,
    OwnLimits,
    Wanted,
    argument_matches,
    check_command,
    check_wanted,
)
from pytest_netmocks.rules.dialect import Dialect
from pytest_netmocks.servers.desk import Client, CommandDesk, Request
from pytest_netmocks.servers.limited import Parting
from pytest_netmocks.servers.stream import StreamServer

K = TypeVar("K", bound=CommandRule[Any])


class CommandServer(StreamServer, Generic[Request, Client]):
    """Commands on record, and the rules over them."""

    dialect: ClassVar[Dialect]
    """What its replies look like."""

    busy: ClassVar[str]
    """The reply to a command beyond a rate limit."""

    lets_log_in = True

    partings: ClassVar[Mapping[Parting, str]] = {}
    """What is said unasked before the server ends a connection, and why it does; where it says nothing, nothing."""

    preliminary: ClassVar[str] = ""
    """How replies begin behind which more of the same answer comes."""

    busy_greeting: ClassVar[str]
    """The reply to a connection beyond a rate limit."""

    limited: ClassVar[str | None] = None
    """The command that the server's own rate limits count, `None` for new connections."""

    def _prepare(self) -> None:
        super()._prepare()
        self.rules: RuleBook[CommandRule[Request]] = self.book()
        """The rules over commands, oldest first."""
        self.greetings: RuleBook[CommandRule[Client]] = self.book()
        """The rules for new connections, oldest first."""
        self.limits = OwnLimits(self.dialect, self.busy if self.limited else self.busy_greeting)
        self.desk = self._make_desk()
        """What its sessions ask."""

    def _make_exchanges(self) -> Exchanges[CommandRule[Request]]:
        """Each command is one; a greeting is none."""
        every: CommandRule[Request] = CommandRule("every command", dialect=self.dialect, busy=self.busy)
        return Exchanges(self.rules, every)

    @abstractmethod
    def _make_desk(self) -> CommandDesk[Request, Client]:
        """What its sessions ask; the rules over commands and greetings are there."""

    @property
    def requests(self) -> list[Request]:
        """Every command so far, oldest first."""
        return super().requests

    def parting(self, connection: Connection, why: Parting) -> bytes:
        said = self.partings.get(why)
        return f"{said}\r\n".encode() if said is not None and self.session_of(connection) is connection else b""

    def is_final(self, request: Any) -> bool:
        last = request.reply.rstrip().rpartition("\n")[2]
        return not self.preliminary or not last.startswith(self.preliminary)

    def when_connected(self) -> CommandRule[Client]:
        """Begin the rule for a new connection: what it replies stands in place of the greeting."""
        return self.greetings.add(CommandRule("when_connected()", dialect=self.dialect, busy=self.busy_greeting))

    def limit(
        self, amount: int, per: float = 1.0, *, kind: Kind = "window", by: By = "client", reply: str | None = None
    ) -> Limit:
        """Let `amount` connections (of SMTP messages, counted by MAIL) through in `per` seconds.

        More are answered with the protocol's "later", unless `reply` says something else: 421 on FTP, 450 4.7.1 on
        SMTP, -ERR [SYS/TEMP] on POP3, BYE on IMAP. Otherwise as `limit` of a rule: `when("RETR").limit(3)` limits
        downloads, `when_connected().limit(3)` connections.
        """
        return self.limits.limit(amount, per, kind=kind, by=by, reply=reply)

    def _when(
        self,
        kind: type[K],
        command: Command,
        argument: Wanted,
        known: Iterable[str],
        other_form: Callable[[Request], str | None],
        transfers: Iterable[str] = (),
        uploads: Iterable[str] = (),
    ) -> K:
        """What a subclass's `when` does: the argument may be as it was sent or in the protocol's other form.

        The rule is of that `kind`.
        """
        name = check_command(command, known)
        check_wanted("argument", argument)

        def matches(request: Request) -> bool:
            return fits_text(name, request.command) and argument_matches(
                argument, request.argument, other_form(request)
            )

        shown = f", {argument!r}" if argument is not None else ""
        rule = kind(
            f"when({name!r}{shown})",
            matches,
            dialect=self.dialect,
            transfers=set(leaves(name)) <= set(transfers),
            uploads=not set(leaves(name)).isdisjoint(uploads),
            busy=self.busy,
        )
        self.rules.add(rule)
        return rule

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        self.limits.limits.clear()

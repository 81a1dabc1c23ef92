"""`CommandServer`: the base of servers whose clients send commands and get replies of some dialect."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pytest_netmocks.matchers import fits_text, leaves
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.rules.commands import (
    Command,
    CommandRule,
    Wanted,
    argument_matches,
    check_command,
    check_wanted,
)
from pytest_netmocks.rules.dialect import Dialect
from pytest_netmocks.servers.stream import StreamServer


class CommandRequest(Protocol):
    """What every command on record has."""

    command: str
    argument: str | None

    @property
    def connection(self) -> Connection:
        """Whose it is."""


Request = TypeVar("Request", bound=CommandRequest)
Client = TypeVar("Client", bound=Connection)


class CommandServer(StreamServer, Generic[Request, Client]):
    """Commands on record, and the rules over them."""

    dialect: ClassVar[Dialect]
    """What its replies look like."""

    busy: ClassVar[str]
    """The reply to a command beyond a rate limit."""

    busy_greeting: ClassVar[str]
    """The reply to a connection beyond a rate limit."""

    limited: ClassVar[str | None] = None
    """The command that the server's own rate limits count, `None` for new connections."""

    _record: ClassVar[type[Any]]
    """What stands for one command: it is made of the command, its argument, the connection and the time."""

    def _prepare(self) -> None:
        super()._prepare()
        self.rules: RuleBook[CommandRule[Request]] = self.book()
        """The rules over commands, oldest first."""
        self.greetings: RuleBook[CommandRule[Client]] = self.book()
        """The rules for new connections, oldest first."""
        self.limits: CommandRule[Any] = CommandRule(
            "limit()", dialect=self.dialect, busy=self.busy if self.limited else self.busy_greeting
        )
        """What has the server's own rate limits; it is in no list of rules."""

    @property
    def requests(self) -> list[Request]:
        """Every command so far, oldest first."""
        return super().requests

    def when_connected(self) -> CommandRule[Client]:
        """Begin the rule for a new connection: what it replies stands in place of the greeting."""
        return self.greetings.add(CommandRule("when_connected()", dialect=self.dialect, busy=self.busy_greeting))

    def _when(
        self,
        command: Command,
        argument: Wanted,
        known: Iterable[str],
        other_form: Callable[[Request], str | None],
        transfers: Iterable[str] = (),
        uploads: Iterable[str] = (),
    ) -> CommandRule[Request]:
        """What a subclass's `when` does: the argument may be as it was sent or in the protocol's other form."""
        name = check_command(command, known)
        check_wanted("argument", argument)

        def matches(request: Request) -> bool:
            return fits_text(name, request.command) and argument_matches(
                argument, request.argument, other_form(request)
            )

        shown = f", {argument!r}" if argument is not None else ""
        rule: CommandRule[Request] = CommandRule(
            f"when({name!r}{shown})",
            matches,
            dialect=self.dialect,
            transfers=set(leaves(name)) <= set(transfers),
            uploads=not set(leaves(name)).isdisjoint(uploads),
            busy=self.busy,
        )
        return self.rules.add(rule)

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        self.limits.limits.clear()

    # What a session asks

    def request(self, connection: Client, command: str, argument: str | None) -> Request:
        """Put a command on record."""
        request: Request = self._record(command, argument, connection, self.journal.now())
        self.journal.request(connection, request)
        return request

    def decide(self, request: Request, *, again: bool = False) -> Verdict[CommandRule[Request]]:
        """Who answers the command, and with which faults; `again` if it is about a later answer to it."""
        limits = self.limits.limits if request.command == self.limited else ()
        return self.rules.decide(request, request.connection, again=again, limits=limits)

    def decide_greeting(self, connection: Client) -> Verdict[CommandRule[Client]]:
        """As `decide`, for a new connection: to be asked when it is new, though its greeting may take a while."""
        return self.greetings.decide(connection, connection, limits=() if self.limited else self.limits.limits)

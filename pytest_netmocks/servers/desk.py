"""`CommandDesk`: what the sessions of a server ask, for they know the desk and not the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.rules.base import Chosen, Verdict, decide
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.rules.commands import CommandRule, OwnLimits
from pytest_netmocks.servers.tasks import Tasks


class CommandRequest(Protocol):
    """What every command on record has."""

    command: str
    argument: str | None

    @property
    def connection(self) -> Connection:
        """Whose it is."""


Request = TypeVar("Request", bound=CommandRequest)
Client = TypeVar("Client", bound=Connection)
T = TypeVar("T")


class Home(Protocol[Request, Client]):
    """What a desk has from the server that makes it."""

    journal: Journal
    tasks: Tasks
    rules: RuleBook[CommandRule[Request]]
    greetings: RuleBook[CommandRule[Client]]
    limits: OwnLimits

    @property
    def limited(self) -> str | None:
        """The command that `limits` count, `None` for new connections."""

    def secure(self, connection: Connection, on_open: Callable[[], None]) -> None:
        """In the loop: put TLS under a connection that has begun in plain text."""

    def login_failed(self, connection: Connection) -> None:
        """In the loop, before the answer: the client's credentials are wrong."""

    def run_in_loop(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run the function in the servers' loop and wait for it; its result or its exception."""


class CommandDesk(Generic[Request, Client]):
    """Puts commands on record as `record`s and has the rules of its `home` decide over them.

    A `record` is made of the connection's command, its argument, the connection and the time.
    """

    def __init__(
        self, home: Home[Request, Client], record: Callable[[str, str | None, Client, float], Request]
    ) -> None:
        self.journal = home.journal
        self.tasks = home.tasks
        self.secure = home.secure
        self.login_failed = home.login_failed
        self.run_in_loop = home.run_in_loop
        self._rules = home.rules
        self._greetings = home.greetings
        self._limits = home.limits
        self._limited = home.limited
        self._record = record

    def request(self, connection: Client, command: str, argument: str | None) -> Request:
        """Put a command on record."""
        request = self._record(command, argument, connection, self.journal.now())
        self.journal.request(connection, request)
        return request

    def decide(self, request: Request, *, again: bool = False) -> Verdict[CommandRule[Request]]:
        """Who answers the command, and with which faults; `again` if it is about a later answer to it."""
        limits = self._limits.limits if request.command == self._limited else ()
        return self._rules.decide(request, request.connection, again=again, limits=limits)

    def choose_later(self, connection: Client) -> Chosen:
        """The faults of the server that strike another answer to a command, which its rules are not asked about."""
        exchanges = self._rules.exchanges
        return () if exchanges is None else exchanges.choose(connection, later=True)

    def decide_unknown(self, request: Request) -> Verdict[CommandRule[Request]]:
        """As `decide`, for a command that the protocol does not have, which no rule is about."""
        exchanges = self._rules.exchanges
        return decide((), request.connection, chosen=() if exchanges is None else exchanges.choose(request.connection))

    def decide_greeting(self, connection: Client) -> Verdict[CommandRule[Client]]:
        """As `decide`, for a new connection: to be asked when it is new, though its greeting may take a while."""
        return self._greetings.decide(connection, connection, limits=() if self._limited else self._limits.limits)

"""`RuleBook`: the rules of one kind that a server has, and who of them deals with an exchange."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from pytest_netmocks.faults.answer import Answer
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.faults.selection import SelectorOptions
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.limits import Limit
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Chosen, Injector, Rule, Verdict, decide, everything

R = TypeVar("R", bound=Rule[Any])


class Home(Protocol):
    """What a book has from the server that makes it."""

    def begins(self, rule: Rule[Any]) -> None:
        """A new rule is about to be in force: what has come already is not new to it."""

    def inject_into(self, rule: Rule[Any], fault: Fault, options: SelectorOptions) -> Injection:
        """What a rule's `inject` does."""


class RuleBook(list[R]):
    """Rules, the oldest first; the newest that matches wins.

    It is a list because protocols ask with every byte whether there are any rules. `inject` is what a rule's `inject`
    does, unless said what the `home` does.
    """

    __slots__ = ("_home", "_inject", "exchanges")

    def __init__(self, home: Home, inject: Injector | None = None) -> None:
        self._home = home
        self._inject = inject
        self.exchanges: Exchanges[R] | None = None
        """The faults of the server on what the rules are over; `None` while there are none."""

    def add(self, rule: R) -> R:
        """Put a new rule in force."""
        self._home.begins(rule)
        rule.begin(self._inject or self._home.inject_into)
        self.append(rule)
        return rule

    def matching(self, exchange: object) -> list[R]:
        """The rules that match the exchange, the newest first."""
        return [rule for rule in reversed(self) if rule.matches(exchange)]

    def decide(
        self,
        exchange: object,
        connection: Connection,
        *,
        again: bool = False,
        limits: Sequence[Limit] = (),
        fits: Callable[[Fault], bool] = everything,
    ) -> Verdict[R]:
        """Who deals with an exchange on that connection, and with which faults; the options are `decide`'s."""
        exchanges = self.exchanges
        if not self and not limits and exchanges is None:
            return Verdict(None, None, [])
        chosen = () if exchanges is None else exchanges.choose(connection, later=again)
        return decide(self.matching(exchange), connection, again=again, limits=limits, chosen=chosen, fits=fits)


class Exchanges(Generic[R]):
    """The exchanges that a server's `requests` lists, as the rules of one book are over them, and faults on those.

    Each exchange asks `choose` once, as it comes to its answer, so that every injection counts it (`Injection.chooses`)
    whichever of them strikes. `every` is a rule of the book's kind: what an `Answer` may say, its `reply` says.
    """

    def __init__(self, book: RuleBook[R], every: R) -> None:
        self._book = book
        self._every = every
        self._on_all: list[Injection] = []
        self._on_connections: dict[int, list[Injection]] = {}
        self._ears: list[Callable[[Connection], object]] = []

    def stand_in(self, fault: Answer) -> R:
        """What answers as the fault says. Raises `TypeError` or `ValueError` in the words of the protocol."""
        return self._every.stand_in(fault)

    def add(self, injection: Injection, connection: Connection | None = None) -> None:
        """Let it strike the exchanges that it chooses, or with a connection all of that one."""
        if connection is None:
            self._on_all.append(injection)
        else:
            self._on_connections.setdefault(connection.id, []).append(injection)
        self._book.exchanges = self

    def remove(self, injection: Injection) -> None:
        """It strikes no more."""
        for place in (self._on_all, *self._on_connections.values()):
            if injection in place:
                place.remove(injection)
        if not any(self._on_connections.values()):
            self._on_connections.clear()
        self._need()

    def hear(self, ear: Callable[[Connection], object]) -> None:
        """Call it, in the loop, with the connection of each answer that is about to be decided, later ones too."""
        self._ears.append(ear)
        self._need()

    def unhear(self, ear: Callable[[Connection], object]) -> None:
        """Call it no more."""
        self._ears.remove(ear)
        self._need()

    def _need(self) -> None:
        """Be asked as long as there is somebody to ask."""
        self._book.exchanges = self if self._on_all or self._on_connections or self._ears else None

    def choose(self, connection: Connection, *, later: bool = False) -> Chosen:
        """Count an exchange on that connection; the faults that strike it, oldest first, with their draws.

        A `later` answer to one that was counted, as the reply to a message of SMTP, counts for those that say so.
        """
        for ear in self._ears:
            ear(connection)
        chosen = [
            injection
            for injection in self._on_all
            if (not later or injection.counts_later_answers) and injection.chooses(connection)
        ]
        if not later:
            chosen += self._on_connections.get(connection.id, ())
        return [(injection, injection.chance()) for injection in chosen]

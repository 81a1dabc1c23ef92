"""`Ruled`: the part of a server that knows its rules of every kind, and what came and met none."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from pytest_netmocks import check, scope
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.faults.selection import SelectorOptions
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Injector, Rule
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.servers.view import View

Author = Literal["its maker", "a fixture", "a test"]
"""Who gave a server something: before it first started, or since."""

OPTIONS = (bool, int, float, str, type(None), dict, tuple)
"""Types of options."""

MOVING = {"take_over", "renewed", "live", "waiting", "strikes_upward", "schemes", "shared_by", "journal", "tasks"}
"""What looks like an option and is not."""


@functools.cache
def _options_among(names: tuple[str, ...]) -> tuple[str, ...]:
    """The attributes that may be options; most servers of a kind have the same names, and start often."""
    return tuple(name for name in names if name[0] != "_" and name not in MOVING)


class Ruled(View):
    """Base of all servers; those without rules say nothing here."""

    accepts: ClassVar[Mapping[str, check.Accept]] = {}
    """The options that can be set later: each with what refuses a wrong value, then as in the constructor.

    Those of the bases are among them.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        accepted = [vars(base).get("accepts", {}) for base in cls.__mro__[::-1]]
        cls.accepts = {name: accept for options in accepted for name, accept in options.items()}

    def _prepare_rules(self) -> None:
        self.all_rules: list[Rule[Any]] = []
        """Its rules of every kind, oldest first."""
        self._books: list[RuleBook[Any]] = []
        """The books that they stand in, one for each kind."""
        self._options: dict[str, Any] = {}
        """Options as they were when it first started: mappings, and what was set since."""

    def _admit(self, name: str, value: object) -> object:
        accept = self.accepts.get(name)
        admitted = super()._admit(name, value if accept is None else accept(name, value))
        if self._state != "new" and name not in MOVING:
            before = getattr(self, name)
            if isinstance(before, OPTIONS):
                self._options.setdefault(name, before)
        return admitted

    def _accepted(self, **options: object) -> dict[str, Any]:
        """What is kept of the constructor's options. Raises what a wrong one deserves."""
        return {name: self.accepts[name](name, value) for name, value in options.items()}

    def _take_options(self, **options: object) -> None:
        """Have these options of the constructor's. Raises what a wrong one deserves."""
        vars(self).update(self._accepted(**options))

    def book(self, inject: Injector | None = None) -> RuleBook[Any]:
        """A book for rules of one kind, whose faults `inject` puts in force; unless said, as the server does."""
        book: RuleBook[Any] = RuleBook(self, inject)
        self._books.append(book)
        return book

    def begins(self, rule: Rule[Any]) -> None:
        """A new rule begins: what has come already is not new to it."""
        self.catch_up()
        self.all_rules.append(rule)

    @abstractmethod
    def inject_into(self, rule: Rule[Any], fault: Fault, options: SelectorOptions) -> Injection:
        """What a rule's `inject` does."""

    def _build_in(self) -> None:
        """Before it first starts: what is there now is its own."""
        for rule in self.all_rules:
            rule.built_in = True
        # Of the other options a value is kept when it is set.
        for name in _options_among(tuple(vars(self))):
            value = getattr(self, name)
            if type(value) is dict:
                self._options[name] = dict(value)

    def author_now(self) -> Author:
        """Who gives it something now."""
        return "its maker" if self._state == "new" else "a fixture" if scope.current.fixture is not None else "a test"

    @staticmethod
    def _lasts(author: Author, *, keep: bool) -> bool:
        """Whether what that one gave outlives a reset."""
        return author == "its maker" or (keep and author == "a fixture")

    def _forget(self, *, keep: bool) -> None:
        """Be without the rules and options that came later; with `keep` those of wider fixtures stay."""

        def stays(rule: Rule[Any]) -> bool:
            return rule.built_in or (keep and rule.by_a_fixture)

        for place in [*self._books, self.all_rules]:
            place[:] = [rule for rule in place if stays(rule)]
        for rule in self.all_rules:
            rule.begin_again()
        for name, value in self._options.items():
            current = getattr(self, name)
            if isinstance(current, dict):
                current.clear()
                current.update(value)
            elif current is not value:
                setattr(self, name, value)

    def unmet(self) -> list[str]:
        """What was expected of clients and did not come, said once: an expectation is of the test that wrote it."""
        lines = [line for rule in self.all_rules if (line := rule.unmet()) is not None]
        for rule in self.all_rules:
            rule.expected = None
        if lines:
            came = [f"  {request}" for request in self.requests[-20:]]
            lines += ["what came:", *(came or ["  nothing"])]
        return lines

    def unmatched(self, connection: Connection, text: str, rules: Iterable[Rule[Any]], *, whole: bool = True) -> None:
        """In the loop: put on record that something came and no rule matched it.

        It is only a note where the test has no rule that answers, and where a fault may have made what came what it
        is: any of those on the connection unless it is `whole`, else those that change bytes.
        """
        spoilt = "Corrupt" in connection.faults if whole else bool(connection.faults)
        if spoilt or not any(rule.speaks and not rule.built_in for rule in rules):
            self.journal.note(connection.id, text)
        else:
            self.journal.unmatched(connection.id, text)

    def tell_unmatched(self) -> None:
        """Put on record what has come and still waits for a rule, at the end of a test."""

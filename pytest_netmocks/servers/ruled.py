"""`Ruled`: the part of a server that knows its rules of every kind, and what came and met none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules import Rule
from pytest_netmocks.servers.view import View

R = TypeVar("R", bound=Rule[Any])


class Ruled(View):
    """Base of all servers; those without rules say nothing here."""

    def _prepare_rules(self) -> None:
        self.all_rules: list[Rule[Any]] = []
        """Its rules of every kind, oldest first."""

    def _begin_rule(self, rule: R, place: list[R]) -> R:
        """Put a new rule in force, in the list of its kind."""
        self._catch_up()
        place.append(rule)
        self.all_rules.append(rule)
        return rule

    def _build_in(self) -> None:
        """The rules that are there when it first starts are its own."""
        for rule in self.all_rules:
            rule.built_in = True

    def unmet(self) -> list[str]:
        """What was expected of clients and did not come, said once: an expectation is of the test that wrote it."""
        lines = [line for rule in self.all_rules if (line := rule.unmet()) is not None]
        for rule in self.all_rules:
            rule.expected = None
        if lines:
            came = [f"  {request!r}" for request in self.requests[-20:]]
            lines += ["what came:", *(came or ["  nothing"])]
        return lines

    def unmatched(self, connection: Connection, text: str, rules: Iterable[Rule[Any]], *, whole: bool = True) -> None:
        """In the loop: put on record that something came and no rule matched it.

        It is only a note where the test has no rule that answers, and where a fault may have made what came what it
        is: any of those on the connection unless it is `whole`, else those that change bytes.
        """
        spoilt = "Corrupt" in connection.faults if whole else bool(connection.faults)
        if spoilt or not any(rule.speaks and not rule.built_in for rule in rules):
            self.journal.note(connection.id, "note", text)
        else:
            self.journal.unmatched(connection.id, text)

    def tell_unmatched(self) -> None:
        """Put on record what has come and still waits for a rule, at the end of a test."""

"""`RuleBook`: the rules of one kind that a server has, and who of them deals with an exchange."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pytest_netmocks.limits import Limit
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Injector, Rule, Verdict, decide

R = TypeVar("R", bound=Rule[Any])


class RuleBook(list[R]):
    """Rules, the oldest first; the newest that matches wins.

    It is a list because protocols ask with every byte whether there are any rules. `begins` is called with each rule
    before it is in force: what has come already is not new to it. `inject` is what a rule's `inject` does.
    """

    def __init__(self, begins: Callable[[Rule[Any]], None], inject: Injector) -> None:
        super().__init__()
        self._begins = begins
        self._inject = inject

    def add(self, rule: R) -> R:
        """Put a new rule in force."""
        self._begins(rule)
        rule.begin(self._inject)
        self.append(rule)
        return rule

    def matching(self, exchange: object) -> list[R]:
        """The rules that match the exchange, the newest first."""
        return [rule for rule in reversed(self) if rule.matches(exchange)]

    def decide(
        self, exchange: object, connection: Connection, *, again: bool = False, limits: Sequence[Limit] = ()
    ) -> Verdict[R]:
        """Who deals with an exchange on that connection, and with which faults; the options are `decide`'s."""
        if not self and not limits:
            return Verdict(None, None, [])
        return decide(self.matching(exchange), connection, again=again, limits=limits)

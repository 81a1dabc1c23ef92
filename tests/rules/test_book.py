"""A book of rules: what came before a rule is not new to it, the newest that matches wins."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from helpers import connect

from pytest_netmocks import Netmocks
from pytest_netmocks.faults import Reset
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Rule
from pytest_netmocks.rules.book import RuleBook


@dataclasses.dataclass
class Injected:
    """What was asked for."""

    what: tuple[Any, ...]


class TextRule(Rule[str]):
    """Answers text."""

    def reply(self, text: str, times: int | None = None) -> TextRule:
        return self._add(text, times)


class Home:
    """Remembers which rules began and what was injected."""

    def __init__(self) -> None:
        self.begun: list[Any] = []

    def begins(self, rule: Any) -> None:
        self.begun.append(rule)

    def inject_into(self, *what: Any) -> Any:
        return Injected(what)


def book() -> RuleBook[TextRule]:
    return RuleBook(Home())


CLIENT = Connection(1, ("127.0.0.1", 1), 0.0)


def test_a_rule_begins_before_it_is_in_force() -> None:
    class Looking(Home):
        def begins(self, rule: Any) -> None:
            self.begun.append((rule, list(rules)))

    home = Looking()
    rules: RuleBook[TextRule] = RuleBook(home)
    rule = rules.add(TextRule("when()"))
    assert home.begun == [(rule, [])]
    assert rules == [rule]


def test_the_newest_rule_that_matches_and_has_an_answer_left_wins() -> None:
    rules = book()
    rules.add(TextRule("all")).reply("old")
    rules.add(TextRule("x", lambda asked: asked == "x")).reply("new", times=1)
    rules.add(TextRule("y", lambda asked: asked == "y")).reply("other")
    assert [rules.decide("x", CLIENT).take() for _ in range(3)] == ["new", "old", "old"]
    assert [rule.label for rule in rules.matching("x")] == ["x", "all"]


def test_the_faults_of_a_rule_are_injected_as_its_book_says() -> None:
    rule = book().add(TextRule("when()"))
    injection: Any = rule.inject(Reset(), first=2)
    assert injection.what == (rule, Reset(), {"first": 2})
    assert rule.injections == [injection]


@pytest.mark.parametrize("name", ["tcp", "http", "ws", "smtp", "pop3", "ftp"])
def test_a_client_that_is_connected_is_not_greeted_by_a_rule_that_comes_later(name: str, netmocks: Netmocks) -> None:
    server: Any = getattr(netmocks, name)()
    with connect(server):
        rule = server.when_connected()
        assert len(server.connections) == 1
        server.stop()
    assert rule.met == 0

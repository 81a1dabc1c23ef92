"""What the sessions of a server ask, without a server: commands on record, and the rules over them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from pytest_netmocks.protocols.smtp.records import SmtpRequest
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.rules.commands import CommandRule, OwnLimits
from pytest_netmocks.rules.dialect import CODES
from pytest_netmocks.servers.desk import CommandDesk
from pytest_netmocks.servers.tasks import Tasks

T = TypeVar("T")


class Quiet:
    """The home of books in which nobody injects."""

    def begins(self, rule: Any) -> None:
        """Nothing has come before."""

    def inject_into(self, *_: Any) -> Any:
        raise AssertionError("nobody injects")


def book() -> RuleBook[Any]:
    return RuleBook(Quiet())


def rule(label: str, matches: Callable[[Any], bool] = lambda asked: True) -> CommandRule[Any]:
    return CommandRule(label, matches, dialect=CODES, busy="450 later")


@dataclasses.dataclass
class Home:
    """As much of a server as a desk has need of."""

    limited: str | None = None
    journal: Journal = dataclasses.field(default_factory=lambda: Journal(1000))
    rules: RuleBook[CommandRule[SmtpRequest]] = dataclasses.field(default_factory=book)
    greetings: RuleBook[CommandRule[Connection]] = dataclasses.field(default_factory=book)
    limits: OwnLimits = dataclasses.field(default_factory=lambda: OwnLimits(CODES, "450 later"))

    def __post_init__(self) -> None:
        self.tasks = Tasks(self.journal)

    def secure(self, connection: Connection, on_open: Callable[[], None]) -> None:
        raise AssertionError("nobody asks for TLS")

    def login_failed(self, connection: Connection) -> None:
        raise AssertionError("nobody logs in")

    def run_in_loop(self, function: Callable[..., T], *arguments: Any) -> T:
        return function(*arguments)


def client(number: int = 1) -> Connection:
    return Connection(number, ("127.0.0.1", 50000 + number), 0.0)


def test_a_command_is_on_record_with_its_place_on_its_connection() -> None:
    home = Home()
    desk = CommandDesk(home, SmtpRequest)
    ann, bob = client(1), client(2)
    made = [desk.request(who, command, None) for who, command in ((ann, "EHLO"), (bob, "HELO"), (ann, "QUIT"))]
    assert list(home.journal.requests) == made
    assert (ann.requests, bob.requests) == ([made[0], made[2]], [made[1]])
    assert [request.number for request in made] == [1, 1, 2]


def test_the_newest_rule_that_matches_answers() -> None:
    home = Home()
    desk = CommandDesk(home, SmtpRequest)
    everything = home.rules.add(rule("all")).reply("250 all")
    quit_only = home.rules.add(rule("quit", lambda request: request.command == "QUIT")).reply("221 mine")
    who = client()
    assert desk.decide(desk.request(who, "QUIT", None)).answering is quit_only
    assert desk.decide(desk.request(who, "NOOP", None)).answering is everything


def test_a_rule_for_greetings_has_no_say_over_commands() -> None:
    home = Home()
    desk = CommandDesk(home, SmtpRequest)
    welcome = home.greetings.add(rule("hello")).reply("220 hello")
    who = client()
    assert desk.decide_greeting(who).answering is welcome
    assert desk.decide(desk.request(who, "NOOP", None)).answering is None


@pytest.mark.parametrize("limited", ["MAIL", None])
def test_the_own_limits_count_the_limited_command_or_else_connections(limited: str | None) -> None:
    home = Home(limited)
    desk = CommandDesk(home, SmtpRequest)
    home.limits.limit(1, 1000.0)
    who = client()
    greeted = [desk.decide_greeting(who).answering is None for _ in range(2)]
    mailed = [desk.decide(desk.request(who, "MAIL", None)).answering is None for _ in range(2)]
    others = [desk.decide(desk.request(who, "NOOP", None)).answering is None for _ in range(2)]
    limited_ones, free = (mailed, greeted) if limited else (greeted, mailed)
    assert (limited_ones, free, others) == ([True, False], [True, True], [True, True])

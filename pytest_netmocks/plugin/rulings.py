"""What a failing test's report says of rules and faults: how often each had its turn, and what another test left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_netmocks.injections.injection import Injection
    from pytest_netmocks.rules.base import Rule
    from pytest_netmocks.servers.server import Server

LINES = 40
"""Lines for one server at most."""


def rulings(server: Server, test: str, injections: list[Injection], unmatched: list[str]) -> list[str]:
    """The server's name, and a line for each rule, fault and thing that met no rule; nothing where there are none."""
    lines = [*_of_rules(server, test), *_of_faults(server, test, injections), *unmatched]
    if len(lines) > LINES:
        lines[LINES:] = [f"... {len(lines) - LINES} more"]
    return [server.name, *(f"  {line}" for line in lines)] if lines else []


def _of_rules(server: Server, test: str) -> Iterator[str]:
    for rule in server.all_rules:
        if rule.built_in and not rule.hits:
            continue
        if rule.speaks or rule.hits:
            used_up = ", used up" if rule.used_up else ""
            yield f"{rule.label}: {_hits(rule, rule.has_not_answered)}{used_up}{_whose(rule, test)}"
        elif not rule.injections:
            yield f"{rule.label}: has no answer{_whose(rule, test)}"


def _of_faults(server: Server, test: str, injections: list[Injection]) -> Iterator[str]:
    mine = [injection for injection in injections if server.is_of(injection)]
    left = [injection for injection in server.in_force if injection not in mine]
    for injection in [*mine, *left]:
        if injection.expected or injection.hits:
            where = injection.place.removeprefix(server.name)
            what = f"{injection.text}{f' on{where}' if where else ''}"
            yield f"{what}: {_hits(injection, 'never struck')}{_whose(injection, test)}"


def _hits(made: Rule[Any] | Injection, never: str) -> str:
    return never if not made.hits else "1 hit" if made.hits == 1 else f"{made.hits} hits"


def _whose(made: Rule[Any] | Injection, test: str) -> str:
    """Whose it is, where it is not the test's own."""
    if not made.made_by or made.made_by == test:
        return ""
    if made.by_a_fixture:
        return f", of the fixture {made.made_by}"
    return f", left by {made.made_by}"

"""The nearest rule of those over bytes and text, and why it was not it."""

from __future__ import annotations

import pytest

from pytest_netmocks.reports.nearest import nearest

RULES = [r"when(b'PING\n')", "when('hello')", "when(re.compile(b'x+'))", "when_connected()"]


@pytest.mark.parametrize(
    ("came", "told"),
    [
        ("no rule matches b'PING': waiting", r"the nearest is when(b'PING\n'): b'\n' is missing at the end"),
        (r"no rule matches b'PONG\n'", r"the nearest is when(b'PING\n'): at 1 it has b'I', and b'O' came"),
        ("no rule matches 'hello!': echoed", "the nearest is when('hello'): '!' is too much at the end"),
        ("no rule matches b'completely different'", ""),
        ("404: no rule matches GET /\n  GET /x  when('/x')", ""),
    ],
)
def test_the_nearest_rule_is_named_with_the_difference(came: str, told: str) -> None:
    assert nearest(came, RULES) == told

"""What a sweep has tried, as values for whoever draws it."""

from __future__ import annotations

import json
import pathlib
import textwrap
from typing import Any, get_type_hints

import pytest
from helpers import Suite

from pytest_netmocks.faults import Answer, Reset
from pytest_netmocks.sweeps.arm import Arm
from pytest_netmocks.sweeps.place import Group
from pytest_netmocks.sweeps.plan import Plan
from pytest_netmocks.sweeps.strip import Part, Row, Strip, Text, strip
from pytest_netmocks.sweeps.verdict import Outcome, Result, Tally

CONFTEST = """
import json

def pytest_runtest_logreport(report):
    found = getattr(report, "netmocks_sweep", None)
    with open("strips.jsonl", "a") as file:
        print(json.dumps([report.nodeid, report.when, found]), file=file)
"""

TESTS = """
import pytest
from pytest_netmocks.faults import Answer, Close, Reset

@pytest.mark.fault_sweep(Close(direction="downstream"), Reset(direction="upstream"))
def test_fails(tcp_server, netmocks):
    assert echo(tcp_server) == b"hello"

@pytest.mark.fault_sweep(Answer(503))
def test_passes(http_server):
    echo(http_server, b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")

@pytest.mark.fault_sweep(Reset())
def test_has_no_sweep(tcp_server):
    assert echo(tcp_server) == b"other"

def test_is_none(tcp_server):
    echo(tcp_server)
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_the_report_of_a_swept_tests_call_has_a_strip_and_no_other_has(
    suite: Suite, pytester: pytest.Pytester, workers: list[str]
) -> None:
    pytester.makeconftest(textwrap.dedent(CONFTEST))
    suite(TESTS, *workers).assert_outcomes(passed=2, failed=2)
    lines = pathlib.Path("strips.jsonl").read_text().splitlines()
    found = {(name.partition("::")[2], when): strip for name, when, strip in map(json.loads, lines) if strip}
    assert found.keys() == {("test_fails", "call"), ("test_passes", "call")}
    passed, failed = found["test_passes", "call"], found["test_fails", "call"]
    assert [passed["rows"][0][name] for name in ("kind", "at", "outcomes", "text")] == ["answer", [1], "p", None]
    assert (failed["places"], failed["tried"], failed["not_reached"]) == (12, 12, 0)
    assert failed["failed"] == sum(row["outcomes"].count("f") for row in failed["rows"])
    down, up = failed["rows"]
    assert (down["fault"], up["fault"]) == ("Close()", "Reset()")
    assert f"{down['id']}:{down['at'][0]}" == failed["shown"] == "0.Close:tcp_server:1:downstream:0"
    assert down["at"] == list(range(down["first"], down["last"] + 1)) == [0, 1, 2, 3, 4, 5]
    assert down["outcomes"] == "fffffp"
    assert all(0 < seconds < 60 for row in failed["rows"] for seconds in row["seconds"])
    assert failed["errors"][down["errors"][1]] == "AssertionError: assert b'h' == b'hello'"
    assert down["errors"][5] is None
    assert failed["texts"][up["text"]]["text"] == "hello"
    span = failed["spans"][0]
    assert (span["row"], span["first"], span["last"], span["before"]) == (0, 0, 4, "''")
    assert span["kind"] == "AssertionError"


def tally(size: int) -> Tally:
    """Every tenth place failed, each by an error of its own, and every other was not reached."""
    found = Tally(Arm(Plan((Reset(),)), None, looks=True))
    found.total = size
    for which, fault in enumerate((Reset(), Answer(503))):
        group = Group(which, fault, "server", 1, "downstream", range(size // 2))
        for at in group.at:
            result = Result(group, at)
            result.reached = at % 2 == 0
            result.came_to = Outcome("OSError", 7, f"OSError: {at}") if at % 10 == 0 else "passed"
            found.results.append(result)
    return found


def test_a_strip_is_what_its_types_say() -> None:
    found = strip(tally(40))

    def check(kind: Any, value: Any) -> None:
        assert list(get_type_hints(kind)) == list(value)

    check(Strip, found)
    for part, kind in (("rows", Row), ("spans", Part), ("texts", Text)):
        for value in found[part]:  # type: ignore[literal-required]
            check(kind, value)
    assert found["rows"][0]["outcomes"] == "fnpnpnpnpn" * 2
    assert found["errors"] == ["OSError: 0", "OSError: 10"]
    assert found["rows"][1]["errors"][10] == 1


def test_ten_thousand_places_are_a_small_strip() -> None:
    found = strip(tally(10_000))
    assert json.loads(json.dumps(found)) == found
    assert len(json.dumps(found)) < 400_000

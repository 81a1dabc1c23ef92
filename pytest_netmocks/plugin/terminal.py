"""The timelines of passing tests, coloured where the terminal can."""

from __future__ import annotations

import pytest

SWEEP = "netmocks_sweep_"
"""What the names of the numbers begin with that the report of a sweep carries."""


def _numbers(report: pytest.TestReport) -> dict[str, int]:
    """What a sweep came to; nothing, if it was none."""
    return {
        name.removeprefix(SWEEP): int(str(value)) for name, value in report.user_properties if name.startswith(SWEEP)
    }


def counted(tried: int, places: int) -> str:
    """`12 places`, or `20 of 10001 places`."""
    noun = "place" if places == 1 else "places"
    return f"{tried} {noun}" if tried == places else f"{tried} of {places} {noun}"


def swept(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """What a report of a sweep that passed is called: `PASSED [218 places]`."""
    numbers = _numbers(report)
    return ("passed", ".", f"PASSED [{counted(numbers['tried'], numbers['places'])}]") if numbers else None


def show_sweeps(reporter: pytest.TerminalReporter) -> None:
    """A line with the totals of all sweeps."""
    reports = [*reporter.getreports("passed"), *reporter.getreports("failed")]
    found = [numbers for report in reports if report.when == "call" and (numbers := _numbers(report))]
    if found:
        total = {name: sum(numbers[name] for numbers in found) for name in found[0]}
        sweeps = "1 fault sweep" if len(found) == 1 else f"{len(found)} fault sweeps"
        missed = f", {total['not_reached']} were not reached" if total["not_reached"] else ""
        tried = counted(total["tried"], total["places"])
        reporter.write_line(f"netmocks: {sweeps} tried {tried}: {total['failed']} failed{missed}")


def show_timelines(reporter: pytest.TerminalReporter) -> None:
    """A block for each passing test that used a server."""
    shown = [
        (report, text)
        for report in reporter.getreports("passed")
        for title, text in report.sections
        if title == "netmocks timeline"
    ]
    if not shown:
        return
    reporter.section("netmocks timelines", sep="=")
    for report, text in shown:
        reporter.write_line("")
        reporter.write_line(report.nodeid, bold=True)
        for line in text.splitlines():
            reporter.write_line(f"  {line}", **_colour(line))


def _colour(line: str) -> dict[str, bool]:
    """What a line of a timeline looks like: titles, faults, data and ends tell apart at a glance."""
    if not line.startswith(" "):
        return {"cyan": True, "bold": True}
    what = line[27:].strip()
    if what.startswith("!"):
        return {"red": True, "bold": True}
    if what.startswith((">", "<")):
        return {"green": what.startswith(">"), "blue": what.startswith("<")}
    if what.startswith("closed"):
        return {"yellow": True}
    return {"light": True}

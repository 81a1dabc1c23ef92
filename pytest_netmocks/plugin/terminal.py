"""The timelines of passing tests, coloured where the terminal can."""

from __future__ import annotations

import pytest


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

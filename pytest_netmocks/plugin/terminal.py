"""What the terminal shows of failing tests and of sweeps, and of passing tests if it is asked for; with its colours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter

OURS = "netmocks"
"""What the titles of our sections begin with."""

SWEEP = "netmocks_sweep_"
"""What the names of the numbers begin with that the report of a sweep carries."""


class Look(NamedTuple):
    """How a report is looked at: in so many columns, and as `-v` and `-q` say."""

    width: int = 80
    verbosity: int = 0


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
        if total["waited"]:
            slow = sum(numbers["waited"] > 0 for numbers in found)
            whose = "its places" if len(found) == 1 else f"the places of {slow} of them"
            reporter.write_line(
                f"netmocks: {whose} took {total['waited']} s: with @pytest.mark.virtual_time nobody waits for sleeps "
                "and time-outs"
            )


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
    from pytest_netmocks.reports.ladder import colour  # only where there is something to show

    reporter.section("netmocks timelines", sep="=")
    for report, text in shown:
        reporter.write_line("")
        reporter.write_line(report.nodeid, bold=True)
        for line in text.splitlines():
            reporter.write_line(line, **colour(line))


def look(config: pytest.Config) -> Look:
    """How this run's reports are looked at; a worker of xdist shows nothing itself, so its controller counts."""
    verbosity = int(config.getoption("verbose", 0))
    width = getattr(config, "workerinput", {}).get("netmocks_width")
    if width is None and config.pluginmanager.has_plugin("terminalreporter"):
        width = config.get_terminal_writer().fullwidth
    return Look(width or Look().width, verbosity)


def colour_reports(config: pytest.Config) -> None:
    """Give our sections of failing tests colours, where the terminal has any."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not config.get_terminal_writer().hasmarkup:
        return
    writer = config.get_terminal_writer()
    for report in [*reporter.getreports("failed"), *reporter.getreports("error")]:
        report.sections = [
            (title, "\n".join(_marked(writer, title, text)) if title.startswith(OURS) else text)
            for title, text in report.sections
        ]


def _marked(writer: TerminalWriter, title: str, text: str) -> Iterator[str]:
    from pytest_netmocks.reports.ladder import colour  # only where there is something to show

    for line in text.splitlines():
        if title == f"{OURS}: what ended it":
            yield writer.markup(line, red=True, bold=True)
        else:
            yield writer.markup(line, **colour(line)) if title == f"{OURS} timeline" else line

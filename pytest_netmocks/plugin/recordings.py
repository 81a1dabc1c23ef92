"""Recordings of tests: made where a test runs, carried by its reports, written where the run is told of as a whole.

It is registered as a plugin only where an option asks for one of its files.
"""

from __future__ import annotations

import os
import pathlib
import urllib.parse
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_netmocks import scope
from pytest_netmocks.plugin.files import Files
from pytest_netmocks.reports.recording import Outcome, Recording, packed, unpacked
from pytest_netmocks.reports.tape import Room, Tape, written_of

if TYPE_CHECKING:
    from pytest_netmocks.plugin.settings import Wanted
    from pytest_netmocks.plugin.trial import Trial
    from pytest_netmocks.reports.live.door import Door
    from pytest_netmocks.servers.server import Server

NAME = "netmocks recordings"
CARRIED = "netmocks_recordings"
"""The attribute of a report that carries a test's recordings: strings, which any channel of workers takes."""

SHORT = 64 * 1024
"""Characters of a recording that a worker hands over as they are: to pack so few takes longer than to send them."""

RUNS = 20
"""Runs of one sweep that are kept: its reference run, and those that failed first."""

MOST = 20_000
"""Characters of the error that are kept: the last, for an error stands at the end of its traceback."""


def register(config: pytest.Config, wanted: Wanted) -> Recordings:
    """Make recordings in this session."""
    works = hasattr(config, "workerinput")
    door = None
    if wanted.inspect is not None and not works:
        from pytest_netmocks.reports.live.door import Door  # only where it is asked for
        from pytest_netmocks.reports.live.hub import Hub

        try:
            door = Door(Hub(), wanted.inspect)
        except OSError as error:
            raise pytest.UsageError(f"--netmocks-inspect={wanted.inspect}: {error.strerror or error}") from None
    recordings = Recordings(Files(wanted, None if door is None else door.hub), door, works=works)
    config.pluginmanager.register(recordings, NAME)
    return recordings


def _end_of(text: str) -> str:
    left_out = len(text) - MOST
    return text if left_out <= 0 else f"[{left_out} characters before are left out]\n{text[left_out:]}"


class Recordings:
    """The tapes of this process's servers, and what was made of them."""

    def __init__(self, files: Files, door: Door | None = None, *, works: bool) -> None:
        self.files = files
        self._door = door
        self._live = 0
        """The number that the live page has of the test that runs."""
        self._works = works
        self._tapes: dict[int, Tape] = {}
        self._room = Room()
        self._made: dict[str, list[Recording]] = {}
        """By test: what its last reports will carry."""
        self._failed: set[str] = set()
        self._sweeps: dict[str, dict[str, Any]] = {}
        self._outcome: Outcome = ""
        self._error = ""
        self._began = 0.0

    def made(self, server: Server) -> None:
        """There is a new server: hear it from the beginning on."""
        self._tapes[id(server)] = Tape(server, self._room, wire=self.files.captures)
        arm = scope.current.arm
        if self._door is not None and (arm is None or arm.place is None):  # of a sweep, its run without a fault
            self._door.hub.watch(server)

    def begin(self, shared: list[Server], test: str) -> None:
        """A test begins: of wider servers only what is new belongs to it."""
        if self._door is not None:
            self._live = self._door.hub.begin(test, shared, seed=scope.current.seed)
        self._room = Room()
        kept = {id(server) for server in shared}
        self._tapes = {number: tape for number, tape in self._tapes.items() if number in kept}
        for tape in self._tapes.values():
            tape.begin(self._room)
        self._outcome, self._error, self._began = "", "", 0.0

    def hear(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, trial: Trial | None
    ) -> None:
        """A phase of a run is over; with the last one there is its recording."""
        self._began = self._began or call.start
        if report.failed and self._outcome != "failed":
            self._outcome, self._error = "failed", _end_of(report.longreprtext)
        elif report.when == "call" or report.skipped:
            self._outcome = self._outcome or report.outcome
        if report.failed and (files := self.files.of(item.nodeid, _place(trial))):
            report.sections.append(("netmocks files", "\n".join(files)))
        if trial is not None and (report.when == "call" or report.failed) and self.files.page is not None:
            _link(item, report, self.files.page)
        if report.when == "teardown" and trial is not None:
            self._keep(item.nodeid, trial, call.stop)

    def has_room(self, test: str) -> bool:
        """Whether another failing run of that test's sweep is kept."""
        return len(self._made.get(test, ())) < RUNS

    def _keep(self, test: str, trial: Trial, ended: float) -> None:
        arm = trial.scope.arm
        if arm is None and not self.files.wants(failed=self._outcome == "failed"):
            return
        place = _place(trial)
        if place and not (self._outcome == "failed" and self.has_room(test)):
            return
        virtual = trial.settings.virtual or trial.item.get_closest_marker("virtual_time") is not None
        tapes = [tape for server in trial.servers if (tape := self._tapes.get(id(server))) is not None]
        told = [(tape.server, *tape.take()) for tape in tapes]
        self._made.setdefault(test, []).append(
            written_of(
                told,
                title=test,
                outcome=self._outcome,
                began=0.0 if virtual else self._began,
                seconds=0.0 if virtual else max(0.0, ended - self._began),
                seed=trial.settings.seed,
                virtual=virtual,
                cause=trial.ended,
                error=self._error,
                place=place,
            )
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """With its last report go a test's recordings; where the run is told of, the files are written."""
        if report.failed:
            self._failed.add(report.nodeid)
        if report.when == "call" and (sweep := getattr(report, "netmocks_sweep", None)) is not None:
            self._sweeps[report.nodeid] = sweep
        if report.when != "teardown":
            return
        if self._door is not None:
            self._door.hub.end(self._live)
        made = self._made.pop(report.nodeid, None)
        sweep = self._sweeps.pop(report.nodeid, None)
        if made and sweep is not None:
            made = _of_sweep(made, sweep)
        if made:
            failed = report.nodeid in self._failed or any(one.outcome == "failed" for one in made)
            made = (made if failed else made[:1]) if self.files.wants(failed=failed) else []
        self._failed.discard(report.nodeid)
        if self._works:
            if made:
                vars(report)[CARRIED] = [_carried(one.text()) for one in made]
            return
        for one in made or ():
            self.files.add(one)
        for carried in vars(report).pop(CARRIED, ()):  # by a worker
            text = _told(carried)
            self.files.add(Recording.of_text(text), text)

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Say where the live page is."""
        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        if self._door is not None and terminal is not None:
            terminal.write_line(f"netmocks: live page at {self._door.url}")

    def pytest_unconfigure(self) -> None:
        """Who looks at the live page is told that it is over."""
        if self._door is not None:
            self._door.close()

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """What is one file for all is written last."""
        result = yield
        if not self._works:
            self.files.finish()
        return result

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was written."""
        for line in self.files.lines():
            terminalreporter.write_line(f"netmocks: {line}")


def _carried(text: str) -> str:
    """What goes from a worker to who writes the files."""
    return text if len(text) <= SHORT else packed(text)


def _told(carried: str) -> str:
    """The text again, which is JSON, and begins as base64 never does."""
    return carried if carried.startswith("{") else unpacked(carried)


def _of_sweep(made: list[Recording], sweep: dict[str, Any]) -> list[Recording]:
    """The runs of a sweep by what it came to: the report of all fails in its last run, whatever that one did."""
    failed = {
        f"{row['id']}:{at}"
        for row in sweep["rows"]
        for at, came_to in zip(row["at"], row["outcomes"], strict=True)
        if came_to == "f"
    }
    made = [one for one in made if not one.place or one.place in failed]
    for one in made:
        if not one.place:
            one.outcome = one.outcome or "passed"
    for one in [*(one for one in made if one.outcome == "failed"), *made][:1]:
        one.sweep = sweep  # once, for of many places it is long: by the run that the report shows
    return made


def _place(trial: Trial | None) -> str:
    """The id of the place where a sweep's fault strikes in this run; empty in all others."""
    arm = trial.scope.arm if trial is not None else None
    return str(arm.place.id) if arm is not None and arm.place is not None else ""


def _link(item: pytest.Item, report: pytest.TestReport, page: pathlib.Path) -> None:
    """Let the row that pytest-html has of the test lead to its place on the page."""
    html = item.config.getoption("htmlpath", None)
    if not html or not item.config.pluginmanager.has_plugin("html"):
        return
    from pytest_html import extras  # type: ignore[import-untyped]  # where it is installed

    folder = (item.config.invocation_params.dir / html).parent
    address = f"{urllib.parse.quote(os.path.relpath(page, folder))}#{urllib.parse.urlencode({'test': item.nodeid})}"
    vars(report)["extras"] = [*getattr(report, "extras", []), extras.url(address, name="netmocks")]

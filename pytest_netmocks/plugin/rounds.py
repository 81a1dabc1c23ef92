"""`Rounds`: one item, many runs. The reference run is the item's own; those of the places are inside its call.

pytest sets the test up and calls it, as any: that is the reference run. Then, within the item's call, that run is torn
down, and for each place the test is set up, called and torn down again by pytest's hooks, with fixtures of its own. The
last of these is left for pytest to tear down: each set-up has one tear-down, wider fixtures end when they would, and a
debugger finds the failing place's fixtures alive. What the call raises is what the first failing place raised, so that
whoever judges calls (xfail, reruns, `-x`, reports) judges the whole sweep.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import unittest
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest

from pytest_netmocks import clock, scope
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.plugin import library
from pytest_netmocks.plugin.refusal import checked
from pytest_netmocks.plugin.terminal import SWEEP
from pytest_netmocks.sweeps.arm import Arm
from pytest_netmocks.sweeps.course import Course
from pytest_netmocks.sweeps.place import Place
from pytest_netmocks.sweeps.strip import strip
from pytest_netmocks.sweeps.verdict import PASSED, outcome
from pytest_netmocks.warned import NetmocksWarning

if TYPE_CHECKING:
    from pytest_netmocks.plugin.recordings import Recordings

INTERRUPTED: pytest.StashKey[str] = pytest.StashKey()
"""Which place was tried when somebody had waited long enough, in a line, and how to try it again."""

SKIPS = (pytest.skip.Exception, pytest.xfail.Exception, unittest.SkipTest)
"""What a run raises that wants to be neither passed nor failed."""

LONG, LONG_PLACE, MUCH = 5.0, 0.05, 4.0
"""What is waited for: so many real seconds of a sweep, of a place in the mean, and times what the processor worked."""


class Failure(NamedTuple):
    """What a run raised, and what its report says besides: captured output, and what was on the wire."""

    error: BaseException
    sections: list[tuple[str, str]]


class Rounds:
    """The runs of one item's sweep."""

    def __init__(self, item: pytest.Item, course: Course, only: str | None, recordings: Recordings | None) -> None:
        self._item = item
        self._course = course
        self._only = only
        self._recordings = recordings
        self.inner: Arm | None = None
        """The run that goes on within the item's call."""
        self._raised: list[Failure] = []
        """What failed in that run: of subtests, there may be several."""
        self._first: Failure | None = None
        """What failed in the first run that did."""
        self._properties = list(item.user_properties)
        """What the test had said of itself before its first run."""
        self._open: list[Arm] = [course.reference]
        """The runs whose fixtures are still there."""
        self._tried = False
        self._made = Draws.made
        """How many draws there had been before what is looked at."""
        self._draws = False
        """Whether anything is up to chance in it, besides which places are tried."""
        assert item.parent is not None
        self._sibling: Any = _Sibling.from_parent(item.parent, name="sibling")
        self._reraised: tuple[type[BaseException], ...] = (pytest.exit.Exception,)
        if not item.config.getoption("usepdb", False):
            self._reraised += (KeyboardInterrupt,)

    @property
    def failed_already(self) -> bool:
        """Whether the item's own call failed without raising, as those of `unittest.TestCase` do."""
        return library.failed_silently(self._item)

    def run(self) -> None:
        """Try the places. Raises what the first that failed raised."""
        __tracebackhide__ = True
        item, course = self._item, self._course
        self._draws = self._made < Draws.made
        course.reference.settle()
        only = self._only
        if not checked("fault_sweep", lambda: course.groups() if only is None else course.find(only)):
            self._tried = True  # a shard of a sweep that has fewer places than shards
            return
        output, properties = library.captured(item), list(item.user_properties)
        real, began, busy = not clock.is_virtual, clock.real_now(), _worked()
        try:
            with library.unreported(item):
                self._made = Draws.made
                self._try_all()
        except KeyboardInterrupt:
            place = self.inner.place if self.inner is not None else None
            if place is not None:
                never = "\n  with @pytest.mark.virtual_time a wait without an end fails there" if real else ""
                item.config.stash[INTERRUPTED] = f"{place}\n  {self._again(place)}{never}"
            raise
        finally:
            self.inner = None
        self._tried = True
        tally = course.tally
        seconds = clock.real_now() - began
        slow = real and seconds >= max(LONG, LONG_PLACE * len(tally.results), MUCH * (_worked() - busy))
        numbers = {"places": tally.total, "tried": len(tally.results), "failed": len(tally.failures)}
        numbers |= {"not_reached": tally.missed, "waited": round(seconds) if slow else 0}
        item.user_properties[:] = [*properties, *((SWEEP + name, number) for name, number in numbers.items())]
        if (warning := tally.warning()) is not None:
            item.warn(NetmocksWarning(warning))
        if self._first is not None:
            raise self._first.error
        library.show_captured(item, output)

    def _try_all(self) -> None:
        __tracebackhide__ = True
        course = self._course
        self.inner = course.reference
        failure = self._phase("teardown")
        self.end()
        if failure is not None:
            self._set_up(Arm(course.plan, None, looks=False))
            raise failure.error
        runs = course.runs(self._only)
        arm: Arm | None = next(runs)
        while arm is not None:
            self._item.user_properties[:] = self._properties
            failure = self._set_up(arm) or self._phase("call")
            course.came_to(arm, self._judged(failure))
            following = None if self._is_last(failure) else next(runs, None)
            skipped = failure is not None and isinstance(failure.error, SKIPS)
            assert arm.place is not None
            if following is None and (arm.is_reached or failure is not None):
                course.over(arm, skipped=skipped)  # and pytest tears it down
                return
            came_to = self._judged(self._phase("teardown"))
            self.end()
            course.over(arm, came_to, skipped=skipped)
            if following is None:
                self._set_up(Arm(course.plan, None, looks=False))
            arm = following

    def _judged(self, failure: Failure | None) -> Any:
        """What a run came to; the first failure is kept."""
        if failure is None or isinstance(failure.error, SKIPS):
            return PASSED
        self._first = self._first or failure
        return outcome(failure.error, str(self._item.path))

    def _is_last(self, failure: Failure | None) -> bool:
        """Whether no other place is tried: somebody wants to stop here."""
        session, tally = self._item.session, self._course.tally
        if failure is not None and "from pytest-timeout" in str(failure.error):
            tally.ended_early = "the time-out is for all runs together"
        elif session.shouldstop or session.shouldfail:
            tally.ended_early = str(session.shouldstop or session.shouldfail)
        elif self._item.config.getoption("usepdb", False) and self._first is not None:
            tally.ended_early = "the debugger has the first place that failed"
        return tally.ended_early is not None

    def _set_up(self, arm: Arm) -> Failure | None:
        """Set the test up as if it had never been."""
        self.inner = arm
        self._open.append(arm)
        arm.is_told = self._first is None or self._is_shown
        arm.begin()
        self._raised = []
        library.renew(self._item)
        return self._phase("setup")

    def _phase(self, when: Literal["setup", "call", "teardown"]) -> Failure | None:
        """One phase of a run by pytest's hooks; what failed in the run so far."""
        item = self._item
        hook = getattr(item.ihook, f"pytest_runtest_{when}")
        given = {"nextitem": self._sibling} if when == "teardown" else {}
        call = pytest.CallInfo.from_call(lambda: hook(item=item, **given), when=when, reraise=self._reraised)
        # The error of the first is raised again, and told at length with the item's own report.
        with contextlib.nullcontext() if call.excinfo is None or self._is_shown else library.briefly(item):
            item.ihook.pytest_runtest_makereport(item=item, call=call)
        return self._raised[0] if self._raised else None

    @property
    def _is_shown(self) -> bool:
        """Whether a file shows what fails in the run that goes on."""
        return self._recordings is not None and self._recordings.has_room(self._item.nodeid)

    def hear(self, excinfo: pytest.ExceptionInfo[BaseException] | None, report: pytest.TestReport) -> None:
        """A report of the run that goes on."""
        if excinfo is not None:
            self._raised.append(Failure(excinfo.value, report.sections))

    def end(self) -> None:
        """The fixtures of the latest run are gone, and so is its fault."""
        for arm in self._open:
            arm.end()
        self._open.clear()

    # The item's report

    def tell(self, report: pytest.TestReport) -> None:
        """Let the item's report say what the sweep came to; as values, that of its call has it as `netmocks_sweep`."""
        if not self._tried:
            if report.failed and report.when != "teardown":
                _add(report, "this is the reference run, without the fault: no place was tried")
            return
        if report.when != "call":
            return
        told: Any = report
        told.netmocks_sweep = strip(self._course.tally)
        if self._first is not None:
            report.sections = self._first.sections
            _add(report, "\n".join(self._course.tally.lines(self._again)))
            crash = getattr(report.longrepr, "reprcrash", None)
            if crash is not None:
                crash.message = f"{self._course.tally.headline()}, the first with {crash.message}"

    def _again(self, place: Place) -> str:
        item = self._item
        _, *names = item.nodeid.split("::")
        test = "::".join([os.path.relpath(item.path, item.config.invocation_params.dir), *names])
        same = f" --netmocks-seed={scope.current.seed}" if self._draws or self._made < Draws.made else ""
        return f"again: pytest {shlex.quote(test)} --netmocks-sweep-place={place.id}{same}"


def _worked() -> float:
    """Seconds that this process has had of processors."""
    return sum(os.times()[:2])


def _add(report: pytest.TestReport, text: str) -> None:
    """Put a section behind the traceback; an error that has none is text itself."""
    longrepr: Any = report.longrepr
    if hasattr(longrepr, "addsection"):
        longrepr.addsection("fault sweep", text, "-")
    else:
        report.longrepr = f"{longrepr}\n{text}"


class _Sibling(pytest.Item):
    """What comes next within a sweep: an item beside the test, so that its own fixtures go and wider ones stay."""

    def runtest(self) -> None:
        """It never runs."""

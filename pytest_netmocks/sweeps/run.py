"""Sweeps of a function: `sweep` and `async_sweep` run it, `place` says where it is meant to break."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple, Unpack

from pytest_netmocks import scope
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.sweeps.arm import Arm
from pytest_netmocks.sweeps.course import Course
from pytest_netmocks.sweeps.place import Place
from pytest_netmocks.sweeps.plan import Plan, SweepOptions
from pytest_netmocks.sweeps.verdict import PASSED, Outcome, outcome
from pytest_netmocks.warned import NetmocksWarning


class Failure(NamedTuple):
    """A place where the function raised, and what."""

    place: Place
    """Where it broke."""
    error: BaseException
    """What was raised there."""


class Report:
    """What a sweep came to: `places` are those that were tried, `failures` those where it failed.

    `total` is how many places there are, and `not_reached` how many runs ended before theirs. Its `str` has a line for
    each span of neighbouring places that failed alike.
    """

    def __init__(self, course: Course) -> None:
        self.places: list[Place] = []
        self.failures: list[Failure] = []
        self._tally = course.tally

    @property
    def total(self) -> int:
        """How many places there are."""
        return self._tally.total

    @property
    def not_reached(self) -> int:
        """How many runs ended before their place."""
        return self._tally.missed

    def raise_for_failures(self) -> None:
        """Raise an `ExceptionGroup` of what each failing place raised, if there is one."""
        errors = [failure.error for failure in self.failures]
        if errors:
            raise BaseExceptionGroup(str(self), errors)

    def __str__(self) -> str:
        return "\n".join(self._tally.lines(lambda place: f"place {place.id}"))


def place() -> Place | None:
    """Where the run of a sweep that goes on is to break: `None` in its reference run, and without a sweep."""
    arm = scope.current.arm
    return arm.place if arm is not None else None


def sweep(run: Callable[[], object], *faults: Fault, **options: Unpack[SweepOptions]) -> Report:
    """Run a function, which makes its servers itself, once as it is and then once for each place where it can break.

    Without faults they are `Reset()`, `Close()`, `Stall()` and `Blackhole()`. At most `limit` places are tried (300;
    `None`: all). From a place on `repeat` connections in a row are struck (1; `None`: all), and `duration` seconds
    after the strike the fault is lifted. With `depth=2` the connections that a fault brings about are swept in turn.

    What the function raises in the reference run is raised here. Raises `ValueError` or `TypeError` if a fault or an
    option makes no sense, or if it spoke to no server.
    """
    report, runs = _begin(run, faults, options)
    for trial in runs:
        with trial:
            run()
    return report


async def async_sweep(run: Callable[[], Awaitable[object]], *faults: Fault, **options: Unpack[SweepOptions]) -> Report:
    """As `sweep`, with a coroutine function."""
    report, runs = _begin(run, faults, options)
    for trial in runs:
        with trial:
            await run()
    return report


def _begin(
    run: Callable[[], object], faults: tuple[Fault, ...], options: SweepOptions
) -> tuple[Report, Iterator[contextlib.AbstractContextManager[None]]]:
    course = Course(Plan(faults, **options), Draws(scope.current.seed, scope.current.test, "sweep"))
    report = Report(course)
    code = getattr(run, "__code__", None)
    return report, _runs(course, report, code.co_filename if code is not None else None)


def _runs(course: Course, report: Report, file: str | None) -> Iterator[contextlib.AbstractContextManager[None]]:
    """A context for each run of the function."""
    yield _reference(course.reference)
    for arm in course.runs():
        yield _trial(course, arm, report, file)
    text = course.tally.warning()
    if text is not None:
        warnings.warn(text, NetmocksWarning, stacklevel=3)


@contextlib.contextmanager
def _scope(arm: Arm) -> Iterator[None]:
    """Servers that are made meanwhile belong to the run."""
    before = scope.current
    scope.current = scope.Scope(before.seed, before.test)
    scope.current.run_faults = before.run_faults
    scope.current.arm = arm
    arm.begin()
    try:
        yield
    finally:
        scope.current = before


@contextlib.contextmanager
def _reference(arm: Arm) -> Iterator[None]:
    try:
        with _scope(arm):
            yield
    finally:
        arm.end()


@contextlib.contextmanager
def _trial(course: Course, arm: Arm, report: Report, file: str | None) -> Iterator[None]:
    assert arm.place is not None
    report.places.append(arm.place)
    came_to: Outcome | str = PASSED
    try:
        with _scope(arm):
            yield
    except Exception as error:  # noqa: BLE001  # that is what is looked for
        came_to = outcome(error, file)
        report.failures.append(Failure(arm.place, error))
    course.came_to(arm, came_to)
    arm.end()
    course.over(arm)

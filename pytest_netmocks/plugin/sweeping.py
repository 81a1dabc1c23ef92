"""`@pytest.mark.fault_sweep(...)`: what pytest asks of it. The runs themselves are those of `rounds`.

It is registered as a plugin with the first test that has the marker.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_netmocks import check
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.plugin.refusal import checked, only_one, refuse
from pytest_netmocks.plugin.rounds import INTERRUPTED, Rounds
from pytest_netmocks.plugin.settings import Settings
from pytest_netmocks.sweeps.arm import Arm
from pytest_netmocks.sweeps.course import Course
from pytest_netmocks.sweeps.plan import Plan, SweepOptions

if TYPE_CHECKING:
    from pytest_netmocks.plugin.recordings import Recordings

MARKER = "fault_sweep"
SHARD = "netmocks_shard"
"""The parameter that carries the number of an item's share of the places."""

ROUNDS: pytest.StashKey[Rounds] = pytest.StashKey()


def read(mark: pytest.Mark) -> tuple[Plan, int]:
    """What a marker asks for, and how many items are to share it. Raises `ValueError` or `TypeError`."""
    options = dict(mark.kwargs)
    known = (*SweepOptions.__annotations__, "shards")
    for option in options.keys() - known:
        raise TypeError(f"a sweep takes no {option!r}{check.nearest(option, known)}")
    shards = options.pop("shards", None)
    if shards is not None:
        check.whole("shards", shards, unit="items that share the places", minimum=1)
    return Plan(mark.args, **options), shards or 0


def read_of(item: pytest.Item, mark: pytest.Mark) -> tuple[Plan, int]:
    """What the marker of a test asks for. Raises `ValueError` or `TypeError`."""
    only_one(item, MARKER)
    return read(mark)


def generate(metafunc: pytest.Metafunc, mark: pytest.Mark) -> None:
    """Refuse a wrong marker, and make an item for each shard."""
    item = metafunc.definition
    _, shards = checked(f"{item.nodeid}: {MARKER}", lambda: read_of(item, mark))
    if shards:
        metafunc.fixturenames.append(SHARD)
        names = [f"places{number + 1}of{shards}" for number in range(shards)]
        metafunc.parametrize(SHARD, [(number, shards) for number in range(shards)], ids=names)


def arm_of(item: pytest.Item, mark: pytest.Mark, settings: Settings, recordings: Recordings | None) -> Arm | None:
    """The run that begins: one of a sweep that goes on, or the reference run of a new one; `None` if it cannot be."""
    here = item.stash.get(ROUNDS, None)
    if here is not None and here.inner is not None:
        return here.inner
    if not item.config.pluginmanager.has_plugin(__name__):
        item.config.pluginmanager.register(sys.modules[__name__], __name__)
    try:
        plan, _ = read(mark)
    except (ValueError, TypeError):
        return None  # what is wrong is said by `check_marker`, which may fail the test
    if settings.sweep_limit is not None:
        plan.limit = None if settings.sweep_limit == "all" else int(settings.sweep_limit)
    callspec = getattr(item, "callspec", None)
    shard = callspec.params.get(SHARD, (0, 1)) if callspec is not None else (0, 1)
    course = Course(plan, Draws(settings.seed, item.nodeid, MARKER), shard=shard)
    item.stash[ROUNDS] = Rounds(item, course, settings.sweep_place, recordings)
    return course.reference


def check_marker(item: pytest.Item, mark: pytest.Mark) -> None:
    """Fail a test whose marker is wrong and was not refused at its collection: a method of `unittest.TestCase`."""
    _, shards = checked(MARKER, lambda: read_of(item, mark))
    if shards and SHARD not in getattr(getattr(item, "callspec", None), "params", {}):
        refuse(f"{MARKER}: shards makes several tests of one, which this kind of test cannot be")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """The item's own call is the reference run; if it passed, the others come behind it."""
    __tracebackhide__ = True
    result = yield
    rounds = item.stash.get(ROUNDS, None)
    if rounds is not None and rounds.inner is None and not rounds.failed_already:
        rounds.run()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """With the item's last fixtures its last run ends."""
    result: object = None
    try:
        result = yield
    finally:
        rounds = item.stash.get(ROUNDS, None)
        if rounds is not None and rounds.inner is None:
            rounds.end()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A report of one run is kept, that of the item says what the sweep came to."""
    report = yield
    rounds = item.stash.get(ROUNDS, None)
    if rounds is None:
        return report
    if rounds.inner is not None:
        rounds.hear(call.excinfo, report)
    else:
        rounds.tell(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say where a sweep was when it was interrupted: a client that waits for ever shows no other sign of it."""
    if INTERRUPTED in config.stash:
        terminalreporter.write_line(f"netmocks: a fault sweep was interrupted at {config.stash[INTERRUPTED]}")

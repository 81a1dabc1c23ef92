"""What pytest sees: options, fixtures, the marker, and what becomes of a test's faults and errors.

Loaded in every run of its environment: nothing here imports asyncio, ssl or a server before a test needs one.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

import pytest_netmocks.scope as scope  # noqa: PLR0402  # the other form would ask the package for a server of that name
from pytest_netmocks import modules
from pytest_netmocks.plugin import fixtures, settings
from pytest_netmocks.plugin.fixtures import *  # noqa: F403  # every fixture, and nothing else

if TYPE_CHECKING:
    from pytest_netmocks.names.names import Names
    from pytest_netmocks.plugin.recordings import Recordings
    from pytest_netmocks.plugin.trial import Trial

SETTINGS: pytest.StashKey[settings.Settings] = pytest.StashKey()
SHARED: pytest.StashKey[list[Any]] = pytest.StashKey()
SCOPE: pytest.StashKey[scope.Scope] = pytest.StashKey()
TRIAL: pytest.StashKey[Trial] = pytest.StashKey()
RECORDINGS: pytest.StashKey[Recordings] = pytest.StashKey()
NETWORK: pytest.StashKey[Names] = pytest.StashKey()
BEGAN: pytest.StashKey[bool] = pytest.StashKey()
VIRTUAL: pytest.StashKey[contextlib.ExitStack] = pytest.StashKey()
BEFORE: pytest.StashKey[tuple[scope.Scope, set[str]]] = pytest.StashKey()

LASTING = ("pytest_netmocks.link.loop", "pytest_netmocks.encryption.authority")
"""The modules that have something to end with the last session that uses them."""

_sessions: list[pytest.Config] = []
"""The sessions of this process: pytester can run one within another."""

MARKERS = (
    "faults(*faults): run the test once for each argument (a fault, a list of faults, a profile's name), "
    "put before every server that it uses",
    "virtual_time(patience=30): nobody waits: when test, clients and servers all do, their clock jumps; "
    "a wait without an end fails, after `patience` real seconds where that is not certain",
    "fault_sweep(*faults, limit=300, repeat=1, duration=None, depth=1, shards=None): run the test once as it is, then "
    "once for each place where its conversation can break, with a fault there",
)


def __dir__() -> list[str]:
    """Hooks and fixtures: pytest looks through all that it is told of for fixtures behind other decorators."""
    return [*fixtures.__all__, *(name for name in globals() if name.startswith("pytest_"))]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    settings.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options."""
    modules.stand_before_pytest()
    modules.bring_back()
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    chosen = config.stash[SETTINGS] = settings.read(config)
    config.stash[SHARED] = []
    config.stash[BEFORE] = scope.current, modules.loaded() if _sessions else set()  # of a session within another
    scope.current = scope.Scope(chosen.seed)
    if chosen.profile is not None:
        scope.current.run_faults = chosen.profile.parts
    _sessions.append(config)
    if chosen.network is not None:
        config.stash[NETWORK] = _only_mocks(chosen.network)
    if chosen.wanted is not None:
        from pytest_netmocks.plugin import recordings  # only where a file is asked for

        config.stash[RECORDINGS] = recordings.register(config, chosen.wanted)


def _only_mocks(allow: list[str]) -> Names:
    from pytest_netmocks.names.names import Names  # only where it is asked for

    try:
        return Names({}, strict=True, allow=allow)
    except ValueError as error:
        raise pytest.UsageError(f"netmocks_network_allow: {error}") from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Every xdist worker draws from the same seed, and what it reports is as wide as the terminal here."""
    from pytest_netmocks.plugin import terminal  # only where there are workers

    node.workerinput["netmocks_seed"] = node.config.stash[SETTINGS].seed
    node.workerinput["netmocks_width"] = terminal.look(node.config).width


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the loop's thread and the certificate authority if there are any, unless an outer session goes on."""
    if config in _sessions:
        _sessions.remove(config)
    if NETWORK in config.stash:
        config.stash[NETWORK].lift()
    loaded: set[str] = set()
    if BEFORE in config.stash:
        scope.current, loaded = config.stash[BEFORE]
    for name in LASTING:
        module = sys.modules.get(name)
        # What a session within another has loaded goes with it: pytester forgets the modules that it brought along.
        if module is not None and not (_sessions and name in loaded):
            module.close()
    modules.keep()
    if not _sessions:
        modules.step_back()
    elif loaded:
        modules.part_with(loaded)
        if (entry := sys.modules.get("pytest_netmocks.protocols.entry")) is not None:
            entry.at.cache_clear()


def pytest_report_header(config: pytest.Config) -> str:
    """Say what repeats this run."""
    chosen = config.stash[SETTINGS]
    profile = f", profile {chosen.profile.name}" if chosen.profile else ""
    return f"netmocks: seed {chosen.seed}{profile}, strict {chosen.strict}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a run of the test for each argument of its marker."""
    marks = list(metafunc.definition.iter_markers("faults"))
    if marks:
        from pytest_netmocks.plugin import marker  # imports the faults

        marker.parametrize(metafunc, marks)
    if metafunc.definition.get_closest_marker("virtual_time") is not None:
        from pytest_netmocks.plugin import virtual  # only where somebody asks for it

        virtual.check(metafunc.definition)
    sweep = metafunc.definition.get_closest_marker("fault_sweep")
    if sweep is not None:
        from pytest_netmocks.plugin import sweeping  # imports the faults and asyncio

        sweeping.generate(metafunc, sweep)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Show a fault in a test's id as it is written."""
    base = sys.modules.get("pytest_netmocks.faults.base")
    if base is not None and isinstance(val, base.Fault):
        return str(val.id)
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Each test draws for itself."""
    before = scope.current
    _begin(item)
    try:
        return (yield)
    finally:
        scope.current = before
        del item.stash[SCOPE]
        item.stash[BEGAN] = False
        if TRIAL in item.stash:
            del item.stash[TRIAL]


def _marked(item: pytest.Item) -> set[str]:
    """The names of the markers that it has: pytest looks for each of them anew, and most tests have none of ours."""
    return {mark.name for mark in item.iter_markers()}


def _begin(item: pytest.Item) -> None:
    """A scope for the test, or for another attempt at it, which knows nothing of those before."""
    chosen = item.config.stash[SETTINGS]
    shared = item.config.stash[SHARED]
    recordings = item.config.stash.get(RECORDINGS, None)
    kept = scope.Kept(shared, None if recordings is None else recordings.made)
    mine = scope.current = scope.Scope(chosen.seed, item.nodeid, kept)
    if chosen.profile is not None:
        mine.run_faults = chosen.profile.parts
    marked = _marked(item)
    if "faults" in marked:
        from pytest_netmocks.plugin import marker  # imports the faults

        for case in marker.cases_of(item):
            mine.link_faults += case.link_faults
            mine.test_faults += case.test_faults
    sweep = item.get_closest_marker("fault_sweep") if "fault_sweep" in marked else None
    if sweep is not None:
        from pytest_netmocks.plugin import sweeping  # imports the faults and asyncio

        mine.arm = sweeping.arm_of(item, sweep, chosen, recordings)
    item.stash[SCOPE] = mine
    if TRIAL in item.stash:
        del item.stash[TRIAL]
    shared[:] = [server for server in shared if not server.closed]
    for server in shared:
        if server.renewed:
            server.renew(keep=True)
        server.redraw()
    if recordings is not None:
        recordings.begin(shared, item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """What a wider fixture makes belongs to it, not to the test that happens to come first."""
    here = scope.current
    if fixturedef.scope == "function":
        # The marker's faults are there before the test's own fixtures, whether the wider server is new or not.
        if (here.test_faults or here.link_faults or here.arm) and (trial := _trial(request.node)) is not None:
            trial.begin()
        return (yield)
    before = here.fixture
    index = f"[{getattr(request, 'param_index', 0)}]" if hasattr(request, "param") else ""
    here.fixture = f"{fixturedef.baseid}::{fixturedef.argname}{index}"
    try:
        return (yield)
    finally:
        here.fixture = before


def _trial(item: pytest.Item) -> Trial | None:
    """The test's trial, if it has a server to try."""
    if TRIAL in item.stash:
        return item.stash[TRIAL]
    if SCOPE not in item.stash:
        return None
    mine, shared = item.stash[SCOPE], item.config.stash[SHARED]
    kept: Any = mine.ledger
    if not (kept.servers or shared or kept.injections or mine.test_faults or kept.everywhere):
        return None
    from pytest_netmocks.plugin.trial import Trial  # not for tests without a server

    item.stash[TRIAL] = Trial(item, mine, kept, item.config.stash[SETTINGS], shared)
    return item.stash[TRIAL]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Begin virtual time, note how far the timelines of shared servers are, and refuse a wrong marker."""
    __tracebackhide__ = True
    if item.stash.get(BEGAN, False):
        _begin(item)  # a plugin tries the test again
    item.stash[BEGAN] = True
    problem: BaseException | None = None
    marked = _marked(item)
    try:
        if (
            "virtual_time" in marked
            or item.config.stash[SETTINGS].virtual
            or "virtual_clock" in getattr(item, "fixturenames", ())
        ):
            from pytest_netmocks.plugin import virtual  # only where somebody asks for it

            item.stash[VIRTUAL] = virtual.begin(item)
        if "faults" in marked:
            from pytest_netmocks.plugin import marker  # imports the faults

            marker.check(item)
        sweep = item.get_closest_marker("fault_sweep") if "fault_sweep" in marked else None
        if sweep is not None:
            from pytest_netmocks.plugin import sweeping  # imports the faults and asyncio

            sweeping.check_marker(item, sweep)
        if item.config.stash[SHARED]:
            _trial(item)
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  # pytest's own setup has to come first
        problem = error
    result = yield
    if problem is not None:
        raise problem
    trial = _trial(item)
    if trial is not None:
        trial.begin()
    return result


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A test that passed may still fail by its handlers, by faults that never struck and by rules that nobody met."""
    __tracebackhide__ = True
    item.stash[SCOPE].in_call = True
    try:
        result = yield
    finally:
        item.stash[SCOPE].in_call = False
    trial = _trial(item)
    if trial is not None:
        trial.judge()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Lift what the marker put before servers that outlive the test, and hear what its fixtures' ends have done."""
    __tracebackhide__ = True
    if TRIAL in item.stash:
        item.stash[TRIAL].end()
    try:
        result = yield
    finally:
        if VIRTUAL in item.stash:
            item.stash[VIRTUAL].close()
            del item.stash[VIRTUAL]
    if TRIAL in item.stash:
        item.stash[TRIAL].after_teardown()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what happened on the wire, and keep it where a file of it is asked for."""
    report = yield
    if report.failed or (report.when == "call" and item.config.stash[SETTINGS].timeline):
        trial = _trial(item)
        if trial is not None:
            error = call.excinfo.value if call.excinfo is not None else None
            from pytest_netmocks.plugin import terminal  # only where there is something to show

            sections = trial.sections(terminal.look(item.config), failed=report.failed, error=error)
            # What ended it comes before what was captured.
            report.sections = [*sections[:1], *report.sections, *sections[1:]]
    recordings = item.config.stash.get(RECORDINGS, None)
    if recordings is not None:
        recordings.hear(item, call, report, _trial(item))
    return report


def pytest_report_teststatus(report: pytest.TestReport, config: pytest.Config) -> tuple[str, str, str] | None:
    """With `-v`, say of a sweep that passed how many places it has tried."""
    if report.when == "call" and report.passed and report.user_properties and not hasattr(report, "wasxfail"):
        from pytest_netmocks.plugin import terminal  # only where a test says something of itself

        return terminal.swept(report)
    return None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Show the reports of failing tests in colour, once everybody else has seen them."""
    if session.testsfailed:
        from pytest_netmocks.plugin import terminal  # only where a test failed

        terminal.colour_reports(session.config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what sweeps have tried; with `--netmocks-timeline`, show the passing tests' timelines too."""
    if any(report.user_properties for name in ("passed", "failed") for report in terminalreporter.getreports(name)):
        from pytest_netmocks.plugin import terminal  # only where there may be a sweep

        terminal.show_sweeps(terminalreporter)
    if config.stash[SETTINGS].timeline:
        from pytest_netmocks.plugin import terminal  # only where it is asked for

        terminal.show_timelines(terminalreporter)

"""The plugin's options: read once, checked once, a wrong one ends the run with pytest's usage error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_netmocks.scope import random_seed

if TYPE_CHECKING:
    from pytest_netmocks.faults.profile import Profile

STRICTNESS = ("error", "warn", "off")

RULES = {
    "netmocks_unmatched": "a request or message that no rule matched although there are some",
    "netmocks_unused": "a rule that never answered",
}
"""The options about rules, and what each is about."""


NETWORKS = ("anywhere", "mocks")

KEPT = ("failed", "all")

FOLDERS = {
    ".pcapng": ("capture", "a capture for Wireshark"),
    ".har": ("har", "an HTTP archive"),
    ".jsonl": ("events", "everything that happened, as JSON lines,"),
}
"""The files of a test that can be asked for by suffix: the option that names their folder, and what they are."""


class Wanted:
    """The files that are asked for."""

    def __init__(
        self,
        report: str | None,
        folders: dict[str, str],
        keep: str,
        redact: tuple[str, ...] = (),
        inspect: int | None = None,
    ) -> None:
        self.report = report
        self.folders = folders
        """By suffix."""
        self.keep = keep
        self.redact = redact
        """Names of what is masked in them."""
        self.inspect = inspect
        """The port of the live page: 0 is any free one, `None` no page."""


class Settings:
    """The options of this run; plain, for this is imported in every run."""

    def __init__(
        self,
        seed: int,
        profile: Profile | None,
        strict: dict[str, str],
        timeline: bool,
        virtual: bool,
        sweep_limit: str | None,
        sweep_place: str | None,
        wanted: Wanted | None,
        network: list[str] | None,
    ) -> None:
        self.seed = seed
        self.profile = profile
        self.strict = strict["netmocks_strict"]
        self.unmatched = strict["netmocks_unmatched"]
        self.unused = strict["netmocks_unused"]
        self.timeline = timeline
        self.virtual = virtual
        self.sweep_limit = sweep_limit
        """How many places a sweep tries, in place of what its marker says: a number, or `"all"`."""
        self.sweep_place = sweep_place
        """The id of the one place that is tried."""
        self.wanted = wanted
        """The files that are asked for, if any are."""
        self.network = network
        """Where tests may connect besides their servers, `None` if anywhere."""


def add_options(parser: pytest.Parser) -> None:
    """Declare the options and ini values."""
    group = parser.getgroup("netmocks", "network servers and faults (pytest-netmocks)")

    def option(name: str, **more: Any) -> None:
        # By its destination, else pytest looks whether one of all the options that there are has the same.
        group.addoption(f"--netmocks-{name}", dest=f"netmocks_{name.replace('-', '_')}", **more)

    option("seed", metavar="N", help="the same faults again: the number that a run printed")
    option("profile", metavar="NAME", help="put every server behind this link: 3g, satellite, ...")
    option("timeline", action="store_true", help="show what happened on the wire for passing tests too")
    option("sweep-limit", metavar="N|all", help="how many places each fault_sweep tries at most")
    option("sweep-place", metavar="PLACE", help="try that one place: what a report of a sweep says")
    option("report", metavar="PATH", help="write a page that shows what happened in each test")
    option(
        "inspect",
        nargs="?",
        const="0",
        metavar="PORT",
        help="serve that page while the tests run, on loopback; faults can be put in force there",
    )
    for name, what in FOLDERS.values():
        option(name, metavar="DIR", help=f"write {what} for each failing test there")
    option("keep", metavar="failed|all", help="for which tests such files are kept")
    parser.addini("netmocks_report", "where to write a page that shows what happened in each test (default: nowhere)")
    for name, what in FOLDERS.values():
        parser.addini(f"netmocks_{name}", f"folder for {what} for each failing test (default: none)")
    parser.addini("netmocks_keep", "for which tests such files are kept: failed or all", default="failed")
    parser.addini("netmocks_redact", "names of header fields and commands that are masked in them", type="linelist")
    parser.addini("netmocks_seed", "seed of all faults that are up to chance (default: another for each run)")
    parser.addini("netmocks_profile", "link that every server is put behind (default: none)")
    parser.addini(
        "netmocks_virtual_time", "all tests that use a server live in virtual time", type="bool", default=False
    )
    parser.addini(
        "netmocks_network",
        "where tests may connect: anywhere, or mocks (their servers and loopback)",
        default="anywhere",
    )
    parser.addini("netmocks_network_allow", "names, addresses and networks that they may besides", type="args")
    parser.addini("netmocks_strict", "what a fault that never struck is: error, warn or off", default="warn")
    for name, what in RULES.items():
        parser.addini(name, f"what {what} is: error, warn or off (default: warn, or off if netmocks_strict is)")


def read(config: pytest.Config) -> Settings:
    """The options of this run. Raises `pytest.UsageError` that names the option, the value and what is accepted."""
    strict = {"netmocks_strict": config.getini("netmocks_strict")}
    for name in RULES:  # who wants to hear nothing of faults wants to hear nothing of rules, unless told otherwise
        strict[name] = config.getini(name) or ("off" if strict["netmocks_strict"] == "off" else "warn")
    for name, value in strict.items():
        if value not in STRICTNESS:
            raise pytest.UsageError(f"{name} is {value!r}; accepted are {', '.join(STRICTNESS)}")
    timeline, virtual = config.getoption("--netmocks-timeline"), config.getini("netmocks_virtual_time")
    limit, place = config.getoption("--netmocks-sweep-limit"), config.getoption("--netmocks-sweep-place")
    if limit not in (None, "all") and not (limit.isdecimal() and int(limit)):
        raise pytest.UsageError(f"--netmocks-sweep-limit must be a number of places above 0, or all, not {limit!r}")
    return Settings(
        _seed(config),
        _profile(config),
        strict,
        bool(timeline),
        bool(virtual),
        limit,
        place,
        _wanted(config),
        _network(config),
    )


def _given(config: pytest.Config, option: str, ini: str) -> tuple[str, str]:
    """The value and where it comes from."""
    value = config.getoption(option)
    return (value, option) if value is not None else (config.getini(ini), ini)


def _path(config: pytest.Config, name: str) -> str | None:
    """A path that was given: an option's from where pytest was called, an ini value's from the root."""
    path, where = _given(config, f"--netmocks-{name}", f"netmocks_{name}")
    base = config.invocation_params.dir if where.startswith("-") else config.rootpath
    return str(base / path) if path else None


def _wanted(config: pytest.Config) -> Wanted | None:
    folders = {suffix: path for suffix, (name, _) in FOLDERS.items() if (path := _path(config, name))}
    report = _path(config, "report")
    keep, where = _given(config, "--netmocks-keep", "netmocks_keep")
    if keep not in KEPT:
        raise pytest.UsageError(f"{where} is {keep!r}; accepted are {', '.join(KEPT)}")
    redact = _names(config)
    inspect = _port(config)
    asked = report or folders or inspect is not None
    return Wanted(report, folders, keep, redact, inspect) if asked else None


def _names(config: pytest.Config) -> tuple[str, ...]:
    names = tuple(name for line in config.getini("netmocks_redact") for name in line.replace(",", " ").split())
    for name in names:
        if not all(letter.isascii() and (letter.isalnum() or letter in "!#$%&'*+-.^_`|~") for letter in name):
            raise pytest.UsageError(f"netmocks_redact: {name!r} is no name of a header field, a command or a field")
    return names


def _port(config: pytest.Config) -> int | None:
    text = config.getoption("--netmocks-inspect")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise pytest.UsageError(
            f"--netmocks-inspect={text}: that is no port, which is a number from 0 (any free one) to 65535; "
            "without one write it behind the tests"
        )
    return int(text)


def _network(config: pytest.Config) -> list[str] | None:
    network = config.getini("netmocks_network")
    if network not in NETWORKS:
        raise pytest.UsageError(f"netmocks_network is {network!r}; accepted are {', '.join(NETWORKS)}")
    return list(config.getini("netmocks_network_allow")) if network == "mocks" else None


def _seed(config: pytest.Config) -> int:
    workerinput = getattr(config, "workerinput", None)
    if workerinput is not None and "netmocks_seed" in workerinput:
        return int(workerinput["netmocks_seed"])
    text, where = _given(config, "--netmocks-seed", "netmocks_seed")
    if not text:
        return random_seed()
    try:
        return int(text)
    except ValueError:
        raise pytest.UsageError(f"{where} must be a whole number, not {text!r}") from None


def _profile(config: pytest.Config) -> Profile | None:
    name, where = _given(config, "--netmocks-profile", "netmocks_profile")
    if not name:
        return None
    from pytest_netmocks.faults.profile import profiles  # loaded only where one is asked for

    if name not in profiles:
        raise pytest.UsageError(f"{where}: {name!r} is no profile; known are {', '.join(sorted(profiles))}")
    return profiles[name]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> type[Warning]:
        """The category of warnings under the name that filters knew first; a run without a warning does not load it."""
        if name != "NetmocksWarning":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from pytest_netmocks.warned import NetmocksWarning

        return NetmocksWarning

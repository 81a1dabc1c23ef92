"""The protocols that other packages add: entry points of the group `pytest_netmocks.protocols`.

Each has the name of the protocol and stands for the class of its servers. Nobody's package is imported before somebody
asks for its protocol, and nobody looks through the machine's packages for a name that is one of ours.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import inspect
import re
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import NoReturn

from pytest_netmocks.elsewhere import ELSEWHERE
from pytest_netmocks.protocols.entry import Entry
from pytest_netmocks.servers.server import Server
from pytest_netmocks.servers.stream import StreamServer
from pytest_netmocks.warned import NetmocksWarning

GROUP = "pytest_netmocks.protocols"

RESERVED = frozenset({*ELSEWHERE, "close", "fixed", "inject", "mailbox", "ports"})
"""Names that would hide something else of the package, or of the `netmocks` fixture."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class Added:
    """What the machine's packages add."""

    points: dict[str, EntryPoint]
    problems: list[str]
    """What cannot be used, and why, a sentence each."""


def added(ours: frozenset[str]) -> Added:
    """What there is besides our own protocols; what cannot be used is warned of once."""
    return _look(tuple(sys.path), ours)


@functools.lru_cache(maxsize=1)
def _look(path: tuple[str, ...], ours: frozenset[str]) -> Added:
    points: dict[str, EntryPoint] = {}
    problems: list[str] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, whose(point))):
        wrong = _wrong(point, ours) or (
            f"{whose(point)} adds the protocol {point.name!r}, as {whose(points[point.name])} does: that one is used"
            if point.name in points
            else None
        )
        if wrong is None:
            points[point.name] = point
        else:
            problems.append(wrong)
            warnings.warn(wrong, NetmocksWarning, stacklevel=4)
    return Added(points, problems)


def _wrong(point: EntryPoint, ours: frozenset[str]) -> str | None:
    """Why a package's name for its protocol cannot be had."""
    adds = f"{whose(point)} adds the protocol {point.name!r}"
    if not _NAME.fullmatch(point.name):
        return f"{adds}, which is no name for one: it is left out; accepted are lower-case letters, digits and _"
    if point.name in ours:
        return f"{adds}, which pytest-netmocks has itself: that one is used"
    if point.name in RESERVED or importlib.util.find_spec(f"pytest_netmocks.{point.name}") is not None:
        return f"{adds}, and pytest_netmocks.{point.name} is something else: it is left out"
    return None


def whose(point: EntryPoint) -> str:
    """The distribution that has the entry point, with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "a package"


def entry_of(point: EntryPoint) -> Entry:
    """The protocol, imported now. Raises `ImportError` that names the distribution if there is no server of it."""
    try:
        found = point.load()
    except Exception as error:  # noqa: BLE001  # whatever somebody else's module raises when it is imported
        _refuse(point, f"{type(error).__name__}: {error}", error)
    if not (isinstance(found, type) and issubclass(found, Server)):
        _refuse(point, f"it must be a class derived from StreamServer or DatagramServer, not {found!r}")
    missing = sorted(found.__abstractmethods__ | ({"scheme"} - set(dir(found))))
    if missing:
        _refuse(point, f"the class has no {', '.join(missing)}")
    summary = (inspect.getdoc(found) or found.__name__).partition("\n")[0].rstrip(".")
    stream = issubclass(found, StreamServer)
    return Entry(point.value, f"{point.name}_server", summary, stream, next(_needed(found), None))


def _needed(kind: type[Server]) -> Iterator[str]:
    """The arguments that it cannot do without."""
    _, *parameters = inspect.signature(kind.__init__).parameters.values()
    for parameter in parameters:
        optional = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if not optional and parameter.default is parameter.empty:
            yield parameter.name


def _refuse(point: EntryPoint, why: str, cause: Exception | None = None) -> NoReturn:
    raise ImportError(f"the protocol {point.name!r} of {whose(point)} cannot be used ({point.value}): {why}") from cause

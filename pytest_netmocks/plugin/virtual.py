"""`@pytest.mark.virtual_time`, the fixture and the ini setting: a test's stretch of virtual time."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from pytest_netmocks.plugin import fixtures, wider
from pytest_netmocks.plugin.refusal import checked, only_one
from pytest_netmocks.virtual.span import PATIENCE, check_patience, virtual_time

NAMES = {*fixtures.__all__} - {"tls_ca", "tls_trust"}
"""The fixtures that are, or make, servers."""


def _patience(item: pytest.Item) -> float:
    """What the test's marker says. Raises `TypeError` or `ValueError` for what no marker of the kind takes."""
    only_one(item, "virtual_time")
    mark = item.get_closest_marker("virtual_time")
    if mark is None:
        return PATIENCE
    unknown = [repr(argument) for argument in mark.args] + [name for name in mark.kwargs if name != "patience"]
    if unknown:
        raise TypeError(f"the virtual_time marker takes patience=seconds and nothing else, not {', '.join(unknown)}")
    patience: Any = mark.kwargs.get("patience", PATIENCE)
    check_patience(patience)
    return float(patience)


def check(item: pytest.Item) -> None:
    """Refuse a marker that is wrong, naming the test."""
    checked(item.nodeid, lambda: _patience(item))


def uses_a_server(item: pytest.Item) -> bool:
    """Whether the test has a fixture of ours, or one that `server_fixture` made."""
    names = getattr(item, "fixturenames", ())
    if NAMES & set(names):
        return True
    definitions = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    return any(
        getattr(definition.func, "__module__", None) in (fixtures.__name__, wider.__name__)
        for name in names
        for definition in definitions.get(name, ())
    )


def begin(item: pytest.Item) -> contextlib.ExitStack:
    """Begin the test's virtual time, if it is to have one; it ends when what this gives is closed."""
    stack = contextlib.ExitStack()
    asked = item.get_closest_marker("virtual_time") is not None or "virtual_clock" in getattr(item, "fixturenames", ())
    if asked or uses_a_server(item):
        patience = checked("virtual_time", lambda: _patience(item))
        stack.enter_context(virtual_time(patience=patience))
    return stack

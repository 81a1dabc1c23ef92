"""What pytest keeps of one run of an item under names of its own, so that there can be another."""

from __future__ import annotations

import contextlib
import functools
import unittest
from collections.abc import Iterator
from typing import Any

import pytest

Captured = list[tuple[str, str, str]]
"""What a run has written and logged: in which phase, by which way, and what."""


def failed_silently(item: pytest.Item) -> bool:
    """Whether the item's call failed without raising: a `unittest.TestCase` keeps what it was told for the report."""
    return bool(getattr(item, "_excinfo", None))


def captured(item: pytest.Item) -> Captured:
    """What was captured since the item was last set up as new."""
    return item._report_sections


def show_captured(item: pytest.Item, sections: Captured) -> None:
    """Let the next report show this."""
    item._report_sections = sections


def renew(item: pytest.Item) -> None:
    """Let the item be set up as if it had never been."""
    kept: Any = item
    kept._report_sections = []
    parent: Any = item.parent
    if isinstance(parent, pytest.Class) and not issubclass(parent.obj, unittest.TestCase):
        # A method keeps its instance from run to run, and with it what a test has put on `self`.
        kept._instance = parent.newinstance()  # type: ignore[no-untyped-call]
        kept._obj = getattr(kept._instance, kept.originalname)
    if hasattr(kept, "_initrequest"):
        kept._initrequest()


@contextlib.contextmanager
def unreported(item: pytest.Item) -> Iterator[None]:
    """Nobody hears of the reports that the item's test logs by itself meanwhile, as subtests do."""
    session: Any = item.session
    original = session.gethookproxy
    session.gethookproxy = functools.cache(lambda path: _Quiet(original(path)))  # one path, thousands of phases
    try:
        yield
    finally:
        del session.gethookproxy


@contextlib.contextmanager
def briefly(item: pytest.Item) -> Iterator[None]:
    """What fails meanwhile is told in a line in the item's reports.

    With the sources of all that a traceback goes through, a report takes a hundred times as long as the run.
    """
    kept = vars(item)
    kept["repr_failure"] = kept["_repr_failure_py"] = _in_a_line  # before those of its class
    try:
        yield
    finally:
        del kept["repr_failure"], kept["_repr_failure_py"]


def _in_a_line(excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
    return excinfo.exconly(tryshort=True)


class _Quiet:
    """pytest's hooks as they are, but for that one."""

    def __init__(self, hooks: Any) -> None:
        self._hooks = hooks

    def __getattr__(self, name: str) -> Any:
        return _unheard if name == "pytest_runtest_logreport" else getattr(self._hooks, name)


def _unheard(report: pytest.TestReport) -> None:
    """What a test logs while a place of it is tried."""

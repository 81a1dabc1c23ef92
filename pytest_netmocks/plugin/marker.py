"""`@pytest.mark.faults(...)`: the test once for each of its arguments, with those faults before every server."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import pytest

from pytest_netmocks.faults.base import Fault, instead_of
from pytest_netmocks.faults.profile import Part, profiles
from pytest_netmocks.plugin.refusal import checked, refuse

ARGUMENT = "netmocks_faults"
"""The name of the parameter that carries the faults of one run of the test."""


class Case:
    """The faults of one run: those of a profile are lenient, those that were written out are not."""

    def __init__(self, argument: object) -> None:
        self.link_faults: tuple[Part, ...] = ()
        self.test_faults: tuple[Part, ...] = ()
        if isinstance(argument, str):
            if argument not in profiles:
                raise ValueError(f"{argument!r} is no profile; known are {', '.join(sorted(profiles))}")
            self.id = argument
            self.link_faults = profiles[argument].parts
            return
        faults = [argument] if isinstance(argument, Fault) else argument
        if not isinstance(faults, (list, tuple)) or not all(isinstance(fault, Fault) for fault in faults):
            parts = faults if isinstance(faults, (list, tuple)) else [faults]
            hint = next(filter(None, map(instead_of, parts)), "")
            raise ValueError(f"{argument!r} is no fault, no list of faults and no profile's name{hint}")
        self.test_faults = tuple(Part(fault) for fault in faults)
        self.id = "+".join(fault.id for fault in faults) or "no faults"


def parametrize(metafunc: pytest.Metafunc, marks: Sequence[pytest.Mark]) -> None:
    """Make a run of the test for each argument, with several markers for each combination; refuse wrong markers."""
    where = metafunc.definition.nodeid
    for number, mark in enumerate(marks):
        if mark.kwargs or not mark.args:
            refuse(f"{where}: the faults marker takes faults, lists of faults and profiles' names")
        cases = checked(f"{where}: the faults marker has a wrong argument", functools.partial(_cases, mark))
        name = f"{ARGUMENT}{number or ''}"
        metafunc.fixturenames.append(name)
        metafunc.parametrize(name, cases, ids=[case.id for case in cases])


def _cases(mark: pytest.Mark) -> list[Case]:
    return [Case(argument) for argument in mark.args]


def cases_of(item: pytest.Item) -> list[Case]:
    """The faults that the item was made for, the nearest marker's first."""
    callspec = getattr(item, "callspec", None)
    return [value for value in callspec.params.values() if isinstance(value, Case)] if callspec is not None else []


def check(item: pytest.Item) -> None:
    """Fail a test whose marker came to nothing."""
    cases = cases_of(item)
    if cases and len(cases) < sum(1 for _ in item.iter_markers("faults")):
        refuse(
            "the faults marker runs a test once for each of its arguments, which it cannot do from within a "
            "pytest.param(): give the faults as values, and inject them in the test"
        )
    if not cases:
        refuse(
            "the faults marker runs a test once for each of its arguments, which this kind of test "
            "(a unittest.TestCase, for example) cannot be"
        )

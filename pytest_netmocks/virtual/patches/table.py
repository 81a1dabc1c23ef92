"""The table of the patches, applied and taken back by one object."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from pytest_netmocks.link import calls
from pytest_netmocks.virtual.patches import (
    asynchronous,
    executors,
    locks,
    names,
    processes,
    selecting,
    sockets,
    threads,
    tls,
    trio,
)

KINDS: tuple[Any, ...] = (names, sockets, tls, selecting, threads, locks, executors, processes, asynchronous, trio)
"""Every kind of patch; later ones may stand on earlier ones."""

KEPT = (
    *("_pytest.", "execnet.", "faulthandler", "pluggy.", "pytest_timeout", "xdist."),  # the run's own machinery
    *("gevent.", "greenlet"),  # whose hub waits by itself
    *("time", "_thread", "threading.", "_frozen_importlib", "importlib.", "pytest_netmocks."),
)
"""Modules in which names stay what they are; those that end with a dot stand for what is below, too."""

_WHOLE = {name.rstrip(".") for name in KEPT}
_BELOW = tuple(name for name in KEPT if name.endswith("."))

_ABSENT = object()

_seen: dict[int, tuple[weakref.ref[ModuleType], int]] = {}
"""How many names a module had when it was looked through, by its identity."""

_known: set[int] = set()
"""What modules were looked through for, by its identity."""

_found: weakref.WeakKeyDictionary[ModuleType, set[str]] = weakref.WeakKeyDictionary()
"""Where names that are replaced stood."""


class Patching:
    """All patches of one stretch of virtual time."""

    def __init__(self) -> None:
        self._saved: list[tuple[Any, str, object]] = []
        self._back: dict[int, object] = {}
        self._held: list[object] = []

    def apply(self) -> None:
        """Put everything in its place."""
        there: dict[int, object] = {}
        for kind in KINDS:
            for owner, name, ours in kind.patches():
                real = self._set(owner, name, ours)
                if isinstance(owner, ModuleType) and not name.startswith("_"):
                    there[id(real)], self._back[id(ours)] = ours, real
                    self._held += (real, ours)
        calls.stand("virtual time", sockets.CALLS)
        if not _known.issuperset(there):  # somebody was loaded meanwhile whose names others may have had before
            _known.update(there)
            _seen.clear()
        _swap(there)

    def _set(self, owner: Any, name: str, value: object) -> object:
        # A class that had no attribute of its own, but one of its base, is to have none afterwards.
        before = vars(owner).get(name, _ABSENT)
        self._saved.append((owner, name, before))
        setattr(owner, name, value)
        return before

    def undo(self) -> None:
        """Put everything back, in what was imported meanwhile, too."""
        calls.leave("virtual time")
        while self._saved:
            owner, name, value = self._saved.pop()
            if value is _ABSENT:
                with contextlib.suppress(AttributeError):  # somebody else took it away
                    delattr(owner, name)
            else:
                setattr(owner, name, value)
        _swap(self._back)


def _swap(table: dict[int, object]) -> None:
    """Put what the table has, by identity, in the place of what it stands for, in every module."""
    for name, module in sys.modules.copy().items():
        if name in _WHOLE or name.startswith(_BELOW):
            continue
        space = getattr(module, "__dict__", None)
        if type(space) is dict and issubclass(type(module), ModuleType):
            for key in _worth_a_look(module, space, table):
                value = space.get(key)
                if id(value) in table:
                    space[key] = table[id(value)]


def _worth_a_look(module: ModuleType, space: dict[str, object], table: dict[int, object]) -> Iterable[str]:
    """The names that may have to be replaced: all of a module that is new or has grown, else where some were before."""
    known = _seen.get(id(module))
    if known is None or known[0]() is not module or known[1] != len(space):
        _seen[id(module)] = weakref.ref(module), len(space)
        found = [key for key, value in space.copy().items() if id(value) in table]
        if found:
            _found.setdefault(module, set()).update(found)
        return found
    return _found.get(module, ())

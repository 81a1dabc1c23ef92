"""What becomes of modules while pytest runs: who finds ours, and what a run within another leaves of them.

Ours are found before pytest finds them, which would rewrite their assertions: there is none that a user would read, and
a server is up in half of the time. This module is the finder. It goes with pytest's last session: what `sys.meta_path`
leads to, which is all of pytest by the loader of this module, is taken down last of all at the end of a process, and
that takes longer the more it is.

After each run within its own process pytester forgets all modules that were not there before. What is written in Rust
can be loaded once only, for the classes that it has kept are not those of the second copy: such packages are kept for
the next who needs them. Modules of this package go whole: where an attribute of their package led to the first copy
still, and an import to the second, half of the state would be in each.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

OURS = f"{__package__}."
"""How the names of this package's modules begin."""

ONCE = ("cryptography",)
"""Packages that can be loaded once only."""

_kept: dict[str, ModuleType] = {}


# Who finds them


def find_spec(fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
    """As every finder's: this module is one."""
    if fullname.startswith(OURS):
        from importlib.machinery import PathFinder  # pytest has it

        return PathFinder.find_spec(fullname, path, target)
    return None


def stand_before_pytest() -> None:
    """Be asked before pytest is."""
    this = sys.modules[__name__]
    if this not in sys.meta_path:
        sys.meta_path.insert(0, this)


def step_back() -> None:
    """Be asked no more."""
    this = sys.modules[__name__]
    if this in sys.meta_path:
        sys.meta_path.remove(this)


# Runs within others


def keep() -> None:
    """Keep those that are loaded: the modules are about to be forgotten."""
    if not any(package in sys.modules for package in ONCE):
        return  # by far the most
    for name, module in sys.modules.copy().items():
        if name.partition(".")[0] in ONCE:
            _kept.setdefault(name, module)


def bring_back() -> None:
    """Put those back that were kept and forgotten."""
    for name, module in _kept.items():
        sys.modules.setdefault(name, module)


def loaded() -> set[str]:
    """The modules of this package that are there."""
    return {name for name in sys.modules.copy() if name.startswith(OURS)}


def part_with(before: set[str]) -> None:
    """Let no name of this package lead to modules that were not there before: they are about to be forgotten."""
    gone = loaded() - before
    for name in gone:
        parent, _, last = name.rpartition(".")
        if vars(sys.modules[parent]).get(last) is sys.modules[name]:
            delattr(sys.modules[parent], last)
    package = sys.modules[OURS[:-1]]
    for name, value in vars(package).copy().items():
        if getattr(value, "__module__", None) in gone:
            delattr(package, name)

"""What pytester's runs within its own process load: after each it forgets all modules that were not there before.

What is written in Rust can be loaded once only, for the classes that it has kept are not those of the second copy:
such packages are kept for the next who needs them. Modules of this package go whole: where an attribute of their
package led to the first copy still, and an import to the second, half of the state would be in each.
"""

from __future__ import annotations

import sys
from types import ModuleType

from pytest_netmocks.finder import OURS

PACKAGES = ("cryptography",)

_kept: dict[str, ModuleType] = {}


def keep() -> None:
    """Keep those that are loaded: the modules are about to be forgotten."""
    if not any(package in sys.modules for package in PACKAGES):
        return  # by far the most
    for name, module in sys.modules.copy().items():
        if name.partition(".")[0] in PACKAGES:
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

"""Packages that a process can load once only, kept for the next who needs them.

pytester forgets after each run within its own process what that run has loaded. What is written in Rust does not bear
it: the classes that it has kept are not those of the second copy.
"""

from __future__ import annotations

import sys
from types import ModuleType

PACKAGES = ("cryptography",)

_kept: dict[str, ModuleType] = {}


def keep() -> None:
    """Keep those that are loaded: the modules are about to be forgotten."""
    if not any(package in sys.modules for package in PACKAGES):
        return  # by far the most
    for name, module in sys.modules.items():
        if name.partition(".")[0] in PACKAGES:
            _kept.setdefault(name, module)


def bring_back() -> None:
    """Put those back that were kept and forgotten."""
    for name, module in _kept.items():
        sys.modules.setdefault(name, module)

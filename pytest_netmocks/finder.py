"""Finds the modules of this package before pytest does, which would rewrite their assertions.

There is none that a user would read, and a server is up in half of the time. It goes with pytest's last session: what
`sys.meta_path` leads to, which is all of pytest by the loader of this module, is taken down last of all at the end of a
process, and that takes longer the more it is.
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

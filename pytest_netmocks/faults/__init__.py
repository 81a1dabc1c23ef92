"""Faults as values: what can go wrong on a network, one class each.

    from pytest_netmocks.faults import Latency, Reset

`registry` has them by name; a project that writes a fault of its own adds it there, so that the JSON and text forms
know it too. They are imported when one is asked for: a server without faults has none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers; at run time `__getattr__` has them
    from pytest_netmocks.faults.forms import from_json as from_json
    from pytest_netmocks.faults.forms import parse as parse
    from pytest_netmocks.faults.forms import to_json as to_json
    from pytest_netmocks.faults.profile import Profile as Profile
    from pytest_netmocks.faults.profile import profiles as profiles
    from pytest_netmocks.faults.table import *  # noqa: F403  # the table is the list of names
    from pytest_netmocks.faults.table import registry as registry

WHERE = {
    "from_json": "forms",
    "parse": "forms",
    "to_json": "forms",
    "Profile": "profile",
    "profiles": "profile",
    "registry": "table",
}
"""The modules of the names that are no fault's."""


if not TYPE_CHECKING:  # a name that is not here is to be an error in an editor

    def __getattr__(name: str) -> Any:
        # The package's modules are in lower case: who imports one asks here first.
        if name not in WHERE and not name[:1].isupper() and name != "__all__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        table = importlib.import_module(f"{__name__}.table")
        if name == "__all__":
            return _names(table)
        home = importlib.import_module(f"{__name__}.{WHERE[name]}") if name in WHERE else table
        if name not in vars(home):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        # Kept nowhere: a run within another forgets what it loaded, and a name here would lead to that still.
        return vars(home)[name]


def _names(table: Any) -> list[str]:
    """The public names: the faults of the table, and what stands beside them."""
    return sorted({*WHERE, *(name for name in vars(table) if name[:1].isupper())})


def __dir__() -> list[str]:
    from pytest_netmocks.faults import table

    return sorted({*globals(), *_names(table)})

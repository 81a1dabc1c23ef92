"""The kinds of server that there are, by their names, and the public names that come with them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pytest_netmocks.protocols.entry import Entry, at
from pytest_netmocks.protocols.table import Kinds

TABLE: Mapping[str, Entry] = MappingProxyType(
    {name: line for name, line in vars(Kinds).items() if isinstance(line, Entry)}
)
"""Our own, in the order of `Kinds`."""

NAMES: Mapping[str, str] = MappingProxyType(
    {name: path for entry in TABLE.values() for name, path in entry.names.items()}
)
"""The public names of their classes and records, and where each is."""


COMMANDS = ("list", "proxy", "report")
"""Commands of `netmocks` that are no protocols."""

_OURS = frozenset({*TABLE, *NAMES, *COMMANDS})


def find(name: str) -> Entry | None:
    """The kind of server of that name, `None` if there is none.

    Ours come first; of the others' the package is imported now. Raises `ImportError` that names the distribution if
    that one is broken.
    """
    if name in TABLE:
        return TABLE[name]
    from pytest_netmocks.protocols import added  # looks through the machine's packages

    point = added.added(_OURS).points.get(name)
    return added.entry_of(point) if point is not None else None


def others() -> dict[str, str]:
    """The names of the protocols that other packages add, and which package each is of; none is imported."""
    from pytest_netmocks.protocols import added  # as above

    return {name: added.whose(point) for name, point in added.added(_OURS).points.items()}


def names() -> list[str]:
    """The names of all kinds, ours first."""
    return [*TABLE, *others()]


def named(name: str) -> Any:
    """The class of a kind of server, or what has the public name. Raises `KeyError` where there is no such thing."""
    if name in NAMES:
        return at(NAMES[name])
    entry = find(name)
    if entry is None:
        raise KeyError(name)
    return entry.load()

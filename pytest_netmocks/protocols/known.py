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


def named(name: str) -> Any:
    """The class of a kind of server, or what has the public name. Raises `KeyError` where there is no such thing."""
    return TABLE[name].load() if name in TABLE else at(NAMES[name])

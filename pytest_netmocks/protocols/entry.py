"""`Entry`: what the house knows of one kind of server before anybody asks for it."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_netmocks.servers.server import Server


@dataclasses.dataclass(frozen=True)
class Entry:
    """One kind of server. Nothing of it is imported before `load` or `make` is called."""

    path: str
    """Where its class is, as entry points are written: `"package.module:Class"`."""

    fixture: str | None
    """The fixture that gives one; `None` where there is none, since a server needs to be told something."""

    summary: str
    """What the command line says of it."""

    stream: bool = True
    """Whether it speaks over TCP."""

    takes: str | None = None
    """The argument without which there is no such server."""

    serves: str | None = None
    """How it is told of a directory on the command line: an option's name, or a method's."""

    also: tuple[str, ...] = ()
    """Where its other public names are: its records, for example."""

    @property
    def names(self) -> dict[str, str]:
        """Its public names, the class's first, and the path of each."""
        return {path.partition(":")[2]: path for path in (self.path, *self.also)}

    def load(self) -> type[Server]:
        """The class, imported now."""
        found: type[Server] = at(self.path)
        return found

    def make(self, *arguments: Any, **options: Any) -> Server:
        """A server of this kind, not started yet."""
        return self.load()(*arguments, **options)


@functools.cache
def at(path: str) -> Any:
    """What stands at `"package.module:name"`, imported when it is first asked for."""
    module, _, name = path.partition(":")
    return operator.attrgetter(name)(importlib.import_module(module))


def kind(
    path: str,
    fixture: str | None,
    summary: str,
    *,
    stream: bool = True,
    takes: str | None = None,
    serves: str | None = None,
    also: tuple[str, ...] = (),
) -> Any:
    """The `Entry` of one of our own; its paths begin in `pytest_netmocks.protocols`.

    To a type checker it is what the attribute that it is given to says: the class of the servers.
    """
    here = "pytest_netmocks.protocols."
    return Entry(here + path, fixture, summary, stream, takes, serves, tuple(here + name for name in also))

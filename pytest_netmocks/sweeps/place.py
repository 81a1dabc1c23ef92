"""`Place`: where in a conversation a fault strikes, and `Group`: the places of one fault that lie in a row."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Literal

from pytest_netmocks.faults.base import DirectedFault, Fault
from pytest_netmocks.records.events import Direction, Layer
from pytest_netmocks.strict import Strict

Kind = Literal["byte", "datagram", "answer", "handshake"]
"""What is counted to get to a place."""


@dataclasses.dataclass(eq=False, repr=False)
class Place(Strict):
    """One place where a sweep lets a conversation break.

    `server` is the server's name, `connection` the how-manieth it is since the run began, from 1 (`None` for
    datagrams). A fault of a byte stream strikes after `offset` bytes of the `direction`; of datagrams, answers or
    handshakes it strikes the one with that `number`, from 1. `struck` is how often it has struck in this run so far.
    """

    fault: Fault
    """The fault that strikes there."""
    server: str
    connection: int | None
    direction: Direction
    offset: int | None = None
    number: int | None = None
    struck: int = 0
    after: Place | None = None
    """Where another fault strikes first, in the sweep of what that one brings about."""
    kind: Kind = "byte"
    """What the place is: a byte, a connection, an answer."""
    streams_before: int | None = None
    """How many connections of a byte stream came before its own, where there are datagrams between them too."""
    id: str = ""
    """What `--netmocks-sweep-place` takes."""

    @property
    def at(self) -> int:
        """The offset, or the number."""
        found = self.number if self.offset is None else self.offset
        assert found is not None
        return found

    def __str__(self) -> str:
        first = f"{self.after}, and then " if self.after is not None else ""
        return f"{first}{shown(self.fault)} on {self.where}, {position(self.kind, self.at)}"

    def __repr__(self) -> str:
        return f"<Place {self}>"

    @property
    def where(self) -> str:
        """The server, the connection and the direction, as far as they say something."""
        return _where(self.server, self.kind, self.connection, self.direction)


def shown(fault: Fault) -> str:
    """The fault as it is written, without its direction, which the place has."""
    if isinstance(fault, DirectedFault):
        default: Any = fault.__dataclass_fields__["direction"].default
        fault = dataclasses.replace(fault, direction=default)
    return repr(fault)


def _where(server: str, kind: Kind, connection: int | None, direction: Direction) -> str:
    words = [server]
    words += [f"connection {connection}"] if connection is not None else []
    words += [direction] if kind in ("byte", "datagram") else []
    return ", ".join(words)


def position(kind: Kind, first: int, last: int | None = None) -> str:
    """Where a place is, or where several in a row are: `"after 107 to 114 bytes"`."""
    span = str(first) if last in (None, first) else f"{first} to {last}"
    if kind == "byte":
        return f"after {span} byte{'' if span == '1' else 's'}"
    return f"{kind} {span}" if last in (None, first) else f"{kind}s {span}"


@dataclasses.dataclass(eq=False)
class Group:
    """The places of one fault in one direction of one connection, from first to last; they are made one by one."""

    which: int
    """The fault's number among those of the sweep."""
    fault: Fault
    server: str
    connection: int | None
    direction: Direction
    at: range
    kind: Kind = "byte"
    connections: Mapping[int, int] = dataclasses.field(default_factory=dict)
    """On which connection each number is, of answers and handshakes."""
    after: Place | None = None
    streams_before: int | None = None

    @property
    def layer(self) -> Layer:
        """Whose bytes are counted."""
        return getattr(self.fault, "layer", "application")

    def place(self, at: int) -> Place:
        """The place at that offset or number."""
        connection = self.connections.get(at, self.connection)
        offset, number = (at, None) if self.kind == "byte" else (None, at)
        place = Place(self.fault, self.server, connection, self.direction, offset, number)
        place.after, place.kind, place.streams_before = self.after, self.kind, self.streams_before
        place.id = f"{self.id}:{at}"
        return place

    @property
    def id(self) -> str:
        """What the ids of its places begin with; it needs no quotes in a shell."""
        server = re.sub(r"[^\w.]+", "-", self.server, flags=re.ASCII).strip("-")
        first = f"{self.after.id}+" if self.after is not None else ""
        number = "" if self.connection is None or self.kind != "byte" else f":{self.connection}"
        return f"{first}{self.which}.{self.fault.name}:{server}{number}:{self.direction}"

    def where(self, first: int, last: int) -> str:
        """The server, the one connection of these places and the direction, as far as they say something."""
        on = {self.connections.get(at, self.connection) for at in (first, last)}
        return _where(self.server, self.kind, on.pop() if len(on) == 1 else None, self.direction)

    def shard(self, number: int, of: int) -> Group:
        """The `number`-th of `of` parts, from 0: neighbours stay together, so that the edges of spans are found."""
        size = len(self.at)
        return dataclasses.replace(self, at=self.at[size * number // of : size * (number + 1) // of])

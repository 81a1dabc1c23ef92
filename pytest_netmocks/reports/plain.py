"""Events as JSON can have them: a name for each kind, and what belongs to it."""

from __future__ import annotations

import dataclasses
import functools
import re
import traceback
from typing import Any

from pytest_netmocks.records import events
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Closed, Ended, Event, Exchange, Failed, InForce, Lifted, Opened, Piece
from pytest_netmocks.records.plain import AS_IT_IS, TOLD, plain, plain_data
from pytest_netmocks.reports.certificate import as_facts

TITLE = 500
"""Characters of an exchange's title."""

NAMES: dict[type[Any], str] = {
    kind: re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower() for kind in events.Event.__args__
}
"""What each kind is called: that of `CipherSent` is `cipher_sent`."""


Numbers = dict[int, tuple[int, object]]
"""Numbers by identity; the object is held, so that its identity is nobody else's."""


class Plain:
    """Makes the events of one server plain; exchanges, rules and injections get numbers of their own."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._exchanges: Numbers = {}
        self._injections: Numbers = {}

    def __call__(self, event: Event) -> dict[str, Any]:
        """The event, without what is empty."""
        fields: dict[str, Any] = {"server": self._server, "at": round(event.at, 7), "event": NAMES[type(event)]}
        if event.connection is not None:
            fields["connection"] = event.connection
        # Nearly all are of these kinds: what they say is put there as it is, for it is plain.
        if isinstance(event, Piece):
            fields["offset"], fields["size"] = event.offset, event.size
            fields.update(plain_data(event.data, event.size))
        elif isinstance(event, Exchange):
            self._exchange(event, fields)
        elif isinstance(event, Ended):
            fields["by"], fields["text"] = event.by, event.text
            if event.sign is not None:
                fields["sign"] = event.sign
        elif isinstance(event, Closed):
            fields["by"], fields["text"] = event.by, event.text
        else:
            self._other(event, fields)
        return fields

    def _other(self, event: Any, fields: dict[str, Any]) -> None:
        more: dict[str, Any]
        if isinstance(event, Opened):
            more = {"client": event.client, "address": event.server, "text": event.text}
        elif isinstance(event, (InForce, Lifted)):
            number = _number(event.injection, self._injections)
            more = {"injection": number, "fault": event.injection.fault, "text": event.text}
        elif isinstance(event, Failed):
            raised = "".join(traceback.format_exception(event.error))
            more = {"error": type(event.error).__name__, "stream": event.stream}
            more |= {"text": event.text, "traceback": raised}
        else:
            more = {name: getattr(event, name) for name in event._fields[2:]}
            if isinstance(event, events.Struck):
                more["direction"] = getattr(event.fault, "direction", None)
            if isinstance(event, events.Handshake) and event.certificate is not None:
                more["certificate"] = as_facts(event.certificate)
            if isinstance(event, events.Lost):
                more |= plain_data(event.data)
            if (text := getattr(event, "text", None)) is not None:
                more["text"] = text
        _put(more, fields)

    def number(self, exchange: object) -> tuple[int, bool]:
        """The number of an exchange, and whether it is new."""
        count = len(self._exchanges)
        return _number(exchange, self._exchanges), len(self._exchanges) > count

    def injection(self, number: int) -> object:
        """The injection that events call by that number, `None` if there was none."""
        return next((thing for known, thing in self._injections.values() if known == number), None)

    def _exchange(self, event: Exchange, fields: dict[str, Any]) -> None:
        fields["exchange"], new = self.number(event.exchange)
        fields["phase"] = event.phase
        if new:
            fields |= as_begun(event.exchange)
        if event.rule is not None:
            fields["rule"] = event.rule.label


def as_begun(exchange: object) -> dict[str, Any]:
    """What the first event of an exchange says of it: what it came to is known by now, as all is over."""
    fields = {"kind": type(exchange).__name__, "title": str(exchange)[:TITLE]}
    _put(told(exchange), fields)
    return fields


def _put(more: dict[str, Any], fields: dict[str, Any]) -> None:
    """Add what is not empty, as JSON can have it."""
    for name, value in more.items():
        if value is not None:
            fields[name] = value if type(value) in AS_IT_IS else plain(value)


def told(exchange: object) -> dict[str, Any]:
    """What is on record of an exchange: what its `to_dict` says, or the fields of its dataclass that are plain values.

    Connections are their numbers; the exchange's own is left out, as its time is: its events have them.
    """
    tell = getattr(exchange, "to_dict", None)
    if tell is not None:
        said: dict[str, Any] = tell()
        return said
    kind: Any = type(exchange)
    values = {name: getattr(exchange, name) for name in _names(kind)}
    return {name: _cut(value) for name, value in values.items() if isinstance(value, _VALUES)}


@functools.cache
def _names(kind: type[Any]) -> list[str]:
    """The fields of a dataclass that are told; it has none to tell if it is no such class."""
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    return [field.name for field in fields if field.name not in ("at", "connection") and field.name[0] != "_"]


_VALUES = (bool, int, float, str, bytes, list, tuple, dict, Connection)


def _cut(value: Any) -> Any:
    if isinstance(value, Connection):
        return value.id
    if isinstance(value, bytes):
        return plain_data(value[:TOLD], len(value))
    return value[:TOLD] if isinstance(value, str) else value


def _number(thing: object, numbers: Numbers) -> int:
    return numbers.setdefault(id(thing), (len(numbers) + 1, thing))[0]

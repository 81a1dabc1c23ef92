"""Events as JSON can have them: a name for each kind, and what belongs to it."""

from __future__ import annotations

import dataclasses
import re
import traceback
from typing import Any

from pytest_netmocks.records import events
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Event, Exchange, Failed, InForce, Lifted, Opened, Piece
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
        if isinstance(event, Piece):
            fields["offset"], fields["size"] = event.offset, event.size
            fields.update(plain_data(event.data, event.size))
            return fields  # most events are such, and all in it is plain
        if isinstance(event, Exchange):
            fields |= self._exchange(event)
        elif isinstance(event, (InForce, Lifted)):
            number = _number(event.injection, self._injections)
            fields |= {"injection": number, "fault": event.injection.fault, "text": event.text}
        elif isinstance(event, Opened):
            fields |= {"client": event.client, "address": event.server, "text": event.text}
        elif isinstance(event, Failed):
            raised = "".join(traceback.format_exception(event.error))
            fields |= {"error": type(event.error).__name__, "stream": event.stream}
            fields |= {"text": event.text, "traceback": raised}
        else:
            fields |= {name: getattr(event, name) for name in event._fields[2:]}
            if isinstance(event, events.Struck):
                fields["direction"] = getattr(event.fault, "direction", None)
            if isinstance(event, events.Handshake) and event.certificate is not None:
                fields["certificate"] = as_facts(event.certificate)
            if isinstance(event, events.Lost):
                fields |= plain_data(event.data)
            if (text := getattr(event, "text", None)) is not None:
                fields["text"] = text
        return {
            name: value if type(value) in AS_IT_IS else plain(value)
            for name, value in fields.items()
            if value is not None
        }

    def injection(self, number: int) -> object:
        """The injection that events call by that number, `None` if there was none."""
        return next((thing for known, thing in self._injections.values() if known == number), None)

    def _exchange(self, event: Exchange) -> dict[str, Any]:
        exchange = event.exchange
        new = id(exchange) not in self._exchanges
        fields: dict[str, Any] = {"exchange": _number(exchange, self._exchanges), "phase": event.phase}
        if new:
            fields |= {"kind": type(exchange).__name__, "title": str(exchange)[:TITLE]}
            fields |= told(exchange)  # what it came to is known by now: who asks does so when all is over
        if event.rule is not None:
            fields["rule"] = event.rule.label
        return fields


def told(exchange: object) -> dict[str, Any]:
    """What is on record of an exchange: what its `to_dict` says, or the fields of its dataclass that are plain values.

    Connections are their numbers; the exchange's own is left out, as its time is: its events have them.
    """
    tell = getattr(exchange, "to_dict", None)
    if tell is not None:
        said: dict[str, Any] = tell()
        return said
    if not dataclasses.is_dataclass(exchange):
        return {}
    fields = {field.name: getattr(exchange, field.name) for field in dataclasses.fields(exchange)}
    return {
        name: _cut(value)
        for name, value in fields.items()
        if name not in ("at", "connection") and name[0] != "_" and isinstance(value, _VALUES)
    }


_VALUES = (bool, int, float, str, bytes, list, tuple, dict, Connection)


def _cut(value: Any) -> Any:
    if isinstance(value, Connection):
        return value.id
    if isinstance(value, bytes):
        return plain_data(value[:TOLD], len(value))
    return value[:TOLD] if isinstance(value, str) else value


def _number(thing: object, numbers: Numbers) -> int:
    return numbers.setdefault(id(thing), (len(numbers) + 1, thing))[0]

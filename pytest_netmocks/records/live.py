"""The timeline as it grows: lines that can be shown at once, since they do not change any more."""

from __future__ import annotations

from pytest_netmocks.records.events import Closed, Event, Exchange
from pytest_netmocks.records.timeline import Line, line_of


class Live:
    """Gives each event's line when it is whole: the answer of an exchange has left, or its connection has ended."""

    def __init__(self) -> None:
        self._unanswered: dict[int, Exchange] = {}

    def lines(self, event: Event) -> list[Line]:
        """The lines that are whole with this event."""
        if isinstance(event, Exchange):
            if event.phase == "begun" and event.tells:
                self._unanswered[id(event.exchange)] = event
                return []
            if event.phase == "delivered":
                begun = self._unanswered.pop(id(event.exchange), None)
                return _told([begun] if begun is not None else [])
        if isinstance(event, Closed):
            over = [begun for begun in self._unanswered.values() if begun.connection == event.connection]
            for begun in over:
                del self._unanswered[id(begun.exchange)]
            return _told([*over, event])
        return _told([event])


def _told(events: list[Event]) -> list[Line]:
    return [line for line in map(line_of, events) if line is not None]

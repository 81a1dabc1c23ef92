"""`Quick`: events as texts of JSON, what `Plain` says of them without its objects: a run has many, and few are read."""

from __future__ import annotations

import base64

from pytest_netmocks.records.events import Closed, Ended, Event, Exchange, Piece
from pytest_netmocks.records.plain import as_text
from pytest_netmocks.reports.plain import NAMES, Plain
from pytest_netmocks.reports.recording import dumped


class Quick:
    """Writes the events of one server."""

    def __init__(self, server: int) -> None:
        self._plain = Plain(server)
        self._begin = f'{{"server":{server},"at":'
        self.missing = 0
        """Bytes of which there was only how many they were."""

    def __call__(self, event: Event) -> str:
        """The event, an object of JSON."""
        kind = type(event)
        begin = f'{self._begin}{round(event.at, 7)!r},"event":"{NAMES[kind]}","connection":{event.connection},'
        if isinstance(event, Piece):
            return f'{begin}"offset":{event.offset},"size":{event.size},{self._data(event)}}}'
        if kind is Exchange:
            if (number := self._plain.number(event.exchange)) is not None:
                rule = f',"rule":{dumped(event.rule.label)}' if event.rule is not None else ""
                return f'{begin}"exchange":{number},"phase":"{event.phase}"{rule}}}'
        elif isinstance(event, Closed):
            return f'{begin}"by":"{event.by}","text":{dumped(event.text)}}}'
        elif isinstance(event, Ended):
            sign = f',"sign":"{event.sign}"' if event.sign is not None else ""
            return f'{begin}"by":"{event.by}","text":{dumped(event.text)}{sign}}}'
        fields = self._plain(event)
        self.missing += fields.get("missing", 0)
        return dumped(fields)

    def _data(self, event: Piece) -> str:
        data = event.data
        text = as_text(data)
        made = f'"base64":"{base64.b64encode(data).decode()}"' if text is None else f'"data":{dumped(text)}'
        if event.size > len(data):
            self.missing += event.size - len(data)
            made += f',"missing":{event.size - len(data)}'
        return made

"""`Quick`: events as texts of JSON, what `Plain` says of them without its objects: a run has many, and few are read."""

from __future__ import annotations

import base64

from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.events import Closed, Ended, Event, Exchange, Opened, Piece
from pytest_netmocks.records.plain import as_text, plain
from pytest_netmocks.reports.plain import NAMES, Plain, as_begun
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
        if isinstance(event, Exchange):
            number, new = self._plain.number(event.exchange)
            begin += f'"exchange":{number},"phase":"{event.phase}"'
            if new:
                more = as_begun(event.exchange)
                if event.rule is not None:
                    more["rule"] = event.rule.label
                return f"{begin},{dumped(more)[1:]}"
            return begin + (f',"rule":{dumped(event.rule.label)}}}' if event.rule is not None else "}")
        if isinstance(event, Closed):
            return f'{begin}"by":"{event.by}","text":{dumped(event.text)}}}'
        if isinstance(event, Ended):
            sign = f',"sign":"{event.sign}"' if event.sign is not None else ""
            return f'{begin}"by":"{event.by}","text":{dumped(event.text)}{sign}}}'
        if isinstance(event, Opened) and event.server is not None:
            ends = f'"client":{_address(event.client)},"address":{_address(event.server)}'
            return f'{begin}{ends},"text":{dumped(event.text)}}}'
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


def _address(address: Address) -> str:
    host, port = address[:2]
    if len(address) == 2 and type(host) is str and type(port) is int:
        return f"[{dumped(host)},{port}]"
    return dumped(plain(address))

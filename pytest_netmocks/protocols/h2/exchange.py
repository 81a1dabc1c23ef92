"""`FramedExchange`: an exchange on a stream, where bytes that are no frames are the connection's, and its last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_netmocks.protocols.h2.session import Session
from pytest_netmocks.protocols.h2.stream import Stream
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.servers.exchange import Exchange


class FramedExchange(Exchange):
    """One exchange; its head is what `stream.head()` gives."""

    def __init__(self, session: Session, stream: Stream, verdict: Verdict[Any], request: object) -> None:
        super().__init__(stream.link, verdict, request)
        self._session = session

    def _say_last(self, data: bytes, told: Callable[[bytes], None] | None) -> None:
        if told is not None:
            told(data)
        self._session.send_raw(data)

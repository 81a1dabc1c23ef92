"""The application's end of the list: an asyncio protocol as what stands on a link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pytest_netmocks.link.ports import End


class Application:
    """Tells an asyncio protocol what `Above` is told, in asyncio's words."""

    __slots__ = ("_close", "_loop", "data_received", "pause_writing", "protocol", "resume_writing")

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: Any, close: Callable[[], None]) -> None:
        self._loop = loop
        self._close = close
        self.protocol = protocol
        self.data_received = protocol.data_received
        self.pause_writing = protocol.pause_writing
        self.resume_writing = protocol.resume_writing

    def connected(self) -> None:
        """`connection_made` was called by the link, which is its transport."""

    def peer_finished(self) -> None:
        """The protocol says whether it goes on writing."""
        if not self.protocol.eof_received():
            self._close()

    def end_of_stream(self) -> None:
        """The protocol cannot tell it from a FIN."""
        self.peer_finished()

    def gone(self, error: Exception | None) -> None:
        """Not from within a call of the protocol's: it would find its connection gone in the middle of a sentence."""
        self._loop.call_soon(self.protocol.connection_lost, error)

    def wire_lost(self, error: Exception | None) -> None:
        """As `gone`: the record is the link's."""
        self.gone(error)

    def peer_hung_up(self) -> None:
        """It hears of the end in its turn."""

    def ending(self) -> None:
        """The record is the link's."""

    def end_sent(self, end: End) -> None:
        """It asked for it."""

    def in_pieces(self, *, apart: bool) -> None:
        """Where it ends nothing goes on."""

"""The application's end of the list: an asyncio protocol as what stands on a link."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from pytest_netmocks.link.nobody import NOBODY
from pytest_netmocks.link.ports import End


class Stand(Protocol):
    """What it stands on."""

    def close(self) -> None:
        """End in good order."""

    def let_go(self) -> None:
        """The protocol has heard of the end: nothing is to be asked of it, or of what struck it, any more."""


class Application:
    """Tells an asyncio protocol what `Above` is told, in asyncio's words.

    As asyncio's own transports it knows the protocol no more once that has heard of the end: what has ended holds
    itself in no circle, and its memory is free at once.
    """

    __slots__ = ("_link", "_loop", "data_received", "pause_writing", "protocol", "resume_writing")

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: Any, link: Stand) -> None:
        self._loop = loop
        self._link: Stand | None = link
        self.protocol = protocol
        self.data_received = protocol.data_received
        self.pause_writing = protocol.pause_writing
        self.resume_writing = protocol.resume_writing

    def connected(self) -> None:
        """`connection_made` was called by the link, which is its transport."""

    def peer_finished(self) -> None:
        """The protocol says whether it goes on writing."""
        if not self.protocol.eof_received() and self._link is not None:
            self._link.close()

    def end_of_stream(self) -> None:
        """The protocol cannot tell it from a FIN."""
        self.peer_finished()

    def gone(self, error: Exception | None) -> None:
        """Not from within a call of the protocol's: it would find its connection gone in the middle of a sentence."""
        self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        protocol, link = self.protocol, self._link
        try:
            protocol.connection_lost(error)
        finally:
            self.protocol = NOBODY.protocol
            self.data_received = self.pause_writing = self.resume_writing = NOBODY.nothing
            self._link = None
            if link is not None:
                link.let_go()

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

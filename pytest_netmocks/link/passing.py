"""What a layer that stands between two others has of the one below, unless it says otherwise."""

from __future__ import annotations

import socket as sockets

from pytest_netmocks.link.ports import Below


class Passing:
    """The part of a layer that passes on what the layer above asks of the one below."""

    _below: Below

    def keep_apart(self, *, apart: bool) -> None:
        """Whether what is written at once leaves so."""
        self._below.keep_apart(apart=apart)

    @property
    def socket(self) -> sockets.socket | None:
        """The socket at the bottom."""
        return self._below.socket

    @property
    def buffered(self) -> int:
        """Bytes that were written below and have not left."""
        return self._below.buffered

    @property
    def closed(self) -> bool:
        """Whether there is no connection any more."""
        return self._below.closed

    @property
    def unread(self) -> bool:
        """Whether bytes have come that nobody has read."""
        return self._below.unread

    @property
    def deserted(self) -> bool:
        """Whether no process has the other end any more."""
        return self._below.deserted

    def resume_reading(self) -> None:
        """Hand up what comes."""
        self._below.resume_reading()

    def pause_reading(self) -> None:
        """Read nothing, so that in time the peer's sends block."""
        self._below.pause_reading()

    def hold_for_the_end(self) -> None:
        """Let what is written wait for the FIN that follows it, so that they arrive together."""
        self._below.hold_for_the_end()

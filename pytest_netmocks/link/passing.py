"""What a layer that stands between two others passes on, unless it says otherwise."""

from __future__ import annotations

import socket as sockets

from pytest_netmocks.link.ports import Above, Below, End


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


class Transparent(Passing):
    """A layer that passes on everything, either way: a subclass says what it does besides."""

    _above: Above

    def stand_on(self, below: Below) -> None:
        """Pass on what this one hands up."""
        self._below = below

    def carry(self, above: Above) -> None:
        """Pass on what this one sends."""
        self._above = above

    # What the layer below calls

    def connected(self) -> None:
        """Begin to speak."""
        self._above.connected()

    def data_received(self, data: bytes) -> None:
        """The peer sent this."""
        self._above.data_received(data)

    def peer_finished(self) -> None:
        """The peer's FIN."""
        self._above.peer_finished()

    def end_of_stream(self) -> None:
        """The peer's end without a farewell."""
        self._above.end_of_stream()

    def peer_hung_up(self) -> None:
        """The peer's FIN is there, but not read."""
        self._above.peer_hung_up()

    def ending(self) -> None:
        """Our last FIN is about to go out."""
        self._above.ending()

    def end_sent(self, end: End) -> None:
        """Our FIN or RST."""
        self._above.end_sent(end)

    def wire_lost(self, error: Exception | None) -> None:
        """There is no connection any more."""
        self._above.wire_lost(error)

    def gone(self, error: Exception | None) -> None:
        """The layer below has ended, and told how."""
        self._above.gone(error)

    def pause_writing(self) -> None:
        """Too much waits to be sent."""
        self._above.pause_writing()

    def resume_writing(self) -> None:
        """Write again."""
        self._above.resume_writing()

    def in_pieces(self, *, apart: bool) -> None:
        """Whether what is handed up is to go on in these pieces."""
        self._above.in_pieces(apart=apart)

    # What the layer above calls

    def write(self, data: bytes | memoryview) -> None:
        """We send this."""
        self._below.write(data)

    def write_eof(self) -> None:
        """We send a FIN after what was written."""
        self._below.write_eof()

    def finish(self, *, at_once: bool = False, past_faults: bool = False, notify: bool = True) -> None:
        """End in good order."""
        self._below.finish(at_once=at_once, past_faults=past_faults, notify=notify)

    def reset(self, *, at_once: bool = False) -> None:
        """End with an RST."""
        self._below.reset(at_once=at_once)

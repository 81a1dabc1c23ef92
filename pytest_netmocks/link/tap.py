"""The tap: a layer that changes nothing and tells of everything that passes, either way."""

from __future__ import annotations

from collections.abc import Callable

from pytest_netmocks.link.flows import DOWN, UP, Side
from pytest_netmocks.link.passing import Transparent
from pytest_netmocks.link.ports import End

Ear = Callable[[float, Side, bytes | memoryview | End], None]
"""Who hears: the loop's time, the direction, and a piece of bytes, a FIN or an RST. Bytes are lent: copy to keep."""


class Tap(Transparent):
    """Tells `ear` what passes between two layers, in the loop's thread and before it is passed on.

    A piece going down is told when it is given to the layer below, which keeps what its peer has no room for; an end of
    ours when it really leaves. Each direction has one end: after a FIN another is not told, an RST ends both. Not told
    is what comes after our last FIN: nobody reads it.
    """

    def __init__(self, time: Callable[[], float], ear: Ear) -> None:
        self._time = time
        self._ear = ear
        self._ended: set[Side] = set()

    def _hear_end(self, side: Side, end: End) -> None:
        if side not in self._ended:
            self._ended |= {side} if end is End.FIN else {UP, DOWN}
            self._ear(self._time(), side, end)

    # What the layer below calls

    def data_received(self, data: bytes) -> None:
        """The peer sent this."""
        self._ear(self._time(), UP, data)
        self._above.data_received(data)

    def peer_finished(self) -> None:
        """The peer's FIN."""
        self._hear_end(UP, End.FIN)
        self._above.peer_finished()

    def end_of_stream(self) -> None:
        """The peer's end without a farewell."""
        self._hear_end(UP, End.FIN)
        self._above.end_of_stream()

    def end_sent(self, end: End) -> None:
        """Our FIN or RST."""
        self._hear_end(DOWN, end)
        self._above.end_sent(end)

    def wire_lost(self, error: Exception | None) -> None:
        """With an error the peer's RST, without one both sides have finished."""
        self._hear_end(UP, End.FIN if error is None else End.RST)
        self._above.wire_lost(error)

    # What the layer above calls

    def write(self, data: bytes | memoryview) -> None:
        """We send this."""
        if DOWN not in self._ended:
            self._ear(self._time(), DOWN, data)
        self._below.write(data)

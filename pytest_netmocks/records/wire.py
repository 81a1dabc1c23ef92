"""`WireRecorder`: what passes on one connection's wire, told to who asks for it and kept nowhere."""

from __future__ import annotations

from pytest_netmocks.records.events import Direction, Keys, Sign, WireEnded
from pytest_netmocks.records.journal import Journal


class WireRecorder:
    """Tells of one connection's bytes, ends and keys as they pass."""

    def __init__(self, journal: Journal, connection: int) -> None:
        self._journal = journal
        self._connection = connection
        self._received = self._sent = 0
        self.now = journal.now

    def received(self, data: bytes) -> None:
        """These bytes have come."""
        offset, self._received = self._received, self._received + len(data)
        self._journal.tell_of_wire(("WireReceived", self.now(), self._connection, offset, len(data), data, 0))

    def sent(self, data: bytes | memoryview, at: float) -> None:
        """The kernel has taken these bytes."""
        offset, self._sent = self._sent, self._sent + len(data)
        self._journal.tell_of_wire(("WireSent", at, self._connection, offset, len(data), data, 0))

    def ended(self, direction: Direction, sign: Sign, at: float) -> None:
        """A FIN or RST has passed."""
        self._journal.tell_of_wire(WireEnded(at, self._connection, direction, sign))

    def keys(self, text: str) -> None:
        """A handshake has come to these secrets."""
        self._journal.tell_of_wire(Keys(self.now(), self._connection, text))

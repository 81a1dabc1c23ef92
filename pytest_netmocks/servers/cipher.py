"""`CipherRecord`: what the link of the cipher text writes on record of its connection."""

from __future__ import annotations

from typing import Any

from pytest_netmocks.faults.base import Fault
from pytest_netmocks.records.connection import Ender
from pytest_netmocks.records.events import Direction, Sign
from pytest_netmocks.records.recorder import Recorder


class CipherRecord:
    """The record of the cipher text's link: faults and ends go on the connection's, bytes are told to who asks."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._received = self._sent = 0
        self.struck = recorder.struck
        self.closed = recorder.closed
        self.failed = recorder.failed

    def received(self, data: bytes) -> None:
        """Cipher text has come; the plain text is recorded above."""
        if self._recorder.tells_cipher_text:
            self._recorder.cipher("CipherReceived", self._received, data)
        self._received += len(data)

    def unread(self, size: int) -> None:
        """As `received`."""

    def sent(self, data: bytes | memoryview) -> None:
        """As `received`."""
        if self._recorder.tells_cipher_text:
            self._recorder.cipher("CipherSent", self._sent, data)
        self._sent += len(data)

    def arrived(self, data: bytes) -> None:
        """As `received`."""

    def divide(self) -> None:
        """The transcripts are the plain text's."""

    def delivered(self, data: bytes | memoryview) -> None:
        """As `received`."""

    def answered(self, exchange: Any, rule: Any) -> float:
        """Exchanges are the plain text's."""
        return self._recorder.answered(exchange, rule)

    def sent_all(self, exchange: Any) -> None:
        """As `answered`."""
        self._recorder.sent_all(exchange)

    def held(self, direction: Direction, size: int, faults: tuple[Fault, ...]) -> None:
        """Cipher text waits at these faults."""
        self._recorder.held(direction, size, faults, "tls")

    def swallowed(self, direction: Direction, size: int, fault: Fault) -> None:
        """A fault has thrown cipher text away."""
        self._recorder.swallowed(direction, size, fault, "tls")

    def ended(self, by: Ender, text: str, sign: Sign | None = None) -> None:
        """Tell it unless the plain text has ended before."""
        if self._recorder.connection.closed_by is None:
            self._recorder.ended(by, text, sign)

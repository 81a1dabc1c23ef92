"""The body of a request that is answered while it still comes: what a hosted application reads."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from pytest_netmocks.servers.backpressure import Reading

UNREAD = "the application does not read"

FULL = 64 * 1024
"""Bytes that wait for the application before nothing more is read from the client."""

PASSED = 256 * 1024
"""Bytes of a body nobody wants that are read past for the sake of the connection: more, and it is closed."""


class Incoming:
    """The body as it comes: the protocol feeds it, the application takes from it, in the loop's thread both.

    `length` is what the client has declared, `ask` tells a client that waits for it to send its body.
    """

    __slots__ = ("_ask", "_left", "_pieces", "_reading", "_size", "_taken", "_wanted", "_woken", "broken", "ended")

    def __init__(
        self, reading: Reading, length: int | None, ask: Callable[[], None] | None, *, whole: bytes | None = None
    ) -> None:
        self._reading = reading
        self._left = length
        """Bytes that are to come, if the client has said how many there are."""
        self._ask = ask
        self._pieces: deque[bytes] = deque() if whole is None else deque([whole])
        self._size = 0
        self._taken = False
        self._wanted = True
        self._woken = asyncio.Event()
        self.ended = whole is not None
        """Whether all of it has come."""
        self.broken = False
        """Whether the rest will never come."""

    @classmethod
    def of(cls, reading: Reading, body: bytes) -> Incoming:
        """A body that has come as a whole."""
        return cls(reading, 0, None, whole=body)

    # The protocol's side

    def feed(self, data: bytes) -> bool:
        """More has come; whether it may go on."""
        self._ask = None
        if self._left is not None:
            self._left -= len(data)
        self._size += len(data)
        if not self._wanted:
            return self._size <= PASSED
        self._pieces.append(data)
        self._reading.hold(UNREAD, hold=self._size > FULL)
        self._woken.set()
        return True

    def end(self) -> None:
        """That was the last of it."""
        self.ended = True
        self._woken.set()

    def break_off(self) -> None:
        """Nothing more will come, and it was not all."""
        self.broken = not self.ended
        self._woken.set()

    # The application's side

    async def take(self) -> tuple[bytes, bool] | None:
        """What has come since, when something has, and whether there is more.

        `None` if it was all taken, or nothing more will come. The last one may be empty.
        """
        if not self._pieces and not self.ended and self._ask is not None:
            ask, self._ask = self._ask, None
            ask()
        while not (self._pieces or self.ended or self.broken):
            self._woken.clear()
            await self._woken.wait()
        if self._taken or (self.broken and not self._pieces):
            return None
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._reading.go_on(UNREAD)
        self._taken = self.ended and not self._pieces
        return data, not self._taken

    @property
    def spare(self) -> bool:
        """Whether the connection can go on after an answer that does without the rest (RFC 9112, section 9.3).

        A client that was not asked for its body may send it or not.
        """
        return self.ended or (not self.broken and self._ask is None and (self._left is None or self._left <= PASSED))

    def dismiss(self) -> bool:
        """The answer is out: what still comes is read past, within bounds; whether the connection can go on."""
        spare = self.spare
        self._wanted = False
        self._taken = True
        self._pieces.clear()
        self._size = 0
        self.break_off()
        self._reading.go_on(UNREAD)
        return spare

"""What aiosmtpd reads its client from: fair to the other clients, and at an end when the client is."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from pytest_netmocks import clock
from pytest_netmocks.link.link import Link
from pytest_netmocks.servers.turns import Turn


class Reader(asyncio.StreamReader):
    """Lines of a client.

    What a client has pipelined can be read without waiting, so nobody else would have a turn: lines of a long flood
    come with pauses. When the session has closed, or all that came before the client's end is read, reading raises
    `ConnectionResetError`, with which aiosmtpd ends; it would answer an `IncompleteReadError`, and read again.
    """

    def __init__(self, link: Link, limit: int) -> None:
        super().__init__(limit=limit, loop=asyncio.get_running_loop())
        self._link = link
        self._turn = Turn()

    async def readuntil(self, separator: Any = b"\n") -> bytes:
        if not self._buffer:  # type: ignore[attr-defined]  # nothing public tells
            self._turn.rest()
        elif self._turn.over:
            await clock.sleep(0)
            self._turn.rest()
        if self._link.is_closing():
            raise ConnectionResetError("the session is over")
        try:
            return await super().readuntil(separator)
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("the client has finished") from None

    def forget(self) -> None:
        """What has come and was not read is no longer wanted."""
        self._buffer.clear()  # type: ignore[attr-defined]  # as aiosmtpd does it


async def read_message(reader: Reader, size: int, line: int) -> bytes | Literal["long line", "too much"]:
    """The message after DATA without its transparent dots (RFC 5321, section 4.5.2), or why it is none.

    aiosmtpd would keep an object for every line, 16 million for a message of the usual limit, and go through them at
    the end at one go. Lines longer than `line` bytes and messages of more than `size` are read to their end all the
    same (section 4.2.5).
    """
    content = bytearray()
    total = 0
    wrong: Literal["long line", "too much"] | None = None
    begins = True
    while True:
        try:
            piece = await reader.readuntil(b"\r\n")
            ends = True
        except asyncio.LimitOverrunError as error:
            piece = await reader.read(error.consumed)
            ends = False
        if begins and piece == b".\r\n":
            return wrong or bytes(content)
        total += len(piece)
        if wrong is None:
            if not ends or len(piece) > line:
                wrong = "long line"
            elif total > size:
                wrong = "too much"
            else:
                content += piece[1:] if begins and piece.startswith(b".") else piece
            if wrong is not None:
                content.clear()
        begins = ends

"""The message after DATA, read line by line."""

from __future__ import annotations

import asyncio
from typing import Literal

from pytest_netmocks.protocols.smtp.library import Reader


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

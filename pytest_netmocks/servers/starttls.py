"""`begin_tls`: from plain text to TLS in the middle of a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from pytest_netmocks import clock
from pytest_netmocks.link.link import Link
from pytest_netmocks.records.connection import Connection

if TYPE_CHECKING:
    from pytest_netmocks.encryption.offer import Offer


class Secure(Protocol):
    """What a server does."""

    def __call__(
        self,
        connection: Connection,
        on_open: Callable[[], None],
        early: bytes | None = None,
        offer: Offer | None = None,
        /,
    ) -> None:
        """Put TLS under a connection, see `Encrypted.secure`."""


async def begin_tls(link: Link, forget: Callable[[], object], secure: Callable[[Callable[[], None]], None]) -> bool:
    """Let `secure` put TLS under a link that is not read, once what was said has left; whether it is there.

    A fault may hold the answer that lets the client begin. `forget` is called before: what the client has sent in plain
    text behind its command is no part of the session. `secure` is told what to call after the handshake.
    """
    link.to_be_secured = True
    while link.get_write_buffer_size() and not link.is_closing():  # no event tells
        await clock.sleep(0.001)
    if link.is_closing():
        return False
    forget()
    ready = asyncio.Event()
    secure(ready.set)
    await ready.wait()
    return True


async def begin_tls_with(link: Link, take: Callable[[], bytes], secure: Secure, offer: Offer | None = None) -> bool:
    """As `begin_tls`, where what the client has sent behind its request, which `take` gives, begins the handshake.

    Plain text there is none, and the handshake fails; a client that does not wait for the answer may be on time.
    """
    early = bytearray()
    connection: Connection = link.get_extra_info("connection")

    def secure_with(on_open: Callable[[], None]) -> None:
        link.record.unread(len(early))
        secure(connection, on_open, bytes(early), offer)

    return await begin_tls(link, lambda: early.extend(take()), secure_with)

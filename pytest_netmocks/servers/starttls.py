"""`begin_tls`: from plain text to TLS in the middle of a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pytest_netmocks import clock
from pytest_netmocks.link.link import Link


async def begin_tls(link: Link, forget: Callable[[], None], secure: Callable[[Callable[[], None]], None]) -> bool:
    """Let `secure` put TLS under a link that is not read, once what was said has left; whether it is there.

    A fault may hold the answer that lets the client begin. `forget` is called before: what the client has sent in plain
    text behind its command is no part of the session. `secure` is told what to call after the handshake.
    """
    while link.get_write_buffer_size() and not link.is_closing():  # no event tells
        await clock.sleep(0.001)
    if link.is_closing():
        return False
    forget()
    ready = asyncio.Event()
    secure(ready.set)
    await ready.wait()
    return True

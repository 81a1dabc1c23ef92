"""Users' handlers: coroutines over asyncio's streams, whose exceptions fail the test.

They may go on with TLS, `await writer.start_tls(server.context)`, as asyncio's streams do.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from pytest_netmocks import check
from pytest_netmocks.link import quiet
from pytest_netmocks.link.link import Link
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.starttls import Secure, begin_tls_with
from pytest_netmocks.servers.tasks import Tasks, nothing

if TYPE_CHECKING:
    import ssl

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def check_handler(handler: object, *arguments: str) -> None:
    """Refuse what is no async function of these, named in words. Raises `TypeError`.

    A plain function cannot stand for one: it would hold up all servers, and awaits nothing.
    """
    accepted = f"an async function of {' and '.join(arguments)}"
    if not callable(handler):
        raise TypeError(f"handler must be {accepted}, not {handler!r}")
    asked = (handler, inspect.unwrap(handler), type(handler).__call__)
    if not any(map(inspect.iscoroutinefunction, asked)):
        raise TypeError(
            f"handler must be {accepted}, not the plain function {handler!r}: "
            "write async def, and asyncio.to_thread() around what blocks"
        )
    with contextlib.suppress(ValueError):  # of what is written in C, nobody knows
        taken = inspect.signature(handler)
        try:
            taken.bind(*arguments)
        except TypeError as error:
            raise TypeError(f"handler must be {accepted}, not of ({', '.join(taken.parameters)}): {error}") from None


def _take(streams: asyncio.StreamReader) -> bytes:
    """What has come and was not read; nothing is waited for."""
    reading = streams.read(1 << 62)
    try:
        reading.send(None)
    except StopIteration as read:
        data: bytes = read.value
        return data
    reading.close()
    return b""


class Writer(asyncio.StreamWriter):
    """asyncio's writer over a link: its TLS is that of the servers, with their faults and records."""

    def __init__(self, link: Link, protocol: HandlerProtocol, streams: asyncio.StreamReader, secure: Secure) -> None:
        super().__init__(link, protocol, streams, asyncio.get_running_loop())
        self._link = link
        self._home = protocol
        self._streams = streams
        self._secure = secure

    async def start_tls(
        self,
        sslcontext: ssl.SSLContext,
        *,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None:
        """Go on with TLS, as the server, once all that was written has left: reader and writer stay what they are.

        The context is `server.context`, or an `ssl.SSLContext` of a server's. What the client has sent and the handler
        has not read belongs to the handshake: plain text makes that fail (CVE-2011-0411). `ssl_handshake_timeout` is
        how many seconds it may take; the other options, which asyncio's writer has, are a client's, or about ends that
        wait for nothing here.

        Raises `ConnectionAbortedError` if the handshake fails, `ConnectionResetError` if the connection has ended,
        `TypeError` or `ValueError` for a wrong argument, and where there is TLS already.
        """
        from pytest_netmocks.encryption.offer import offer_of  # few handlers need it

        offer = offer_of(sslcontext)
        if server_hostname is not None:
            raise ValueError(f"server_hostname is for clients, and this is the server: not {server_hostname!r}")
        if ssl_handshake_timeout is not None:
            check.number("ssl_handshake_timeout", ssl_handshake_timeout, unit="seconds", above=0)
        link = self._link
        connection: Connection = link.get_extra_info("connection")
        number = connection.id
        if link.to_be_secured:
            raise ValueError(f"start_tls: connection {number} speaks TLS already, or is about to")
        if link.is_closing():
            raise ConnectionResetError(f"start_tls: connection {number} has ended")
        early = _take(self._streams)
        link.pause_reading()
        link.to_be_secured = True
        beginning = asyncio.ensure_future(begin_tls_with(link, lambda: early, self._secure, offer))
        self._home.on_lost = beginning.cancel
        try:
            await asyncio.wait([beginning], timeout=ssl_handshake_timeout)
            late = not beginning.done()
        finally:
            beginning.cancel()
        if late:
            link.abort()
            raise ConnectionAbortedError(
                f"start_tls: the handshake on connection {number} takes longer than {ssl_handshake_timeout:g} seconds"
            )
        if beginning.cancelled() or not beginning.result():
            why = self._home.lost_by or f"closed by the {connection.closed_by}"
            raise ConnectionAbortedError(f"start_tls: there was no handshake on connection {number}: {why}")
        link.resume_reading()


class HandlerProtocol(asyncio.StreamReaderProtocol):
    """Runs the handler on one connection and closes it when the handler returns."""

    def __init__(
        self,
        handler: Handler,
        link: Link,
        connection: Connection,
        tasks: Tasks,
        secure: Secure,
        *,
        after: asyncio.Task[None] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._streams = asyncio.StreamReader(loop=loop)
        super().__init__(self._streams, loop=loop)
        self._link = link
        self._handler = handler
        self._connection = connection
        self._tasks = tasks
        self._secure = secure
        self.on_lost: Callable[[], object] = nothing
        """Called when the connection has ended."""
        self.lost_by: Exception | None = None
        """What ended it, if that was an error."""
        self._had_ended = False
        """Whether the connection ended, either way, before the handler did."""
        self._after = after
        """What has to be over before the handler begins."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the handler."""
        super().connection_made(transport)
        writer = Writer(self._link, self, self._streams, self._secure)
        self._tasks.start(self._run(writer), self._connection.id, excused=self._excused)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the handler, and give up what it has to wait for."""
        super().connection_lost(error)
        quiet.end_is_known(self)
        self.lost_by = error
        self.on_lost()
        if self._after is not None:
            self._after.cancel()

    async def _run(self, writer: asyncio.StreamWriter) -> None:
        try:
            if self._after is not None:
                await asyncio.wait([self._after])
            if self._link.is_closing():  # its greeting was all
                return
            await self._handler(self._streams, writer)
        finally:
            self._had_ended = self._connection.closed_by is not None
            self._link.close()

    def _excused(self, error: BaseException) -> bool:
        """A handler whose connection has ended under it is not to blame."""
        return self._had_ended and isinstance(error, (ConnectionError, asyncio.IncompleteReadError))

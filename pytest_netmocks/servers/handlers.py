"""Users' handlers: coroutines over asyncio's streams, whose exceptions fail the test."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from pytest_netmocks.link import quiet
from pytest_netmocks.link.link import Link
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.tasks import Tasks

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def check_handler(handler: object, arguments: str) -> None:
    """Refuse what is no async function; `arguments` says of what, in words. Raises `TypeError`.

    A plain function cannot stand for one: it would hold up all servers, and awaits nothing.
    """
    accepted = f"an async function of {arguments}"
    if not callable(handler):
        raise TypeError(f"handler must be {accepted}, not {handler!r}")
    asked = (handler, inspect.unwrap(handler), type(handler).__call__)
    if not any(map(inspect.iscoroutinefunction, asked)):
        raise TypeError(
            f"handler must be {accepted}, not the plain function {handler!r}: "
            "write async def, and asyncio.to_thread() around what blocks"
        )


class HandlerProtocol(asyncio.StreamReaderProtocol):
    """Runs the handler on one connection and closes it when the handler returns."""

    def __init__(
        self,
        handler: Handler,
        link: Link,
        connection: Connection,
        tasks: Tasks,
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
        self._after = after
        """What has to be over before the handler begins."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the handler."""
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        writer = asyncio.StreamWriter(self._link, self, self._streams, loop)
        self._tasks.start(self._run(writer), self._connection.id, excused=self._excused)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the handler, and give up what it has to wait for."""
        super().connection_lost(error)
        quiet.end_is_known(self)
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
            self._link.close()

    def _excused(self, error: BaseException) -> bool:
        """A handler whose connection has ended under it is not to blame."""
        if isinstance(error, asyncio.IncompleteReadError):
            return self._connection.closed_by is not None
        return isinstance(error, ConnectionError) and not self._connection.is_open

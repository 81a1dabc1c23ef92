"""Users' handlers: coroutines over asyncio's streams, whose exceptions fail the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pytest_netmocks.link.link import Link
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.journal import Journal

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class HandlerProtocol(asyncio.StreamReaderProtocol):
    """Runs the handler on one connection and closes it when the handler returns."""

    def __init__(
        self,
        handler: Handler,
        link: Link,
        connection: Connection,
        journal: Journal,
        tasks: set[asyncio.Task[None]],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._streams = asyncio.StreamReader(loop=loop)
        super().__init__(self._streams, loop=loop)
        self._link = link
        self._handler = handler
        self._connection = connection
        self._journal = journal
        self._tasks = tasks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the handler."""
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        writer = asyncio.StreamWriter(self._link, self, self._streams, loop)
        task = loop.create_task(self._run(writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, writer: asyncio.StreamWriter) -> None:
        try:
            await self._handler(self._streams, writer)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            if self._connection.is_open and self._connection.closed_by is None:
                self._journal.failed(self._connection.id, error)
        except Exception as error:  # noqa: BLE001  # whatever a handler raises fails the test
            self._journal.failed(self._connection.id, error)
        finally:
            self._link.close()

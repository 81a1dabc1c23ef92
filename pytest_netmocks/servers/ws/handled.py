"""Users' handlers over the websockets library's own connection object."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, cast

from websockets.asyncio.connection import Connection as LibraryConnection
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from pytest_netmocks.servers.ws.records import WsConnection

if TYPE_CHECKING:
    from pytest_netmocks.servers.ws.endpoint import Handler
    from pytest_netmocks.servers.ws.protocol import WsProtocol


class Handled(ServerConnection):
    """The connection as a handler sees it; `connection` is what is on record of it."""

    def __init__(self, before: WsProtocol, handler: Handler) -> None:
        # It asks nothing of its server once the handshake is over. No pings of its own: a test says what is sent.
        super().__init__(before.session, cast("Any", None), ping_interval=None)
        self._before = before
        self._code = handler
        self.connection: WsConnection = before.connection
        request = before.connection.upgrade_request
        assert request is not None
        headers = Headers()
        for name, value in request.headers.pairs:
            headers[name] = value
        self.request = Request(request.target, headers)

    def begin(self) -> None:
        """Take over from the rules: what has come already comes here first."""
        before = self._before
        LibraryConnection.connection_made(self, before.link)
        if before.paused:
            self.pause_writing()
        for message in before.session.arrived:
            self._take(message.data)
        before.session.arrived.clear()
        before.server.tasks.start(self._run(), self.connection.id, excused=self._excused)

    def _take(self, data: str | bytes) -> None:
        from websockets.frames import BINARY, TEXT, Frame

        raw = data.encode() if isinstance(data, str) else data
        self.process_event(Frame(TEXT if isinstance(data, str) else BINARY, raw))

    def data_received(self, data: bytes) -> None:
        """As the library; the messages go on record."""
        if self.protocol.eof_sent:
            return
        super().data_received(data)
        arrived = self._before.session.arrived
        while arrived:
            self._before.endpoint.arrived(arrived.popleft())

    def connection_lost(self, exc: Exception | None) -> None:
        """As the library; the connection is no longer among the live ones."""
        super().connection_lost(exc)
        self._before.connection_lost(exc)

    async def _run(self) -> None:
        try:
            made = self._code(self)
            if not inspect.isawaitable(made):
                raise TypeError(f"the handler must be an async function of a websocket, not {self._code!r}")
            await made
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._before.shut(1011, "")
            raise
        self._before.shut(1000, "")

    def _excused(self, error: BaseException) -> bool:
        """A handler whose connection has ended under it is not to blame."""
        return isinstance(error, (ConnectionClosed, ConnectionError)) and not self._before.session.is_open

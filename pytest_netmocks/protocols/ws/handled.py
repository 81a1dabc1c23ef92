"""Users' handlers over the websockets library's own connection object."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from websockets.asyncio.connection import Connection as LibraryConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from pytest_netmocks.protocols.ws.library import for_the_library
from pytest_netmocks.protocols.ws.records import WsConnection
from pytest_netmocks.protocols.ws.session import BACKLOG, PIECE, WsProtocol
from pytest_netmocks.servers.timeslice import TimeSlice
from pytest_netmocks.servers.unread import Unread

Handler = Callable[[ServerConnection], Awaitable[None]]


class Handled(ServerConnection):
    """The connection as a handler sees it; `connection` is what is on record of it."""

    def __init__(self, before: WsProtocol, handler: Handler) -> None:
        # It asks nothing of its server once the handshake is over. No pings of its own: a test says what is sent.
        super().__init__(before.session, cast("Any", None), ping_interval=None)
        self._before = before
        self._code = handler
        self._done = False
        self._was_open = True
        self._unread = Unread()
        self._postponed = self._finished = False
        self.connection: WsConnection = before.connection
        request = before.connection.upgrade_request
        assert request is not None
        self.request = for_the_library(request)

    def begin(self) -> None:
        """Take over from the rules: what has come already comes here first."""
        before = self._before
        LibraryConnection.connection_made(self, before.link)
        if before.paused:
            self.pause_writing()
        before.session.handled = True
        before.server.tasks.start(self._run(), self.connection.id, excused=self._excused)

    @property
    def close_code(self) -> int | None:
        """The code of the client's close frame, `None` before the end."""
        return self.protocol.close_code

    @property
    def close_reason(self) -> str | None:
        """The reason in the client's close frame, `None` before the end."""
        return self.protocol.close_reason

    def data_received(self, data: bytes) -> None:
        """As the library; it reads no more while its own answers, pongs, wait to be written."""
        self._unread.add(data)
        if not self._postponed:
            self._read_on()
        if self._postponed or self._is_behind:
            self._before.link.pause_reading()

    @property
    def _is_behind(self) -> bool:
        """Whether much of its own answers waits to be written."""
        return self.paused and self._before.link.get_write_buffer_size() > BACKLOG

    def _read_on(self) -> None:
        """Read what is unread, in turns: much of it may be pings."""
        time_slice = TimeSlice()
        while self._unread:
            if self.protocol.eof_sent:
                self._unread.take()
                return
            super().data_received(self._unread.take(PIECE))
            self._before.session.arrived.clear()
            if self._unread and time_slice.over:
                self._postponed = True
                asyncio.get_running_loop().call_soon(self._go_on)
                return

    def _go_on(self) -> None:
        self._postponed = False
        self._read_on()
        if self._postponed:
            return
        if self._finished:
            super().eof_received()
            self._before.link.close()
        elif not (self._is_behind or getattr(self.recv_messages, "paused", False)):
            self._before.link.resume_reading()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's protocols may say that it is not over yet
        """As the library, once everything before it is read."""
        self._finished = True
        if not self._postponed:
            super().eof_received()
        return self._postponed

    def resume_writing(self) -> None:
        """As the library; and it reads again."""
        super().resume_writing()
        if not self._postponed:
            self._before.link.resume_reading()

    def process_event(self, event: Any) -> None:
        """As the library, as long as there is a handler to take it."""
        if not self._done:
            super().process_event(event)

    def send_data(self) -> None:
        """Write what there is; where the library would half-close, the connection ends (RFC 6455, section 7.1.1)."""
        self._before.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """As the library; the connection is no longer among the live ones."""
        super().connection_lost(exc)
        self._before.connection_lost(exc)

    async def _run(self) -> None:
        try:
            await self._code(self)
        except BaseException as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            self._end(1011)
            raise
        self._end(1000)

    def _end(self, code: int) -> None:
        self._was_open = self._before.session.is_open
        self._done = True
        self._before.shut(code, "")
        self._before.link.resume_reading()  # its queue may have been full; the client's close frame is waited for

    def _excused(self, error: BaseException) -> bool:
        """A handler whose connection has ended under it is not to blame."""
        ended = (ConnectionClosed, ConnectionError, asyncio.IncompleteReadError)
        return isinstance(error, ended) and not self._was_open


def giving_to(handler: Handler) -> Callable[[WsProtocol], None]:
    """What gives connections to the handler once their handshake is over."""

    def take_over(before: WsProtocol) -> None:
        handled = Handled(before, handler)
        before.link.set_protocol(handled)
        handled.begin()

    return take_over

"""Data connections: pyftpdlib's handlers for them, on links of ours."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from pyftpdlib.handlers import DTPHandler, FTPHandler  # type: ignore[import-untyped]

from pytest_netmocks.servers.ftp.connection import FtpRequest

if TYPE_CHECKING:
    from pytest_netmocks.servers.ftp.session import FtpSession

IDLE = 0
"""pyftpdlib closes after no time of silence: a test decides when a client has been silent for too long."""

PIECE = 1 << 17
"""Bytes of a file that are read and written at a time."""

ActiveDTP: Any = FTPHandler.active_dtp


class Active(ActiveDTP):  # type: ignore[misc]  # pyftpdlib has no types
    """A data connection to the client."""

    def handle_connect(self) -> None:
        super().handle_connect()
        # Its descriptor is the link's now; pyftpdlib would unregister the number again when the session ends.
        self._fileno = None


class Data(DTPHandler):  # type: ignore[misc]
    """A data connection."""

    timeout = IDLE
    ac_out_buffer_size = PIECE

    def __init__(self, sock: socket.socket, cmd_channel: FtpSession) -> None:
        self.bridge = cmd_channel.adopt(sock)
        self.request: FtpRequest | None = None
        self.replacement: bytes | None = None
        self._armed = False
        super().__init__(self.bridge, cmd_channel)

    def _begin(self) -> None:
        if not self._armed:
            self._armed = True
            self.cmd_channel.transfer_begins(self)

    def push(self, data: bytes) -> None:
        self._begin()
        super().push(data)

    def push_with_producer(self, producer: Any) -> None:
        self._begin()
        producer.buffer_size = PIECE
        super().push_with_producer(producer)

    def enable_receiving(self, kind: str, cmd: str) -> None:
        self._begin()
        super().enable_receiving(kind, cmd)

    def handle_close(self) -> None:
        """The end of the transfer: not before what was sent has left."""
        if self._closed:
            return
        if self.receive or self.producer_fifo or self.bridge.error:
            self._end()
        else:
            self.del_channel()
            self.bridge.when_drained(self._end)

    def _end(self) -> None:
        if self._closed:
            return
        self.transfer_finished = self.bridge.error is None and not self.producer_fifo
        if self.transfer_finished:
            self._resp = ("226 Transfer complete.", self.cmd_channel.quiet)
        else:
            text = f"426 Transfer aborted; {self.get_transmitted_bytes()} bytes transmitted."
            self._resp = (text, self.cmd_channel.quiet)
        self.close()

    def close(self) -> None:
        if self._closed:
            return
        session = self.cmd_channel
        session.transfer_ends(self)
        session.completing = self  # what it says now is about this transfer, whatever was asked since
        try:
            super().close()
        finally:
            session.completing = None

    def handle_read(self) -> None:
        super().handle_read()
        if self.bridge.error is not None:
            self.transfer_finished = False

    handle_read_event = handle_read

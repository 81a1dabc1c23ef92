"""Data connections: pyftpdlib's handlers for them, on links of ours."""

from __future__ import annotations

import socket
import sys
from typing import Any, Protocol

from pytest_netmocks.link.listener import EXHAUSTED, RETRY
from pytest_netmocks.protocols.ftp.bridge import LinkSocket
from pytest_netmocks.protocols.ftp.desk import FtpDesk
from pytest_netmocks.protocols.ftp.files import sorry
from pytest_netmocks.protocols.ftp.library import DataHandler, PassiveDTP, with_network_lines
from pytest_netmocks.protocols.ftp.records import FtpRequest

IDLE = 0
"""pyftpdlib closes after no time of silence: a test decides when a client has been silent for too long."""

PIECE = 1 << 17
"""Bytes of a file that are read and written at a time."""


class Control(Protocol):
    """What a data connection asks of the session that it belongs to."""

    desk: FtpDesk
    completing: Data | None
    """The transfer that its next answer is about."""

    def listens(self, port: Passive) -> None:
        """A port waits for the client's data connection."""

    def adopt(self, sock: socket.socket) -> LinkSocket:
        """Put a data connection on a link of its own."""

    def is_refused(self, data: LinkSocket) -> bool:
        """Whether a data connection has a TLS session of its own and must not."""

    def transfer_begins(self, data: Data) -> None:
        """The answer that opens a transfer is given, and its first byte comes."""

    def transfer_ends(self, data: Data) -> None:
        """A transfer is over, however it went."""

    def quiet(self, *_: Any, **__: Any) -> None:
        """Where the library wants to log."""


class Passive(PassiveDTP):  # type: ignore[misc]
    """A port that waits for the client's data connection."""

    cmd_channel: Control

    def __init__(self, cmd_channel: Control, extmode: bool = False) -> None:
        self._told = False
        try:
            super().__init__(cmd_channel, extmode)
        except OSError:
            self.close()
            raise

    def listen(self, num: int) -> None:
        super().listen(num)
        self.cmd_channel.listens(self)

    def handle_accept(self) -> None:
        """Put the client's connection on record; without descriptors, when there are some again."""
        with self.cmd_channel.desk.data_lock:
            try:
                super().handle_accept()
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                if not self._told:
                    self._told = True
                    self.cmd_channel.desk.exhausted(error)
                self.del_channel()
                self.call_later(RETRY, self.add_channel)


class Data(DataHandler):
    """A data connection."""

    cmd_channel: Control

    timeout = IDLE
    ac_out_buffer_size = PIECE

    def __init__(self, sock: socket.socket, cmd_channel: Control) -> None:
        self.bridge = cmd_channel.adopt(sock)
        self.request: FtpRequest | None = None
        self.replacement: bytes | None = None
        self._armed = False
        super().__init__(self.bridge, cmd_channel)
        self.bridge.on_begun = self._look_at_the_session
        if self.bridge.begun:
            self._look_at_the_session()

    def _look_at_the_session(self) -> None:
        """Refuse a TLS session of its own, where it has to be the control connection's."""
        if self.cmd_channel.is_refused(self.bridge):
            self.bridge.is_refused = True
            if self._armed:
                self._refuse()

    def _refuse(self) -> None:
        if not self.is_closed:
            self.say_at_the_end("522 SSL connection failed; session reuse required.")
            self.close()

    def _begin(self) -> None:
        if not self._armed:
            self._armed = True
            self.cmd_channel.transfer_begins(self)
            if self.bridge.is_refused:
                self.ioloop.loop.call_soon(self._refuse)

    def push(self, data: bytes) -> None:
        self._begin()
        super().push(data)

    def push_with_producer(self, producer: Any) -> None:
        self._begin()
        producer.buffer_size = PIECE
        with_network_lines(producer)
        super().push_with_producer(producer)

    def enable_receiving(self, kind: str, cmd: str) -> None:
        self._begin()
        super().enable_receiving(kind, cmd)

    def readable(self) -> bool:
        """Whether a transfer takes what comes; what comes before its command waits for it."""
        return bool(self.receive)

    def handle_close(self) -> None:
        """The end of the transfer: not before what was sent has left."""
        if self.is_closed:
            return
        if not self._armed:
            self.close()
        elif self.receive or self.producer_fifo or self.bridge.is_reset:
            self._end()
        else:
            self.del_channel()
            self.bridge.when_drained(self._end)

    def handle_error(self) -> None:
        """The end of a transfer whose file cannot be read or written."""
        error = sys.exc_info()[1]
        cause = error.__cause__ if error is not None else None  # pyftpdlib wraps it
        if isinstance(cause, OSError):
            self.say_at_the_end(f"{sorry(cause)}; transfer aborted.")
            self.close()
        else:
            super().handle_error()

    def _end(self) -> None:
        if self.is_closed:
            return
        self.transfer_finished = not self.bridge.is_reset and not self.producer_fifo
        if self.transfer_finished:
            self.say_at_the_end("226 Transfer complete.")
        else:
            text = f"426 Transfer aborted; {self.get_transmitted_bytes()} bytes transmitted."
            self.say_at_the_end(text)
        self.close()

    def close(self) -> None:
        if self.is_closed:
            return
        session = self.cmd_channel
        self._close_the_file()
        session.transfer_ends(self)
        session.completing = self  # what it says now is about this transfer, whatever was asked since
        try:
            super().close()
        finally:
            session.completing = None

    def _close_the_file(self) -> None:
        """What was written so far may find the disk full only now."""
        if self.file_obj is None or self.file_obj.closed:
            return
        try:
            self.file_obj.close()
        except OSError as error:
            if self.transfer_finished:
                self.say_at_the_end(f"{sorry(error)}; transfer aborted.")
            self.transfer_finished = False

    def handle_read(self) -> None:
        super().handle_read()
        if self.bridge.is_reset:
            self.transfer_finished = False

    handle_read_event = handle_read

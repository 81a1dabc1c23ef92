"""How a session takes its commands: each after the answer to the one before, and with others' turns between."""

from __future__ import annotations

import collections
import sys
from typing import Any

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.ftp.bridge import LinkSocket
from pytest_netmocks.protocols.ftp.library import LINE
from pytest_netmocks.servers.timeslice import TimeSlice

AT_A_TIME = 4096
"""Bytes of commands that are read at once."""


class Lines:
    """The part of a session that reads."""

    ac_in_buffer_size = AT_A_TIME
    ac_in_buffer: bytes
    link: Link
    bridge: LinkSocket
    ioloop: Any
    decode: Any
    respond: Any
    pre_process_command: Any
    is_over: bool
    take_line: Any
    _request: Any
    _exchange: Any

    def begin_lines(self) -> None:
        """Nothing has come yet."""
        self._busy = False
        """Whether an answer is to come before what has come is looked at, or others have their turn."""
        self._lines: collections.deque[bytes] = collections.deque()
        """What came meanwhile."""
        self._slice = TimeSlice()

    def readable(self) -> bool:
        """Whether commands are taken: what comes meanwhile waits where it is."""
        return not self._busy and bool(super().readable())  # type: ignore[misc]  # pyftpdlib's, which comes after this

    def handle_read(self) -> None:
        """Take the next commands."""
        self._slice.rest()
        super().handle_read()  # type: ignore[misc]  # as above

    handle_read_event = handle_read

    def found_terminator(self) -> None:
        """A line has come; it waits as long as an answer does, for answers keep the order."""
        self._lines.append(self.take_line())
        if not self._busy:
            self._work()

    def _work(self) -> None:
        """Execute what has come, until there is something to wait for."""
        while self._lines and not self._busy:
            if self.is_over or self.link.is_closing():
                self._lines.clear()  # nothing is executed any more (RFC 959, section 4.1.1 on QUIT)
                return
            if self._slice.over:
                self._busy = True
                self.ioloop.loop.call_soon(self._go_on)
                return
            raw = self._lines.popleft()
            if len(raw) > LINE:
                self._request = self._exchange = None
                self.respond("500 Command too long.")
                continue
            line = self.decode(raw)
            command = line.split(" ")[0].upper()
            try:
                self.pre_process_command(line, command, line[len(command) + 1 :])
            except UnicodeEncodeError:
                self.respond(f"501 The names of files here have no such characters ({sys.getfilesystemencoding()}).")

    def _go_on(self) -> None:
        """What was waited for is over."""
        self._busy = False
        self._slice.rest()
        self._work()
        if not self._busy:
            self.bridge.look()

    def forget_what_came(self) -> None:
        """What was sent in plain text after the command is no part of the session (compare RFC 3207, section 4.2)."""
        self.ac_in_buffer = b""
        self.take_line()
        self._lines.clear()
        self.bridge.forget()

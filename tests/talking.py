"""A client of IMAP that is no more than its lines."""

from __future__ import annotations

import re
import socket
from types import TracebackType
from typing import Self

from helpers import connect

from pytest_netmocks import ImapServer


class Talk:
    """Gives what is answered to a command, line by line, the tag's last without its tag."""

    def __init__(self, server: ImapServer, *, login: bool = True, timeout: float = 10.0) -> None:
        self.sock: socket.socket = connect(server, timeout)
        self.stream = self.sock.makefile("rb")
        self.greeting = self.line()
        self._number = 0
        if login:
            assert self("LOGIN u p")[-1].startswith("OK")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stream.close()
        self.sock.close()

    def line(self) -> str:
        """A line with its literals, without its end."""
        found = self.stream.readline()
        if not found:
            raise EOFError
        while literal := re.search(rb"\{(\d+)\}\r\n\Z", found):
            found += self.stream.read(int(literal.group(1))) + self.stream.readline()
        return found.decode().removesuffix("\r\n")

    def __call__(self, command: str) -> list[str]:
        self._number += 1
        tag = f"t{self._number} "
        self.sock.sendall(f"{tag}{command}\r\n".encode())
        lines: list[str] = []
        while not lines or not lines[-1].startswith(tag):
            lines.append(self.line())
        lines[-1] = lines[-1].removeprefix(tag)
        return lines

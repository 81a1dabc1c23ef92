"""`Commands`: what a client sends, command by command, with its literals (RFC 3501, section 7.5; RFC 7888)."""

from __future__ import annotations

import re
from typing import Literal

LINE = 64 << 10
"""Bytes of a command without its literals."""

SMALL = 4096
"""Bytes of a literal before the client has logged in."""

_ENDS_IN_LITERAL = re.compile(rb"~?\{(\d{1,20})(\+?)\}\r?\Z")

Asked = Literal["go on"]


class TooLongError(Exception):
    """More than there may be; `tag` is the command's."""

    def __init__(self, tag: str, text: str, *, ends: bool) -> None:
        super().__init__(text)
        self.tag = tag
        self.ends = ends
        """Whether what follows cannot be read any more."""


class Commands:
    """Collects one command after another."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._data = bytearray()
        self._looked = 0
        self._wanted = 0
        """Where the literal that comes ends, 0 if none does."""
        self._text = 0
        """Bytes of the command that belong to no literal."""
        self.trusted = False
        """Whether the client has logged in."""

    def __len__(self) -> int:
        return len(self._data)

    @property
    def wanted(self) -> int:
        """Bytes that belong to a literal which comes, and have to be read."""
        return self._wanted

    def add(self, data: bytes) -> None:
        """More has come."""
        self._data += data

    def forget(self) -> None:
        """Nothing has come."""
        self._data.clear()
        self._looked = self._wanted = self._text = 0

    def line(self) -> bytes | None:
        """The next line alone: what an exchange of SASL, or IDLE, is made of."""
        end = self._data.find(b"\n")
        if end < 0:
            if len(self._data) > LINE:
                raise TooLongError("*", "the line is too long", ends=True)
            return None
        line = bytes(self._data[:end]).removesuffix(b"\r")
        del self._data[: end + 1]
        return line

    def next(self) -> bytes | Asked | None:
        """The next command as a whole; `"go on"` where the client waits to be asked for a literal.

        Raises `TooLongError`.
        """
        while True:
            if self._wanted:
                if len(self._data) < self._wanted:
                    return None
                self._looked, self._wanted = self._wanted, 0
            end = self._data.find(b"\n", self._looked)
            if end < 0:
                if len(self._data) - self._looked + self._text > LINE:
                    raise TooLongError(self._tag(), "the command is too long", ends=True)
                return None
            part = bytes(self._data[self._looked : end])
            self._text += len(part)
            found = _ENDS_IN_LITERAL.search(part)
            if found is None:
                return self._whole(end)
            size, waits = int(found.group(1)), not found.group(2)
            most = self._largest if self.trusted else SMALL
            whole = end + 1 + size  # of many literals the sum is bounded, too
            if size > most or self._text > LINE or whole > most + LINE:
                tag = self._tag()
                if waits:  # it has not sent it yet, and does not (RFC 7888, section 4)
                    del self._data[: end + 1]
                    self._looked = self._text = 0
                raise TooLongError(tag, f"literals of more than {most} bytes", ends=not waits)
            self._looked = end + 1
            self._wanted = whole
            if waits:
                return "go on"

    def _whole(self, end: int) -> bytes:
        command = bytes(self._data[:end]).removesuffix(b"\r")
        del self._data[: end + 1]
        self._looked = self._text = 0
        return command

    def _tag(self) -> str:
        found = re.match(rb"[^ (){%*\"\\+\x00-\x1f\x7f]{1,100}", self._data)
        return found.group().decode("latin-1") if found is not None else "*"

"""`Lines`: what a client sends, line by line and within a limit."""

from __future__ import annotations

import enum


class Overlong(enum.Enum):
    """What stands for a line that is too long."""

    LINE = "a line that is too long"


class Lines:
    """The lines of one client. One that is too long is read to its end, and nothing of it is kept."""

    __slots__ = ("_at", "_data", "_looked", "_overlong")

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0
        self._looked = 0
        """Up to where there is no end of a line."""
        self._overlong = False

    def __len__(self) -> int:
        return len(self._data) - self._at

    def add(self, data: bytes) -> None:
        """More has come."""
        if self._at:
            del self._data[: self._at]
            self._looked -= self._at
            self._at = 0
        self._data += data

    def next(self, limit: int) -> bytes | Overlong | None:
        """The next line without its end; `None` if there is no whole one. With its CRLF it may have `limit` bytes."""
        end = self._data.find(b"\n", max(self._at, self._looked))
        if end < 0:
            self._looked = len(self._data)
            if len(self) >= limit:
                self._drop()
                self._overlong = True
            return None
        line = bytes(self._data[self._at : end])
        self._at = self._looked = end + 1
        if self._overlong or len(line) + 1 > limit:
            self._overlong = False
            return Overlong.LINE
        return line.removesuffix(b"\r")

    def begin_with(self, word: bytes) -> bool:
        """Whether the next line does, whatever its case."""
        return not self._overlong and self._data[self._at : self._at + len(word)].upper() == word

    def forget(self) -> None:
        """Nothing has come."""
        self._drop()
        self._overlong = False

    def _drop(self) -> None:
        self._data.clear()
        self._at = self._looked = 0

"""`Unread`: bytes that have come and that the server has not looked at yet."""

from __future__ import annotations


class Unread:
    """The bytes, in their order; what is read from the front is not copied about."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes = b"") -> None:
        self._data = data
        self._at = 0

    def __len__(self) -> int:
        return len(self._data) - self._at

    def add(self, data: bytes) -> None:
        """More has come."""
        self._data = self._data[self._at :] + data if len(self) else data
        self._at = 0

    def take(self, size: int | None = None) -> bytes:
        """Read that many, or all."""
        data = self._data[self._at : None if size is None else self._at + size]
        self._at += len(data)
        return data

    def push_back(self, size: int) -> None:
        """The last `size` bytes that were read have not been dealt with."""
        self._at -= size

    def cut(self, size: int) -> bytes:
        """Keep the first `size` bytes; gives what was behind them."""
        behind = self._data[self._at + size :]
        self._data = self._data[: self._at + size]
        return behind

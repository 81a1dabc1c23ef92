"""Fields of heads as hpack reads and writes them (RFC 7541), each block that comes again once.

What a block says depends on it and on the table that both ends keep. As long as that stays as it is, the same block is
the same fields, and most requests and answers of a connection are like the one before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hpack import Decoder, Encoder
from hpack.table import HeaderTable

KNOWN = 64
"""Blocks that are known at most."""

LONG = 4096
"""Bytes above which a block is not kept."""


class _Known(dict[Any, Any]):
    """What was read or written while the table was as it is."""

    def __init__(self) -> None:
        super().__init__()
        self._newest: object = None
        self._size = self._most = -1

    def look(self, table: HeaderTable) -> bool:
        """Whether the table is as it was when it was looked at last; else nothing is known any more."""
        entries = table.dynamic_entries
        newest = entries[0] if entries else None
        # An entry that comes to the table is a new object, though it may be equal to the one before.
        if newest is self._newest and len(entries) == self._size and table.maxsize == self._most:
            return True
        self._newest, self._size, self._most = newest, len(entries), table.maxsize
        self.clear()
        return False

    def keep(self, key: Any, value: Any) -> None:
        """Know it from now on."""
        if len(self) >= KNOWN:
            self.clear()
        self[key] = value


class FieldReader(Decoder):
    """Reads blocks."""

    def __init__(self) -> None:
        super().__init__()
        self._known = _Known()

    def decode(self, data: bytes, raw: bool = False) -> Iterable[Any]:  # hpack's own
        known = self._known
        if known.look(self.header_table) and (found := known.get(data)) is not None:
            return list(found)
        fields = list(super().decode(data, raw))
        if raw and known.look(self.header_table) and len(data) <= LONG:
            known.keep(bytes(data), fields)
        return fields


class FieldWriter(Encoder):
    """Writes them."""

    def __init__(self) -> None:
        super().__init__()
        self._known = _Known()

    def encode(self, headers: Any, huffman: bool = True) -> bytes:  # as above
        known, table = self._known, self.header_table
        key = tuple(headers)
        if known.look(table) and not table.resized and (found := known.get(key)) is not None:
            block: bytes = found
            return block
        resized = table.resized
        block = super().encode(key, huffman)
        if known.look(table) and not resized and huffman and len(block) <= LONG:
            known.keep(key, block)
        return block

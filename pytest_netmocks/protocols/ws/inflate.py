"""A decompressor for permessage-deflate that outlives a final block."""

from __future__ import annotations

import zlib

WINDOW = 1 << 15
"""Bytes that DEFLATE can refer back to (RFC 1951, section 2)."""


class Inflater:
    """As `zlib.decompressobj`, but after a block with BFINAL it goes on with the window (RFC 7692, section 7.2.3.4)."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._inner = zlib.decompressobj(wbits=wbits)
        self._window = b""

    @property
    def unconsumed_tail(self) -> bytes:
        """What is left since the limit was reached."""
        return self._inner.unconsumed_tail

    def decompress(self, data: bytes, limit: int = 0) -> bytes:
        """Decompress to at most `limit` bytes (0: any number). Raises `zlib.error`."""
        out = self._inner.decompress(data, limit)
        self._window = (self._window + out)[-WINDOW:]
        while self._inner.eof:
            rest = self._inner.unused_data
            self._inner = zlib.decompressobj(wbits=self._wbits, zdict=self._window)
            if not rest:
                break
            more = self._inner.decompress(rest, max(1, limit - len(out)) if limit else 0)
            self._window = (self._window + more)[-WINDOW:]
            out += more
        return out

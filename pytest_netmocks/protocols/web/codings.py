"""Content codings (RFC 9110, section 8.4.1): undone and applied, each by the library that is there for it."""

from __future__ import annotations

import functools
import gzip
import importlib
import importlib.util
import zlib
from collections.abc import Callable, Iterator
from typing import Any

_PIECE = 1 << 16
"""Bytes that are decoded at a time where there is a bound."""

_STEP = 16
"""Bytes that a decoder without a bound of its own is given at a time."""


class TooLongError(ValueError):
    """The decoded bytes are more than were allowed."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"it is longer than {limit} bytes when decoded")


def decode_all(header: str, body: bytes, limit: int | None = None) -> bytes:
    """Undo the codings of a Content-Encoding field, the last first.

    Raises `ValueError` if the body is not what the field says, for a coding that nobody here can undo, and
    `TooLongError` if it, or what is between two codings, is longer than `limit` bytes.
    """
    for coding in reversed(header.lower().split(",")):
        body = decode(coding.strip(), body, limit)
    return body


def decode(coding: str, body: bytes, limit: int | None = None) -> bytes:
    """Undo one coding, in lower case: `gzip`, `deflate`, `br` and `zstd` where there is a library; raises as above."""
    if coding in ("", "identity"):
        return body
    decoder = _DECODERS.get(coding)
    if decoder is None:
        raise ValueError(f"the body is {coding!r}, which nobody here can decode")
    if not body:
        return body  # of no bytes at all, whatever the field says
    try:
        return decoder(body, limit)
    except TooLongError:
        raise
    except ImportError as error:
        raise ValueError(f"the body is {coding}, and what decodes it is not installed: {error}") from None
    except Exception as error:  # noqa: BLE001  # each library has errors of its own
        raise ValueError(f"the body is no {coding}: {error}") from None


def encode(coding: str, body: bytes) -> bytes:
    """Apply a coding: `gzip`, `deflate`, `br` or `zstd`. Raises `ImportError` if there is no library for it."""
    if coding == "gzip":
        return gzip.compress(body, mtime=0)
    if coding == "deflate":
        return zlib.compress(body)
    if coding == "br":
        packed: bytes = _library("br").compress(body)
        return packed
    if coding == "zstd":
        packed = _library("zstd").compress(body)
        return packed
    raise ValueError(f"coding must be one of 'gzip', 'deflate', 'br', 'zstd', not {coding!r}")


@functools.cache
def available() -> tuple[str, ...]:
    """The codings that can be applied here, the preferred one first."""
    return ("gzip", "deflate", *(coding for coding, names in _LIBRARIES.items() if any(map(_is_there, names))))


_LIBRARIES = {
    "br": ("brotli", "brotlicffi"),
    "zstd": ("compression.zstd", "backports.zstd", "zstandard"),
}


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False


def _library(coding: str) -> Any:
    """The first library for the coding that is installed; raises `ImportError` if there is none."""
    names = _LIBRARIES[coding]
    for name in names:
        if _is_there(name):
            return importlib.import_module(name)
    raise ImportError(f"it needs one of {', '.join(names)}")


def _members(body: bytes, limit: int | None, make: Callable[[], Any], padding: bytes | None = None) -> bytes:
    """Decode streams that follow each other, by decoders in the manner of `zlib.decompressobj`.

    Without `padding`, the byte that may stand between them, there is one stream and nothing after it.
    """
    pieces: list[bytes] = []
    size = at = 0
    while at < len(body):
        decoder = make()
        while not decoder.eof:
            # A piece at a time: what a decoder leaves it copies, and there may be many that leave all.
            given = body[at : at + _PIECE]
            if not given:
                raise ValueError("it is cut off")
            at += len(given)
            piece = decoder.decompress(given) if limit is None else decoder.decompress(given, limit - size + 1)
            size += len(piece)
            if limit is not None and size > limit:
                raise TooLongError(limit)
            pieces.append(piece)
        at -= len(decoder.unused_data)
        if at < len(body) and padding is None:
            raise ValueError(f"{len(body) - at} bytes come after its end")
        while padding and body[at : at + 1] == padding:
            at += 1
    return b"".join(pieces)


def _gzip(body: bytes, limit: int | None) -> bytes:
    # Zeros may pad the last member, as for the program of that name.
    return _members(body, limit, lambda: zlib.decompressobj(16 + zlib.MAX_WBITS), b"\0")


def _deflate(body: bytes, limit: int | None) -> bytes:
    try:
        return _members(body, limit, zlib.decompressobj)
    except zlib.error:  # what many send by that name
        return _members(body, limit, lambda: zlib.decompressobj(-zlib.MAX_WBITS))


def _brotli(body: bytes, limit: int | None) -> bytes:
    library = _library("br")
    decoder = library.Decompressor()
    pieces: list[bytes] = []
    size = 0
    for piece in [decoder.process(body)] if limit is None else _bounded(decoder, body):
        pieces.append(piece)
        size += len(piece)
        if limit is not None and size > limit:
            raise TooLongError(limit)
    if not decoder.is_finished():
        raise ValueError("it is cut off")
    return b"".join(pieces)


def _bounded(decoder: Any, body: bytes) -> Iterator[bytes]:
    """What a brotli decoder gives, a little at a time."""
    try:
        yield decoder.process(body, output_buffer_limit=_PIECE)
    except TypeError:  # brotli before 1.2 has no such bound: at most 16 MB can come of so little
        for at in range(0, len(body), _STEP):
            yield decoder.process(body[at : at + _STEP])
        return
    while not decoder.is_finished() and not decoder.can_accept_more_data():
        yield decoder.process(b"", output_buffer_limit=_PIECE)


def _zstd(body: bytes, limit: int | None) -> bytes:
    library = _library("zstd")
    if library.__name__ != "zstandard":
        return _members(body, limit, library.ZstdDecompressor, b"")
    if limit is not None:
        # This library's decoder that tells the end of a frame has no bound: its reader has one.
        size = 0
        with library.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
            while piece := reader.read(_PIECE):
                size += len(piece)
                if size > limit:
                    raise TooLongError(limit)
    return _members(body, None, lambda: library.ZstdDecompressor().decompressobj(), b"")


_DECODERS: dict[str, Callable[[bytes, int | None], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}

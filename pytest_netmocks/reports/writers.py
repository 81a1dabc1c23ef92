"""The files that a recording can be written as: a line for each kind."""

from __future__ import annotations

import importlib
import os
import pathlib
import threading
from collections.abc import Callable, Sequence

from pytest_netmocks.reports.recording import Recording

WRITERS = {
    ".har": ("pytest_netmocks.reports.har", "an archive of HTTP and WebSocket"),
    ".html": ("pytest_netmocks.reports.page", "a page for the browser"),
    ".pcapng": ("pytest_netmocks.reports.pcapng", "a capture for Wireshark"),
    ".jsonl": ("pytest_netmocks.reports.jsonl", "JSON lines, an event each"),
}
"""By suffix: the module whose `write` makes the bytes of recordings, and what they are."""


def writer(path: str | os.PathLike[str]) -> Callable[[Sequence[Recording]], bytes]:
    """What writes such a file. Raises `ValueError` if nobody does."""
    suffix = pathlib.Path(path).suffix.lower()
    if suffix not in WRITERS:
        known = ", ".join(f"{name} ({what})" for name, (_, what) in WRITERS.items())
        raise ValueError(f"path must end in one of {known}, not {os.fspath(path)!r}")
    write: Callable[[Sequence[Recording]], bytes] = importlib.import_module(WRITERS[suffix][0]).write
    return write


def save(path: str | os.PathLike[str], recordings: Sequence[Recording]) -> None:
    """Write the recordings there; folders on the way are made.

    Raises `ValueError` for a suffix that nobody writes, `OSError` where the file cannot be written: then what was there
    is as it was.
    """
    write = writer(path)
    put(pathlib.Path(path), write(recordings))


def put(path: pathlib.Path, data: bytes) -> None:
    """Write a file as a whole or not at all: beside its place, then there."""
    place = pathlib.Path(os.path.realpath(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists() and not place.is_file():
        place.write_bytes(data)  # a pipe or a device is not to be replaced
        return
    beside = place.with_name(f".{place.name[:100]}.{os.getpid()}-{threading.get_ident()}")
    try:
        beside.write_bytes(data)
        beside.replace(place)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise

"""The files that recordings can be read from: a line for each kind."""

from __future__ import annotations

import importlib
import os
import pathlib
from collections.abc import Callable

from pytest_netmocks.reports.recording import Recording

READERS = {
    ".har": "pytest_netmocks.reports.har",
    ".jsonl": "pytest_netmocks.reports.jsonl",
    ".pcapng": "pytest_netmocks.reports.pcapng_read",
}
"""By suffix: the module whose `read` makes recordings of bytes."""

MISSHAPEN = (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What a file leads to that is none of ours: it may be of any shape."""


def read(path: str | os.PathLike[str]) -> list[Recording]:
    """The recordings of a file.

    Raises `OSError` for one that cannot be read, `ValueError` for one that nobody knows or that is not what it says.
    """
    suffix = pathlib.Path(path).suffix.lower()
    if suffix not in READERS:
        raise ValueError(f"its name must end in one of {', '.join(READERS)}")
    data = pathlib.Path(path).read_bytes()
    reader: Callable[[bytes], list[Recording]] = importlib.import_module(READERS[suffix]).read
    try:
        recordings = reader(data)
    except MISSHAPEN as error:
        raise ValueError(f"it is no {suffix[1:]} file that can be read: {type(error).__name__}: {error}") from None
    for recording in recordings:
        recording.title = recording.title or pathlib.Path(path).name
    return recordings

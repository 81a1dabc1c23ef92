"""The libraries' loggers say nothing of what servers do: the timeline is the servers' log, the user's is the user's.

Levels and handlers stay as they are, and what the same libraries do elsewhere in the process is logged as ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterator

NOBODY = logging.Logger("nobody", logging.CRITICAL + 1)
"""For the libraries that take a logger."""

_here = threading.local()


def _is_heard(record: logging.LogRecord) -> bool:
    return not getattr(_here, "is_quiet", False)


def silence(*names: str) -> None:
    """Let loggers of these names say nothing in threads that are quiet."""
    for name in names:
        logging.getLogger(name).addFilter(_is_heard)


def be_quiet() -> None:
    """Make the calling thread, which is a loop's, a quiet one."""
    _here.is_quiet = True


def end_is_known(protocol: asyncio.StreamReaderProtocol) -> None:
    """Let asyncio not tell of the error that a connection ended with when its streams are collected.

    They see to that themselves, but of garbage in a circle the future that nobody asked may be collected before them.
    """
    closed = getattr(protocol, "_closed", None)
    if closed is not None and closed.done() and not closed.cancelled():
        closed.exception()


@contextlib.contextmanager
def silent(name: str) -> Iterator[None]:
    """Let the logger of that name say nothing of what is done here and now."""
    logger = logging.getLogger(name)
    logger.addFilter(_is_heard)
    before, _here.is_quiet = getattr(_here, "is_quiet", False), True
    try:
        yield
    finally:
        _here.is_quiet = before
        logger.removeFilter(_is_heard)

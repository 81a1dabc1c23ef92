"""`Directory`: where an authority keeps its files, which are gone at the end.

A process that is killed removes nothing: the next one that needs a directory does it for it. Whether its owner is
alive a lock says, which the kernel gives back with the process, see flock(2).
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile
import threading

PREFIX = "netmocks-tls-"

OWNER = "owner"
"""The file that the owner of a directory has locked."""


class Directory:
    """A fresh directory that is the user's alone."""

    def __init__(self) -> None:
        sweep()
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
        self._owner = os.getpid()
        self._lock: int | None = None
        try:
            self._take()
        except BaseException:
            self.close()
            raise

    def write(self, name: str, data: bytes) -> str:
        """Put a file there, whole or not at all: somebody may be reading the one that it replaces. Gives its path.

        Raises an `OSError` that names the path; nothing is left of the file then.
        """
        path = self.path / name
        part = path.with_name(f"{name}.{threading.get_ident()}")
        try:
            with open(
                os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb"
            ) as file:
                file.write(data)
            part.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            raise type(error)(error.errno, error.strerror, str(path)) from None
        return str(path)

    def _take(self) -> None:
        try:
            import fcntl
        except ImportError:  # on Windows a process that was killed leaves its files
            return
        # Under its name it is not there before it is locked: nobody takes it for one whose owner has died.
        coming = self.path / f"{OWNER}.coming"
        self._lock = os.open(coming, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            coming.replace(self.path / OWNER)

    def close(self) -> None:
        """Remove it with all that is in it; in a forked child it is the parent's and stays."""
        if self._owner != os.getpid():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def sweep() -> None:
    """Remove the directories whose owners have died."""
    try:
        import fcntl
    except ImportError:
        return
    for found in pathlib.Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{OWNER}"):
        with contextlib.suppress(OSError):  # another user's, or another process has just removed it
            lock = os.open(found, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(found.parent, ignore_errors=True)
            finally:
                os.close(lock)

"""What pyftpdlib does with files and their names, where its own way would harm the test's process or lose an answer.

Names are text to Python and bytes to clients and disk. What the session's encoding cannot read becomes lone surrogates,
as in `os.fsdecode()`, and goes back as the bytes that it was.
"""

from __future__ import annotations

import codecs
import errno
import os
import stat
import tempfile
from collections.abc import Callable
from typing import Any

from pyftpdlib.filesystems import AbstractedFS  # type: ignore[import-untyped]

from pytest_netmocks import check

REVERSIBLE = "netmocks-reversible"
"""How characters that an encoding does not have are dealt with: for `encode` and `decode`."""

CODES = {
    errno.ENOSPC: 452,
    errno.EDQUOT: 552,
    errno.EFBIG: 552,
    errno.EIO: 451,
    errno.EMFILE: 451,
    errno.ENFILE: 451,
    errno.ENOMEM: 451,
}
"""Codes for what is wrong with this machine, not with the client's command (RFC 959, section 4.2)."""


def _reversible(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError):
        text = error.object[error.start : error.end]
        # A character that a listing has and the encoding has not is no reason to have no listing.
        return b"".join(bytes([ord(c) - 0xDC00]) if 0xDC80 <= ord(c) <= 0xDCFF else b"?" for c in text), error.end
    return codecs.lookup_error("surrogateescape")(error)


codecs.register_error(REVERSIBLE, _reversible)


def check_encoding(name: str, encoding: object) -> None:
    """Refuse what has no ASCII, in which FTP's commands are."""
    check.instance(name, encoding, str, "the name of an encoding")
    word = str(encoding)
    try:
        fits = "RETR\r\n".encode(word) == b"RETR\r\n" and b"RETR\r\n".decode(word) == "RETR\r\n"
    except (LookupError, UnicodeError):
        fits = False
    if not fits:
        raise ValueError(f"{name} must be one that has ASCII in it, such as 'utf-8' or 'latin-1', not {encoding!r}")


def sorry(error: OSError) -> str:
    """The reply for an error of the machine's, with its reason."""
    number = error.errno or errno.EIO
    return f"{CODES.get(number, 451)} {os.strerror(number)}"


class LocalError(Exception):
    """An error of the machine's, past pyftpdlib, for which all errors are 550; its text is the reply."""


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)  # a FIFO would keep the loop waiting


class Files(AbstractedFS):  # type: ignore[misc]  # pyftpdlib has no types
    """The files below a server's root."""

    def open(self, filename: str, mode: str) -> Any:
        return self._local(open, filename, mode, opener=_open_at_once)

    def mkstemp(self, suffix: str = "", prefix: str = "", dir: str | None = None, mode: str = "wb") -> Any:
        # The library's would set the process's `tempfile.TMP_MAX`.
        return self._local(tempfile.NamedTemporaryFile, mode, suffix=suffix, prefix=prefix, dir=dir, delete=False)

    def chdir(self, path: str) -> None:
        # The library's would take the whole process there and back, while the test opens files of its own.
        if not stat.S_ISDIR(os.stat(path).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(path, os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self.cwd = self.fs2ftp(path)

    def mkdir(self, path: str) -> None:
        self._local(super().mkdir, path)

    def rename(self, src: str, dst: str) -> None:
        self._local(super().rename, src, dst)

    def listdir(self, path: str) -> Any:
        return self._local(super().listdir, path)

    @staticmethod
    def _local(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return call(*arguments, **options)
        except OSError as error:
            if error.errno in CODES:
                raise LocalError(f"{sorry(error)}.") from error
            raise

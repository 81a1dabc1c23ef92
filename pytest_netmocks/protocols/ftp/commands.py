"""The commands that pyftpdlib has otherwise than they are wanted here."""

from __future__ import annotations

import datetime
import os
from typing import Any

from pytest_netmocks.protocols.ftp.desk import FtpDesk
from pytest_netmocks.protocols.ftp.records import FtpConnection

MFMT = "%Y%m%d%H%M%S"
"""How times are written (RFC 3659, section 2.3)."""


class FileCommands:
    """The part of a session that does things to files and to who may."""

    fs: Any
    respond: Any
    username: str
    attempted_logins: int
    max_login_attempts: int
    close_when_done: Any
    desk: FtpDesk
    connection: FtpConnection

    def handle_auth_failed(self, message: str, password: str) -> None:
        """As the library, but now: in its own time it would answer what was asked after before it."""
        self.username = ""
        self.attempted_logins += 1
        self.desk.login_failed(self.connection)
        enough = self.attempted_logins >= self.max_login_attempts
        self.respond(f"530 {message}{' Disconnecting.' if enough else ''}")
        if enough:
            self.close_when_done()

    def ftp_CWD(self, path: str) -> None:  # noqa: N802  # pyftpdlib's names
        """As the library, which asks for the process's own directory; that may be gone."""
        try:
            self.fs.chdir(path)
        except OSError as error:
            self.respond(f"550 {os.strerror(error.errno or 0)}.")
        else:
            cwd = self.fs.cwd.replace('"', '""')
            self.respond(f'250 "{cwd}" is the current directory.')

    def ftp_STOU(self, line: str) -> None:  # noqa: N802
        """As the library, which forgets to look where a link leads."""
        folder = self.fs.ftp2fs(line).rpartition("/")[0] or "/" if line else self.fs.ftp2fs(self.fs.cwd)
        if not self.fs.validpath(folder):
            self.respond("550 That is outside of the root directory.")
            return
        super().ftp_STOU(line)  # type: ignore[misc]  # the library's, which comes after this

    def ftp_MFMT(self, path: str, timeval: str) -> None:  # noqa: N802
        """Set a file's time, in UTC (draft-somers-ftp-mfxx, section 3); the library's way is deprecated in Python."""
        line = self.fs.fs2ftp(path)
        try:
            if len(timeval) != len("YYYYMMDDHHMMSS"):
                raise ValueError(timeval)
            at = datetime.datetime.strptime(timeval, MFMT).replace(tzinfo=datetime.UTC)
        except ValueError:
            self.respond("550 Invalid time format; expected: YYYYMMDDHHMMSS.")
            return
        if not self.fs.isfile(self.fs.realpath(path)):
            self.respond(f"550 {line} is not retrievable")
            return
        try:
            self.fs.utime(path, at.timestamp())
        except (OSError, OverflowError, ValueError) as error:
            self.respond(f"550 {error.strerror if isinstance(error, OSError) else error}.")
        else:
            self.respond(f"213 Modify={timeval}; {line}.")

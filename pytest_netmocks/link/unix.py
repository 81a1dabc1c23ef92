"""UNIX sockets: the path that a server listens on, and what the kernel does otherwise there than with a port.

A path is taken by bind(2), which makes a file, and is given back by removing the file, as long as it is ours. A socket
of this kind that has stopped listening never listens again: to refuse for a while another one takes the path, at once,
by rename(2). See unix(7).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable

from pytest_netmocks import check
from pytest_netmocks.link import kernel
from pytest_netmocks.link.listener import Listener
from pytest_netmocks.records.addresses import Address, unix_address

LONGEST = 106 if kernel.LINUX else 102
"""Bytes of a path: `sun_path` has 108 on Linux and 104 elsewhere, its NUL included, and one is for `BESIDE`."""

BESIDE = "~"
"""What is put behind the path for the name of the socket that is about to take its place."""

MODE = 0o600
"""Who may connect: only the user that the tests run as."""


def check_path(name: str, path: object) -> str:
    """The absolute path of a UNIX socket. Raises `TypeError` or `ValueError` that names the argument."""
    check.instance(name, path, (str, os.PathLike), "the path of a UNIX socket")
    assert isinstance(path, str | os.PathLike)
    text: str = os.fspath(path)
    check.instance(name, text, str, "the path of a UNIX socket")
    if not hasattr(socket, "AF_UNIX"):
        raise ValueError(f"{name} is for UNIX sockets, which Python has none of on this system: leave {text!r} out")
    if not text or "\0" in text:
        raise ValueError(f"{name} must be the path of a UNIX socket, not {text!r}")
    full = os.path.abspath(text)
    size = len(os.fsencode(full))
    if size > LONGEST:
        import tempfile  # only for a message

        raise ValueError(
            f"{name} must have at most {LONGEST} bytes, for that is the room that a UNIX socket's address has, and "
            f"{full!r} has {size}: take a shorter directory, such as a tempfile.mkdtemp() in {tempfile.gettempdir()}"
        )
    return full


class UnixListener(Listener):
    """One listening UNIX socket, by its path."""

    def __init__(
        self,
        path: str,
        accepted: Callable[[socket.socket, Address], None],
        exhausted: Callable[[OSError], None],
    ) -> None:
        self.path = path
        self._process = os.getpid()

        def named(sock: socket.socket, address: object) -> None:
            accepted(sock, unix_address(_text(address)))

        super().__init__(path, 0, named, exhausted)

    def _take(self, host: str, port: int) -> socket.socket:
        try:
            sock = _bound(self.path)
        except OSError as error:
            raise kernel.named(_explained(error, self.path), f"cannot listen on {self.path}") from None
        self._file = _file(self.path)
        return sock

    @property
    def where(self) -> str:
        """The path, for errors."""
        return self.path

    def _refuse(self) -> None:
        """Give the path to a socket that does not listen."""
        if _file(self.path) not in (self._file, None):
            raise OSError(errno.EADDRINUSE, "something else has been put in its place")
        beside = self.path + BESIDE
        try:
            fresh = _bound(beside)
        except OSError as error:
            raise kernel.named(_explained(error, beside), f"cannot make {beside}") from None
        try:
            os.rename(beside, self.path)
        except OSError:
            fresh.close()
            os.unlink(beside)
            raise
        self._socket.close()
        self._socket = fresh
        self._file = _file(self.path)

    def _fill(self) -> socket.socket:
        return kernel.fill_backlog(self._socket, self.path)

    def abandon(self) -> None:
        """Close the descriptors; the path is given back by the process that has taken it."""
        # As long as the socket is open, no other file has its inode.
        if self._socket.fileno() >= 0 and os.getpid() == self._process and _file(self.path) == self._file:
            with contextlib.suppress(OSError):  # the directory has become read-only
                os.unlink(self.path)
        super().abandon()


def _bound(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.bind(path)
        os.chmod(path, MODE)  # before it listens, so that nobody has come meanwhile
    except BaseException:
        sock.close()
        raise
    return sock


def _file(path: str) -> tuple[int, int] | None:
    """Which file is there."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _explained(error: OSError, path: str) -> OSError:
    """The same error, and what is in the way."""
    if error.errno != errno.EADDRINUSE:
        return error
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return error
    what = (
        "a socket is there already, of a server that listens, or left behind by one that has gone: then remove it"
        if stat.S_ISSOCK(mode)
        else "something else is there already, which is left alone"
    )
    return OSError(error.errno, what)


def _text(address: object) -> str:
    """The address of a client's end as text; most have none. Abstract ones are shown as ss(8) does."""
    if isinstance(address, bytes):
        return os.fsdecode(address.replace(b"\0", b"@"))
    return str(address or "")

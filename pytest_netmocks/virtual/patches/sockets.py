"""The blocking calls of sockets: the kernel is asked without waiting, and the waiting is the clock's."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from pytest_netmocks.link import kernel
from pytest_netmocks.link import loop as loops
from pytest_netmocks.link.calls import BASE
from pytest_netmocks.virtual import clock
from pytest_netmocks.virtual.alarm import IN, OUT

READS = ("recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into", "_accept")

ALL = getattr(socket, "MSG_WAITALL", 0)
"""The flag of who wants as much as he asks for, see recv(2); one whose socket has a time-out gets what there is."""

FAMILY_OF_PATHS = getattr(socket, "AF_UNIX", None)
"""Where a connect that does not block fails at once if nobody accepts, see EAGAIN in unix(7)."""

_lent: dict[int, list[Any]] = {}
"""Sockets that do not block just now because a call here lets them not: how many calls, their own time-out, and the
socket itself, so that no other has its identity meanwhile."""

_lending = threading.Lock()


def timed(sock: socket.socket) -> tuple[clock.VirtualClock, float | None] | None:
    """The clock and the time-out by which a call on the socket waits; `None` if it is the real thing's business."""
    running = clock.here()
    if running is None or sock.fileno() < 0:
        return None
    timeout = sock.gettimeout()
    return None if timeout == 0 else (running, timeout)


@contextlib.contextmanager
def unblocked(sock: socket.socket, timeout: float | None) -> Iterator[None]:
    """Let the socket not block here; to others, and in other threads, it has the time-out that it had."""
    key = id(sock)
    with _lending:
        lent = _lent.setdefault(key, [0, timeout, sock])
        lent[0] += 1
    try:
        BASE.settimeout(sock, 0)  # which fails where it is closed at this moment
        yield
    finally:
        with _lending:
            lent[0] -= 1
            if not lent[0]:
                del _lent[key]
                with contextlib.suppress(OSError):
                    BASE.settimeout(sock, lent[1])


def gettimeout(self: socket.socket) -> float | None:
    """The time-out that the socket's owner gave it."""
    lent = _lent.get(id(self)) if _lent else None
    timeout: float | None = lent[1] if lent is not None else BASE.gettimeout(self)
    return timeout


def settimeout(self: socket.socket, value: float | None) -> None:
    """Set it; while a call goes on, for afterwards."""
    if _lent:
        with _lending:
            lent = _lent.get(id(self))
            if lent is not None and value != 0:
                lent[1] = value
                return
    BASE.settimeout(self, value)


def setblocking(self: socket.socket, flag: bool) -> None:
    """As `settimeout`, with None or 0."""
    settimeout(self, None if flag else 0)


def peer_of(sock: socket.socket) -> str:
    """Whom a socket is connected with, in words."""
    try:
        return f"a socket to {sock.getpeername()}"
    except OSError:
        return "a socket"


def _of(sock: socket.socket, name: str) -> Callable[[], str]:
    return lambda: f"{name}() of {peer_of(sock)}"


def _waits(name: str) -> Any:
    real = getattr(BASE, name)

    @functools.wraps(real)
    def method(self: socket.socket, *args: Any, **kwargs: Any) -> Any:
        by = timed(self)
        if by is not None and not by[0].wait_for([(self.fileno(), IN)], by[1], _of(self, name)):
            raise TimeoutError("timed out")
        return real(self, *args, **kwargs)

    return method


def recv(self: socket.socket, size: int, flags: int = 0, /) -> bytes:
    """recv(2)"""
    running = _who_waits_for_all(self, flags)
    if running is None:
        data: bytes = _recv(self, size, flags)
        return data
    buffer = bytearray(size)
    with memoryview(buffer) as octets:
        got = _read_all(self, running, octets, flags, "recv")
    return bytes(buffer[:got])


def recv_into(self: socket.socket, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
    """recv(2), into a buffer."""
    running = _who_waits_for_all(self, flags)
    if running is None:
        return int(_recv_into(self, buffer, nbytes, flags))
    with memoryview(buffer) as view, view.cast("B") as octets:
        return _read_all(self, running, octets[: nbytes or len(octets)], flags, "recv_into")


_recv, _recv_into = _waits("recv"), _waits("recv_into")


def _who_waits_for_all(sock: socket.socket, flags: int) -> clock.VirtualClock | None:
    """The clock of a call for which the kernel would wait until all is there that is asked for."""
    if not flags & ALL or flags & socket.MSG_PEEK or sock.type != socket.SOCK_STREAM:
        return None
    by = timed(sock)
    return by[0] if by is not None and by[1] is None else None


def _read_all(sock: socket.socket, running: clock.VirtualClock, octets: memoryview, flags: int, name: str) -> int:
    """Read until it is full or nothing more will come; gives how many bytes it has."""
    got = 0
    while got < len(octets):
        running.wait_for([(sock.fileno(), IN)], None, _of(sock, name))
        if got and _holds_an_error(sock):
            break  # which is for the next call
        more = int(BASE.recv_into(sock, octets[got:], 0, flags & ~ALL))
        if not more:
            break
        got += more
    return got


def _holds_an_error(sock: socket.socket) -> bool:
    """Whether the next call is to fail: nothing is left to be read, and the connection has failed."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    found = poll.poll(0)
    return bool(found and found[0][1] & select.POLLERR) and not kernel.unread(sock)


def _left(running: clock.VirtualClock, deadline: float | None) -> float | None:
    return None if deadline is None else deadline - running.now()


def send(self: socket.socket, data: Any, flags: int = 0, /) -> int:
    """send(2)"""
    return _send_to(self, None, "send", (data, flags))


def _send(
    sock: socket.socket,
    name: str,
    args: tuple[Any, ...],
    running: clock.VirtualClock,
    timeout: float | None,
    deadline: float | None,
) -> int:
    real = getattr(BASE, name)
    if timeout is not None:  # to the kernel it does not block
        if not running.wait_for([(sock.fileno(), OUT)], _left(running, deadline), _of(sock, name)):
            raise TimeoutError("timed out")
        return int(real(sock, *args))
    with unblocked(sock, timeout):
        while True:
            try:
                return int(real(sock, *args))
            except BlockingIOError:
                running.wait_for([(sock.fileno(), OUT)], None, _of(sock, name))


def sendall(self: socket.socket, data: Any, flags: int = 0, /) -> None:
    """All of it, within one time-out."""
    by = timed(self)
    if by is None:
        BASE.sendall(self, data, flags)
        return
    running, timeout = by
    deadline = None if timeout is None else running.now() + timeout
    with memoryview(data) as view, view.cast("B") as octets:
        sent = 0
        while sent < len(octets):
            sent += _send(self, "send", (octets[sent:], flags), running, timeout, deadline)


def sendto(self: socket.socket, *args: Any) -> int:
    """sendto(2); who sends there is going to wait for an answer from there."""
    return _send_to(self, args[-1], "sendto", args)


def sendmsg(self: socket.socket, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None, /) -> int:
    """sendmsg(2), to an address as `sendto`."""
    return _send_to(self, address, "sendmsg", (buffers, ancdata, flags, address))


def _send_to(sock: socket.socket, address: Any, name: str, args: tuple[Any, ...]) -> int:
    running = clock.here()
    if running is not None and address is not None and sock.fileno() >= 0:
        running.ends.speaks_to(sock, address)
    by = timed(sock)
    if by is None:
        return int(getattr(BASE, name)(sock, *args))
    clocked, timeout = by
    return _send(sock, name, args, clocked, timeout, None if timeout is None else clocked.now() + timeout)


def connect(self: socket.socket, address: Any, /) -> None:
    """connect(2)"""
    by = timed(self)
    if by is None:
        BASE.connect(self, address)
        return
    code = _connect(self, address, *by)
    if code == errno.EAGAIN and by[1] is not None and self.family != FAMILY_OF_PATHS:
        raise TimeoutError("timed out")
    if code:
        raise OSError(code, os.strerror(code))


def connect_ex(self: socket.socket, address: Any, /) -> int:
    """As `connect`; gives the error's number."""
    by = timed(self)
    return int(BASE.connect_ex(self, address)) if by is None else _connect(self, address, *by)


def _connect(sock: socket.socket, address: Any, running: clock.VirtualClock, timeout: float | None) -> int:
    with unblocked(sock, timeout):
        code = int(BASE.connect_ex(sock, address))
        if code == errno.EINPROGRESS:
            if not running.wait_for([(sock.fileno(), OUT)], timeout, f"connect() to {address}"):
                return errno.EAGAIN
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if not code:
        loops.settle()  # a sleep that begins now would end before a server that is slow to accept says "opened"
    return code


CALLS = {method.__name__: method for method in (connect, connect_ex, sendto, sendmsg) if hasattr(BASE, method.__name__)}
"""Those that names may stand before, see `link.calls`."""


def patches() -> Iterator[tuple[object, str, object]]:
    """All others; they stand in the class in Python, before those of the class in C."""
    for name in READS:
        if hasattr(BASE, name):
            yield socket.socket, name, _waits(name)
    for method in (recv, recv_into, send, sendall, gettimeout, settimeout, setblocking):
        yield socket.socket, method.__name__, method

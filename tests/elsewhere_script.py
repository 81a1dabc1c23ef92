"""A program that takes from Python what other systems have not, then uses servers: see `test_elsewhere.py`.

What it takes is what CPython leaves out there, and what sockets of theirs do otherwise. `sys.argv[1]` is the system.
"""

from __future__ import annotations

import asyncio
import errno
import ftplib
import os
import pathlib
import select
import selectors
import signal
import smtplib
import socket
import ssl
import sys
import sysconfig
import tempfile
import urllib.request
import weakref
from collections.abc import Callable
from typing import Any

SYSTEM = sys.argv[1]

Selectors: Any = selectors
Sockets: Any = socket
Ssl: Any = ssl
Socket: Any = socket.socket

LINUX_ALONE = {
    select: ["epoll", "EPOLLIN", "EPOLLOUT", "EPOLLET", "EPOLLRDHUP", "POLLRDHUP"],
    selectors: ["EpollSelector"],
    socket: ["TCP_CORK", "TCP_INFO", "AF_NETLINK", "SO_PEERCRED", "SO_DOMAIN"],
    os: ["eventfd", "memfd_create", "pidfd_open"],
}
POSIX_ALONE = {
    select: ["poll", "POLLIN", "POLLOUT"],
    selectors: ["PollSelector"],
    socket: ["AF_UNIX", "MSG_DONTWAIT"],
    os: ["fork", "forkpty", "posix_spawn", "posix_spawnp", "register_at_fork", "waitid", "geteuid", "getuid"],
    signal: ["SIGHUP", "SIGKILL", "pthread_kill"],
}
NO_MODULES = ["fcntl", "termios", "resource", "pwd", "grp"]


def over_loopback() -> tuple[socket.socket, socket.socket]:
    """What `socket.socketpair` is on Windows."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        near = socket.create_connection(listener.getsockname())
        return near, listener.accept()[0]


def take_away() -> None:
    """Leave what the system has."""
    parts = [LINUX_ALONE, POSIX_ALONE] if SYSTEM == "win32" else [LINUX_ALONE]
    for part in parts:
        for module, names in part.items():
            for name in names:
                if hasattr(module, name):
                    delattr(module, name)
    if SYSTEM == "win32":
        for name in NO_MODULES:
            sys.modules[name] = None  # type: ignore[assignment]  # an import of it is an ImportError
        Sockets.socketpair = over_loopback
        Socket.recvmsg = Socket.sendmsg = None
        Ssl.enum_certificates = lambda store: []
    sysconfig.get_config_vars()  # which are of this system, and kept
    Selectors.DefaultSelector = selectors.SelectSelector
    sys.platform = SYSTEM


BOUND: weakref.WeakSet[socket.socket] = weakref.WeakSet()
bind, shutdown, setsockopt = Socket.bind, Socket.shutdown, Socket.setsockopt


def strict_bind(self: socket.socket, address: object) -> None:
    """Two sockets bound alike are refused, whatever SO_REUSEADDR says."""
    for other in list(BOUND):
        if other.fileno() >= 0 and other.type == self.type and other.getsockname() == address:
            raise OSError(errno.EADDRINUSE, "Address already in use")
    if SYSTEM == "win32":  # where connections that have ended keep nobody from a port
        setsockopt(self, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bind(self, address)
    BOUND.add(self)


def strict_shutdown(self: socket.socket, how: int) -> None:
    """A socket that listens goes on listening."""
    if self.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise OSError(errno.ENOTCONN, "Socket is not connected")
    shutdown(self, how)


def strict_setsockopt(self: socket.socket, *arguments: object) -> None:
    """On Windows SO_REUSEADDR would be to take others' ports."""
    assert arguments[:2] != (socket.SOL_SOCKET, socket.SO_REUSEADDR) or SYSTEM != "win32"
    setsockopt(self, *arguments)


take_away()
Socket.bind = strict_bind
Socket.shutdown = strict_shutdown
Socket.setsockopt = strict_setsockopt

import pytest_netmocks  # noqa: E402  # it has to find the system as it is now
from pytest_netmocks.faults import Close, Refuse, Reset, Unreachable  # noqa: E402
from pytest_netmocks.link import kernel  # noqa: E402

kernel.WINDOWS = SYSTEM == "win32"


def ask(
    server: pytest_netmocks.TcpServer | pytest_netmocks.TcpProxy, data: bytes = b"hello", timeout: float = 10
) -> bytes:
    with socket.create_connection(server.address, timeout=timeout) as sock:
        sock.sendall(data)
        answer = b""
        while len(answer) < len(data) and (piece := sock.recv(100)):
            answer += piece
        return answer


def expect(error: type[Exception], call: Callable[[], object], words: str = "") -> None:
    try:
        call()
    except error as found:
        assert words in str(found), found
    else:
        raise AssertionError(f"no {error.__name__}")


with pytest_netmocks.tcp() as server:
    assert ask(server) == b"hello"
    for _ in range(2):
        port = server.port
        server.stop()
        expect(ConnectionRefusedError, lambda: ask(server))
        server.start()
        assert (server.port, ask(server)) == (port, b"hello")
    with server.inject(Refuse()):
        expect(ConnectionRefusedError, lambda: ask(server))
    assert ask(server) == b"hello"
    expect(OSError, lambda: server.inject(Unreachable()), "needs Linux's accept queue; use Refuse or Blackhole")
    assert ask(server) == b"hello"
    with server.inject(Close(after_bytes=2)):
        assert ask(server) == b"he"
    with server.inject(Reset(after_bytes=0)):
        expect(ConnectionResetError, lambda: ask(server))
    with pytest_netmocks.tcp_proxy(server) as proxy:
        assert ask(proxy) == b"hello"
    with pytest_netmocks.tls() as tls:
        sock = socket.create_connection(tls.address, timeout=10)
        with tls.client_context().wrap_socket(sock, server_hostname="localhost") as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"

with pytest_netmocks.http() as http:
    http.when("/x").reply(text="there")
    assert urllib.request.urlopen(http.url_for("/x"), timeout=10).read() == b"there"

with pytest_netmocks.smtp() as smtp, smtplib.SMTP(*smtp.address, timeout=10) as mail:
    mail.sendmail("a@example.com", ["b@example.com"], "Subject: x\r\n\r\nhello\r\n")
    assert smtp.messages[0]["Subject"] == "x"

with pytest_netmocks.ftp() as ftp, ftplib.FTP() as files:
    files.connect(*ftp.address, timeout=10)
    files.login()
    (ftp.root / "a").write_bytes(b"here")
    assert files.nlst() == ["a"]

with pytest_netmocks.udp() as udp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.settimeout(10)
    for _ in range(2):
        sock.sendto(b"x", udp.address)
        assert sock.recv(10) == b"x"
        udp.stop()
        udp.start()


async def with_asyncio() -> bytes:
    async with pytest_netmocks.tcp() as server:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"y")
        answer = await reader.readexactly(1)
        writer.close()
        return answer


assert asyncio.run(with_asyncio()) == b"y"

with pytest_netmocks.virtual_time() as clock, pytest_netmocks.tcp() as late:
    late.when(b"x").reply(b"y", delay=3600)
    assert ask(late, b"x", timeout=7200) == b"y"
    assert clock.jumped > 3000

if SYSTEM == "win32":
    expect(ValueError, lambda: pytest_netmocks.tcp(path="x"), "UNIX sockets, which Python has none of on this system")
else:
    with tempfile.TemporaryDirectory() as folder, pytest_netmocks.tcp(path=pathlib.Path(folder, "s")) as unix:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(unix.path))
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        sock.close()

print("all of it")

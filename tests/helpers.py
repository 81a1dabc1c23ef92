"""Small clients that the tests share."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import os
import pathlib
import resource
import shutil
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from playbook import Client, Stage, now

from pytest_netmocks import ws_frame
from pytest_netmocks.clock import real_now
from pytest_netmocks.link import loop as loops
from pytest_netmocks.protocols.known import TABLE
from pytest_netmocks.servers.server import Server
from pytest_netmocks.servers.stream import StreamServer

Suite = Callable[..., pytest.RunResult]
"""Runs the source of a test module, with pytest's arguments and ini values."""

QUIET = ("cacheprovider", "randomly", "anyio", "html", "hypothesispytest", "pytest_httpserver", "time_machine")

FEW_PLUGINS = [part for name in QUIET for part in ("-p", f"no:{name}")]
"""A suite without these: half of what starting pytest takes here. `"-p", "anyio"` brings one back."""


CUT_OFF: type[ssl.SSLError] = ssl.SSLEOFError if sys.version_info >= (3, 11, 3) else ssl.SSLError
"""What Python raises where TLS ends without a close_notify, see python/cpython#95494."""


def once_a_run(factory: pytest.TempPathFactory, name: str, fill: Callable[[pathlib.Path], object]) -> pathlib.Path:
    """A folder that is filled once, however many workers ask for it: what takes long is not done by each of them."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / name
    with open(shared / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            try:
                fill(folder)
            except BaseException:
                folder.rename(shared / f"{name}-failed-{os.getpid()}")
                raise
    return folder


def program(name: str) -> pytest.MarkDecorator:
    """For tests that need a program of the system's, and say so where it is missing."""
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def needed(name: str) -> tuple[object, ...]:
    """What a server of that kind has to be told."""
    return {"upstream": (("127.0.0.1", 9),), "site": ("expired",)}.get(TABLE[name].takes or "", ())


def connect(server: Server, timeout: float = 10.0) -> socket.socket:
    sock = socket.create_connection(server.address, timeout=timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def shake(server: StreamServer, context: ssl.SSLContext | None = None, name: str = "localhost") -> ssl.SSLSocket:
    context = context or server.client_context()
    sock: Any = connect(server)
    if isinstance(sock, Client):
        return sock.secured(context, name)  # type: ignore[return-value]  # a client has a socket's words
    try:
        return context.wrap_socket(sock, server_hostname=name)
    except BaseException as error:
        sock.close()
        # Reset before it looks, `wrap_socket` leaves what it was about to make, and the descriptor, to the collector.
        frame = error.__traceback__
        while frame is not None:
            half = frame.tb_frame.f_locals.get("self")
            if isinstance(half, ssl.SSLSocket):
                half.close()
            frame = frame.tb_next
        raise


def noticing(context: ssl.SSLContext) -> ssl.SSLContext:
    """That context, for which TLS that is cut off is an error: before 3.11.3 Python says so itself only if told to."""
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    return context


def read_exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = sock.recv(min(size - len(data), 1 << 20))
        if not chunk:
            raise EOFError(f"closed after {len(data)} of {size} bytes")
        data += chunk
    return data


def read_to_end(sock: socket.socket) -> bytes:
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


def echo(server: Server, data: bytes = b"hello") -> bytes:
    with connect(server) as sock:
        sock.sendall(data)
        return read_exactly(sock, len(data))


def outcome(server: Server, data: bytes = b"hello") -> str:
    """What one connection comes to: `echo`, `reset`, `refused`, or `cut` with the bytes that came."""
    try:
        with connect(server) as sock:
            sock.sendall(data)
            got = b""
            while len(got) < len(data):
                chunk = sock.recv(len(data))
                if not chunk:
                    return f"cut {got!r}"
                got += chunk
            return "echo"
    except ConnectionResetError:
        return "reset"
    except ConnectionRefusedError:
        return "refused"


def abort(sock: socket.socket) -> None:
    """Vanish with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def udp_client(server: Server, timeout: float = 30.0) -> socket.socket:
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.settimeout(timeout)
    sock.connect(server.address)
    return sock


def say(server: Server, data: bytes, *, finish: bool) -> bytes:
    """All that the server answers to these bytes, and to the client's end if it finishes, up to its own."""

    def send() -> None:
        sock.sendall(data)
        if finish:
            sock.shutdown(socket.SHUT_WR)

    with connect(server, timeout=60) as sock:
        if isinstance(sock, Client):
            send()
            return read_to_end(sock)
        thread = in_thread(send)
        answer = read_to_end(sock)
        thread.join()
    return answer


@contextlib.contextmanager
def takes(seconds: float) -> Iterator[None]:
    """So long by the virtual clock, of which jumps are no more than that, and not half of it, or 60 s, by the real one.

    Who is to see that there are jumps at all lets it take 120 s or more.
    """
    real, begin = real_now(), time.monotonic()
    yield
    took = time.monotonic() - begin
    real = real_now() - real
    assert seconds <= took <= seconds + real
    assert real < max(seconds / 2, 60)


def in_thread(function: Callable[..., Any], *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def later(seconds: float) -> None:
    """Wait until all that is due within these seconds has been done."""
    thread: Any = loops.shared()
    if isinstance(thread, Stage):
        thread.pass_time(seconds)
        return
    done = threading.Event()
    thread.call(thread.loop.call_later, seconds, done.set)
    assert done.wait(30)


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """Nothing can be opened, whatever earlier tests had open and closes meanwhile: the one place left is taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.fstat(0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def elapsed(function: Callable[[], Any]) -> float:
    begin = now()
    function()
    return round(now() - begin, 9)  # what a float of virtual time cannot tell


# WebSocket, byte by byte

KEY = base64.b64encode(b"0123456789abcdef").decode()
HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
)


def speak(server: StreamServer, *more: str, path: str = "/") -> socket.socket:
    """A connection after its handshake, byte by byte in the test's hands; without compression."""
    sock = connect(server)
    head = HANDSHAKE.replace("GET /", f"GET {path}")
    sock.sendall("\r\n".join([head + "".join(f"{line}\r\n" for line in more), ""]).encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += read_exactly(sock, 1)
    assert answer.startswith(b"HTTP/1.1 101 ")
    return sock


def masked(*arguments: Any, **options: Any) -> bytes:
    return ws_frame(*arguments, mask=True, **options)


# Redis, as far as its clients ask


def redis_of(**values: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A handler that speaks RESP2: GET gives a value, PING a PONG, and all else is OK."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def line() -> bytes:
            return (await reader.readuntil(b"\r\n"))[:-2]

        with contextlib.suppress(EOFError):  # the client's end, in the middle of a command too
            while True:
                command, *words = [(await line(), await line())[1] for _ in range(int((await line())[1:]))]
                if command == b"GET":
                    value = values[words[0].decode()]
                    writer.write(b"$%d\r\n%s\r\n" % (len(value), value))
                else:
                    writer.write(b"+PONG\r\n" if command == b"PING" else b"+OK\r\n")

    return speak

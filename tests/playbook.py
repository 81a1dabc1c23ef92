"""The playbook: a server of any protocol driven without a socket, in virtual time.

    with play(SmtpServer()) as client:
        client << re.compile(rb"220 .*\\r\\n") >> b"NOOP\\r\\n" << b"250 OK\\r\\n"

`>>` says (bytes, `FIN`, `RST`), `<<` expects exactly that next (bytes, a compiled pattern, `FIN`, `RST`). What waits,
waits in virtual time: when nothing is to be done but wait, the clock jumps to the next timer: an hour costs nothing.

In a test that is marked `in_memory` every server is on the test's `Stage`, and `socket.create_connection` gives a
client of it: helpers and clients that ask for no more than a blocking socket's words go on it as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import selectors
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from pytest_netmocks import usercode
from pytest_netmocks.link import loop as loops
from pytest_netmocks.link.memory import ROOM, MemoryListener, MemorySocket, MemoryWire, Readiness
from pytest_netmocks.link.ports import End
from pytest_netmocks.servers import waiting
from pytest_netmocks.servers.stream import StreamServer

T = TypeVar("T")
S = TypeVar("S", bound=StreamServer)

FIN, RST = End.FIN, End.RST

PATIENCE = 10.0
"""Virtual seconds that a client waits for what it expects unless told otherwise."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer when nothing else is to be done."""

    def __init__(self) -> None:
        selector = selectors.DefaultSelector()
        super().__init__(selector)
        self._now = 1.0  # a server that began at 0 has not begun
        self._select = selector.select
        selector.select = self._wait  # type: ignore[method-assign]  # the one place where a loop waits
        self._until: Callable[[], bool] = bool
        self._limit = 0.0
        self._owner = threading.get_ident()
        self._before = frozenset(threading.enumerate())  # other tests' threads
        self._outside: set[asyncio.Future[Any]] = set()

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]  # passed on
        """The clock stands meanwhile."""
        future = super().run_in_executor(executor, func, *args)
        self._outside.add(future)
        future.add_done_callback(self._outside.discard)
        return future

    def run_until(self, true: Callable[[], bool], seconds: float = 0.0) -> bool:
        """Do what is to be done until that is true, for so many virtual seconds at most; whether it is."""
        if threading.get_ident() != self._owner:
            raise RuntimeError("a stage belongs to one thread: mark the test on_sockets")
        self._until = true
        self._limit = self._now + seconds
        self.run_forever()
        return true()

    def _wait(self, timeout: float | None = None) -> Any:
        # Before the look: of a thread that ends after it nothing would be found here, and of one that has ended all is.
        of_users = (
            thread.name == "netmocks user code" for thread in threading.enumerate() if thread not in self._before
        )
        at_work = bool(self._outside) or any(of_users)
        events = self._select(0)
        if events or timeout == 0:
            return events
        if self._until():
            self.stop()
            return []
        if at_work:
            return self._select(0.001)
        if timeout is None or self._now + timeout > self._limit:
            self._now = self._limit
            self.stop()
        else:
            self._now += timeout
        return []


class Doors:
    """Where a listener in memory is reached: nowhere but in the loop."""

    any_thread = False


class Stage:
    """What `LoopThread` is to servers, without a thread: the loop runs when somebody waits for something."""

    listener = MemoryListener
    wire = MemoryWire

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(self._failed)
        self.errors: list[BaseException] = []
        self.doors = Doors()
        self.servers: weakref.WeakSet[Any] = weakref.WeakSet()
        self.listeners: list[MemoryListener] = []
        self.now = self.loop.time
        self._thread = threading.get_ident()

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.errors.append(context.get("exception") or RuntimeError(context["message"]))

    idle = False

    @property
    def here(self) -> bool:
        """Whether the caller runs in the loop."""
        return asyncio._get_running_loop() is self.loop

    def call(self, function: Callable[..., T], *args: Any, settle: bool = False) -> T:
        """Run the function in the loop; its result or its exception."""
        if self.here:
            return function(*args)
        done: list[tuple[T | None, BaseException | None]] = []

        def run() -> None:
            try:
                done.append((function(*args), None))
            except BaseException as error:  # raised below
                done.append((None, error))

        if threading.get_ident() != self._thread:  # users' code in a thread, while the loop runs
            self.loop.call_soon_threadsafe(run)
            while not done:
                time.sleep(0.001)
        else:
            self.loop.call_soon(run)
            self.loop.run_until(lambda: bool(done))
        result, error = done[0]
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # what the function gave

    def settle(self) -> None:
        """Do what can be done without waiting."""
        self.loop.run_until(lambda: True)

    def pass_time(self, seconds: float) -> None:
        """Let so many virtual seconds go by."""
        self.loop.run_until(lambda: False, seconds)

    def wait_for(self, journal: object, ask: Callable[[], T | None], timeout: float, late: waiting.Late) -> T:
        """What a server's `wait_for` does, in virtual time."""
        found: list[T] = []

        def is_true() -> bool:
            if given := ask():
                found[:] = [given]
            return bool(found)

        if not is_true() and not self.loop.run_until(is_true, timeout):
            raise late(timeout)
        return found[0]

    def connect(self, server: StreamServer, room: int = ROOM, timeout: float | None = PATIENCE) -> Client:
        """A client of the server; `room` is how many bytes wait for who does not read."""
        listener: Any = server.front.listener
        return Client(self, self.call(listener.connect, room), timeout)

    def find(self, address: Any) -> StreamServer | None:
        """The server at that address."""
        return next((server for server in list(self.servers) if server.address == tuple(address[:2])), None)

    def close(self) -> None:
        """End every server, and the loop."""
        for server in list(self.servers):
            server.close()
        self.settle()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.settle()
        self.loop.close()
        usercode.closed(self.loop)


def now() -> float:
    """The time that a test measures: virtual where its servers are on a stage."""
    stage: Any = loops._current
    return stage.loop.time() if isinstance(stage, Stage) else time.perf_counter()


class Client:
    """A client in memory: a blocking socket's words, and `>>` and `<<`."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP

    def __init__(self, stage: Stage, end: MemorySocket, timeout: float | None) -> None:
        self.stage = stage
        self.end = end
        self._timeout = timeout
        self._ahead = b""
        self._readiness = Readiness(stage.loop, end)
        self.getsockname, self.getpeername, self.setsockopt = end.getsockname, end.getpeername, end.setsockopt
        self._makefiles = 0
        self._closing = False

    # A socket's words

    def _wait(self, ready: Callable[[], bool]) -> None:
        if not self.stage.loop.run_until(ready, 86400.0 if self._timeout is None else self._timeout):
            raise TimeoutError("timed out, in virtual time")

    def sendall(self, data: Any) -> None:
        """Send all of it; a server that does not read makes it wait."""
        rest = memoryview(bytes(data))
        self.stage.settle()
        while rest:
            self._wait(lambda: self.end.writable)
            rest = rest[self.end.send(rest) :]

    def send(self, data: Any) -> int:
        """Send what there is room for."""
        self._wait(lambda: self.end.writable)
        return self.end.send(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """What has come, after waiting for something."""
        if flags & socket.MSG_PEEK:
            self._ahead = self._ahead or self._read(size)
            return self._ahead[:size]
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        return self._read(size)

    def _read(self, size: int) -> bytes:
        if self._timeout == 0:
            self.stage.settle()
            return self.end.recv(size)
        self._wait(lambda: self.end.readable)
        return self.end.recv(size)

    def recv_into(self, buffer: Any) -> int:
        """As `recv`, into a buffer."""
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def makefile(self, mode: str = "r", buffering: int = -1, **options: Any) -> Any:
        """A file over it; text has the encoding that is given."""
        self._makefiles += 1
        raw = _Raw(self)
        size = io.DEFAULT_BUFFER_SIZE if buffering < 0 else buffering
        file: Any = raw if size == 0 else io.BufferedReader(raw, size) if "w" not in mode else io.BufferedWriter(raw)
        return file if "b" in mode else io.TextIOWrapper(file, **options)

    def settimeout(self, seconds: float | None) -> None:
        """Virtual seconds to wait."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """Virtual seconds to wait."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:  # a socket's own word
        """As a socket's."""
        self._timeout = None if flag else 0.0

    def getsockopt(self, *arguments: Any) -> int:
        """As a socket's."""
        return socket.SOCK_STREAM if arguments[:2] == (socket.SOL_SOCKET, socket.SO_TYPE) else 0

    def fileno(self) -> int:
        """There is no descriptor."""
        return -1

    def shutdown(self, how: int) -> None:
        """Send the FIN."""
        self.stage.settle()
        self.end.shutdown(how)
        self.stage.settle()

    def close(self) -> None:
        """Let go, once its files are closed too."""
        self._closing = True
        if not self._makefiles and not self.stage.loop.is_closed():
            self.stage.settle()
            self.end.close()
            self.stage.settle()

    def file_closed(self) -> None:
        """A file over it is closed."""
        self._makefiles -= 1
        if self._closing:
            self.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # The playbook's words

    def __rshift__(self, said: bytes | End) -> Client:
        """Say it."""
        if said is FIN:
            self.shutdown(socket.SHUT_WR)
        elif said is RST:
            self.end._lingers = False
            self.close()
        else:
            self.sendall(said)
            self.stage.settle()
        return self

    def __lshift__(self, expected: bytes | re.Pattern[bytes] | End) -> Client:
        """Expect it next. A pattern is matched against as many bytes as it takes."""
        if isinstance(expected, End):
            got = self._end()
            assert got is expected, f"{expected.value} expected, and {got!r} came"
        elif isinstance(expected, bytes):
            self._fill(lambda: len(self._ahead) >= len(expected) or not expected.startswith(self._ahead))
            assert self._ahead[: len(expected)] == expected
            self._ahead = self._ahead[len(expected) :]
        else:
            self._fill(lambda: expected.match(self._ahead) is not None)
            match = expected.match(self._ahead)
            assert match, f"{expected.pattern!r} expected, and {self._ahead!r} came"
            self._ahead = self._ahead[match.end() :]
        return self

    def _fill(self, enough: Callable[[], bool]) -> None:
        """Read until it is enough, or nothing more comes."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while not enough():
                data = self._read(65536)
                if not data:
                    return
                self._ahead += data

    def _end(self) -> End | bytes:
        if self._ahead:
            return self._ahead
        try:
            return self._read(65536) or FIN
        except ConnectionResetError:
            return RST

    @property
    def silent(self) -> bool:
        """Whether nothing has come that was not expected, up to now."""
        self.stage.settle()
        return not self._ahead and not self.end.readable

    def secured(self, context: ssl.SSLContext, name: str = "localhost") -> SecuredClient:
        """Shake hands."""
        return SecuredClient(self, context, name)


class _Raw(io.RawIOBase):
    """The file under a client's files."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._client.recv_into(buffer)

    def write(self, data: Any) -> int:
        self._client.sendall(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._client.file_closed()


class SecuredClient(Client):
    """A client over TLS in memory."""

    def __init__(self, plain: Client, context: ssl.SSLContext, name: str) -> None:
        super().__init__(plain.stage, plain.end, plain.gettimeout())
        self._ahead = b""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._repeat(self.session.do_handshake)

    def _flush(self) -> None:
        if self._outgoing.pending:
            super().sendall(self._outgoing.read())

    def _repeat(self, step: Callable[[], T]) -> T:
        """Do it as often as it wants to read."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self._flush()
                if data := super()._read(65536):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            finally:
                self._flush()

    def sendall(self, data: Any) -> None:
        """Encrypt and send."""
        self.session.write(data)
        self._flush()

    def _read(self, size: int) -> bytes:
        try:
            return self._repeat(lambda: self.session.read(size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def unwrap(self) -> None:
        """Say close_notify."""
        with contextlib.suppress(ssl.SSLError):
            self.session.unwrap()
        self._flush()


@contextlib.contextmanager
def play(server: S, *, room: int = ROOM) -> Iterator[Client]:
    """Drive a server that has not begun: a client of it, over TLS where the server speaks that from the first byte."""
    with staged(Stage()) as stage:
        server.start()
        client = stage.connect(server, room)
        yield client.secured(server.client_context()) if server._secure else client


@contextlib.contextmanager
def staged(stage: Stage) -> Iterator[Stage]:
    """Let every server that begins now be on the stage, and sockets that connect to it be clients of it."""
    real_connection = socket.create_connection

    def create_connection(address: Any, timeout: Any = PATIENCE, *args: Any, **options: Any) -> Any:
        server = stage.find(address)
        if server is None:
            return real_connection(address, timeout, *args, **options)
        seconds = timeout if timeout is None or isinstance(timeout, (int, float)) else PATIENCE
        return stage.connect(server, timeout=seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "_current", stage)
        patch.setattr(socket, "create_connection", create_connection)
        patch.setattr(waiting, "wait_for", stage.wait_for)
        try:
            yield stage
        finally:
            stage.close()
    if stage.errors:
        raise ExceptionGroup("in the loop", stage.errors)  # type: ignore[type-var]  # what a callback raised

"""What pyftpdlib keeps to itself, used here and nowhere else: its loop, on ours, and the state of its handlers.

`Poller` is the loop to pyftpdlib: its own listening and connecting sockets are watched by ours.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from pyftpdlib import ioloop  # type: ignore[import-untyped]  # first: it keeps asyncore from warning
from pyftpdlib.handlers import DTPHandler, FTPHandler  # type: ignore[import-untyped]

from pytest_netmocks import clock
from pytest_netmocks.link import kernel
from pytest_netmocks.protocols.ftp.bridge import FIRST, READ, WRITE, LinkSocket

SOON = 0.05
"""Real seconds that the kernel has to decide of a connection to the client, before it is left for later."""

LINE = 2048
"""Bytes of a command, as pyftpdlib has it."""


class Stub:
    """What pyftpdlib's handlers want of a server."""

    backlog = 5

    def __init__(self, family: socket.AddressFamily) -> None:
        self.ip_map: list[str] = []
        self.socket = self
        self.family = family

    def _accept_new_cons(self) -> bool:
        return True


def _network_lines() -> Callable[[bytes], bytes]:
    """Give the pieces of a text CRLF for each LF; pyftpdlib's moves all that follows for each of them."""
    after_cr = False

    def convert(piece: bytes) -> bytes:
        nonlocal after_cr
        text = piece.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if after_cr and piece.startswith(b"\n"):
            text = text[1:]
        after_cr = piece.endswith(b"\r")
        return text

    return convert


def with_network_lines(producer: Any) -> None:
    """Have a producer of a text, if it is one, give CRLF for each LF in our way."""
    if getattr(producer, "_data_wrapper", None) is not None:
        producer._data_wrapper = _network_lines()


class _Call:
    """What pyftpdlib gets for a call that is to come."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, call: Callable[[], Any], *, again: bool
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._call = call
        self._again = again
        self.cancelled = False
        self._handle = loop.call_later(seconds, self._run)

    def _run(self) -> None:
        self._handle.cancel()  # else it holds this one, which holds it
        if self._again:
            self.reset()
        else:
            self.cancelled = True
        self._call()

    def reset(self) -> None:
        self._handle.cancel()
        self._handle = self._loop.call_later(self._seconds, self._run)

    def cancel(self) -> None:
        self.cancelled = True
        self._handle.cancel()


class Poller(ioloop._IOLoop):  # type: ignore[misc]  # pyftpdlib has no types
    """pyftpdlib's loop on ours."""

    READ, WRITE = READ, WRITE

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop

    def register(self, fd: int, instance: Any, events: int) -> None:
        self.socket_map[fd] = instance
        self._watch(fd, events)

    def unregister(self, fd: int) -> None:
        if self.socket_map.pop(fd, None) is not None:
            self._watch(fd, 0)

    def modify(self, fd: int, events: int) -> None:
        if fd in self.socket_map:  # one that it forgot is somebody else's now
            self._watch(fd, events)

    def _watch(self, fd: int, events: int) -> None:
        if fd >= FIRST:
            found = LinkSocket.known.get(fd)
            if found is not None:
                found.want(self.socket_map.get(fd), events)
            return
        if events & self.READ:
            self.loop.add_reader(fd, self._go, fd, "handle_read_event")
        else:
            self.loop.remove_reader(fd)
        if events & self.WRITE:
            self.loop.add_writer(fd, self._go, fd, "handle_write_event")
        else:
            self.loop.remove_writer(fd)

    def _go(self, fd: int, event: str) -> None:
        instance = self.socket_map.get(fd)
        if instance is None:
            return
        try:
            getattr(instance, event)()
        except Exception:  # noqa: BLE001  # as its own pollers do
            instance.handle_error()

    def look_at(self, instance: Any) -> None:
        """Let a socket that is connecting know now if it is connected, or cannot be.

        A kernel that is busy decides of a connection to its own machine a moment later.
        """
        end = clock.real_now() + SOON
        while not (decided := kernel.writable(instance.socket.fileno())) and clock.real_now() < end:
            pass  # for microseconds
        if decided:
            self._go(instance._fileno, "handle_write_event")

    def call_later(self, seconds: float, target: Callable[..., Any], *args: Any, **kwargs: Any) -> _Call:
        return self._schedule(seconds, target, args, kwargs, again=False)

    def call_every(self, seconds: float, target: Callable[..., Any], *args: Any, **kwargs: Any) -> _Call:
        return self._schedule(seconds, target, args, kwargs, again=True)

    def _schedule(self, seconds: float, target: Callable[..., Any], args: Any, kwargs: Any, *, again: bool) -> _Call:
        errback = kwargs.pop("_errback", None)

        def call() -> None:
            try:
                target(*args, **kwargs)
            except Exception:
                if errback is None:
                    raise
                errback()

        return _Call(self.loop, seconds, call, again=again)


class ControlHandler(FTPHandler):  # type: ignore[misc]
    """pyftpdlib's control connection."""

    _in_buffer: list[bytes]
    _in_buffer_len: int
    _in_dtp_queue: Any
    _out_dtp_queue: Any

    def offer(self, *features: str) -> None:
        """Name these, too, where the client asks for what there is (FEAT)."""
        self._extra_feats = list(features)

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return bool(self._closed)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or QUIT was said and a transfer goes on."""
        return bool(self._closed or self._quit_pending)

    def collect_incoming_data(self, data: bytes) -> None:
        """Keep a part of a line; of one that is too long no more than shows that."""
        if self._in_buffer_len <= LINE:
            self._in_buffer.append(data[: LINE + 1])
            self._in_buffer_len += len(data)

    def take_line(self) -> bytes:
        """What was kept of the line."""
        line = b"".join(self._in_buffer)
        self._in_buffer, self._in_buffer_len = [], 0
        return line

    @property
    def port(self) -> Any:
        """What waits for the client's data connection, `None` if nothing does."""
        return self._dtp_acceptor

    def listens(self, port: Any) -> None:
        """Known before the client is told: it may have connected before pyftpdlib comes to say so."""
        self._dtp_acceptor = port

    def _make_epasv(self, extmode: bool = False) -> None:
        """As the library; what keeps it from listening is no end of the session."""
        try:
            super()._make_epasv(extmode)
        except OSError as error:
            self._dtp_acceptor = None
            self.respond(f"425 Can't open data connection: {error.strerror}.")

    def look_at_the_connector(self) -> None:
        """Let a data connection to the client that is on its way know now if it is there, or cannot be."""
        if self._dtp_connector is not None:
            self.ioloop.look_at(self._dtp_connector)

    def take_waiting_files(self) -> list[Any]:
        """The files of a transfer that has no data connection yet; it will not have one."""
        waiting = [self._in_dtp_queue[0]] if self._in_dtp_queue is not None else []
        waiting += [self._out_dtp_queue[2]] if self._out_dtp_queue is not None else []
        self._in_dtp_queue = self._out_dtp_queue = None
        return [file for file in waiting if file is not None]


class DataHandler(DTPHandler):  # type: ignore[misc]
    """pyftpdlib's data connection."""

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return bool(self._closed)

    def say_at_the_end(self, reply: str) -> None:
        """What the client is told of the transfer, on the control connection."""
        self._resp = (reply, self.cmd_channel.quiet)


ActiveDTP: Any = FTPHandler.active_dtp
PassiveDTP: Any = FTPHandler.passive_dtp

COMMANDS: dict[str, Any] = FTPHandler.proto_cmds
"""The commands that pyftpdlib knows, and what it asks of each."""


class Active(ActiveDTP):  # type: ignore[misc]
    """A data connection to the client, on its way."""

    def handle_connect(self) -> None:
        self.cmd_channel.dials = True
        try:
            super().handle_connect()
        finally:
            self.cmd_channel.dials = False
        # Its descriptor is the link's now; pyftpdlib would unregister the number again when the session ends.
        self._fileno = None

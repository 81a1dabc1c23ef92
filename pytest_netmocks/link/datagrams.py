"""Datagrams: a bound UDP socket on the loop, and an agenda of what is to be sent when.

A socket cannot refuse datagrams and keep its port, but one that is connected to itself gets none of anybody else's:
the kernel answers them with ICMP "port unreachable", which a connected client sees as ECONNREFUSED, see udp(7).
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import ipaddress
import socket
import threading
from collections import deque
from collections.abc import Callable

from pytest_netmocks.link import kernel
from pytest_netmocks.link.arrivals import Arrivals
from pytest_netmocks.link.calls import send_straight, straight
from pytest_netmocks.link.doors import Doors
from pytest_netmocks.records.addresses import Address

LARGEST = 65535
"""Bytes of the largest datagram that can come, see RFC 768."""

BURST = 64
"""Datagrams that are read before others get a turn."""

WAITING = 1024
"""Datagrams that wait for the kernel's buffer; of more the newest are dropped, as a full queue does."""


class Agenda:
    """Calls at their times, those of the same time in order: the loop's own timers do not keep it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def at(self, due: float, call: Callable[[], None]) -> None:
        """Call it then; at once if that is past."""
        if due <= self._loop.time():
            call()
            return
        self._count += 1
        heapq.heappush(self._calls, (due, self._count, call))
        self._arm()

    def clear(self) -> None:
        """Forget everything."""
        self._calls.clear()
        self._arm()

    def _arm(self) -> None:
        due = self._calls[0][0] if self._calls else None
        if self._timer is not None and self._timer.when() != due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None and due is not None:
            self._timer = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        while self._calls and self._calls[0][0] <= self._loop.time():
            heapq.heappop(self._calls)[2]()
        self._arm()


class DatagramSocket:
    """A bound UDP socket; but for `__init__`, `attach`, `waiting` and `close_at_once` all belongs to the loop's thread.

    Those may be called in any thread that the doors allow.
    """

    def __init__(self, host: str, port: int, failed: Callable[[OSError], None]) -> None:
        family, address = kernel.resolve(host, port, socket.SOCK_DGRAM)
        self._arrivals = Arrivals() if Arrivals.matter(address) else None
        try:
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            try:
                self._prepare(self._socket, address)
                self._socket.bind(address)
            except OSError:
                self._socket.close()
                raise
        except OSError as error:
            raise kernel.named(error, f"cannot bind UDP {host} port {port}") from None
        self.address: Address = self._socket.getsockname()
        self._failed = failed
        self._loop: asyncio.AbstractEventLoop
        self._doors: Doors
        self._received: Callable[[bytes, Address], None]
        self._waiting: deque[tuple[bytes, Address]] = deque()
        self._open = False
        self.lock = threading.RLock()
        """Held while datagrams are handed over: none is while somebody else has it."""

    def attach(self, loop: asyncio.AbstractEventLoop, doors: Doors, received: Callable[[bytes, Address], None]) -> None:
        """Hand over what comes."""
        self._loop = loop
        self._doors = doors
        self._received = received
        self._resume_reading()

    def waiting(self) -> bool:
        """Whether a datagram waits to be read; after those that are being handed over right now."""
        with self.lock:
            return self._open and kernel.readable(self._socket.fileno())

    def read(self) -> bool:
        """Hand over some of what has come; whether there may be more."""
        with self.lock:
            return self._open and self._read()

    def _read(self) -> bool:
        for _ in range(BURST):
            try:
                data, address = self._receive()
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:  # an ICMP error for something that was sent
                self._failed(error)
                return False
            self._received(data, address)
        return True

    def drain(self) -> None:
        """Hand over all that has come; a client that sends for ever does not keep us for ever."""
        for _ in range(WAITING):
            if not self._open or not self.read():
                return

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram, an empty one too."""
        if not self._open:
            return
        if self._waiting:
            self._wait(data, address)
            return
        try:
            self._send(data, address)
        except (BlockingIOError, InterruptedError):
            self._loop.add_writer(self._socket, self._writable)
            self._wait(data, address)
        except OSError as error:
            self._failed(error)

    def _receive(self) -> tuple[bytes, Address]:
        if self._arrivals is not None:
            return self._arrivals.receive(self._socket, LARGEST)
        return self._socket.recvfrom(LARGEST)

    def _send(self, data: bytes, address: Address) -> None:
        if self._arrivals is not None:
            self._arrivals.send(self._socket, data, address)
        else:
            send_straight(self._socket, data, address)

    def _wait(self, data: bytes, address: Address) -> None:
        if len(self._waiting) < WAITING:
            self._waiting.append((data, address))
        else:
            self._failed(OSError(None, f"{len(data)} B are dropped: {WAITING} datagrams wait to be sent"))

    def _writable(self) -> None:
        while self._waiting:
            data, address = self._waiting[0]
            try:
                self._send(data, address)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._failed(error)
            self._waiting.popleft()
        self._loop.remove_writer(self._socket)

    def halt(self) -> None:
        """Refuse what comes from now on, and keep the port."""
        self.drain()
        self._stop()
        with contextlib.suppress(OSError):
            self._socket.connect(straight(self.address))

    def resume(self) -> None:
        """Take what comes again: a fresh socket on the same port. Raises `OSError` if it cannot be had."""
        # Both sockets must allow it while they share the port; nobody else can come in between on Linux, since the
        # option is off again right after. Elsewhere two sockets cannot share it so.
        fresh = socket.socket(self._socket.family, socket.SOCK_DGRAM)
        try:
            if kernel.LINUX:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                fresh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            else:
                self._socket.close()
            self._prepare(fresh, self.address)
            fresh.bind(self.address)
            if kernel.LINUX:
                fresh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        except OSError as error:
            fresh.close()
            raise kernel.named(error, f"cannot bind UDP {self.address[0]} port {self.address[1]} again") from None
        self._socket.close()
        self._socket = fresh
        self._resume_reading()

    def close(self) -> None:
        """Give the port back."""
        if self._open:
            self._stop()
        self.abandon()

    def abandon(self) -> None:
        """Close the descriptor without a word to the loop."""
        self._open = False
        self._socket.close()

    def _resume_reading(self) -> None:
        self._open = True
        self._doors.open(self._socket, self.read)

    def _stop(self) -> None:
        self._open = False
        self._doors.shut(self._socket)
        if self._waiting:
            self._loop.remove_writer(self._socket)
            self._waiting.clear()

    def _prepare(self, sock: socket.socket, address: tuple[object, ...]) -> None:
        sock.setblocking(False)
        family = sock.family
        if family == socket.AF_INET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        kernel.choose_families(sock, family, address)
        if self._arrivals is not None:
            self._arrivals.prepare(sock)


def broadcast_address(host: str) -> str:
    """The broadcast address of loopback's network, 127.255.255.255. Raises `ValueError` for another host."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or address.version != 4 or not address.is_loopback:
        raise ValueError(f"broadcast=True works on loopback's IPv4 addresses (127.0.0.0/8), not on host={host!r}")
    return "127.255.255.255"

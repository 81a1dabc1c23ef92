"""`Association`: the datagrams of one client (RFC 1928, section 7), as long as its connection lasts."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable

from pytest_netmocks.link.calls import send_straight
from pytest_netmocks.link.datagrams import BURST, LARGEST
from pytest_netmocks.protocols.socks import messages
from pytest_netmocks.protocols.tunnel.destinations import Destinations, ForbiddenError
from pytest_netmocks.records.addresses import Address, is_unix
from pytest_netmocks.records.connection import Connection

WAITING = 64
"""Datagrams of a client that wait for their names to be looked up; of more the newest go."""


class Association:
    """Two sockets: one that the client sends to, one that sends on and hears what comes back."""

    def __init__(
        self,
        connection: Connection,
        destinations: Destinations,
        loop: asyncio.AbstractEventLoop,
        note: Callable[[str], None],
    ) -> None:
        self._destinations = destinations
        self._loop = loop
        self._note = note
        near, far = connection.server_address or ("127.0.0.1",), connection.peer_address
        if is_unix(near):  # datagrams come from this machine as well
            near = far = ("127.0.0.1",)
        self._client_ip = str(far[0])
        self._client: Address | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        host = str(near[0])
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._near = socket.socket(family, socket.SOCK_DGRAM)
        self._far: dict[socket.AddressFamily, socket.socket] = {}
        try:
            self._near.setblocking(False)
            self._near.bind((host, 0))
        except OSError:
            self._near.close()
            raise
        self.address: tuple[str, int] = self._near.getsockname()[:2]
        """Where the client sends its datagrams."""
        loop.add_reader(self._near, self._from_client)

    def _from_client(self) -> None:
        for _ in range(BURST):
            try:
                data, sender = self._near.recvfrom(LARGEST)
            except OSError:
                return
            if sender[0] != self._client_ip:
                self._note(f"a datagram of {sender[0]}, whose association this is not, is thrown away")
                continue
            self._client = sender
            found = messages.address(data, 3) if len(data) > 4 else None
            if found is None or not found[0] or data[2]:
                self._note(f"{len(data)} B that are no datagram for a SOCKS proxy, or a fragment, are thrown away")
                continue
            _, host, port, end = found
            if len(self._tasks) >= WAITING:
                self._note("a datagram is thrown away: too many wait")
                continue
            task = self._loop.create_task(self._send(host, port, data[end:]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, host: str, port: int, data: bytes) -> None:
        try:
            family, address = (await self._destinations.find(host, port))[0]
            self._socket(family).sendto(data, address)
        except ForbiddenError as error:
            self._note(f"a datagram is thrown away: {error}")
        except OSError as error:
            self._note(f"a datagram to {host}:{port} cannot be sent: {error.strerror or error}")
        else:
            self._note(f"a datagram of {len(data)} B goes to {host}:{port}")

    def _socket(self, family: socket.AddressFamily) -> socket.socket:
        far = self._far.get(family)
        if far is None:
            far = self._far[family] = socket.socket(family, socket.SOCK_DGRAM)
            far.setblocking(False)
            self._loop.add_reader(far, self._from_far, far)
        return far

    def _from_far(self, far: socket.socket) -> None:
        for _ in range(BURST):
            try:
                data, sender = far.recvfrom(LARGEST)
            except OSError:
                return
            if self._client is None:
                continue
            ip = ipaddress.ip_address(sender[0].partition("%")[0])
            head = bytes([0, 0, 0, 1 if ip.version == 4 else 4]) + ip.packed + sender[1].to_bytes(2)
            try:
                send_straight(self._near, head + data, self._client)
            except OSError as error:
                self._note(f"an answer of {len(data)} B cannot be sent: {error.strerror or error}")

    @property
    def is_open(self) -> bool:
        """Whether its connection lasts."""
        return self._near.fileno() >= 0

    def close(self) -> None:
        """End it."""
        for task in self._tasks:
            task.cancel()
        for sock in (self._near, *self._far.values()):
            if sock.fileno() >= 0:
                self._loop.remove_reader(sock)
                sock.close()

    def abandon(self) -> None:
        """In a forked child: close the descriptors."""
        for sock in (self._near, *self._far.values()):
            sock.close()

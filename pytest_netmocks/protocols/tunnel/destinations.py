"""Where a proxy may connect: loopback and the test's names, or anywhere."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Literal

from pytest_netmocks import check
from pytest_netmocks.link.calls import straight
from pytest_netmocks.names import sockets
from pytest_netmocks.names.targets import ANY_ADDRESS, Table, Target, address_of, is_address, spelt
from pytest_netmocks.records.addresses import Address

Found = list[tuple[socket.AddressFamily, Address]]
"""Addresses in the order of the attempts."""

Reason = Literal["not allowed", "unknown host", "malformed"]


class ForbiddenError(Exception):
    """There is no way there; `reason` says why."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason: Reason = reason


class Destinations:
    """What a proxy asks where a name or an address leads.

    The proxy's own names come first, then those of the test that are in force. Names and addresses of this machine are
    always allowed; others only with `anywhere`.
    """

    def __init__(self, names: Mapping[str, object] | None, *, anywhere: bool) -> None:
        check.instance("anywhere", anywhere, bool, "True or False")
        self._table = Table({} if names is None else names)
        self._table.certify()
        self.anywhere = anywhere

    async def find(self, host: str, port: int) -> Found:
        """The addresses of a host at a port. Raises `ForbiddenError`."""
        return [(family, straight(address)) for family, address in await self._find(host, port)]

    async def _find(self, host: str, port: int) -> Found:
        if not 0 < port < 65536:
            raise ForbiddenError("not allowed", f"{port} is no port")
        if not is_address(host):
            places = await self._places(host, port)
            if places is not None:
                return [Target(*place).pair for place in places]
            if spelt(host) == "localhost" or spelt(host).endswith(".localhost"):  # RFC 6761, section 6.3
                return [Target("127.0.0.1", port).pair]
            if not self.anywhere:
                raise ForbiddenError(
                    "not allowed", f"{host}:{port} is no name of this test: names= or netmocks.names() map it"
                )
            return await self._resolve(host, port)
        address = address_of(host)
        if not (address.is_loopback or address.is_unspecified or self.anywhere):
            raise ForbiddenError("not allowed", f"{host}:{port} is not of this machine: anywhere=True lets it be")
        if (address.is_loopback or address.is_unspecified) and getattr(address, "scope_id", None) is not None:
            raise ForbiddenError("not allowed", f"{host}:{port} has a zone, and this machine's own address has none")
        return [Target(ANY_ADDRESS.get(str(address), str(address)), port).pair]

    async def _places(self, host: str, port: int) -> list[tuple[str, int]] | None:
        """Where a name of the proxy's own or of the test's leads. Raises `ForbiddenError`."""
        found = self._table.find(spelt(host), port)
        if found is not None:
            if not found:
                raise ForbiddenError("unknown host", f"{host} is a name that there is not")
            return [(target.ip, target.port or port) for target in found]
        try:
            return await sockets.places_of(host, port)
        except sockets.ForbiddenNameError as error:
            raise ForbiddenError("not allowed", str(error.strerror)) from None
        except OSError as error:
            raise ForbiddenError("unknown host", error.strerror or str(error)) from None

    async def _resolve(self, host: str, port: int) -> Found:
        loop = asyncio.get_running_loop()
        try:
            rows = await loop.run_in_executor(None, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            raise ForbiddenError("unknown host", f"{host} cannot be resolved: {error}") from None
        return [(family, address) for family, _, _, _, address in rows]

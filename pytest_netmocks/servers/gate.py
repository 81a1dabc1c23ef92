"""`Gate`: what stands before a front that does not take everybody: it turns away, and keeps waiting.

    kernel's queue -> listener (held while all places are taken) -> gate -> front

Who is turned away is accepted, goes on record and is ended by the server before a byte passes, TLS or not: his address
is not known earlier. Who waits is in the kernel's queue, and is on no record before he is accepted.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pytest_netmocks import check
from pytest_netmocks.link.link import Link, Top
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.access import Access

if TYPE_CHECKING:
    from pytest_netmocks.servers.stream_front import StreamFront

OverLimit = Literal["wait", "reset", "close"]
"""What becomes of a client for whom there is no place."""


def check_over_limit(name: str, value: Any) -> OverLimit:
    """One of those; `None` is the default. Raises `ValueError`."""
    if value is None:
        return "wait"
    check.one_of(name, value, ("wait", "reset", "close"))
    taken: OverLimit = value
    return taken


class Settings(Protocol):
    """What a server was told of how many may be connected."""

    @property
    def max_connections(self) -> int | None:
        """How many at once, `None` for any number."""

    @property
    def over_limit(self) -> OverLimit:
        """What becomes of one more."""

    def session_of(self, connection: Connection) -> Connection:
        """The connection that one is a part of: a data connection of FTP takes no place of its own."""


class Gate:
    """Stands before one front; methods belong to the loop's thread."""

    def __init__(self, front: StreamFront, access: Access, settings: Settings) -> None:
        self._front = front
        self._access = access
        self._settings = settings
        self._accepts, self._ends = front.on_accept, front.on_over
        self._inside = {number for number, stack in front.links.items() if self._takes_a_place(stack.connection)}
        front.on_accept, front.on_over = self._comes, self._leaves
        front.refusal_of = access.refusal  # of who is introduced by a PROXY header

    def _takes_a_place(self, connection: Connection) -> bool:
        return self._settings.session_of(connection) is connection

    @property
    def _is_full(self) -> bool:
        most = self._settings.max_connections
        return most is not None and len(self._inside) >= most

    def _comes(self, sock: socket.socket, address: Address) -> bool:
        refusal = None if self._front.introduced else self._access.refusal(address)
        if refusal is not None:
            self._turn_away(sock, address, f"refused: {refusal}", "reset")
            return False
        if self._is_full and self._settings.over_limit != "wait":
            self._turn_away(
                sock, address, f"one too many: {len(self._inside)} are connected", self._settings.over_limit
            )
            return False
        if self._accepts is not None and not self._accepts(sock, address):
            return False
        self._inside.add(self._front.next_number)
        self.balance()
        return True

    def _leaves(self, number: int) -> None:
        if self._ends is not None:
            self._ends(number)
        if number in self._inside:
            self._inside.discard(number)
            self.balance()

    def balance(self) -> None:
        """Let who comes wait as long as all places are taken."""
        listener = self._front.listener
        if listener is not None:
            listener.hold(hold=self._is_full and self._settings.over_limit == "wait")

    def _turn_away(self, sock: socket.socket, address: Address, why: str, how: OverLimit) -> None:
        end = _reset if how == "reset" else _close
        self._front.adopt(sock, address, functools.partial(end, why), secure=False, admitted=False)


def _reset(why: str, link: Link, connection: Connection) -> Top:
    link.record.ended("server", why, "RST")
    link.reset_at_once()
    return asyncio.Protocol()


def _close(why: str, link: Link, connection: Connection) -> Top:
    link.stop(why)
    return asyncio.Protocol()

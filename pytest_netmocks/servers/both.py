"""`BothServer`: the base of servers that speak by connections and by datagrams, on one port."""

from __future__ import annotations

import functools
from abc import abstractmethod
from typing import ClassVar, Unpack

from pytest_netmocks.servers.datagram_front import Asked, Datagram, DatagramFront, Peer
from pytest_netmocks.servers.front import Front
from pytest_netmocks.servers.stream import StreamOptions, StreamServer


class _Datagrams(DatagramFront):
    """What is on record of a datagram is what is in it."""

    def record(self, datagram: Datagram) -> None:
        """The server does."""


class BothServer(StreamServer):
    """TCP and UDP on one port, or with `tls=True` TLS alone."""

    spoken: ClassVar[str]
    """What is spoken, in words."""

    def __init__(self, *, tls: bool = False, **options: Unpack[StreamOptions]) -> None:
        super().__init__(tls=tls, **options)

    def _refusal_of_path(self) -> str | None:
        if self._secure:
            return None
        return f"{self.spoken} is spoken over UDP too, on the same port: with tls=True it is not"

    @functools.cached_property
    def _datagrams(self) -> DatagramFront:
        return _Datagrams(self, self._injections, self._deliver, self._leave)

    @property
    def fronts(self) -> tuple[Front, ...]:
        """TCP and UDP; over TLS there are no datagrams."""
        return (self.front,) if self._secure else (self.front, self._datagrams)

    @abstractmethod
    def _deliver(self, asked: Asked, datagram: Datagram) -> None:
        """A datagram has come through its faults."""

    def _leave(self, peer: Peer) -> None:
        """Nothing is kept for one client."""

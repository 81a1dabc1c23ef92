"""`DatagramServer`: the base of everything that speaks over UDP."""

from __future__ import annotations

import functools
from abc import abstractmethod

from pytest_netmocks.servers.datagram_front import Asked, Datagram, DatagramFront, Peer
from pytest_netmocks.servers.front import Front
from pytest_netmocks.servers.server import Server


class DatagramServer(Server):
    """Base of the servers over UDP; a subclass says what answers a datagram."""

    scripts_connections = False
    transport = "udp"

    @functools.cached_property
    def front(self) -> DatagramFront:
        """Where its datagrams come in."""
        return DatagramFront(self, self._injections, self._deliver, self._leave)

    @property
    def fronts(self) -> tuple[Front, ...]:
        """What clients reach it by."""
        return (self.front,)

    @abstractmethod
    def _deliver(self, asked: Asked, datagram: Datagram) -> None:
        """In the loop: a datagram has come through its faults."""

    def _leave(self, peer: Peer) -> None:
        """In the loop: give back what belongs to one client."""

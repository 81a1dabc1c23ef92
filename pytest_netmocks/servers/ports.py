"""`Ports`: ports in the three states that a port scanner tells apart."""

from __future__ import annotations

from collections.abc import Callable

from pytest_netmocks import check
from pytest_netmocks.faults.unreachable import Unreachable
from pytest_netmocks.servers.server import Server
from pytest_netmocks.strict import Strict


class Ports(Strict):
    """Ports of loopback, each with a server, which is up, down, or lets its clients' SYNs go unanswered.

    Who scans is on record of the open ones: `ports.servers[port].connections`.
    """

    def __init__(self, make: Callable[..., Server], *, open: int, closed: int, silent: int) -> None:
        for state, number in (("open", open), ("closed", closed), ("silent", silent)):
            check.whole(state, number, unit="ports", minimum=0)
        self.servers: dict[int, Server] = {}
        """The server on each port."""
        self._make = make
        self.open = self._some("open", open)
        """The ports that accept."""
        self.closed = self._some("closed", closed)
        """The ports that refuse: a SYN is answered with an RST. They are nobody else's."""
        self.silent = self._some("silent", silent)
        """The ports that do not answer."""

    def _some(self, state: str, number: int) -> list[int]:
        servers = [self._make(name=f"{state} port {place}") for place in range(1, number + 1)]
        self.servers.update((server.port, server) for server in servers)
        for server in servers:
            if state == "closed":
                server.stop()
            elif state == "silent":
                server.inject(Unreachable())
        return [server.port for server in servers]

    def __repr__(self) -> str:
        return f"<Ports open={self.open}, closed={self.closed}, silent={self.silent}>"

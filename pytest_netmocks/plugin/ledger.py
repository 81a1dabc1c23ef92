"""`Kept`: what one test made, its servers, its injections and its faults on all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_netmocks.injections.scope import Ledger

if TYPE_CHECKING:
    from pytest_netmocks.injections.injection import Injection
    from pytest_netmocks.servers.server import Server


class Kept(Ledger):
    """The ledger of a test; what it makes of wider fixtures goes to the run's list of shared servers."""

    keeps = True

    def __init__(self, shared: list[Server], tell: Callable[[Server], None] | None = None) -> None:
        super().__init__()
        self.servers: list[Server] = []
        self.injections: list[Injection] = []
        self.shared_in_use: Callable[[], list[Server]] = list
        """The wider servers that the test uses."""
        self._shared = shared
        self._tell = tell

    def made(self, server: Server) -> None:
        (self.servers if server.shared_by is None else self._shared).append(server)
        if self._tell is not None:
            self._tell(server)

    def injected(self, injection: Injection) -> None:
        if not injection.by_a_fixture:  # one of a wider fixture is not what a single test is about
            self.injections.append(injection)

    def reached(self) -> list[Server]:
        """The servers of the test, and the wider ones that it uses."""
        return [server for server in [*self.shared_in_use(), *self.servers] if not server.closed]

"""Who is running: the seed, the test, and the faults that every server of it gets.

Servers ask for the current scope when they are made; the plugin sets one for each test. It is what keys the draws, so
that a test meets the same faults whatever ran before it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_netmocks.faults.profiles import Part
    from pytest_netmocks.injections.injection import Injection
    from pytest_netmocks.servers.everywhere import Everywhere
    from pytest_netmocks.servers.server import Server


def random_seed() -> int:
    """A seed that nobody chose, short enough to type."""
    return int.from_bytes(os.urandom(4), "big")


class Scope:
    """One test (or all that runs outside of any), with what it made."""

    def __init__(self, seed: int, test: str = "", *, shared: list[Server] | None = None) -> None:
        self.seed = seed
        self.test = test
        self.run_faults: tuple[Part, ...] = ()
        """What the run's profile puts before every server; the parts that make no sense on one are left out."""
        self.link_faults: tuple[Part, ...] = ()
        """As `run_faults`, but of the test's marker: wider servers have them for the test only."""
        self.test_faults: tuple[Part, ...] = ()
        """What the test's marker puts before every server; parts that make no sense are an error."""
        self.servers: list[Server] = []
        self.injections: list[Injection] = []
        self.fixture: str | None = None
        """The wider fixture that is being set up; its servers outlive the test."""
        self.in_call = False
        """Whether the test itself runs, and not what sets it up or tears it down."""
        self.everywhere: list[Everywhere] = []
        """Faults on all servers of the test, later ones too."""
        self.shared_in_use: Callable[[], list[Server]] = list
        """The wider servers that the test uses."""
        self._shared = shared
        self._made: dict[str, int] = {}

    def number(self, owner: str) -> int:
        """1 for the owner's first server, 2 for its second, and so on."""
        self._made[owner] = self._made.get(owner, 0) + 1
        return self._made[owner]

    @property
    def author(self) -> str:
        """Whose is what is made now: a wider fixture's, the test's, nobody's."""
        return self.fixture or self.test

    @property
    def in_a_run(self) -> bool:
        """Whether pytest runs, which asks for what is left to say."""
        return self._shared is not None

    def made(self, server: Server) -> None:
        """A server was made in this scope. Outside of tests nobody asks, and nothing is kept."""
        if self._shared is not None:
            (self._shared if self.fixture is not None else self.servers).append(server)

    def reached(self) -> list[Server]:
        """The servers of the test, and the wider ones that it uses."""
        return [server for server in [*self.shared_in_use(), *self.servers] if not server.closed]

    def injected(self, injection: Injection) -> None:
        """A fault was injected in this scope; one of a wider fixture is not what a single test is about."""
        if self._shared is not None and self.fixture is None:
            self.injections.append(injection)


current = Scope(random_seed())

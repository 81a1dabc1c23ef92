"""Who is running: the seed, the test, and the faults that every server of it gets.

Servers ask for the current scope when they are made; the plugin sets one for each test. It is what keys the draws, so
that a test meets the same faults whatever ran before it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pytest_netmocks.faults.profile import Part

    class Wide(Protocol):
        """A fault on all servers of a test."""

        @property
        def text(self) -> str:
            """The fault and which it strikes, as they are written."""

        @property
        def injections(self) -> Sequence[object]:
            """What it came to on each server."""

        def join(self, server: Any) -> object:
            """Strike this server too."""

    class Arm(Protocol):
        """One run of a sweep."""

        @property
        def place(self) -> Any:
            """Where its fault strikes, `None` in the run without one."""

        is_told: bool
        """Whether anybody reads what is said of its failure."""

        def meet(self, server: Any) -> None:
            """A server belongs to the run from now on."""


def random_seed() -> int:
    """A seed that nobody chose, short enough to type."""
    return int.from_bytes(os.urandom(4), "big")


class Ledger:
    """Who keeps what is made in a scope. This one keeps nothing: outside of tests nobody asks."""

    keeps = False
    """Whether somebody asks for what is left to say, as pytest does at the end of a test."""

    def __init__(self) -> None:
        self.everywhere: list[Wide] = []
        """Faults on all servers, later ones too."""

    def made(self, server: Any) -> None:
        """Keep a new server."""

    def injected(self, injection: Any) -> None:
        """Keep a new injection."""

    def reached(self) -> Sequence[Any]:
        """The servers that a fault on all of them strikes at once."""
        return ()


class Kept(Ledger):
    """The ledger of a test; what it makes of wider fixtures goes to the run's list of shared servers."""

    keeps = True

    def __init__(self, shared: list[Any], tell: Callable[[Any], None] | None = None) -> None:
        super().__init__()
        self.servers: list[Any] = []
        self.injections: list[Any] = []
        self.shared_in_use: Callable[[], list[Any]] = list
        """The wider servers that the test uses."""
        self._shared = shared
        self._tell = tell

    def made(self, server: Any) -> None:
        (self.servers if server.shared_by is None else self._shared).append(server)
        if self._tell is not None:
            self._tell(server)

    def injected(self, injection: Any) -> None:
        if not injection.by_a_fixture:  # one of a wider fixture is not what a single test is about
            self.injections.append(injection)

    def reached(self) -> list[Any]:
        """The servers of the test, and the wider ones that it uses."""
        return [server for server in [*self.shared_in_use(), *self.servers] if not server.closed]


class Scope:
    """One test, or all that runs outside of any: what keys its draws, and which faults its servers begin with."""

    def __init__(self, seed: int, test: str = "", ledger: Ledger | None = None) -> None:
        self.seed = seed
        self.test = test
        self.ledger = ledger or Ledger()
        """Who keeps what is made."""
        self.run_faults: tuple[Part, ...] = ()
        """What the run's profile puts before every server; the parts that make no sense on one are left out."""
        self.link_faults: tuple[Part, ...] = ()
        """As `run_faults`, but of the test's marker: wider servers have them for the test only."""
        self.test_faults: tuple[Part, ...] = ()
        """What the test's marker puts before every server; parts that make no sense are an error."""
        self.arm: Arm | None = None
        """The run of a sweep that this is."""
        self.fixture: str | None = None
        """The wider fixture that is being set up; its servers outlive the test."""
        self.in_call = False
        """Whether the test itself runs, and not what sets it up or tears it down."""
        self.by_chance = False
        """Whether faults of the test are drawn: then nobody expects each of them to strike."""
        self._made: dict[str, int] = {}

    def number(self, owner: str) -> int:
        """1 for the owner's first server, 2 for its second, and so on."""
        self._made[owner] = self._made.get(owner, 0) + 1
        return self._made[owner]

    @property
    def author(self) -> str:
        """Whose is what is made now: a wider fixture's, the test's, nobody's."""
        return self.fixture or self.test


current = Scope(random_seed())

"""`Everywhere`: a fault on all servers of a test at once, those that are made later too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pytest_netmocks.faults.base import Fault, check_said
from pytest_netmocks.faults.selection import SelectorOptions
from pytest_netmocks.injections.injection import Injection, written
from pytest_netmocks.strict import Liftable

if TYPE_CHECKING:
    from pytest_netmocks.servers.server import Server


class Everywhere(Liftable):
    """What `netmocks.inject` gives: in force until it is lifted, by `lift()` or at the end of a `with` block.

    Servers on which the fault makes no sense are left out. Each counts for itself what the selectors select.
    """

    fixed: ClassVar[Mapping[str, str]] = {"fault": "lift this one and inject another"}

    def __init__(self, fault: Fault, options: SelectorOptions, servers: Sequence[Server]) -> None:
        check_said(fault)
        self.fault = fault
        """The fault that is injected everywhere."""
        self.injections: list[Injection] = []
        """Those of the servers, in the order in which they came."""
        self.lifted = False
        """Whether it is over."""
        self._options = options
        refusals = [refused for server in servers if (refused := self.join(server)) is not None]
        if refusals and not self.injections:
            raise ValueError(refusals[0])

    def join(self, server: Server) -> str | None:
        """Strike this server too; why not, if it makes no sense there."""
        if self.lifted:
            return None
        refused = server.refuses(self.fault)
        if refused is None:
            injection = server.inject(self.fault, **self._options)
            injection.part = self
            self.injections.append(injection)
        return refused

    @property
    def hits(self) -> int:
        """How many connections and datagrams it has struck, on all servers together; see `Injection`."""
        return sum(injection.hits for injection in self.injections)

    def lift(self) -> None:
        """End it on every server; in force when this returns. Lifting twice is no error."""
        self.lifted = True
        for injection in self.injections:
            injection.lift()

    @property
    def text(self) -> str:
        """The fault and which it strikes, as they are written."""
        return written(self.fault, self._options)

    def __repr__(self) -> str:
        state = ", lifted" if self.lifted else ""
        return f"<Everywhere {self.text} on {len(self.injections)} servers: {self.hits} hits{state}>"

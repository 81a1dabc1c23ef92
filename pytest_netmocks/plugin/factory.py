"""`Netmocks`: the factory behind the fixture of that name."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from pytest_netmocks import scope
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.faults.selection import SelectorOptions
from pytest_netmocks.protocols import known
from pytest_netmocks.servers.errors import raise_all
from pytest_netmocks.servers.struck import read_options
from pytest_netmocks.strict import Strict

if TYPE_CHECKING:
    from pytest_netmocks.names.names import Names
    from pytest_netmocks.protocols.entry import Entry
    from pytest_netmocks.protocols.mail.mailbox import Mailbox
    from pytest_netmocks.protocols.table import Kinds
    from pytest_netmocks.servers.everywhere import Everywhere
    from pytest_netmocks.servers.ports import Ports
    from pytest_netmocks.servers.server import Server
    from pytest_netmocks.sweeps.place import Place

    Base = Kinds  # what the table says, to editors and type checkers; at run time the call starts the server
else:
    Base = object


class Netmocks(Strict, Base):
    """Makes servers: each is started when the call returns and closed at the end of the test."""

    def __init__(self) -> None:
        self._servers: list[Server] = []
        self._everywhere: list[Everywhere] = []
        self._names: list[Names] = []

    @property
    def place(self) -> Place | None:
        """Where this run of a sweep is to break, `None` in its reference run and in a test without one."""
        arm = scope.current.arm
        return arm.place if arm is not None else None

    def inject(self, fault: Fault, **selectors: Unpack[SelectorOptions]) -> Everywhere:
        """Put the fault before all servers of the test, those that it makes later too.

        The selectors are those of a server's `inject`, and each server counts for itself. Servers on which the fault
        makes no sense are left out. Raises `ValueError` if it makes none on any that there is, else as that does.
        """
        from pytest_netmocks.servers.everywhere import Everywhere  # nothing is loaded before somebody asks

        if not isinstance(fault, Fault):
            raise TypeError(f"fault must be a fault such as Refuse(), not {fault!r}")
        read_options(selectors)
        ledger = scope.current.ledger
        everywhere = Everywhere(fault, selectors, ledger.reached())
        ledger.everywhere.append(everywhere)
        self._everywhere.append(everywhere)
        return everywhere

    def names(
        self, names: Mapping[str, object] | None = None, *, strict: bool = False, allow: Sequence[str] = ()
    ) -> Names:
        """Let names lead to servers, for clients that insist on theirs, until the end of the test or its `lift()`.

        `names` maps `"api.example.com"`, `"db.internal:5432"` or `"*.cdn.test"` to a server, an IP address, a pair with
        a port, a list of those, or `None` for a name that there is not. Other names are resolved as before, or with
        `strict` fail, but for those that `allow` names (with stars, addresses and networks too). Raises `TypeError` or
        `ValueError` that names the argument.
        """
        from pytest_netmocks.names.names import Names  # as above

        made = Names({} if names is None else names, strict=strict, allow=allow)
        self._names.append(made)
        return made

    def ports(self, *, open: int = 0, closed: int = 0, silent: int = 0) -> Ports:
        """Ports in the three states that a port scanner tells apart, as many of each, until the end of the test.

        An `open` one accepts, a `closed` one answers a SYN with an RST and is nobody else's meanwhile, a `silent` one
        lets it unanswered, as behind a firewall. The lists of their numbers have these names. Raises `TypeError` or
        `ValueError` that names the argument, and `OSError` where the system has no silent ports.
        """
        from pytest_netmocks.servers.ports import Ports  # as above

        return Ports(functools.partial(self._start, known.TABLE["tcp"]), open=open, closed=closed, silent=silent)

    def mailbox(self) -> Mailbox:
        """A mailbox that servers share: `netmocks.smtp(mailbox=box)` fills it, a POP3 server shows it."""
        from pytest_netmocks.protocols.mail.mailbox import Mailbox  # as above

        return Mailbox()

    def __getattr__(self, name: str) -> Any:
        entry = None if name.startswith("_") else known.find(name)
        if entry is None:
            raise AttributeError(f"netmocks has no {name!r}; known are {', '.join(known.names())}")
        return functools.partial(self._start, entry)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *known.names()})

    def _start(self, entry: Entry, *arguments: Any, **options: Any) -> Server:
        server = entry.make(*arguments, **options).start()
        self._servers.append(server)
        return server

    def close(self) -> None:
        """Close every server, the newest first. Raises what a handler raised since somebody looked last."""
        for names in self._names:
            names.lift()
        for everywhere in self._everywhere:
            everywhere.lift()
        close_all(self._servers[::-1])
        self._servers.clear()


def close_all(servers: Sequence[Server]) -> None:
    """Close the servers; what their handlers raised and nobody took is raised here."""
    for server in servers:
        server.settle()
        server.close()
    raise_all([error for server in servers for error in server.journal.take_errors()])

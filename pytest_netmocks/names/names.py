"""`Names`: a test's names in force."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import ipaddress
import socket
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from pytest_netmocks import check
from pytest_netmocks.names import sockets
from pytest_netmocks.names.rules import CODES, NameRule
from pytest_netmocks.names.sockets import ForbiddenNameError, Led, Named
from pytest_netmocks.names.targets import Key, Table, address_of, is_address, spelt
from pytest_netmocks.strict import Strict

KEPT = 10_000
"""Lookups that are kept on record."""

OWN = ("localhost", "localhost.localdomain", "ip6-localhost")
"""Names that lead to this machine by themselves."""


@dataclasses.dataclass(frozen=True)
class Lookup:
    """One question for a name: its port (0 where none was asked for), and what was answered."""

    name: str
    """The name that was looked up."""
    port: int
    """The port that was asked for with it."""
    addresses: tuple[str, ...]
    """What was answered."""
    error: str | None = None
    """Why there was no answer, `None` where there was one."""


class Names(Strict):
    """Names that lead to the test's servers, in force until `lift()` or the end of the test or `with` block."""

    def __init__(self, names: Mapping[str, object], *, strict: bool = False, allow: Sequence[str] = ()) -> None:
        check.instance("strict", strict, bool, "True or False")
        self._table = Table(names)
        self._strict = strict
        self._allowed = [_allowed(one) for one in allow]
        self._rules: list[NameRule] = []
        self._lock = threading.Lock()
        self._allowed_addresses: set[str] = set()
        self._given: dict[tuple[str, int], Named] = {}
        self.requests: list[Lookup] = []
        """What was looked up, oldest first."""
        self._table.certify()
        sockets.put_in_force(self)

    def when(self, name: str) -> NameRule:
        """Begin a rule for a name (`"api.example.com"`, with a port or a star too): the newest that fits answers."""
        rule = NameRule(Key.of(name))
        with self._lock:
            self._rules.append(rule)
        return rule

    def lift(self) -> None:
        """Let names be what they were; lifting twice is no error."""
        sockets.lift(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lift()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(map(str, self._table.rows))}{', strict' if self._strict else ''}>"

    # What the functions of `socket` ask

    def resolve(self, host: str | bytes, port: int) -> Led | None:
        """Where the name leads; `None` if it is none of ours."""
        if is_address(host):
            return None
        name = spelt(host)
        with self._lock:
            fitting = [rule for rule in reversed(self._rules) if rule.matches((name, port))]
            rule = next((rule for rule in fitting if rule.answers), None)
            answer = rule.take().answer if rule is not None else None
        if answer is not None:
            if answer.error is not None:
                return self._failed(name, port, CODES[answer.error], answer.error, answer.delay)
            return self._told(name, port, Led(answer.targets, None, answer.delay, settled=True))
        targets = self._table.find(name, port)
        if targets is None:  # a port that it does not have: there is the name, and connect(2) is refused
            targets = self._table.addresses_of(name)
        if targets:
            return self._told(name, port, Led(targets))
        if targets is not None:
            return self._failed(name, port, socket.EAI_NONAME, "NXDOMAIN")
        return None

    def refuse_name(self, host: str | bytes, port: int) -> Led | None:
        """How a name fails that is nobody's; `None` if it may lead outside."""
        if not self._strict or is_address(host):
            return None
        name = spelt(host)
        if name in OWN or self._allows(name):
            return None
        known = ", ".join(map(str, self._table.rows)) or "none"
        why = f"it is no name of this test, which has {known}"
        return self._failed(name, port, socket.EAI_NONAME, why, kind=ForbiddenNameError)

    def _told(self, name: str, port: int, led: Led) -> Led:
        self._keep(Lookup(name, port, tuple(map(str, led.targets))))
        return led

    def _failed(
        self,
        name: str,
        port: int,
        code: int,
        why: str,
        delay: float = 0.0,
        *,
        kind: type[socket.gaierror] = socket.gaierror,
    ) -> Led:
        self._keep(Lookup(name, port, (), why))
        return Led((), kind(code, f"{name!r} cannot be resolved: {why}"), delay)

    def _keep(self, lookup: Lookup) -> None:
        with self._lock:
            self.requests.append(lookup)
            del self.requests[:-KEPT]

    def led_outside(self, host: str | bytes, addresses: Sequence[str]) -> None:
        """A name that is none of ours leads there: one that is allowed may be connected to."""
        if self._strict and not is_address(host) and self._allows(spelt(host)):
            self._allowed_addresses.update(addresses)

    def remember(self, named: Named, port: int) -> None:
        """The address is given out."""
        ports = self._table.ports_of(spelt(named.host))
        if port and ports and port not in ports and not named.settled:
            return  # whoever else is at that port of this machine is reached there
        with self._lock:
            self._given[str(named), port] = named

    def remembered(self, ip: str, port: int) -> Named | None:
        """What was given for a name, and is a plain address by now."""
        with self._lock:
            found = self._given.get((ip, port))
            if found is None and (by_name := self._given.get((ip, 0))) is not None:
                mapped = self._table.find(spelt(by_name.host), port)
                if mapped and any(row.ip == ip and row.port and row.port != port for row in mapped):
                    found = by_name
        return found

    def place(self, named: Named, port: int) -> tuple[str, int]:
        """Where a connection to that port goes. Raises `ConnectionRefusedError`."""
        target = named.target
        name = spelt(named.host)
        ports = self._table.ports_of(name)
        if ports and not named.settled:
            found = self._table.find(name, port)
            if not found:
                known = ", ".join(map(str, ports))
                raise ConnectionRefusedError(
                    errno.ECONNREFUSED, f"{name}:{port} leads nowhere: the test has it at port {known} only"
                )
            if target not in found:  # asked for with another port, or none
                target = next((one for one in found if one.ip == target.ip), found[0])
        return target.ip, target.port or port

    def refuse(self, ip: str, port: int) -> None:
        """Raise `ConnectionRefusedError` where nobody may connect."""
        if not self._strict or not is_address(ip):
            return
        address = address_of(ip)
        if not (address.is_loopback or address.is_unspecified or self._allows(ip)):
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"no test may connect to {ip}:{port}: names() is strict")

    def _allows(self, host: str) -> bool:
        return host in self._allowed_addresses or any(one.allows(host) for one in self._allowed)

    def connected(self, sock: socket.socket, named: Named, port: int) -> None:
        """A socket connects, or has: the server hears by which name."""
        server = named.target.server
        if server is None:
            return
        with contextlib.suppress(OSError):
            server.hear_soon(f"{sock.getsockname()[0]}:{sock.getsockname()[1]} asks for {named.host}:{port}")


class _Allowed:
    """A name, a name with a star, an address or a network."""

    def __init__(self, text: str) -> None:
        self._network = None
        with contextlib.suppress(ValueError):
            self._network = ipaddress.ip_network(text, strict=False)
        self._key = Key.of(text) if self._network is None else None

    def allows(self, host: str) -> bool:
        if self._network is not None:
            return is_address(host) and address_of(host) in self._network
        return self._key is not None and not is_address(host) and self._key.fits(spelt(host), 0)


def _allowed(text: object) -> _Allowed:
    if not isinstance(text, str):
        raise TypeError(f"allow must be names, addresses or networks such as '10.0.0.0/8', not {text!r}")
    return _Allowed(text)

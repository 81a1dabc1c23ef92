"""The functions of `socket` that know names, as long as some are in force.

A client gets addresses that are strings with a memory: they compare and print as the address, and `connect` knows by
them which name was asked for, and so which port is meant. Where a client made another string of it, what was looked up
last for that address says it.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from pytest_netmocks import clock
from pytest_netmocks.link import calls
from pytest_netmocks.names.targets import Target


class Named(str):
    """An address, and the name for which it was given."""

    __slots__ = ("host", "port", "resolver", "settled", "target")

    host: str
    port: int
    """The port that was asked for with the name, 0 where none was."""
    settled: bool
    """Whether a rule led there, whatever the port."""
    target: Target
    resolver: Resolver


class ForbiddenNameError(socket.gaierror):
    """A name that is nobody's, while nobody may look for others."""


class Led(NamedTuple):
    """Where a name leads or how it fails, after how many seconds, and whether a rule settles that."""

    targets: tuple[Target, ...]
    error: socket.gaierror | None = None
    delay: float = 0.0
    settled: bool = False


class Resolver(Protocol):
    """What is in force."""

    def resolve(self, host: str | bytes, port: int) -> Led | None:
        """Where the name leads; `None` if it is none of ours."""

    def refuse_name(self, host: str | bytes, port: int) -> Led | None:
        """How a name fails that is nobody's, by a `ForbiddenNameError`; `None` if it may lead outside."""

    def place(self, named: Named, port: int) -> tuple[str, int]:
        """Where a connection to that port goes. Raises `ConnectionRefusedError`."""

    def remembered(self, ip: str, port: int) -> Named | None:
        """What was given for a name, and is a plain address by now."""

    def remember(self, named: Named, port: int) -> None:
        """The address is given out."""

    def led_outside(self, host: str | bytes, addresses: list[str]) -> None:
        """A name that is none of ours leads there."""

    def refuse(self, ip: str, port: int) -> None:
        """Raise `ConnectionRefusedError` where nobody may connect."""

    def connected(self, sock: socket.socket, named: Named, port: int) -> None:
        """A socket connects, or has."""


_lock = threading.RLock()
_in_force: list[Resolver] = []
_before: dict[str, Any] = {}


def put_in_force(resolver: Resolver) -> None:
    """Ask it first from now on."""
    with _lock:
        if not _in_force:
            _patch()
        _in_force.append(resolver)


def lift(resolver: Resolver) -> None:
    """Ask it no more; with the last one everything is as it was."""
    with _lock:
        if resolver in _in_force:
            _in_force.remove(resolver)
            if not _in_force:
                _restore()


FUNCTIONS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex")


def _patch() -> None:
    for name in FUNCTIONS:
        _before[name] = getattr(socket, name)
        setattr(socket, name, globals()[f"_{name}"])
    calls.stand("names", {name: globals()[f"_{name}"] for name in calls.METHODS})


def _restore() -> None:
    for name in FUNCTIONS:
        setattr(socket, name, _before[name])
    calls.leave("names")
    _before.clear()


def _original(name: str) -> Callable[..., Any]:
    """The function that ours stands for; a thread may still be in ours when it is gone."""
    found: Callable[..., Any] = _before.get(name) or getattr(socket, name)
    return found


async def places_of(host: str, port: int) -> list[tuple[str, int]] | None:
    """Where connections to a name go that is in force; `None` if it is no test's.

    Raises `socket.gaierror` where the name fails, and `ConnectionRefusedError` where the port leads nowhere.
    """
    found = _led(host, port)
    if found is None:
        return None
    if found[1].delay:
        await clock.sleep(found[1].delay)
    return [named.resolver.place(named, port) for named in _all_named(host, port, *found)]


def _resolved(host: Any, port: int) -> list[Named] | None:
    if not isinstance(host, str | bytes) or not host or isinstance(host, Named):
        return None
    found = _led(host, port)
    if found is None:
        return None
    if found[1].delay:
        clock.block(found[1].delay)
    return _all_named(host, port, *found)


def _led(host: str | bytes, port: int) -> tuple[Resolver, Led] | None:
    for resolver in reversed(_in_force):
        led = resolver.resolve(host, port)
        if led is not None:
            return resolver, led
    for resolver in reversed(_in_force):  # only now: it may be the name of one that is older
        led = resolver.refuse_name(host, port)
        if led is not None:
            return resolver, led
    return None


def _all_named(host: str | bytes, port: int, resolver: Resolver, led: Led) -> list[Named]:
    if led.error is not None:
        raise led.error
    return [_named(resolver, host, port, led, target) for target in led.targets]


def _named(resolver: Resolver, host: str | bytes, port: int, led: Led, target: Target) -> Named:
    named = Named(target.ip)
    named.host = host.decode("latin-1") if isinstance(host, bytes) else host
    named.port, named.settled = port, led.settled
    named.resolver, named.target = resolver, target
    return named


def _getaddrinfo(
    host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
) -> list[Any]:  # as it is called
    real = _original("getaddrinfo")
    if isinstance(host, Named):
        return [(*row[:4], (host, *row[4][1:])) for row in real(str(host), port, family, type, proto, flags)]
    if flags & socket.AI_NUMERICHOST:
        return list(real(host, port, family, type, proto, flags))
    found = _resolved(host, _number(port))
    if found is None:
        outside = list(real(host, port, family, type, proto, flags))
        if isinstance(host, str | bytes):
            _led_outside(host, [row[4][0] for row in outside])
        return outside
    rows: list[Any] = []
    for named in found:
        with contextlib.suppress(socket.gaierror):  # of another family than is asked for
            for row in real(str(named), port, family, type, proto, flags & ~socket.AI_CANONNAME):
                name = named.host if flags & socket.AI_CANONNAME and not rows else ""
                named.resolver.remember(named, row[4][1])
                rows.append((*row[:3], name, (named, *row[4][1:])))
    if not rows:
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} has no address of the family that is asked for")
    return rows


def _led_outside(host: str | bytes, addresses: list[str]) -> None:
    for resolver in _in_force:
        resolver.led_outside(host, addresses)


def _number(port: Any) -> int:
    """The port that is asked for, 0 if it is none."""
    with contextlib.suppress(ValueError, TypeError):
        return int(port)
    with contextlib.suppress(OSError, TypeError):
        return socket.getservbyname(port.decode() if isinstance(port, bytes) else port)
    return 0


def _first(host: Any) -> Named | None:
    """The first IPv4 address of a name of ours."""
    found = _resolved(host, 0)
    if found is None:
        return None
    named = next((named for named in found if ":" not in named), None)
    if named is None:
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} has no IPv4 address")
    named.resolver.remember(named, 0)
    return named


def _gethostbyname(hostname: Any, /) -> str:
    named = _first(hostname)
    if named is not None:
        return named
    address = str(_original("gethostbyname")(hostname))
    _led_outside(hostname, [address])
    return address


def _gethostbyname_ex(hostname: Any, /) -> tuple[str, list[str], list[str]]:
    named = _first(hostname)
    if named is None:
        found: tuple[str, list[str], list[str]] = _original("gethostbyname_ex")(hostname)
        _led_outside(hostname, found[2])
        return found
    return named.host, [], [named]


def _placed(sock: socket.socket, address: Any) -> tuple[Any, Named | None]:
    """Where it is to go, and by which name, if it was one."""
    if not (_in_force and isinstance(address, tuple) and len(address) >= 2 and isinstance(address[0], str)):
        return address, None
    host, port, *rest = address
    named = host if isinstance(host, Named) else None
    if named is None and not isinstance(host, calls.Straight):
        named = next(filter(None, (one.remembered(host, port) for one in reversed(_in_force))), None)
    if named is None:
        found = _resolved(host, port)
        if found is None:
            for resolver in _in_force:
                resolver.refuse(host, port)
            return address, None
        named = found[0]
    ip, mapped = named.resolver.place(named, port)
    return (ip, mapped, *rest), named


def _connect(self: socket.socket, address: Any, /) -> None:
    place, named = _placed(self, address)
    real = calls.beneath_names("connect")
    if named is None:
        real(self, place)
        return
    try:
        real(self, place)
    finally:
        named.resolver.connected(self, named, address[1])


def _connect_ex(self: socket.socket, address: Any, /) -> int:
    try:
        place, named = _placed(self, address)
    except ConnectionRefusedError:
        return errno.ECONNREFUSED
    code = int(calls.beneath_names("connect_ex")(self, place))
    if named is not None:
        named.resolver.connected(self, named, address[1])
    return code


def _sendto(self: socket.socket, *args: Any) -> int:
    place, _ = _placed(self, args[-1])
    return int(calls.beneath_names("sendto")(self, *args[:-1], place))


def _sendmsg(self: socket.socket, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None, /) -> int:
    place, _ = _placed(self, address)
    return int(calls.beneath_names("sendmsg")(self, buffers, ancdata, flags, place))

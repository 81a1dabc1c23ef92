"""`Access`: which clients may connect, by their addresses and by how often they failed to log in.

Knows no sockets: it is asked about an address, be it that of a connection or one that a proxy tells (PROXY protocol).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableSet
from typing import TYPE_CHECKING, Any, Protocol

from pytest_netmocks.records.addresses import Address

if TYPE_CHECKING:
    import ipaddress

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network
    Host = ipaddress.IPv4Address | ipaddress.IPv6Address
    Networks = Iterable[str | Network | Host]
    """What a test may give: `"10.0.0.0/8"`, `"::1"`, or objects of the `ipaddress` module."""

ACCEPTED = "a list of addresses and networks such as '127.0.0.2' and '10.0.0.0/8'"


def networks(name: str, value: Any) -> tuple[Network, ...]:
    """The networks that are meant, none for `None`; an address is one, too. Raises `TypeError` or `ValueError`."""
    if value is None:
        return ()
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be {ACCEPTED}, not {value!r}")
    return tuple(_network(name, one) for one in value)


def networks_or_none(name: str, value: Any) -> tuple[Network, ...] | None:
    """As `networks`; `None` is kept."""
    return None if value is None else networks(name, value)


def _network(name: str, value: Any) -> Network:
    import ipaddress  # only where it is asked for

    kinds = (ipaddress.IPv4Network, ipaddress.IPv6Network, ipaddress.IPv4Address, ipaddress.IPv6Address)
    if not isinstance(value, (str, *kinds)):
        raise TypeError(f"{name} must be {ACCEPTED}, not one with {value!r}")
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"{name} must be {ACCEPTED}, not one with {value!r}: {error}") from None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:  # what `_host` makes of a client's address is to be in it
            return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def _host(address: Any) -> Host | None:
    """An IP address; one of IPv4 in the form of IPv6 (RFC 4291, section 2.5.5.2) is of IPv4. `None`: it is none."""
    import ipaddress  # as above

    try:
        host = ipaddress.ip_address(address)
    except ValueError:  # of a Unix socket, for example
        return None
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return mapped or host


class Settings(Protocol):
    """What a server was told of who may connect."""

    @property
    def allow(self) -> tuple[Network, ...] | None:
        """The only networks that clients come from, `None` for all there are."""

    @property
    def deny(self) -> tuple[Network, ...]:
        """The networks whose clients are refused, those in `allow` too."""

    @property
    def ban_after(self) -> int | None:
        """How many failed logins an address has, `None` for any number."""


class Banned(MutableSet[str]):
    """The IP addresses that are turned away: a set. Taking one out lifts its ban, and what has failed is forgotten."""

    def __init__(self, addresses: Iterable[str] = ()) -> None:
        self._banned: dict[str, None] = {}
        self._failed: dict[str, int] = {}
        for address in addresses:
            self.add(address)

    def __contains__(self, address: object) -> bool:
        return bool(self._banned) and str(_host(address)) in self._banned

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._banned))

    def __len__(self) -> int:
        return len(self._banned)

    def add(self, value: str) -> None:
        """Ban an address. Raises `ValueError` for what is none."""
        self._banned[_written("address", value)] = None

    def discard(self, value: str) -> None:
        """Lift the ban of an address, if it is banned, and forget its failed logins."""
        address = _written("address", value)
        self._banned.pop(address, None)
        self._failed.pop(address, None)

    def clear(self) -> None:
        """Lift all bans, and forget all failed logins."""
        self._banned.clear()
        self._failed.clear()

    def fails(self, address: str, most: int) -> bool:
        """A login from there fails; the `most`-th bans it. Whether it is such a one."""
        host = str(_host(address))
        self._failed[host] = failed = self._failed.get(host, 0) + 1
        if failed >= most:
            self._banned[host] = None
        return failed >= most

    def __repr__(self) -> str:
        return f"Banned({list(self._banned)!r})"


def _written(name: str, value: object) -> str:
    host = _host(value) if isinstance(value, str) else None
    if host is None:
        raise ValueError(f"{name} must be an IP address, not {value!r}")
    return str(host)


class Access:
    """Says of a client's address whether it may connect."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.banned = Banned()
        """The addresses that are turned away, since logins failed or a test says so."""
        self.is_watched = False
        """Whether a test has the set of those, and may put one in."""

    @property
    def is_asked(self) -> bool:
        """Whether anybody may be refused."""
        settings = self._settings
        return self.is_watched or settings.allow is not None or bool(settings.deny) or settings.ban_after is not None

    def refusal(self, address: Address) -> str | None:
        """Why a client of that address is refused, `None` if it is not. What has no IP address is no business of it."""
        host = _host(address[0] if address else None)
        if host is None:
            return None
        if str(host) in self.banned:
            return f"{host} is banned"
        denied = next((network for network in self._settings.deny if host in network), None)
        if denied is not None:
            return f"deny has {denied}"
        allowed = self._settings.allow
        if allowed is not None and not any(host in network for network in allowed):
            return f"{host} is not in allow"
        return None

    def login_failed(self, address: Address) -> bool:
        """A login of a client of that address fails; whether the address is banned for it."""
        most = self._settings.ban_after
        if most is None or _host(address[0]) is None:
            return False
        return self.banned.fails(address[0], most)

"""What a name leads to: servers, addresses, nothing; and how names are written and found."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pytest_netmocks.records.addresses import ip_text

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # nothing is bound here
"""Where a client reaches a server that listens everywhere."""

ACCEPTED = (
    "a server, an IP address, a pair of an IP address and a port, a list of those, or None for a name that there is not"
)


@runtime_checkable
class Listens(Protocol):
    """A server."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""


class Target(NamedTuple):
    """One address behind a name; `port` 0 is the one that is asked for."""

    ip: str
    port: int
    server: Any = None

    @property
    def pair(self) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
        """Family and address, as sockets take them."""
        if ":" in self.ip:
            return socket.AF_INET6, (self.ip, self.port, 0, 0)
        return socket.AF_INET, (self.ip, self.port)

    def __str__(self) -> str:
        where = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{where}:{self.port}" if self.port else where


def targets_of(what: str, value: object) -> tuple[Target, ...]:
    """The addresses that a value stands for; `what` names it in errors. Raises `TypeError` or `ValueError`."""
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(target for one in value for target in targets_of(what, one))
    if isinstance(value, str):
        return (Target(_ip(what, value), 0),)
    if isinstance(value, tuple):
        if len(value) != 2 or not isinstance(value[0], str) or type(value[1]) is not int or not 0 < value[1] < 65536:
            raise ValueError(f"{what} must be {ACCEPTED}, not {value!r}")
        return (Target(_ip(what, value[0]), value[1]),)
    if isinstance(value, Listens):
        if isinstance(value.address, str):
            raise ValueError(f"{what} must be a server that has a port, and {value!r} listens on a UNIX socket")
        host, port = value.address
        if not port:
            raise ValueError(f"{what} must be a server that has a port: start it first, {value!r} may choose one yet")
        return (Target(_ip(what, ANY_ADDRESS.get(host, "127.0.0.1" if host == "localhost" else host)), port, value),)
    raise TypeError(f"{what} must be {ACCEPTED}, not {value!r}")


def _ip(what: str, text: str) -> str:
    try:
        return ip_text(text)
    except ValueError:
        raise ValueError(f"{what} must be {ACCEPTED}, not {text!r}, which is no IP address") from None


def spelt(host: str | bytes) -> str:
    """A name as it is compared: in lower case, without the dot at its end, in ASCII (RFC 5890)."""
    text = host.decode("latin-1") if isinstance(host, bytes) else host
    text = text.lower().removesuffix(".")
    if not text.isascii():
        try:
            return text.encode("idna").decode()
        except UnicodeError:
            return text
    return text


def is_address(host: str | bytes) -> bool:
    """Whether it is an IP address, and no name."""
    text = host.decode("latin-1") if isinstance(host, bytes) else host
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address; one of IPv4 that is written as one of IPv6 (RFC 4291, section 2.5.5.2) is the former."""
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


class Key(NamedTuple):
    """A name as the test writes it: `api.example.com`, `db.internal:5432`, `*.cdn.test`; `port` 0 is any."""

    name: str
    port: int

    @classmethod
    def of(cls, text: object) -> Key:
        """Raises `TypeError` or `ValueError` for what is no such name."""
        if not isinstance(text, str):
            raise TypeError(f"a name must be a string such as 'api.example.com' or 'db.internal:5432', not {text!r}")
        name, colon, port = text.partition(":")
        rest = name.removeprefix("*.")
        if not rest or is_address(text) or "*" in rest or any(letter in text for letter in " /@[]\0"):
            raise ValueError(
                "a name must be one such as 'api.example.com', 'db.internal:5432' or '*.cdn.test', "
                f"without a scheme or a path, not {text!r}"
            )
        if colon and not (port.isdecimal() and port.isascii() and 0 < int(port) < 65536):
            raise ValueError(f"a name's port must be a number from 1 to 65535, not {port!r} of {text!r}")
        return cls(("*." if rest != name else "") + spelt(rest), int(port) if colon else 0)

    def fits(self, name: str, port: int) -> bool:
        """Whether it is that name; a port of 0 is not known yet."""
        if self.port and port and self.port != port:
            return False
        if self.name.startswith("*."):
            return name.endswith(self.name[1:]) and name != self.name[1:]
        return name == self.name

    @property
    def weight(self) -> tuple[bool, bool, int]:
        """The more exact of two that fit has more: with a port, without a star, longer."""
        return bool(self.port), not self.name.startswith("*."), len(self.name)

    def __str__(self) -> str:
        return f"{self.name}:{self.port}" if self.port else self.name


class Table:
    """Names and what they lead to."""

    def __init__(self, names: Mapping[str, object]) -> None:
        if not isinstance(names, Mapping):
            raise TypeError(f"names must be a mapping of names to servers, not {names!r}")
        self.rows: dict[Key, tuple[Target, ...]] = {}
        for text, value in names.items():
            self.rows[Key.of(text)] = targets_of(f"names[{text!r}]", value)

    def certify(self) -> None:
        """Let the servers that speak TLS show certificates that are good for their names."""
        wanted: dict[int, tuple[Any, list[str]]] = {}
        for key, targets in self.rows.items():
            for target in targets:
                if hasattr(target.server, "certify"):  # TLS may begin there later
                    wanted.setdefault(id(target.server), (target.server, []))[1].append(key.name)
        for server, names in wanted.values():
            server.certify(*names)

    def find(self, name: str, port: int) -> tuple[Target, ...] | None:
        """Where it leads, `None` if it is nobody's; a port of 0 is not known yet."""
        fitting = [key for key in self.rows if key.fits(name, port)]
        return self.rows[max(fitting, key=lambda key: key.weight)] if fitting else None

    def ports_of(self, name: str) -> list[int]:
        """The ports that a name has; none if it has them all."""
        return sorted(key.port for key in self.rows if key.port and key.fits(name, 0))

    def addresses_of(self, name: str) -> tuple[Target, ...] | None:
        """The addresses of a name that has certain ports only, one of each; `None` if it is nobody's."""
        fitting = [targets for key, targets in self.rows.items() if key.port and key.fits(name, 0)]
        by_ip = {target.ip: target for targets in fitting for target in targets}
        return tuple(by_ip.values()) if fitting else None

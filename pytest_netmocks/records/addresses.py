"""Addresses as records have them: a host and a port, or a UNIX socket's path.

That is `("unix:/path", 0)`, or `("unix", 0)` for the end of a client that has none, so that every address has a text
and a number.
"""

from __future__ import annotations

import ipaddress
from typing import Any

Address = tuple[Any, ...]

UNIX = "unix"


def unix_address(path: str) -> Address:
    """The address of a UNIX socket at that path; without one, `""`, that of a client's end."""
    return (f"{UNIX}:{path}" if path else UNIX), 0


def of_server(address: Any) -> Address:
    """The address of a server, which on a UNIX socket is its path alone."""
    return unix_address(address) if isinstance(address, str) else address


def is_unix(address: Address) -> bool:
    """Whether it is a UNIX socket's."""
    return isinstance(address[0], str) and address[0].partition(":")[0] == UNIX


def path_of(address: Address) -> str:
    """The path of a UNIX socket's address, `""` if it has none."""
    return str(address[0]).removeprefix(UNIX).removeprefix(":")


def ip_text(address: str | bytes | ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An IP address as the kernel writes it: the end of IPv4 within IPv6 in dots (RFC 5952, section 5).

    `str` of one does so from Python 3.13 on. Raises `ValueError` for what is no address.
    """
    ip = ipaddress.ip_address(address)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(ip) if mapped is None else f"::ffff:{mapped}"


def describe_address(address: Address) -> str:
    """`127.0.0.1:80`, `[::1]:80`, `unix:/run/x.sock` or `unix`."""
    host, port = str(address[0]), address[1]
    if ":" not in host and host != UNIX:
        return f"{host}:{port}"
    return host if is_unix(address) else f"[{host}]:{port}"

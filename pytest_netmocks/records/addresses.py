"""Addresses as records have them: a host and a port, or a UNIX socket's path.

That is `("unix:/path", 0)`, or `("unix", 0)` for the end of a client that has none, so that every address has a text
and a number.
"""

from __future__ import annotations

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


def describe_address(address: Address) -> str:
    """`127.0.0.1:80`, `[::1]:80`, `unix:/run/x.sock` or `unix`."""
    host, port = str(address[0]), address[1]
    if ":" not in host and host != UNIX:
        return f"{host}:{port}"
    return host if is_unix(address) else f"[{host}]:{port}"

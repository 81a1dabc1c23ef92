"""The calls of `socket.socket` that say where to, and who stands before them.

Names say where a call leads, virtual time how it is waited for. Names stand before virtual time in whichever order the
two come and go: only this module replaces the methods, and puts them back.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pytest_netmocks.records.addresses import Address

Layer = Literal["names", "virtual time"]

ORDER: tuple[Layer, ...] = ("names", "virtual time")
"""Who is called first."""

BASE: Any = socket.socket.__mro__[1]
"""The socket in C, whose methods these stand before."""

METHODS = tuple(name for name in ("connect", "connect_ex", "sendto", "sendmsg") if hasattr(BASE, name))
"""Those that take an address; Windows has no sendmsg."""

_lock = threading.RLock()
_standing: dict[Layer, Mapping[str, Callable[..., Any]]] = {}
_before: dict[str, Any] = {}
"""What the class in Python had itself, `None` for a method of the class in C."""


class Straight(str):
    """The host of an address that stands for no name, whatever name has led others there."""

    __slots__ = ()


def straight(address: Any) -> Any:
    """The address as servers and proxies use it themselves: a test's names do not lead them elsewhere."""
    if isinstance(address, tuple) and type(address[0]) is str:
        return (Straight(address[0]), *address[1:])
    return address  # a UNIX socket's path, or a name's address


def connect_straight(sock: socket.socket, address: Address) -> int:
    """Connect to that very address, as `connect_ex`."""
    # A host of a class of its own is encoded anew by each call: only where somebody looks at it.
    return sock.connect_ex(straight(address) if "names" in _standing else address)


def send_straight(sock: socket.socket, data: bytes, address: Address) -> None:
    """Send an answer to where the question came from, as `sendto`. Raises what that raises."""
    sock.sendto(data, straight(address) if "names" in _standing else address)


def stand(layer: Layer, methods: Mapping[str, Callable[..., Any]]) -> None:
    """Put one method each before those of sockets."""
    with _lock:
        first = _first()
        _standing[layer] = methods
        _arrange(first)


def leave(layer: Layer) -> None:
    """Take them away; with the last layer everything is as it was. Leaving twice is no error."""
    with _lock:
        first = _first()
        _standing.pop(layer, None)
        _arrange(first)


def beneath_names(name: str) -> Callable[..., Any]:
    """The method that names stand before; a thread may still be in theirs when they are gone."""
    timed = _standing.get("virtual time")
    found: Callable[..., Any] = timed[name] if timed is not None else _before.get(name) or getattr(BASE, name)
    return found


def _first() -> Mapping[str, Callable[..., Any]] | None:
    return next((_standing[layer] for layer in ORDER if layer in _standing), None)


def _arrange(former: Mapping[str, Callable[..., Any]] | None) -> None:
    first = _first()
    if first is former:
        return
    for name in METHODS:
        if former is None:
            _before[name] = vars(socket.socket).get(name)
        method = first[name] if first is not None else _before.pop(name)
        if method is None:
            delattr(socket.socket, name)
        else:
            setattr(socket.socket, name, method)

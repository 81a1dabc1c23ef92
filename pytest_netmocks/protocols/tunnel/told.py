"""What is on record of the way on from a proxy."""

from __future__ import annotations

import socket
from typing import Any

from pytest_netmocks.records.addresses import describe_address, unix_address
from pytest_netmocks.records.journal import Journal


def passed_on(journal: Journal, connection: int, sock: socket.socket) -> None:
    """A client of a proxy is passed on by this socket; by where it comes from, the far end's record is found."""
    try:
        far, near = sock.getpeername(), sock.getsockname()
    except OSError:  # it has gone already
        return
    journal.note(connection, f"passed on to {_described(far)}, where it comes from {_described(near)}")


def _described(address: Any) -> str:
    return describe_address(unix_address(address) if isinstance(address, str) else address)

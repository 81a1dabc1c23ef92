"""Requests that never came as a whole: why not, and who they are when nobody knows."""

from __future__ import annotations

from pytest_netmocks.protocols.web.fields import Headers
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.records.connection import Connection


def reason(connection: Connection, error: Exception | None) -> str:
    """Why nothing more comes from the connection."""
    if connection.closed_by == "fault":
        return f"a fault ended it ({connection.faults[-1]})" if connection.faults else "a fault ended it"
    if connection.closed_by == "server":
        return "the server ended the connection"
    return f"the connection is lost ({error})" if error is not None else "the client finished"


def nobody(connection: Connection, at: float) -> HttpRequest:
    """What stands for a request that cannot be read, so that it is answered as any other."""
    return HttpRequest(connection, at, method="", target="", path="", query="", headers=Headers(), http_version="1.1")

"""`SocksRequest`: what a client asked a SOCKS proxy for."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from pytest_netmocks.records.connection import Connection


@dataclasses.dataclass(slots=True)
class SocksRequest:
    """One request: `command` (`"CONNECT"`, `"BIND"`, `"UDP ASSOCIATE"`), where to, and what was replied.

    `host` is the name or address as it was asked for, `version` 4 or 5, `user` who logged in (of SOCKS4 its user id),
    `reply` the name of the reply, empty while there is none, and `at` seconds since the server started.
    """

    command: str
    host: str
    port: int
    """The port that the client wants to go to."""
    version: int
    user: str | None
    connection: Connection
    at: float
    reply: str = ""
    number: int = 0
    """Its place on the connection, from 1."""

    told: ClassVar[bool] = True
    """Whether the timeline has a line of it."""

    @property
    def destination(self) -> str:
        """Host and port, as rules compare them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.command} {self.destination} -> {self.reply or 'no reply'}"

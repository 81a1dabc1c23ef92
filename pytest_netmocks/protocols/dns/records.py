"""`DnsQuery`: one question on record."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.sides import Sides

Transport = Literal["udp", "tcp", "tls", "https"]


@dataclasses.dataclass(slots=True)
class DnsQuery:
    """One question as the server saw it.

    `name` is as it was written, capitals too, without the dot at its end; `type` is such as `"A"`, `transport` what it
    came by, `id` and `flags` (`"RD"`, `"AD"`) those of the message, `edns` the payload that the client takes by EDNS(0)
    or 0, and `reply` what was answered, `"NOERROR 10.0.0.1"`, empty if nothing was. `at` is seconds since the
    server started.
    """

    name: str
    type: str
    transport: Transport
    id: int
    flags: tuple[str, ...]
    edns: int
    connection: Connection
    at: float
    reply: str = ""
    number: int = 0
    """Its place among the client's, from 1."""

    told: ClassVar[bool] = True
    """Whether the timeline has a line of it."""

    def __str__(self) -> str:
        return f"{self.type} {self.name} -> {self.reply or 'no answer'}"

    def sides(self) -> Sides:
        """Question and answer in words."""
        code = self.reply.split(" ", 1)[0]
        return Sides(f"{self.type} {self.name}", self.reply, refuses=code not in ("", "NOERROR"), code=code)

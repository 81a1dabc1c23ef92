"""`Pop3Request`: one command on record."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.sides import Sides
from pytest_netmocks.rules.commands import in_words, on_one_line
from pytest_netmocks.servers.usual import Answerable

RECORDED = 64 << 10
"""Bytes of a reply that are on record with its command: messages are long, and in `connection.sent`."""


@dataclasses.dataclass(slots=True)
class Pop3Request(Answerable):
    """One command as the server saw it: its name in upper case, its argument, what was replied, and when it came.

    `reply` is as much as the faults let out, and at most 64 KiB: nothing where one struck in its place. `user` is who
    had logged in.
    """

    command: str
    argument: str | None
    connection: Connection
    at: float
    reply: str = ""
    user: str | None = None
    number: int = 0
    """Its place on the connection, from 1."""

    told: ClassVar[bool] = True
    """Whether the timeline has a line of it."""

    def answered(self, reply: bytes) -> None:
        """Put on record what goes out."""
        self.reply += reply[: max(0, RECORDED - len(self.reply))].decode("utf-8", "replace")

    def __str__(self) -> str:
        return on_one_line(self.command, self.argument, self.reply)

    def sides(self) -> Sides:
        """Command and reply in words."""
        return in_words(self.command, self.argument, self.reply, "-")

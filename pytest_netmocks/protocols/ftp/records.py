"""`FtpConnection`: a control or data connection on record."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.sides import Sides
from pytest_netmocks.rules.commands import in_words, on_one_line
from pytest_netmocks.servers.usual import Answerable


class FtpConnection(Connection):
    """A connection of FTP: `role` is `"control"` or `"data"`, and a data connection knows its `control` connection."""

    __slots__ = ("control", "role")

    def __init__(self, number: int, client_address: Address, opened_at: float) -> None:
        super().__init__(number, client_address, opened_at)
        self.role: Literal["control", "data"] = "control"
        self.control: FtpConnection | None = None


@dataclasses.dataclass(slots=True)
class FtpRequest(Answerable):
    """One command as the server saw it: its name in upper case, its argument, what was replied, and when it came.

    `reply` is as much as the faults let out: nothing where one struck in its place. Of a transfer `data_connection` is
    where it went, `bytes` how many, and `complete` whether the server saw its end.
    """

    command: str
    argument: str | None
    connection: FtpConnection
    at: float
    reply: str = ""
    path: str | None = None
    """The path on the server that the command is about, `None` of one that is about none."""
    data_connection: FtpConnection | None = None
    bytes: int = 0
    complete: bool | None = None
    number: int = 0
    """Its place on the connection, from 1."""

    told: ClassVar[bool] = True
    """Whether the timeline has a line of it."""

    def __str__(self) -> str:
        return on_one_line(self.command, self.argument, self.reply)

    def sides(self) -> Sides:
        """Command and reply in words."""
        return in_words(self.command, self.argument, self.reply, "45")

"""`MailboxRequest`: one command on record, of protocols with long answers."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.usual import Answerable

RECORDED = 64 << 10
"""Bytes of an answer that are on record with its command: messages are long, and in `connection.sent`."""


@dataclasses.dataclass(slots=True)
class MailboxRequest(Answerable):
    """What all of them have."""

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

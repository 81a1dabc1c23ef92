"""`TcpRequest`: one match of a rule on record."""

from __future__ import annotations

import dataclasses
import re

from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.sides import Sides
from pytest_netmocks.records.timeline import between, in_words
from pytest_netmocks.rules.bytes import ByteRule


@dataclasses.dataclass(slots=True)
class TcpRequest:
    """One match of a rule: the bytes that were taken, the match (`None` for a greeting), where and when.

    `at` is seconds since the server started; `number` is its place on the connection, from 1; `reply` is what the
    server answered, as much of it as the faults let out.
    """

    data: bytes
    """The bytes that matched."""
    match: re.Match[bytes] | None
    """What the rule's compiled pattern found, `None` of a rule for bytes."""
    connection: Connection
    at: float
    reply: bytes = b""
    number: int = 0

    def answered(self, reply: bytes) -> None:
        """Put on record what goes out."""
        self.reply = reply

    def __str__(self) -> str:
        return between(self.data, [self.reply] if self.reply else [])

    def sides(self) -> Sides:
        """What was matched and what it was answered."""
        return in_words(self.data, [self.reply] if self.reply else [])


TcpRule = ByteRule[TcpRequest]

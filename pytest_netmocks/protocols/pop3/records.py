"""`Pop3Request`: one command on record."""

from __future__ import annotations

import dataclasses

from pytest_netmocks.protocols.mail.records import MailboxRequest
from pytest_netmocks.records.sides import Sides
from pytest_netmocks.rules.commands import in_words, on_one_line


@dataclasses.dataclass(slots=True)
class Pop3Request(MailboxRequest):
    """One command as the server saw it: its name in upper case, its argument, what was replied, and when it came.

    `reply` is as much as the faults let out, and at most 64 KiB: nothing where one struck in its place. `user` is who
    had logged in.
    """

    def __str__(self) -> str:
        return on_one_line(self.command, self.argument, self.reply)

    def sides(self) -> Sides:
        """Command and reply in words."""
        return in_words(self.command, self.argument, self.reply, "-")

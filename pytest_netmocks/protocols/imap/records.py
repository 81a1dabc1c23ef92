"""`ImapRequest`: one command on record."""

from __future__ import annotations

import dataclasses

from pytest_netmocks.protocols.mail.records import MailboxRequest
from pytest_netmocks.records.sides import Sides
from pytest_netmocks.records.words import counted


@dataclasses.dataclass(slots=True)
class ImapRequest(MailboxRequest):
    """One command as the server saw it: its name in upper case, its argument as it was sent, and what was answered.

    Of `UID FETCH` the name is FETCH and `uid` is true. `reply` is all of the answer, untagged lines too, as much as the
    faults let out, and at most 64 KiB. `user` is who had logged in.
    """

    tag: str = ""
    """The tag that the client gave the command."""
    uid: bool = False

    @property
    def status(self) -> str:
        """What stands behind the tag in the answer, `"OK done"`; empty if it never came."""
        lines = self.reply.splitlines()
        mark = f"{self.tag} "
        return next((line.removeprefix(mark) for line in reversed(lines) if line.startswith(mark)), "")

    def __str__(self) -> str:
        said = self.sides()
        return f"{said.asked} -> {said.answered or 'no reply'}"

    def sides(self) -> Sides:
        """Command and answer in words."""
        argument = self.argument or ""
        shown = argument if len(argument) <= 100 else f"{argument[:100]}..."
        asked = " ".join(word for word in ("UID" if self.uid else "", self.command, shown) if word)
        lines = [line for line in self.reply.splitlines() if line.startswith("* ")]
        rest = f" (and {counted(len(lines), 'line')} before)" if lines and self.status else ""
        answered = self.status or (self.reply.splitlines()[0] if self.reply else "")
        return Sides(asked, answered + rest, refuses=answered.startswith(("NO", "BAD")), code=answered.split(" ", 1)[0])

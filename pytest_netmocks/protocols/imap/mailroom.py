"""`Mailroom`: one client's session with the folders: who it is, what it has selected, what commands come to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

from pytest_netmocks.protocols.imap import utf7
from pytest_netmocks.protocols.imap.syntax import Arguments, BadError
from pytest_netmocks.protocols.imap.view import View
from pytest_netmocks.protocols.mail import visit
from pytest_netmocks.protocols.mail.mailbox import Folder
from pytest_netmocks.protocols.mail.visit import No
from pytest_netmocks.servers.sasl import MECHANISMS, SaslError
from pytest_netmocks.servers.tasks import nothing


class Settings(visit.Settings, Protocol):
    """What a server was told of how its sessions are to be."""

    starttls: bool


@dataclasses.dataclass(slots=True)
class Done:
    """What a command has come to: lines, each as it goes out, what stands behind the tag, and what is next."""

    status: str
    lines: list[bytes] = dataclasses.field(default_factory=list)
    ask: bytes | None = None
    """What the client is asked to go on with, in place of an answer."""
    after: list[bytes] = dataclasses.field(default_factory=list)
    """Lines behind that."""
    then: Callable[[], None] = nothing
    """To be called once this was answered, unless the answer refuses."""
    expunges: bool = True
    """Whether the numbers of messages may change with it."""
    changes: bool = False
    """Whether other sessions may have to hear of it."""


class Mailroom(visit.Visit[Settings, Done]):
    """What the commands stand on."""

    not_private = "[PRIVACYREQUIRED] log in after STARTTLS"  # RFC 5530, section 3
    nobody = "[AUTHENTICATIONFAILED] authentication failed"

    def __init__(self, settings: Settings, line: visit.Line) -> None:
        super().__init__(settings, line)
        self.condstore = False
        """Whether the client is told mod-sequences unasked (RFC 7162, section 3.1)."""
        self.view: View | None = None
        """The folder that is selected."""

    # What it can

    def capabilities(self) -> str:
        """What CAPABILITY says now."""
        words = ["IMAP4rev1", "LITERAL+", "SASL-IR", "ID", "ENABLE", "IDLE"]
        if self.user is None:
            words += ["STARTTLS"] if self.settings.starttls and not self.secure else []
            if self.is_private:
                words += [f"AUTH={name}" for name in MECHANISMS]
            else:
                words.append("LOGINDISABLED")
        words += [
            "NAMESPACE",
            "UNSELECT",
            "UIDPLUS",
            "MOVE",
            "ESEARCH",
            "CONDSTORE",
            "CHILDREN",
            "LIST-EXTENDED",
            "SPECIAL-USE",
        ]
        return " ".join(words)

    # Who it is

    def ask(self, challenge: str, then: Callable[[], None]) -> Done:
        return Done("", ask=challenge.encode(), then=then)

    def let_in(self, user: str) -> Done:
        self.user = user
        return Done(f"OK [CAPABILITY {self.capabilities()}] logged in")

    def refused(self, why: No | SaslError) -> Done:
        return Done(f"{'BAD' if isinstance(why, SaslError) and why.is_malformed else 'NO'} {why}")

    # Folders

    def folder(self, arguments: Arguments) -> Folder:
        """The folder that a command names. Raises `No` where there is none."""
        name = arguments.folder()
        found = self.settings.mailbox.folders.get(utf7.decoded(name))
        if found is None:
            raise No(f"[NONEXISTENT] there is no folder {name[:100]!r}")
        return found

    @property
    def selected(self) -> View:
        """What is selected."""
        if self.view is None:
            raise BadError("no folder is selected")
        return self.view

    @property
    def writable(self) -> View:
        """What is selected, to be changed."""
        view = self.selected
        if view.read_only:
            raise No("[READ-ONLY] the folder was only to be read")
        return view

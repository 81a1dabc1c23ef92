"""`Mailroom`: one client's session with the folders: who it is, what it has selected, what commands come to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

from pytest_netmocks.protocols.imap import utf7
from pytest_netmocks.protocols.imap.syntax import Arguments, BadError
from pytest_netmocks.protocols.imap.view import View
from pytest_netmocks.protocols.mail.mailbox import Folder, Mailbox
from pytest_netmocks.servers.sasl import MECHANISMS, Authentication, SaslError, Users
from pytest_netmocks.servers.tasks import nothing


class Settings(Protocol):
    """What a server was told of how its sessions are to be."""

    users: dict[str, str]
    mailbox: Mailbox
    hostname: str
    starttls: bool
    auth_requires_tls: bool


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


class No(Exception):  # noqa: N818  # no error, but what a client is told
    """The command is refused, with this text."""


class Mailroom:
    """What the commands stand on."""

    def __init__(
        self,
        settings: Settings,
        *,
        secure: bool,
        close: Callable[[], None],
        upgrade: Callable[[], None],
        failed: Callable[[], None],
    ) -> None:
        self.settings = settings
        self._failed = failed
        """To be called when a login fails."""
        self.secure = secure
        self.user: str | None = None
        """Who has logged in."""
        self.condstore = False
        """Whether the client is told mod-sequences unasked (RFC 7162, section 3.1)."""
        self.view: View | None = None
        """The folder that is selected."""
        self.authentication = Authentication(
            self._users, self._logged_in, lambda asked, then: Done("", ask=asked.encode(), then=then)
        )
        self.close = close
        self.upgrade = upgrade

    # What it can

    def capabilities(self) -> str:
        """What CAPABILITY says now."""
        words = ["IMAP4rev1", "LITERAL+", "SASL-IR", "ID", "ENABLE", "IDLE"]
        if self.user is None:
            words += ["STARTTLS"] if self.settings.starttls and not self.secure else []
            if self._is_private:
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

    @property
    def _is_private(self) -> bool:
        return self.secure or not self.settings.auth_requires_tls

    # Who it is

    def _users(self) -> Users:
        return Users(self.settings.users, self.settings.hostname)

    def check_privacy(self) -> None:
        """Raise `No` where nobody may log in in plain text."""
        if not self._is_private:
            raise No("[PRIVACYREQUIRED] log in after STARTTLS")  # RFC 5530, section 3

    def log_in(self, user: str, password: str) -> Done:
        """LOGIN."""
        return self._logged_in(self._users().check(user, password))

    def _logged_in(self, user: str | None) -> Done:
        if user is None:
            self._failed()
            raise No("[AUTHENTICATIONFAILED] authentication failed")
        self.user = user
        return Done(f"OK [CAPABILITY {self.capabilities()}] logged in")

    def authenticate(self, mechanism: str, initial: str | None) -> Done:
        """Begin an exchange of SASL."""
        try:
            return self.authentication.begin(mechanism, initial)
        except SaslError as error:
            return _refused(error)

    def respond(self, response: str) -> Done:
        """The client's next line in that."""
        try:
            return self.authentication.respond(response)
        except SaslError as error:
            return _refused(error)
        except No as no:
            return Done(f"NO {no}")

    def upgraded(self) -> None:
        """TLS is there."""
        self.secure = True

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


def _refused(error: SaslError) -> Done:
    return Done(f"{'BAD' if error.is_malformed else 'NO'} {error}")

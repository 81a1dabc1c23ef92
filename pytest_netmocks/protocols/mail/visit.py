"""`Visit`: one client's session with a mailbox, as far as it is about who the client is: privacy, logins, TLS."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, Protocol, TypeVar

from pytest_netmocks.protocols.mail.mailbox import Mailbox
from pytest_netmocks.servers.sasl import Authentication, SaslError, Users


class Settings(Protocol):
    """What a server was told of how its sessions are to be."""

    users: dict[str, str]
    mailbox: Mailbox
    hostname: str
    auth_requires_tls: bool


class Line(Protocol):
    """What a visit asks of the connection that it is on."""

    @property
    def is_secure(self) -> bool:
        """Whether it speaks TLS."""

    def close(self) -> None:
        """End it behind what was sent."""

    def upgrade(self) -> None:
        """Go on over TLS."""

    def login_failed(self) -> None:
        """A login has failed, and is about to be answered."""


S = TypeVar("S", bound=Settings)
D = TypeVar("D")


class No(Exception):  # noqa: N818  # no error, but what a client is told
    """The command is refused, with this text."""


class Visit(Generic[S, D]):
    """What the commands stand on; what they come to the protocol says: `D`."""

    not_private: ClassVar[str]
    """What is said to who logs in where TLS has to come first."""

    nobody: ClassVar[str]
    """What is said to who fails to log in."""

    def __init__(self, settings: S, line: Line) -> None:
        self.settings = settings
        self.line = line
        self.secure = line.is_secure
        self.user: str | None = None
        """Who has logged in."""
        self.authentication = Authentication(lambda: self.users, self.logged_in, self.ask)

    # What a subclass says

    @abstractmethod
    def ask(self, challenge: str, then: Callable[[], None]) -> D:
        """Ask for the client's next response, after which `then` is to be called."""

    @abstractmethod
    def let_in(self, user: str) -> D:
        """The client is that user. May raise `No`."""

    @abstractmethod
    def refused(self, why: No | SaslError) -> D:
        """The answer to what is refused."""

    # Who it is

    @property
    def users(self) -> Users:
        """Who may log in."""
        return Users(self.settings.users, self.settings.hostname)

    @property
    def is_private(self) -> bool:
        """Whether anybody may log in as things are."""
        return self.secure or not self.settings.auth_requires_tls

    def check_privacy(self) -> None:
        """Raise `No` where nobody may log in in plain text."""
        if not self.is_private:
            raise No(self.not_private)

    def logged_in(self, user: str | None) -> D:
        """What a login has come to: `None` is nobody. May raise `No`."""
        if user is None:
            self.line.login_failed()
            raise No(self.nobody)
        return self.let_in(user)

    def authenticate(self, mechanism: str, initial: str | None) -> D:
        """Begin an exchange of SASL."""
        try:
            return self.authentication.begin(mechanism, initial)
        except (No, SaslError) as why:
            return self.refused(why)

    def respond(self, response: str) -> D:
        """The client's next line in that."""
        try:
            return self.authentication.respond(response)
        except (No, SaslError) as why:
            return self.refused(why)

    def upgraded(self) -> None:
        """TLS is there."""
        self.secure = True

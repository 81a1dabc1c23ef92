"""`FtpDesk`: what a session asks of its server: commands, the rules over them, who may, and data connections."""

from __future__ import annotations

import asyncio
import pathlib
import socket
import threading
from collections.abc import Callable
from typing import Any, Protocol

from pyftpdlib.authorizers import AuthenticationFailed, DummyAuthorizer  # type: ignore[import-untyped]

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.ftp.bridge import LinkSocket
from pytest_netmocks.protocols.ftp.library import Stub
from pytest_netmocks.protocols.ftp.records import FtpConnection, FtpRequest
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.desk import CommandDesk, Home
from pytest_netmocks.servers.stack import Stack

ALL = "elradfmwMT"
"""pyftpdlib's letters for every permission."""


class Settings(Protocol):
    """What a test may say otherwise while the server runs, and what follows from it."""

    users: dict[str, str]
    permissions: dict[str, str]
    root: pathlib.Path
    encoding: str
    require_session_reuse: bool

    @property
    def is_anonymous(self) -> bool:
        """Whether anonymous clients are let in."""

    @property
    def offers_tls(self) -> bool:
        """Whether a client can speak TLS with it, from the first byte or later."""


class Authorizer(DummyAuthorizer):  # type: ignore[misc]  # pyftpdlib has no types
    """Asks the server's `users` whenever somebody logs in."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        settings = self._settings
        if username == "anonymous" and settings.is_anonymous:
            return
        if username not in settings.users or settings.users[username] != password:
            raise AuthenticationFailed("Authentication failed.")

    def has_user(self, username: str) -> bool:
        return username in self._settings.users or (username == "anonymous" and self._settings.is_anonymous)

    def get_home_dir(self, username: str) -> str:
        return str(self._settings.root)

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        return perm in self.get_perms(username)

    def get_perms(self, username: str) -> str:
        return self._settings.permissions.get(username, ALL)

    def get_msg_login(self, username: str) -> str:
        return "Login successful."

    def get_msg_quit(self, username: str) -> str:
        return "Goodbye."


class FtpDesk(CommandDesk[FtpRequest, FtpConnection]):
    """Knows users, too, and puts data connections on links.

    `put` is given a connected socket, the client's address, what makes the protocol on it, and facts for the record;
    `exhausted` is told of the error when there are no descriptors. Its own port is of that `family`.
    """

    def __init__(
        self,
        home: Home[FtpRequest, FtpConnection],
        settings: Settings,
        family: socket.AddressFamily,
        put: Callable[..., Stack],
        exhausted: Callable[[OSError], None],
    ) -> None:
        super().__init__(home, FtpRequest)
        self.settings = settings
        self.authorizer = Authorizer(settings)
        self.stub = Stub(family)
        self.exhausted = exhausted
        self.data_lock = threading.RLock()
        """Held while a data connection is accepted: who asks meanwhile waits until it is on record."""
        self._put = put

    def adopt(self, sock: socket.socket, control: FtpConnection, *, secure: bool, dialled: bool = False) -> LinkSocket:
        """Put a data connection on record and on a link."""
        made: list[LinkSocket] = []

        def protocol(link: Link, connection: Connection) -> asyncio.BaseProtocol:
            if not made:
                made.append(LinkSocket(link))
            return made[0]

        try:
            address = sock.getpeername()
        except OSError:  # it was reset before it was accepted
            address = (control.client_address[0], 0)
        how = "connected to" if dialled else "opened by"
        stack = self._put(sock, address, protocol, secure=secure, beside=control, how=how, role="data", control=control)
        if not made:  # over TLS the protocol comes after the handshake, which the client has not begun yet
            made.append(LinkSocket(stack.link))
            made[0].watch(stack)
        return made[0]

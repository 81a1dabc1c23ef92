"""`FtpServer`: files in a real directory, rules over commands, faults on control and data connections."""

from __future__ import annotations

import asyncio
import operator
import os
import pathlib
import shutil
import socket
import tempfile
from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal, Self, Unpack, cast

from pytest_netmocks import check
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.ftp.desk import ALL, FtpDesk
from pytest_netmocks.protocols.ftp.files import check_encoding
from pytest_netmocks.protocols.ftp.library import COMMANDS, Poller
from pytest_netmocks.protocols.ftp.records import FtpConnection, FtpRequest
from pytest_netmocks.protocols.ftp.security import SECURITY
from pytest_netmocks.protocols.ftp.session import FtpSession
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Direction
from pytest_netmocks.rules.commands import Command, CommandRule, Wanted
from pytest_netmocks.rules.dialect import CODES
from pytest_netmocks.servers.commands import CommandServer
from pytest_netmocks.servers.limited import Parting
from pytest_netmocks.servers.option import Option
from pytest_netmocks.servers.stream import StreamOptions
from pytest_netmocks.servers.stream_front import StreamFront

DOWNLOADS = ("RETR", "LIST", "NLST", "MLSD")
"""The commands whose data a rule can replace."""

UPLOADS = ("STOR", "APPE", "STOU")
"""The commands whose data comes from the client."""


def check_permissions(name: str, value: object) -> dict[str, str]:
    """A mapping of users to pyftpdlib's letters, or none."""
    permissions = check.passwords(name, value, "a mapping of users to letters")
    for user, letters in permissions.items():
        if set(letters) - set(ALL):
            raise ValueError(f"{name} must be letters of {ALL!r}, not {user!r}: {letters!r}")
    return permissions


class FtpServer(CommandServer[FtpRequest, FtpConnection]):
    """An FTP server over a directory: `root`, a fresh one unless given.

    Anonymous clients may read and write everything until there are `users` (names to passwords), unless `anonymous`
    says otherwise; `permissions` gives users fewer of pyftpdlib's letters (`"elradfmwMT"` are all). `tls="explicit"`
    offers AUTH TLS, `"implicit"` speaks TLS from the first byte. `encoding` is the one of names in commands, answers
    and listings; what it cannot read are lone surrogates on record and in rules, as in `os.fsdecode()`, and the same
    bytes on disk. With `require_session_reuse`, as vsftpd's `require_ssl_reuse`, a data connection over TLS has to
    resume the session of the control connection: else its transfer is answered with 522.
    """

    scheme = "ftp"
    dialect = CODES
    # The codes of RFC 959, section 4.2.2, for what may be had later.
    busy = "450 Too many requests, try again later."
    busy_greeting = "421 Too many connections, try again later."
    partings: ClassVar[Mapping[Parting, str]] = {  # RFC 959, section 4.2.1
        "silence": "421 Timeout.",
        "logins": "421 Too many failed logins.",
        "requests": "421 Too many commands.",
    }
    preliminary = "1"
    desk: FtpDesk
    secure_scheme: ClassVar[str | None] = "ftps"
    default_tls: ClassVar[Literal["explicit", "implicit"] | None] = None
    fixed: ClassVar[Mapping[str, str]] = {
        "root": "make another server with root=, or copy files into it",
        "explicit": "make another server with tls=",
        "may_upgrade": "make another server with tls=",
        "require_session_reuse": "make another server with require_session_reuse=",
    }
    users = Option(check.passwords)
    permissions = Option(check_permissions)
    encoding: Option[str] = Option(check.kept(check_encoding))

    def __init__(
        self,
        *,
        tls: bool | str | None = None,
        root: str | os.PathLike[str] | None = None,
        users: Mapping[str, str] | None = None,
        anonymous: bool | None = None,
        permissions: Mapping[str, str] | None = None,
        encoding: str = "utf-8",
        require_session_reuse: bool = False,
        **options: Unpack[StreamOptions],
    ) -> None:
        check.instance("root", root, (str, os.PathLike, type(None)), "a path or None")
        check.instance("anonymous", anonymous, (bool, type(None)), "True, False or None")
        self._take_options(users=users, permissions=permissions, encoding=encoding)
        check.instance("tls", tls, (bool, str, type(None)), "'explicit', 'implicit', True or False")
        if tls == "":
            raise ValueError("tls must be 'explicit', 'implicit', True or False, not ''")
        check.instance("require_session_reuse", require_session_reuse, bool, "True or False")
        self._anonymous = anonymous
        self._own_root = root is None
        if root is not None and not pathlib.Path(root).is_dir():
            if pathlib.Path(root).exists():
                raise NotADirectoryError(20, "root: no directory", str(root))
            raise FileNotFoundError(2, "root: no such directory", str(root))
        mode = self.default_tls if tls is None else tls
        if require_session_reuse and not mode:
            raise ValueError("require_session_reuse= is about TLS, and there is none: give tls='explicit' with it")
        self.require_session_reuse = require_session_reuse
        self.explicit = mode == "explicit"
        self.may_upgrade = self.explicit  # type: ignore[misc]  # here it is up to the server
        super().__init__(tls=mode or False, **options)
        made = tempfile.mkdtemp(prefix="netmocks-ftp-") if root is None else root
        self.root = pathlib.Path(made).resolve()
        """The directory that clients see as `/`."""
        if self.explicit:
            self.scheme = "ftp" if self.default_tls is None else "ftps"

    def _from_the_start(self, tls: object) -> bool:
        if tls not in (True, False, "explicit", "implicit"):
            raise ValueError(f"tls must be 'explicit', 'implicit', True or False, not {tls!r}")
        return tls in (True, "implicit")

    def _refusal_of_path(self) -> str | None:
        return "FTP has its data connections on ports of the address that the client has connected to"

    def _prepare(self) -> None:
        super()._prepare()
        self._poller: Poller | None = None
        self._sessions: dict[int, FtpSession] = {}

    def _make_front(self) -> StreamFront:
        front = super()._make_front()
        front.on_accept = self._keep_urgent_bytes
        front.on_over = self._forget_session
        front.on_drain = self._accept_data
        return front

    def _make_desk(self) -> FtpDesk:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        return FtpDesk(self, self, family, self.front.adopt, self.front.exhausted)

    @property
    def is_anonymous(self) -> bool:
        """Whether anonymous clients are let in."""
        return not self.users if self._anonymous is None else self._anonymous

    # What a test says

    def when(self, command: Command, argument: Wanted = None) -> CommandRule[FtpRequest]:
        """Begin a rule for a command, with that argument if one is given: as sent, an absolute path, or a pattern.

        Raises `ValueError` for a command that is not known.
        """
        return self._when(
            CommandRule, command, argument, [*COMMANDS, *SECURITY], operator.attrgetter("path"), DOWNLOADS, UPLOADS
        )

    @property
    def connections(self) -> list[FtpConnection]:  # type: ignore[override]  # all of them are
        """Every connection so far, control and data, oldest first."""
        return cast("list[FtpConnection]", super().connections)

    def parts(self, connection: Connection, direction: Direction, data: bytes) -> Iterable[int]:
        """As any server's; a file is no lines of the protocol's."""
        is_file = isinstance(connection, FtpConnection) and connection.role == "data"
        return () if is_file else super().parts(connection, direction, data)

    # Connections

    def _connection(self, number: int, address: Address) -> Connection:
        return FtpConnection(number, address, self.journal.now())

    def _protocol(self, link: Link, connection: Connection) -> asyncio.BaseProtocol:
        assert isinstance(connection, FtpConnection)
        if self._poller is None:
            self._poller = Poller(self._loop)
        session = self._sessions[connection.id] = FtpSession(self.desk, link, connection, self._poller)
        self._loop.call_soon(self._greet, session)
        return session.bridge

    def session_of(self, connection: Connection) -> Connection:
        """The control connection, of a data connection too."""
        return connection.control or connection if isinstance(connection, FtpConnection) else connection

    def _forget_session(self, number: int) -> None:
        self._sessions.pop(number, None)

    # Clients whose connect() has returned are connected, whether pyftpdlib has accepted them or not.

    def catch_up(self) -> None:
        if any(session.data_waits for session in list(self._sessions.values())):
            self.run_in_loop(self._drain)
        super().catch_up()

    def _accept_data(self) -> None:
        for session in list(self._sessions.values()):
            session.accept_data()

    @staticmethod
    def _greet(session: FtpSession) -> None:
        if session.connected and not session.link.over:
            session.handle()

    @staticmethod
    def _keep_urgent_bytes(sock: socket.socket, address: Address) -> bool:
        # A client says ABOR with one (RFC 959, section 4.1.3), which is to come in its place.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        return True

    def start(self) -> Self:
        """As any server's; a directory of its own goes with a start that fails."""
        try:
            return super().start()
        except OSError:
            if self._own_root and not self.journal.connections:
                shutil.rmtree(self.root, ignore_errors=True)
            raise

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        if self._own_root:
            shutil.rmtree(self.root, ignore_errors=True)
            self.root.mkdir(mode=0o700, exist_ok=True)

    def close(self) -> None:
        """End it for good; a directory that was made for it is removed."""
        super().close()
        if self._own_root:
            shutil.rmtree(self.root, ignore_errors=True)


class FtpsServer(FtpServer):
    """An FTP server that offers AUTH TLS."""

    default_tls = "explicit"

"""Between aiosmtpd and us: its protocol on a link, and what it looks up: commands, mechanisms of AUTH, EHLO's lines.

What aiosmtpd and asyncio keep to themselves is used here and nowhere else.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import ssl
from collections.abc import Callable, Iterator
from typing import Any

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, LoginPassword

from pytest_netmocks import clock, usercode
from pytest_netmocks.link import quiet
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.smtp.desk import SmtpDesk
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.sasl import Conversation, Users, cram_md5, decoded, xoauth2
from pytest_netmocks.servers.timeslice import TimeSlice

quiet.silence("mail.log")

COMMAND = 512
"""Bytes of a command line (RFC 5321, section 4.5.3.1.4)."""

AUTH = 12288
"""Bytes of a line of AUTH (RFC 4954, section 4)."""

IDLE = 3600.0
"""Seconds without a command after which aiosmtpd closes: longer than any test."""


class Commands(dict[str, Any]):
    """aiosmtpd's table of commands: each is executed by `execute`.

    `unknown` is told of what is not in it, and gives what answers it, if that is not aiosmtpd.
    """

    def __init__(self, methods: dict[str, Any], execute: Callable[..., Any], unknown: Callable[[str], Any]) -> None:
        super().__init__(methods)
        self._execute = execute
        self._unknown = unknown

    def get(self, command: str, default: Any = None) -> Any:
        method = super().get(command)
        if method is None:
            return self._unknown(command) or default
        wrapped = functools.partial(self._execute, command, method)
        # HELP shows what aiosmtpd's decorator has put on the method.
        for name, value in vars(getattr(method, "__func__", method)).items():
            setattr(wrapped, name, value)
        return wrapped

    def items(self) -> Any:
        return dict.items(self)


def let_in(desk: SmtpDesk, connection: Connection, credentials: Any) -> AuthResult:
    """Let in who has a user's password."""
    user, password = (part.decode("utf-8", "replace") for part in (credentials.login, credentials.password))
    success = desk.users.check(user, password) is not None
    if not success:
        desk.login_failed(connection)
    return AuthResult(success=success, handled=False, auth_data=credentials)


class Handler:
    """The handler of one session."""

    def __init__(self, desk: SmtpDesk, connection: Connection) -> None:
        self._desk = desk
        self._connection = connection

    async def handle_exception(self, error: Exception) -> str:
        if not isinstance(error, ConnectionError):  # that is an end, no failure
            self._desk.journal.note(self._connection.id, f"aiosmtpd failed: {error!r}")
        return f"500 5.5.2 Error: {type(error).__name__}"

    async def handle_EHLO(  # noqa: N802  # aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]  # RFC 2920; aiosmtpd keeps to it without saying so

    async def auth_CRAM__MD5(self, server: Any, args: list[str]) -> AuthResult:  # noqa: N802
        """RFC 2195."""
        if len(args) > 1:
            await server.push("501 5.7.0 CRAM-MD5 begins with the server's challenge")
            return AuthResult(success=False)
        return await self._converse(server, cram_md5, None)

    async def auth_XOAUTH2(self, server: Any, args: list[str]) -> AuthResult:  # noqa: N802
        """A user and a bearer token, which is the user's password here."""
        return await self._converse(server, xoauth2, args[1] if len(args) > 1 else None)

    async def _converse(
        self, server: Any, mechanism: Callable[[Users], Conversation], initial: str | None
    ) -> AuthResult:
        conversation = mechanism(self._desk.users)
        challenge = next(conversation)
        response = decoded(initial) if initial is not None else await server.challenge_auth(challenge)
        if response is None:
            await server.push("501 5.5.2 Can't decode base64")
            return AuthResult(success=False)
        while response is not MISSING:
            try:
                challenge = conversation.send(response)
            except StopIteration as end:
                user: str | None = end.value
                if user is None:
                    self._desk.login_failed(self._connection)
                name = (user or "").encode("utf-8", "surrogateescape")
                return AuthResult(success=user is not None, handled=False, auth_data=LoginPassword(name, b""))
            response = await server.challenge_auth(challenge)
        return AuthResult(success=False)


class Reader(asyncio.StreamReader):
    """Lines of a client.

    What a client has pipelined can be read without waiting, so nobody else would have a turn: lines of a long flood
    come with pauses. When the session has closed, or all that came before the client's end is read, reading raises
    `ConnectionResetError`, with which aiosmtpd ends; it would answer an `IncompleteReadError`, and read again.
    """

    def __init__(self, link: Link, limit: int) -> None:
        super().__init__(limit=limit, loop=asyncio.get_running_loop())
        self._link = link
        self._slice = TimeSlice()

    async def readuntil(self, separator: Any = b"\n") -> bytes:
        if not self._buffer:  # type: ignore[attr-defined]  # nothing public tells
            self._slice.rest()
        elif self._slice.over:
            await clock.sleep(0)
            self._slice.rest()
        if self._link.is_closing():
            raise ConnectionResetError("the session is over")
        try:
            return await super().readuntil(separator)
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("the client has finished") from None

    def forget(self) -> None:
        """What has come and was not read is no longer wanted."""
        self._buffer.clear()  # type: ignore[attr-defined]  # as aiosmtpd does it


@functools.cache
def _offered() -> ssl.SSLContext:
    """What makes aiosmtpd offer STARTTLS; the handshake itself is our layer's."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


@functools.lru_cache(maxsize=1024)
def _address(argument: str) -> tuple[str | None, str | None]:
    """What aiosmtpd makes of an argument's address, which takes it nearly as long as all the rest of a short message.

    The class stands for a session: the method asks for `local_part_limit` alone.
    """
    found: tuple[str | None, str | None] = SMTP._getaddr(SMTP, argument)  # type: ignore[arg-type]
    return found


class Aiosmtpd(SMTP):
    """aiosmtpd's protocol on a link; `execute` is called for each command, `unknown` with each that it has not."""

    def __init__(
        self,
        desk: SmtpDesk,
        link: Link,
        connection: Connection,
        execute: Callable[..., Any],
        unknown: Callable[[str], Any],
    ) -> None:
        self._desk = desk
        self._connection = connection
        self._link = link
        settings = desk.settings
        # The library's is shared by the class.
        self.command_size_limits = collections.defaultdict(lambda: COMMAND)
        super().__init__(
            Handler(desk, connection),
            data_size_limit=settings.max_size,
            enable_SMTPUTF8=settings.smtputf8,
            hostname=settings.hostname,
            ident="ESMTP",
            tls_context=_offered() if settings.starttls else None,
            auth_require_tls=settings.auth_requires_tls,
            authenticator=lambda protocol, session, envelope, mechanism, data: let_in(desk, connection, data),
            timeout=IDLE,
            loop=asyncio.get_running_loop(),
        )
        # Once more, with a reader that it does not make.
        self.reader = Reader(link, AUTH)
        asyncio.StreamReaderProtocol.__init__(
            self, self.reader, client_connected_cb=self._cb_client_connected, loop=self.loop
        )
        self.command_size_limits["AUTH"] = AUTH
        self._smtp_methods = Commands(self._smtp_methods, execute, unknown)

    async def check_auth_needed(self, caller_method: str) -> bool:
        """Refuse who has not logged in, once there are users."""
        assert self.session is not None
        if self._desk.settings.users and not self.session.authenticated:
            await self.push("530 5.7.0 Authentication required")
            return True
        return False

    @property
    def is_secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self._link.get_extra_info("ssl_object") is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._know_of_tls()
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        quiet.end_is_known(self)

    def _know_of_tls(self) -> None:
        if self.is_secure:
            self._tls_protocol = True  # type: ignore[assignment]  # aiosmtpd only asks whether there is any

    def eof_received(self) -> bool:
        """What the client sent before its end is dealt with, and then the session ends: aiosmtpd would end it now."""
        self.reader.feed_eof()
        return True

    async def _handle_client(self) -> None:
        usercode.late_failure.set(functools.partial(self._desk.journal.failed, self._connection.id))
        with contextlib.suppress(ConnectionError):  # the session is over
            await super()._handle_client()

    async def drain(self) -> None:
        """Wait until the client takes what is said."""
        if self.transport is not None:
            await self._writer.drain()

    def forget_the_envelope(self) -> None:
        """What was said of a message is no longer of use."""
        self._set_post_data_state()  # type: ignore[no-untyped-call]  # it has no types

    def begin_again(self) -> None:
        """After the handshake nothing holds that was said before (RFC 3207, section 4.2)."""
        self._know_of_tls()
        self._set_rset_state()  # type: ignore[no-untyped-call]  # as above
        self.session = self._create_session()
        self.session.peer = self._link.get_extra_info("peername")
        self.session.ssl = {"ssl_object": self._link.get_extra_info("ssl_object")}

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        return _address(arg)


def commands() -> Iterator[str]:
    """The commands that aiosmtpd knows."""
    return (name.removeprefix("smtp_") for name in dir(SMTP) if name.startswith("smtp_"))

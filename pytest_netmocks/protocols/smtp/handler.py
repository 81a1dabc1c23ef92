"""What aiosmtpd looks up: its commands, with our rules before each, mechanisms of AUTH beyond its own, EHLO's lines."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import os
from collections.abc import Callable
from typing import Any

from aiosmtpd.smtp import MISSING, AuthResult, LoginPassword

from pytest_netmocks.protocols.smtp.desk import SmtpDesk
from pytest_netmocks.records.connection import Connection


class Commands(dict[str, Any]):
    """aiosmtpd's table of commands: each is executed by `execute`, and `unknown` is told of what is not in it."""

    def __init__(self, methods: dict[str, Any], execute: Callable[..., Any], unknown: Callable[[str], None]) -> None:
        super().__init__(methods)
        self._execute = execute
        self._unknown = unknown

    def get(self, command: str, default: Any = None) -> Any:
        method = super().get(command)
        if method is None:
            self._unknown(command)
            return default
        wrapped = functools.partial(self._execute, command, method)
        # HELP shows what aiosmtpd's decorator has put on the method.
        for name, value in vars(getattr(method, "__func__", method)).items():
            setattr(wrapped, name, value)
        return wrapped

    def items(self) -> Any:
        return dict.items(self)


def login(desk: SmtpDesk, credentials: Any) -> AuthResult:
    """Let in who has a user's password."""
    user, password = (part.decode("utf-8", "replace") for part in (credentials.login, credentials.password))
    return AuthResult(success=desk.users.check(user, password) is not None, handled=False, auth_data=credentials)


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
        challenge = f"<{os.urandom(8).hex()}@{server.hostname}>".encode()
        answer = await server.challenge_auth(challenge)
        if answer is MISSING:
            return AuthResult(success=False)
        user, _, digest = answer.decode("utf-8", "replace").rpartition(" ")
        good = self._desk.users.check_digest(
            user, digest, lambda password: hmac.new(password, challenge, hashlib.md5).hexdigest()
        )
        return AuthResult(success=good is not None, handled=False, auth_data=LoginPassword(user.encode(), b""))

    async def auth_XOAUTH2(self, server: Any, args: list[str]) -> AuthResult:  # noqa: N802
        """A user and a bearer token, which is the user's password here."""
        try:
            blob = await server.challenge_auth("") if len(args) == 1 else base64.b64decode(args[1], validate=True)
        except binascii.Error:
            await server.push("501 5.5.2 Can't decode base64")
            blob = MISSING
        if blob is MISSING:
            return AuthResult(success=False)
        parts = dict(part.partition("=")[::2] for part in blob.decode("utf-8", "replace").split("\x01") if part)
        user, token = parts.get("user", ""), parts.get("auth", "").removeprefix("Bearer ")
        return login(self._desk, LoginPassword(user.encode(), token.encode()))

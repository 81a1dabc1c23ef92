"""SASL mechanisms (RFC 4422) as servers have them: conversations that know no protocol.

A mechanism is a generator: it gives challenges, is sent the client's responses, both without their base64, and returns
the user that the client is, or `None` for who is refused. `Authentication` is the exchange that a session has with one.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
import hashlib
import hmac
import os
from collections.abc import Callable, Generator, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

Conversation = Generator[bytes, bytes, str | None]

Answer = TypeVar("Answer")


@dataclasses.dataclass(frozen=True)
class Users:
    """Who may: names and passwords; where there are none everybody may."""

    passwords: Mapping[str, str]
    host: str

    def check(self, user: str, password: str) -> str | None:
        """The user, if the password is right."""
        return user if not self.passwords or self.passwords.get(user) == password else None

    def check_digest(self, user: str, digest: str, expected: Callable[[bytes], str]) -> str | None:
        """The user, if the digest is what `expected` makes of the password."""
        if not self.passwords:
            return user
        password = self.passwords.get(user)
        if password is None:
            return None
        right = expected(password.encode("utf-8", "surrogateescape"))
        return user if hmac.compare_digest(digest.lower().encode("utf-8", "surrogateescape"), right.encode()) else None


def plain(users: Users) -> Conversation:
    """PLAIN (RFC 4616): an identity to act as, which has to be the user's own, the user, the password."""
    parts = (yield b"").split(b"\0")
    if len(parts) != 3:
        return None
    identity, user, password = map(_text, parts)
    return users.check(user, password) if identity in ("", user) else None


def login(users: Users) -> Conversation:
    """LOGIN (draft-murchison-sasl-login)."""
    user = _text((yield b"Username:"))
    return users.check(user, _text((yield b"Password:")))


def cram_md5(users: Users) -> Conversation:
    """CRAM-MD5 (RFC 2195)."""
    challenge = f"<{os.urandom(8).hex()}@{users.host}>".encode()
    user, _, digest = _text((yield challenge)).rpartition(" ")
    return users.check_digest(user, digest, lambda password: hmac.new(password, challenge, hashlib.md5).hexdigest())


def xoauth2(users: Users) -> Conversation:
    """XOAUTH2 (as Google has it): the bearer token is the user's password here; who is refused is told why."""
    parts = dict(part.partition("=")[::2] for part in _text((yield b"")).split("\x01") if part)
    user = users.check(parts.get("user", ""), parts.get("auth", "").removeprefix("Bearer "))
    if user is None:
        yield b'{"status":"400","schemes":"Bearer","scope":"mail"}'
    return user


MECHANISMS: Mapping[str, Callable[[Users], Conversation]] = MappingProxyType(
    {"PLAIN": plain, "LOGIN": login, "CRAM-MD5": cram_md5, "XOAUTH2": xoauth2}
)

SERVER_FIRST = frozenset({"CRAM-MD5"})
"""The mechanisms in which the client has nothing to say before the challenge."""


class SaslError(Exception):
    """The exchange is over, with this text; `is_malformed` where what the client has sent is no response at all."""

    def __init__(self, text: str, *, is_malformed: bool = False) -> None:
        super().__init__(text)
        self.is_malformed = is_malformed


class Authentication(Generic[Answer]):
    """The exchange of a session with a mechanism, if one goes on: the client's next line is its next response.

    `ended` makes the protocol's answer for the user that the client is (`None`: nobody), and `ask` the one for a
    challenge in base64, after which the second thing that it is given is to be called: from then on the exchange waits.
    """

    def __init__(
        self,
        users: Callable[[], Users],
        ended: Callable[[str | None], Answer],
        ask: Callable[[str, Callable[[], None]], Answer],
    ) -> None:
        self.waits_in: Conversation | None = None
        """The conversation whose next response is awaited."""
        self._users = users
        self._ended = ended
        self._ask = ask

    def begin(self, mechanism: str, initial: str | None) -> Answer:
        """The client names a mechanism, and may give its first response at once. Raises `SaslError`."""
        begin = MECHANISMS.get(mechanism)
        if begin is None:
            raise SaslError(f"mechanism {mechanism[:20]!r} is none of {', '.join(MECHANISMS)}")
        conversation = begin(self._users())
        challenge = next(conversation)
        if initial is None:
            return self._challenge(conversation, challenge)
        if mechanism in SERVER_FIRST:
            raise SaslError(f"{mechanism} begins with the server's challenge")
        return self._go_on(conversation, initial)

    def respond(self, response: str) -> Answer:
        """The client's next line; a star cancels. Raises `SaslError`."""
        conversation, self.waits_in = self.waits_in, None
        assert conversation is not None
        if response == "*":
            raise SaslError("cancelled", is_malformed=True)  # BAD (RFC 3501, section 6.2.2)
        return self._go_on(conversation, response)

    def _go_on(self, conversation: Conversation, response: str) -> Answer:
        data = decoded(response)
        if data is None:
            raise SaslError("that is no base64", is_malformed=True)
        try:
            challenge = conversation.send(data)
        except StopIteration as end:
            return self._ended(end.value)
        return self._challenge(conversation, challenge)

    def _challenge(self, conversation: Conversation, challenge: bytes) -> Answer:
        return self._ask(encoded(challenge), functools.partial(setattr, self, "waits_in", conversation))


def decoded(response: str) -> bytes | None:
    """A response without its base64; `None` where it is none."""
    if response == "=":  # an empty initial response (RFC 5034, section 4)
        return b""
    try:
        return base64.b64decode(response.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None


def encoded(challenge: bytes) -> str:
    """A challenge in base64."""
    return base64.b64encode(challenge).decode()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")

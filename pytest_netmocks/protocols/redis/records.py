"""`RedisRequest`: one command on record, and `RedisConnection`: what is known of its client."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol

from pytest_netmocks.protocols.redis.resp import ErrorReply, Status
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.sides import Sides

RECORDED = 64 << 10
"""Bytes of an answer that are on record with its command; all of it is in `connection.sent`."""

SHOWN = 60
"""Characters of an argument or an answer that a line has."""


class Client(Protocol):
    """What is known of a connection's client."""

    @property
    def user(self) -> str:
        """Who has logged in; `"default"` unless it has."""

    @property
    def name(self) -> str:
        """What it has said by CLIENT SETNAME, or nothing."""

    @property
    def library(self) -> tuple[str, str]:
        """Its library and the version of that, by CLIENT SETINFO, or nothing."""

    @property
    def db(self) -> int:
        """Its database."""

    @property
    def protocol(self) -> int:
        """The version of RESP that it speaks."""

    @property
    def subscriptions(self) -> int:
        """How many channels and patterns it listens to."""


class Left(NamedTuple):
    """What was known of a client at its end."""

    user: str
    name: str
    library: tuple[str, str]
    db: int
    protocol: int
    subscriptions: int


def left(client: Client) -> Left:
    """What is known of a client, for good: it holds nothing of who served it."""
    return Left(*[getattr(client, name) for name in Left._fields])


class RedisConnection(Connection):
    """A connection, and its client as it is now or was at the end."""

    __slots__ = ("client",)

    def __init__(self, number: int, client_address: Address, opened_at: float) -> None:
        super().__init__(number, client_address, opened_at)
        self.client: Client | None = None
        """What is known of the client, `None` before the session begins (during a TLS handshake)."""

    @property
    def user(self) -> str:
        """Who has logged in; `"default"` unless it has."""
        return self.client.user if self.client is not None else "default"

    @property
    def client_name(self) -> str:
        """What the client calls itself (CLIENT SETNAME, HELLO), or nothing."""
        return self.client.name if self.client is not None else ""

    @property
    def library(self) -> str:
        """The client's library and its version (CLIENT SETINFO), or nothing."""
        return " ".join(self.client.library).strip() if self.client is not None else ""

    @property
    def db(self) -> int:
        """The database that the client has selected."""
        return self.client.db if self.client is not None else 0

    @property
    def protocol(self) -> int:
        """The version of RESP that is spoken: 2, or 3 after HELLO."""
        return self.client.protocol if self.client is not None else 2

    @property
    def subscriptions(self) -> int:
        """How many channels and patterns the client listens to."""
        return self.client.subscriptions if self.client is not None else 0


@dataclasses.dataclass(slots=True)
class RedisRequest:
    """One command as the server saw it, and what was answered.

    `command` is its first word in capitals and `args` the others, `db` the database that was selected. `reply` is the
    answer as it goes out, as much of it as the faults let out and at most 64 KiB: nothing where one struck in its
    place, or before it has come. `at` is seconds since the server started.
    """

    command: str
    args: tuple[bytes, ...]
    connection: RedisConnection
    db: int
    at: float
    reply: bytes = b""
    number: int = 0
    """Its place on the connection, from 1."""

    _ask: Callable[[], Any] | None = dataclasses.field(default=None, repr=False, compare=False, kw_only=True)
    _usual: Any = dataclasses.field(default=None, repr=False, compare=False, kw_only=True)

    told: ClassVar[bool] = True
    """Whether the timeline has a line of it."""

    @property
    def usual(self) -> Any:
        """What the server answers without the rule, as a Python value; a refusal is an `ErrorReply`.

        A reply function that asks for it has the command executed, then and there. Without a function that asked it is
        `None`.
        """
        ask, self._ask = self._ask, None
        if ask is not None:
            self._usual = ask()
        return self._usual

    def offer(self, ask: Callable[[], Any] | None) -> None:
        """Have it ask there for the usual answer, or nowhere."""
        self._ask = ask

    def answered(self, reply: bytes) -> None:
        """Put on record what goes out."""
        self.reply = reply if len(reply) <= RECORDED else reply[:RECORDED]

    @property
    def words(self) -> str:
        """The command and its arguments on one line, quoted where need be; long ones cut."""
        return " ".join([self.command, *map(shown, self.args)])

    def __str__(self) -> str:
        return f"{self.words} -> {outline(self.reply) or 'no reply'}"

    def sides(self) -> Sides:
        """Command and reply in words."""
        answer = outline(self.reply)
        refuses = self.reply.startswith(b"-")
        return Sides(self.words, answer, refuses=refuses, code=answer.split(" ", 1)[0] if refuses else "")


def shown(data: bytes) -> str:
    """An argument as redis-cli takes it: as it is, or quoted; a long one is cut."""
    text = data[:SHOWN].decode("utf-8", "backslashreplace")
    if not text or not text.isprintable() or any(sign in text for sign in " \"'\\"):
        text = '"' + "".join(_quoted(sign) for sign in text) + '"'
    return f"{text}..." if len(data) > SHOWN else text


def _quoted(sign: str) -> str:
    if sign in '"\\':
        return f"\\{sign}"
    return sign if sign.isprintable() else sign.encode("unicode_escape").decode()


def outline(reply: bytes) -> str:
    """An answer of either version of RESP in a few words, of which nothing but the beginning may have gone out."""
    head, _, rest = reply.partition(b"\r\n")
    sign, text = head[:1], head[1:].decode("utf-8", "backslashreplace")
    match sign:
        case b"$":
            return "(nil)" if text == "-1" else shown(rest.removesuffix(b"\r\n"))
        case b"+" | b"-":
            return text[: 4 * SHOWN]
        case b"*" | b"~" | b"%" | b">":
            if text == "-1":
                return "(nil)"
            what = {b"*": "array", b"~": "set", b"%": "map", b">": "push"}[sign]
            return f"({what} of {text})"
        case b"_":
            return "(nil)"
        case b":" | b"," | b"#" | b"(":
            return {"#t": "true", "#f": "false"}.get(head.decode("ascii", "replace"), text)
    return shown(reply) if reply else ""


def value_of(error: str | None, value: Any) -> Any:
    """What a rule or a function gives as an answer: text is a status, or with a code and words an error."""
    if error is not None:
        return ErrorReply(error)
    if type(value) is str:
        return ErrorReply(value) if is_error(value) else Status(value)
    return value


def is_error(text: str) -> bool:
    """Whether it is a code in capitals and words: `LOADING Redis is loading the dataset in memory`."""
    code, _, rest = text.partition(" ")
    return bool(rest) and code.isascii() and code.isupper() and code.isalpha()

"""What SMTP has on record: commands, `SmtpRequest`, and mail that has arrived, `MailMessage` with its `Envelope`."""

from __future__ import annotations

import dataclasses
import email
import email.message
import email.policy
import functools
import re
from email.headerregistry import HeaderRegistry
from typing import Any, ClassVar

from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.plain import TOLD, plain_data
from pytest_netmocks.records.sides import Sides
from pytest_netmocks.rules.commands import in_words, on_one_line
from pytest_netmocks.servers.usual import Answerable
from pytest_netmocks.strict import Strict

_ADDRESS = re.compile(r"(?:FROM|TO):\s*<?([^<>\s]*)>?", re.IGNORECASE)

_PLAIN = HeaderRegistry(use_default_map=False)
"""Headers that are any text."""


@dataclasses.dataclass(slots=True)
class SmtpRequest(Answerable):
    """One command as the server saw it: its name in upper case, its argument, what was replied, and when it came.

    `reply` is as much as the faults let out: nothing where one struck in its place.
    """

    command: str
    argument: str | None
    connection: Connection
    at: float
    reply: str = ""
    number: int = 0
    """Its place on the connection, from 1."""
    _arrived: bool = dataclasses.field(default=False, repr=False, compare=False, kw_only=True)

    def arrived(self) -> None:
        """The message that it announced has come, and is an exchange of its own."""
        self._arrived = True

    def answered(self, reply: bytes) -> None:
        """Put on record what goes out."""
        self.reply += reply.decode("utf-8", "replace")

    told: ClassVar[bool] = True
    """Whether the timeline has a line of it."""

    def __str__(self) -> str:
        return on_one_line(self.command, self.argument, self.reply)

    def sides(self) -> Sides:
        """Command and reply in words."""
        # Of what is replied to DATA the last is the answer to the message.
        reply = self.reply.partition("\n")[0] if self._arrived else self.reply
        return in_words(self.command, self.argument, reply, "45")

    @property
    def address(self) -> str | None:
        """The bare address of MAIL and RCPT."""
        found = _ADDRESS.match(self.argument or "")
        return found.group(1) if found is not None else None


@dataclasses.dataclass(frozen=True)
class Envelope:
    """What SMTP said about a message, and its exact bytes: `content`, without the transparent dots.

    `authenticated_as` is the user who had logged in, `tls` whether the connection was encrypted, `options` are the
    parameters of MAIL.
    """

    mail_from: str
    """The address of MAIL."""
    rcpt_tos: list[str]
    """The addresses of RCPT, in order."""
    helo: str
    """What the client called itself in EHLO or HELO."""
    authenticated_as: str | None
    tls: bool
    options: list[str]
    content: bytes
    connection: Connection


class MailMessage(Strict, email.message.EmailMessage):
    """An `email.message.EmailMessage` with its `envelope`; `problem` says why one could not be parsed."""

    envelope: Envelope
    problem: str | None = None

    def describe(self) -> str:
        """Envelope, headers and the beginning of the text, for the message of a failing assertion."""
        envelope = self.envelope
        lines = [f"from {envelope.mail_from or '<>'} to {', '.join(envelope.rcpt_tos)}"]
        lines += [f"not parsed: {self.problem}"] if self.problem else []
        head, _, body = envelope.content[:4000].decode("utf-8", "replace").replace("\r\n", "\n").partition("\n\n")
        lines += [*head.splitlines(), "", *body.splitlines()[:20]]
        return "\n".join(f"  {line}" for line in lines)


HEAD = 1 << 18
"""Bytes of a message in which its subject is looked for."""

SUBJECT = 2000
"""Bytes of a subject that rules compare: the parser takes a third of a millisecond for each encoded word."""

_SUBJECT = re.compile(rb"^subject:[^\n]{0,1000}(?:\n[ \t][^\n]{0,1000}){0,20}", re.IGNORECASE | re.MULTILINE)


class Arrival:
    """A message that has come, parsed when somebody looks: most tests look at few."""

    def __init__(self, envelope: Envelope) -> None:
        self.envelope = envelope
        self.size = len(envelope.content)
        self.at = 0.0
        """When all of it had come, in seconds since the server started."""
        self.reply = ""
        """As much as the faults let out."""

    def answered(self, reply: bytes) -> None:
        """Put on record what goes out."""
        self.reply += reply.decode("utf-8", "replace")

    def let_go(self) -> None:
        """It was refused: nobody asks for more of it than is told."""
        self.envelope = dataclasses.replace(self.envelope, content=self.envelope.content[:TOLD])

    def sides(self) -> Sides:
        """The message and the answer to it in words."""
        return in_words(str(self), None, self.reply, "45")

    def to_dict(self) -> dict[str, Any]:
        """Envelope and content, as JSON can have them."""
        envelope = self.envelope
        told = ("mail_from", "rcpt_tos", "helo", "authenticated_as", "tls", "options")
        content = plain_data(envelope.content[:TOLD], self.size)
        return {**{name: getattr(envelope, name) for name in told}, "content": content, "reply": self.reply}

    def __str__(self) -> str:
        envelope = self.envelope
        return f"mail from {envelope.mail_from or '<>'} to {', '.join(envelope.rcpt_tos)}, {self.size} B"

    @functools.cached_property
    def message(self) -> MailMessage:
        """The message; what is large, or has many parts or fields, takes seconds to parse."""
        return parse(self.envelope)

    @functools.cached_property
    def subject(self) -> str:
        """The subject, by the head alone: rules are asked in the servers' loop."""
        head = self.envelope.content[:HEAD].partition(b"\r\n\r\n")[0]
        found = _SUBJECT.search(head)
        if found is None:
            return ""
        return str(parse(dataclasses.replace(self.envelope, content=found.group()[:SUBJECT])).get("subject", ""))


class _Headers(HeaderRegistry):
    """Makes header objects; what a parser of the standard library stumbles over becomes text, and is told."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []

    def __call__(self, name: str, value: Any) -> Any:
        try:
            return super().__call__(name, value)
        except Exception as error:  # noqa: BLE001  # it raises whatever its code runs into
            self.problems.append(f"{name}: {type(error).__name__}: {error}")
            return _PLAIN(name, str(value).encode("ascii", "replace").decode())


def parse(envelope: Envelope) -> MailMessage:
    """The message; what the parser cannot take is kept as it is."""
    headers = _Headers()
    try:
        policy = email.policy.default.clone(header_factory=headers)
        made: Any = email.message_from_bytes(envelope.content, MailMessage, policy=policy)
        message: MailMessage = made
        for part in message.walk():
            part.items()
        message.problem = "; ".join(headers.problems) or None
    except Exception as error:  # noqa: BLE001  # nothing that arrives may break the server
        message = MailMessage(policy=email.policy.default)
        message.set_payload(envelope.content.decode("latin-1"))
        message.problem = f"{type(error).__name__}: {error}"
    vars(message)["envelope"] = envelope
    return message

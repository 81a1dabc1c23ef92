"""Dialects: what a reply looks like in a protocol, which one refuses, which one ends the session.

A dialect knows replies alone: what a scripted one does to the command, the sessions say, and they say the same on every
protocol: a refusal is given instead of executing it, any other reply instead of its usual answer.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from pytest_netmocks import check


class Dialect(ABC):
    """How the servers of one family of protocols reply. What is asked about a reply may be its text or its bytes."""

    example: str
    """A reply, for the message that refuses what is none."""

    rule: str
    """What makes one, in words."""

    def check(self, reply: object) -> None:
        """Refuse what is no reply. Raises `TypeError` or `ValueError`."""
        check.instance("reply", reply, str, f'a reply such as "{self.example}"')
        assert isinstance(reply, str)
        if not self.accepts(reply):
            raise ValueError(f'reply must {self.rule}, such as "{self.example}", not {reply!r}')
        try:
            reply.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise ValueError(f"reply must be text that UTF-8 has bytes for: {error}") from None

    @abstractmethod
    def accepts(self, reply: str) -> bool:
        """Whether the text is a reply."""

    @abstractmethod
    def refuses(self, reply: str | bytes) -> bool:
        """Whether it says that the command was not done."""

    @abstractmethod
    def closes(self, reply: str | bytes) -> bool:
        """Whether it says that the server ends the session with it."""

    @abstractmethod
    def asks_for_more(self, reply: str | bytes) -> bool:
        """Whether it is not the last of its command: the client has to say something first."""

    @abstractmethod
    def on_the_wire(self, reply: str, encoding: str = "utf-8", errors: str = "surrogateescape") -> bytes:
        """The reply as it goes out. Its lines are separated by line feeds."""


def lines_in(reply: str) -> list[str]:
    """The lines of a reply."""
    return [line.removesuffix("\r") for line in reply.rstrip("\r\n").split("\n")]


class Codes(Dialect):
    """Three digits, of which the first says how it went (RFC 5321, section 4.2.1; RFC 959, section 4.2)."""

    example = "450 Try again"
    rule = "begin with a code of three digits"

    _CODE = re.compile(r"[1-5]\d\d(?:[ \-\n]|\Z)")

    def accepts(self, reply: str) -> bool:
        return self._CODE.match(reply) is not None

    def refuses(self, reply: str | bytes) -> bool:
        return _first(reply) in "45"

    def closes(self, reply: str | bytes) -> bool:
        return reply.startswith("421") if isinstance(reply, str) else reply.startswith(b"421")

    def asks_for_more(self, reply: str | bytes) -> bool:
        return _first(reply) == "3"

    def completes(self, reply: str | bytes) -> bool:
        """Whether the command was done with it."""
        return _first(reply) == "2"

    def is_preliminary(self, reply: str | bytes) -> bool:
        """Whether it comes before another reply to the same command: a transfer is between them."""
        return _first(reply) == "1"

    def on_the_wire(self, reply: str, encoding: str = "utf-8", errors: str = "surrogateescape") -> bytes:
        """Of several lines each gets the code."""
        code = reply[:3]
        lines = lines_in(reply)
        texts = [line[4:] if line[:3] == code and line[3:4] in ("-", " ", "") else line for line in lines]
        joined = [f"{code}{'-' if number < len(texts) - 1 else ' '}{text}\r\n" for number, text in enumerate(texts)]
        return "".join(joined).encode(encoding, errors)


def _first(reply: str | bytes) -> str:
    return reply[:1] if isinstance(reply, str) else reply[:1].decode("latin-1")


class PlusMinus(Dialect):
    """`+OK` or `-ERR` (RFC 1939, section 3), and `+` with what a client has to answer (RFC 5034, section 4)."""

    example = "-ERR [SYS/TEMP] Try again"
    rule = "begin with +OK, -ERR or a plus sign and a space"

    _STATUS = re.compile(r"(?:\+OK|-ERR)(?:[ \r\n]|\Z)|\+ ")

    def accepts(self, reply: str) -> bool:
        return self._STATUS.match(reply) is not None

    def refuses(self, reply: str | bytes) -> bool:
        return _first(reply) == "-"

    def closes(self, reply: str | bytes) -> bool:
        """None does: who goes away says so with a FIN."""
        return False

    def asks_for_more(self, reply: str | bytes) -> bool:
        return reply.startswith("+ ") if isinstance(reply, str) else reply.startswith(b"+ ")

    def on_the_wire(self, reply: str, encoding: str = "utf-8", errors: str = "surrogateescape") -> bytes:
        """Of several lines the others than the first are ended by a line with a dot, theirs are doubled."""
        first, *more = reply.replace("\r\n", "\n").removesuffix("\n").split("\n")
        if not more:
            return f"{first}\r\n".encode(encoding, errors)
        stuffed = [f".{line}" if line.startswith(".") else line for line in more]
        return "\r\n".join([first, *stuffed, ".\r\n"]).encode(encoding, errors)


class Tagged(Dialect):
    """OK, NO or BAD behind the tag of the command (RFC 3501, section 7.1), which is no part of the text."""

    example = "NO [UNAVAILABLE] Try again"
    rule = "begin with OK, NO or BAD, or for a greeting with OK, PREAUTH or BYE"

    _STATUS = re.compile(r"(?:OK|NO|BAD|PREAUTH|BYE)(?: |\Z)")

    def accepts(self, reply: str) -> bool:
        return self._STATUS.match(reply) is not None and not re.search(r"[\r\n]", reply)

    def refuses(self, reply: str | bytes) -> bool:
        words = (b"NO", b"BAD", b"BYE") if isinstance(reply, bytes) else ("NO", "BAD", "BYE")
        return reply.startswith(words)  # type: ignore[arg-type]  # of its own kind

    def closes(self, reply: str | bytes) -> bool:
        return reply.startswith("BYE") if isinstance(reply, str) else reply.startswith(b"BYE")

    def asks_for_more(self, reply: str | bytes) -> bool:
        return reply.startswith("+") if isinstance(reply, str) else reply.startswith(b"+")

    def on_the_wire(self, reply: str, encoding: str = "utf-8", errors: str = "surrogateescape") -> bytes:
        """Without the tag."""
        return f"{reply}\r\n".encode(encoding, errors)


CODES = Codes()
"""SMTP, FTP."""

PLUS_MINUS = PlusMinus()
"""POP3."""

TAGGED = Tagged()
"""IMAP."""

"""What the commands of POP3 do (RFC 1939), and what is answered to them unless a rule says otherwise."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping, Sized
from types import MappingProxyType
from typing import Protocol

from pytest_netmocks.protocols.mail import visit
from pytest_netmocks.protocols.mail.mailbox import StoredMessage
from pytest_netmocks.protocols.mail.visit import No
from pytest_netmocks.servers.sasl import MECHANISMS, SaslError
from pytest_netmocks.servers.tasks import nothing


class Settings(visit.Settings, Protocol):
    """What a server was told of how its sessions are to be."""

    stls: bool
    utf8: bool


@dataclasses.dataclass(slots=True)
class Done:
    """What a command has come to: its reply, the lines that follow it with the dot that ends them, and what is next."""

    status: str
    rest: bytes = b""
    then: Callable[[], None] = nothing
    """To be called once this was answered, unless the answer refuses."""


def count(messages: Sized) -> str:
    """How many they are, in words."""
    return f"{len(messages)} message{'' if len(messages) == 1 else 's'}"


def listing(status: str, lines: list[str]) -> Done:
    """A reply of several lines."""
    return Done(status, "".join(f"{line}\r\n" for line in [*lines, "."]).encode())


class Maildrop(visit.Visit[Settings, Done]):
    """One client's session with the mailbox: who it is, what it sees, what it has marked."""

    not_private = "log in after STLS"
    nobody = "[AUTH] authentication failed"  # RFC 3206, section 4

    def __init__(self, settings: Settings, line: visit.Line) -> None:
        super().__init__(settings, line)
        self.stamp = f"<{os.urandom(8).hex()}@{settings.hostname}>"
        """The greeting's timestamp, which APOP signs (RFC 1939, section 7)."""
        self._name: str | None = None
        self._utf8 = False
        self._messages: list[StoredMessage] = []
        self._marked: set[int] = set()

    def execute(self, name: str, argument: str) -> Done:
        """Do what the client says."""
        command = COMMANDS.get(name)
        if command is None:
            return Done(f"-ERR {name[:20]!r} is no command here")
        if (self.user is None) not in command.before_login:
            state = "before" if self.user is None else "after"
            return Done(f"-ERR {name} makes no sense {state} the login")
        if argument and not command.takes:
            return Done(f"-ERR {name} takes no argument")
        try:
            return command.function(self, argument)
        except No as no:
            return self.refused(no)

    def let_go(self) -> None:
        """The session is over: others may have the mailbox."""
        if self.user is not None:
            self.settings.mailbox.unlock(self.user)
            self.user = None

    # Who it is

    def ask(self, challenge: str, then: Callable[[], None]) -> Done:
        return Done(f"+ {challenge}", then=then)

    def refused(self, why: No | SaslError) -> Done:
        return Done(f"-ERR {why}")

    def logged_in(self, user: str | None) -> Done:
        self._name = None
        return super().logged_in(user)

    def let_in(self, user: str) -> Done:
        if not self.settings.mailbox.lock(user):
            raise No("[IN-USE] another session has the mailbox")  # RFC 2449, section 8.1.2
        self.user = user
        self._messages = self.settings.mailbox.of(user)
        return Done(f"+OK {count(self._messages)} ({sum(message.size for message in self._messages)} octets)")

    def user_(self, name: str) -> Done:
        """USER."""
        self.check_privacy()
        if not name:
            raise No("USER takes a name")
        self._name = name
        return Done("+OK and the password?")

    def pass_(self, password: str) -> Done:
        """PASS; spaces belong to the password."""
        self.check_privacy()
        if self._name is None:
            raise No("USER comes before PASS")
        return self.logged_in(self.users.check(self._name, password))

    def apop(self, argument: str) -> Done:
        """APOP."""
        self.check_privacy()
        name, _, digest = argument.partition(" ")
        if not name or not digest:
            raise No("APOP takes a name and a digest")

        def expected(password: bytes) -> str:
            return hashlib.md5(self.stamp.encode() + password, usedforsecurity=False).hexdigest()

        return self.logged_in(self.users.check_digest(name, digest, expected))

    def auth(self, argument: str) -> Done:
        """AUTH (RFC 5034); without a mechanism the names of all (RFC 1734)."""
        self.check_privacy()
        name, _, initial = argument.partition(" ")
        if not name:
            return listing("+OK these are offered", list(MECHANISMS))
        return self.authenticate(name.upper(), initial or None)

    # What the server can

    def capa(self, argument: str) -> Done:
        """CAPA (RFC 2449)."""
        settings = self.settings
        may = self.user is None and self.is_private
        lines = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"]
        lines += ["USER", f"SASL {' '.join(MECHANISMS)}"] if may else []
        lines += ["STLS"] if settings.stls and not self.secure and self.user is None else []
        lines += ["UTF8 USER"] if settings.utf8 else []
        return listing("+OK this is what is here", [*lines, "IMPLEMENTATION pytest-netmocks"])

    def stls(self, argument: str) -> Done:
        """STLS (RFC 2595, section 4)."""
        if self.secure:
            raise No("TLS is there already")
        if not self.settings.stls:
            raise No("there is no TLS here")
        if self._utf8:
            raise No("STLS comes before UTF8")  # RFC 6856, section 2.1
        return Done("+OK begin", then=self.line.upgrade)

    def upgraded(self) -> None:
        """TLS is there: what was said in plain text is forgotten."""
        super().upgraded()
        self._name = None

    def set_utf8(self, argument: str) -> Done:
        """UTF8 (RFC 6856)."""
        if not self.settings.utf8:
            raise No("there is no UTF8 here")
        self._utf8 = True
        return Done("+OK UTF-8 it is")

    # Messages

    def _there(self) -> list[tuple[int, StoredMessage]]:
        return [(n, message) for n, message in enumerate(self._messages, 1) if n not in self._marked]

    def _message(self, number: str) -> tuple[int, StoredMessage]:
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise No("which message?")
        n = int(number)
        if not 1 <= n <= len(self._messages):
            raise No(f"there is no message {n}, only {len(self._messages)} are here")
        if n in self._marked:
            raise No(f"message {n} is deleted")
        return n, self._messages[n - 1]

    def stat(self, argument: str) -> Done:
        """STAT."""
        there = self._there()
        return Done(f"+OK {len(there)} {sum(message.size for _, message in there)}")

    def _each(self, argument: str, fact: Callable[[StoredMessage], object]) -> Done:
        if argument:
            n, message = self._message(argument)
            return Done(f"+OK {n} {fact(message)}")
        there = self._there()
        return listing(f"+OK {count(there)}", [f"{n} {fact(message)}" for n, message in there])

    def list_(self, argument: str) -> Done:
        """LIST."""
        return self._each(argument, lambda message: message.size)

    def uidl(self, argument: str) -> Done:
        """UIDL."""
        return self._each(argument, lambda message: message.uid)

    def _readable(self, number: str) -> StoredMessage:
        _, message = self._message(number)
        if self.settings.utf8 and not self._utf8 and message.needs_utf8:
            raise No("[UTF8] its header is UTF-8, and UTF8 was not said")  # RFC 6856, section 5
        return message

    def retr(self, argument: str) -> Done:
        """RETR."""
        message = self._readable(argument)
        return Done(f"+OK {message.size} octets", message.stuffed + b".\r\n")

    def top(self, argument: str) -> Done:
        """TOP: the header, and as many lines as were asked for."""
        number, _, lines = argument.partition(" ")
        message = self._readable(number)
        if not (lines.isascii() and lines.isdigit() and len(lines) < 10):
            raise No("TOP takes a message's number and how many lines")
        return Done("+OK this is the top", message.top(int(lines)) + b".\r\n")

    def dele(self, argument: str) -> Done:
        """DELE: it goes with QUIT."""
        n, _ = self._message(argument)
        self._marked.add(n)
        return Done(f"+OK message {n} goes with QUIT")

    def rset(self, argument: str) -> Done:
        """RSET."""
        self._marked.clear()
        return Done(f"+OK {count(self._messages)} here")

    def noop(self, argument: str) -> Done:
        """NOOP."""
        return Done("+OK")

    def quit(self, argument: str) -> Done:
        """QUIT: what was marked goes now, and the mailbox is free before the client knows (RFC 1939, section 6)."""
        for n in self._marked:
            self.settings.mailbox.remove(self._messages[n - 1])
        deleted = f", {count(self._marked)} deleted" if self._marked else ""
        self._marked.clear()
        self.let_go()
        return Done(f"+OK bye{deleted}", then=self.line.close)


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """A command: what it does, in which states it makes sense, whether it takes an argument."""

    function: Callable[[Maildrop, str], Done]
    before_login: tuple[bool, ...]
    takes: bool = False


_BEFORE, _AFTER, _ALWAYS = (True,), (False,), (True, False)

COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "USER": Command(Maildrop.user_, _BEFORE, takes=True),
        "PASS": Command(Maildrop.pass_, _BEFORE, takes=True),
        "APOP": Command(Maildrop.apop, _BEFORE, takes=True),
        "AUTH": Command(Maildrop.auth, _BEFORE, takes=True),
        "STLS": Command(Maildrop.stls, _BEFORE),
        "UTF8": Command(Maildrop.set_utf8, _BEFORE),
        "CAPA": Command(Maildrop.capa, _ALWAYS),
        "STAT": Command(Maildrop.stat, _AFTER),
        "LIST": Command(Maildrop.list_, _AFTER, takes=True),
        "UIDL": Command(Maildrop.uidl, _AFTER, takes=True),
        "RETR": Command(Maildrop.retr, _AFTER, takes=True),
        "TOP": Command(Maildrop.top, _AFTER, takes=True),
        "DELE": Command(Maildrop.dele, _AFTER, takes=True),
        "RSET": Command(Maildrop.rset, _AFTER),
        "NOOP": Command(Maildrop.noop, _AFTER),
        "QUIT": Command(Maildrop.quit, _ALWAYS),
    }
)
"""Every command that the server knows."""

"""One POP3 session: commands come in line by line, and rules are asked before each."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.pop3.commands import Done, Maildrop
from pytest_netmocks.protocols.pop3.desk import Pop3Desk
from pytest_netmocks.protocols.pop3.records import Pop3Request
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.commands import CommandAnswer
from pytest_netmocks.rules.dialect import PLUS_MINUS
from pytest_netmocks.servers.answering import Answering
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.lines import Lines, Overlong
from pytest_netmocks.servers.tasks import nothing

LINE = 255
"""Bytes of a command with its CRLF (RFC 2449, section 4)."""

AUTH = 12288
"""Bytes of a line of AUTH, as in SMTP (RFC 4954, section 4)."""


class Pop3Session(Answering[Pop3Request, Done]):
    """One connection."""

    dialect = PLUS_MINUS

    def __init__(self, desk: Pop3Desk, link: Link, connection: Connection) -> None:
        super().__init__(desk, link, connection)
        self._desk = desk
        self._lines = Lines()
        self._drop = Maildrop(desk.settings, self)
        self._in_auth: Pop3Request | None = None
        """The AUTH whose exchange goes on."""
        self._final: bytes | None = None
        """What a rule has for the end of that exchange."""

    # What comes

    def keep(self, data: bytes) -> None:
        self._lines.add(data)

    def waiting(self) -> int:
        return len(self._lines)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        verdict = self._desk.decide_greeting(self.connection)
        self.answer(verdict, None, lambda: Done(f"+OK POP3 server ready {self._drop.stamp}"))

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._drop.let_go()

    def answer_next(self) -> bool:
        talking = self._drop.authentication.waits_in is not None
        line = self._lines.next(AUTH if talking or self._lines.begin_with(b"AUTH ") else LINE)
        if line is None:
            return False
        if talking:
            self._respond(line)
        elif isinstance(line, Overlong):
            self._say(self.later_answer(), None, b"-ERR the line is too long\r\n")
        else:
            self._command(line)
        return True

    def _command(self, line: bytes) -> None:
        name, _, argument = line.decode("utf-8", "surrogateescape").partition(" ")
        name = name.upper()
        if name != "PASS":
            argument = argument.strip()
        request = self._desk.request(self.connection, name, argument or None)
        request.user = self._drop.user
        self._final = None
        self._in_auth = request if name == "AUTH" else None
        verdict = self._desk.decide(request)
        self.answer(verdict, request, functools.partial(self._drop.execute, name, argument))

    def _respond(self, line: bytes | Overlong) -> None:
        """The client's next line in an AUTH."""
        request = self._in_auth
        assert request is not None
        response = "*" if isinstance(line, Overlong) else line.decode("utf-8", "surrogateescape").strip()
        respond = functools.partial(self._drop.respond, response)
        if self._final is None and self.answer_response(request, self._drop.authentication, respond):
            return
        done = respond()
        out = _whole(done)
        if self._final is not None and not PLUS_MINUS.asks_for_more(out):
            out, self._final = self._final, None
        self._say(self.later_answer(), request, out)
        done.then()

    # What goes

    def by_usual(self, exchange: Exchange, request: Pop3Request | None, done: Done) -> None:
        self._say(exchange, request, _whole(done))
        done.then()

    def by_rule(
        self,
        exchange: Exchange,
        request: Pop3Request | None,
        answer: CommandAnswer[Any],
        text: str | None,
        usual: Callable[[], Done],
        ahead: Done | None,
    ) -> None:
        done = Done("")
        if text is None:
            out = answer.raw or b""
            if answer.execute:
                done = usual()
        else:
            out = PLUS_MINUS.on_the_wire(text)
            if PLUS_MINUS.refuses(text):
                done = Done("", then=self.close if request is None else nothing)
            elif ahead is None:
                done = usual()
                out = self._in_place_of(done, out)
            else:
                done = ahead
                if done.rest and _is_one_line(out):
                    out += b".\r\n"  # the function has left no other line
        self._say(exchange, request, out)
        if not self.closes(exchange):
            done.then()

    def in_words(self, done: Done) -> str:
        """Without transparent dots and the one at the end."""
        body = done.rest.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
        text = f"{done.status}\r\n".encode("utf-8", "surrogateescape") + (body[1:] if body.startswith(b"..") else body)
        return text.decode("utf-8", "surrogateescape").replace("\r\n", "\n").removesuffix("\n")

    def _in_place_of(self, done: Done, out: bytes) -> bytes:
        """What goes out of a usual answer and a rule's: a line alone stands for the usual one's first line.

        A +OK to AUTH stands for the last answer of the exchange, as on SMTP.
        """
        if done.status.startswith("+ ") and not PLUS_MINUS.asks_for_more(out):
            self._final = out
            return _whole(done)
        return out + done.rest if _is_one_line(out) else out

    def _say(self, exchange: Exchange, request: Pop3Request | None, answer: bytes) -> None:
        exchange.answer(b"", answer, request.answered if request is not None else None)

    # TLS

    def forget(self) -> None:
        self._lines.forget()  # RFC 2595, section 4

    def upgraded(self) -> None:
        self._drop.upgraded()


def _is_one_line(out: bytes) -> bool:
    return out.find(b"\n") == len(out) - 1


def _whole(done: Done) -> bytes:
    return f"{done.status}\r\n".encode("utf-8", "surrogateescape") + done.rest

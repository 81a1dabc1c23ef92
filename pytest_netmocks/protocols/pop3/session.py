"""One POP3 session: commands come in line by line, and rules are asked before each."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.pop3.commands import Done, Maildrop
from pytest_netmocks.protocols.pop3.desk import Pop3Desk
from pytest_netmocks.protocols.pop3.records import Pop3Request
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.rules.commands import CommandAnswer
from pytest_netmocks.rules.dialect import PLUS_MINUS
from pytest_netmocks.servers.dialogue import Dialogue
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.lines import Lines, Overlong
from pytest_netmocks.servers.starttls import begin_tls
from pytest_netmocks.servers.tasks import nothing
from pytest_netmocks.servers.usual import offered

LINE = 255
"""Bytes of a command with its CRLF (RFC 2449, section 4)."""

AUTH = 12288
"""Bytes of a line of AUTH, as in SMTP (RFC 4954, section 4)."""

_TLS = "the handshake comes"

T = TypeVar("T")


class Pop3Session(Dialogue):
    """One connection."""

    def __init__(self, desk: Pop3Desk, link: Link, connection: Connection) -> None:
        super().__init__(link, connection, desk.tasks)
        self._desk = desk
        self._lines = Lines()
        secure = link.get_extra_info("ssl_object") is not None
        self._drop = Maildrop(desk.settings, secure=secure, close=self._close, upgrade=self._upgrade)
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
        self._answer_or_ask(verdict, None, lambda: Done(f"+OK POP3 server ready {self._drop.stamp}"))

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._drop.let_go()

    def answer_next(self) -> bool:
        talking = self._drop.conversation is not None
        line = self._lines.next(AUTH if talking or self._lines.begin_with(b"AUTH ") else LINE)
        if line is None:
            return False
        if talking:
            self._respond(line)
        elif isinstance(line, Overlong):
            self._say(Exchange(self.link, Verdict(None, None, [])), None, b"-ERR the line is too long\r\n")
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
        self._answer_or_ask(verdict, request, functools.partial(self._drop.execute, name, argument))

    def _respond(self, line: bytes | Overlong) -> None:
        """The client's next line in an AUTH; a rule with another refusal gives it now, or an `Answer` of a sweep."""
        request = self._in_auth
        assert request is not None
        verdict = self._desk.decide(request, again=True)
        rule = verdict.answering
        response = "*" if isinstance(line, Overlong) else line.decode("utf-8", "surrogateescape").strip()
        if rule is not None and (rule.in_place_of is not None or PLUS_MINUS.refuses(rule.next_reply or "")):
            conversation, self._drop.conversation = self._drop.conversation, None

            def execute() -> Done:
                self._drop.conversation = conversation
                return self._drop.respond(response)

            self._answer_or_ask(verdict, request, execute)
            return
        done = self._drop.respond(response)
        out = _whole(done)
        if self._final is not None and not PLUS_MINUS.asks_for_more(out):
            out, self._final = self._final, None
        self._say(Exchange(self.link, Verdict(None, None, [])), request, out)
        done.then()

    # What goes

    def _answer_or_ask(self, verdict: Verdict[Any], request: Pop3Request | None, execute: Callable[[], Done]) -> None:
        """Answer as usual, or as a rule has it; `request` is `None` for the greeting."""
        exchange = Exchange(self.link, verdict)
        if verdict.answering is None:
            done = execute()
            self._say(exchange, request, _whole(done))
            done.then()
            return
        answer: CommandAnswer[Any] = verdict.take()
        if answer.delay or callable(answer.reply):
            self.answer_later(self._later(exchange, request, answer, execute))
        else:
            assert not callable(answer.reply)
            self._scripted(exchange, request, answer, answer.reply, execute)

    async def _later(
        self, exchange: Exchange, request: Pop3Request | None, answer: CommandAnswer[Any], execute: Callable[[], Done]
    ) -> None:
        if answer.delay:
            await self.link.pause(answer.delay)
        if answer.reply is None:
            self._scripted(exchange, request, answer, None, execute)
            return
        ahead: list[Done] = []

        def run_ahead() -> str:
            ahead.append(execute())
            return _usual(ahead[0])

        asking: Any = contextlib.nullcontext()
        if request is not None:
            asking = offered(request, run_ahead, self._desk.run_in_loop)
        with asking:
            text = await answer.text(self.connection if request is None else request)
        if self.over:
            return  # the client did not wait
        if not ahead:
            self._scripted(exchange, request, answer, text, execute)
            return
        out, refused = PLUS_MINUS.on_the_wire(text), PLUS_MINUS.refuses(text)
        if ahead[0].rest and not refused and _is_one_line(out):
            out += b".\r\n"  # the function has left no other line
        self._say(exchange, request, out)
        if exchange.close_if_last():
            self.over = True
        elif not refused:
            ahead[0].then()

    def _scripted(
        self,
        exchange: Exchange,
        request: Pop3Request | None,
        answer: CommandAnswer[Any],
        text: str | None,
        execute: Callable[[], Done],
    ) -> None:
        done = Done("")
        if text is None:
            out = answer.raw or b""
            if answer.execute:
                done = execute()
        else:
            out = PLUS_MINUS.on_the_wire(text)
            if PLUS_MINUS.refuses(text):
                done = Done("", then=self._close if request is None else nothing)
            else:
                done = execute()
                out = self._in_place_of(done, out)
        self._say(exchange, request, out)
        if exchange.close_if_last():
            self.over = True
        else:
            done.then()

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

    def _close(self) -> None:
        """What was sent behind the last command is not executed."""
        self.over = True
        self.link.close()

    # TLS

    def _upgrade(self) -> None:
        self.reading.hold(_TLS)
        self.answer_later(self._secure())

    async def _secure(self) -> None:
        """Put TLS under the session; what came behind STLS in plain text is none of it (RFC 2595, section 4)."""
        if await begin_tls(self.link, self._lines.forget, functools.partial(self._desk.secure, self.connection)):
            self._drop.upgraded()
            self.reading.go_on(_TLS)


def _usual(done: Done) -> str:
    """An answer as `usual` has it: without transparent dots and the one at the end."""
    body = done.rest.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
    text = f"{done.status}\r\n".encode("utf-8", "surrogateescape") + (body[1:] if body.startswith(b"..") else body)
    return text.decode("utf-8", "surrogateescape").replace("\r\n", "\n").removesuffix("\n")


def _is_one_line(out: bytes) -> bool:
    return out.find(b"\n") == len(out) - 1


def _whole(done: Done) -> bytes:
    return f"{done.status}\r\n".encode("utf-8", "surrogateescape") + done.rest

"""One IMAP session: commands come in with their literals, and rules are asked before each."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable
from typing import Any

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.imap.commands import execute
from pytest_netmocks.protocols.imap.desk import ImapDesk
from pytest_netmocks.protocols.imap.mailroom import Done, Mailroom
from pytest_netmocks.protocols.imap.reading import Commands, TooLongError
from pytest_netmocks.protocols.imap.records import ImapRequest
from pytest_netmocks.protocols.imap.rules import ImapAnswer
from pytest_netmocks.protocols.imap.syntax import Arguments
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.commands import CommandAnswer
from pytest_netmocks.rules.dialect import TAGGED
from pytest_netmocks.servers.answering import Answering
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.tasks import nothing

SHOWN = 2000
"""Characters of a command's argument that are on record."""

_COMMAND = re.compile(rb"([^ (){%*\"\\+\x00-\x1f\x7f-\xff]{1,100}) (UID )?([A-Za-z0-9.\-]{1,40})", re.IGNORECASE)

MOMENT = 0.05
"""Seconds between the answer to IDLE and the first news: clients read ahead, and then wait for the socket."""


class ImapSession(Answering[ImapRequest, Done]):
    """One connection."""

    dialect = TAGGED
    much = 1 << 20

    def __init__(self, desk: ImapDesk, link: Link, connection: Connection) -> None:
        super().__init__(desk, link, connection)
        self._desk = desk
        self._commands = Commands(desk.largest)
        self._room = Mailroom(desk.settings, self)
        self._idling: tuple[ImapRequest, Exchange, Done] | None = None
        self._in_auth: tuple[ImapRequest, bytes | None] | None = None
        """The AUTHENTICATE whose exchange goes on, and what a rule has for its end."""

    # What comes

    def keep(self, data: bytes) -> None:
        self._commands.add(data)

    def waiting(self) -> int:
        return len(self._commands) - self._commands.wanted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._desk.sessions[self.connection.id] = self
        verdict = self._desk.decide_greeting(self.connection)
        usual = Done(f"OK [CAPABILITY {self._room.capabilities()}] {self._desk.settings.hostname} is ready")
        self.answer(verdict, None, lambda: usual)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._desk.sessions.pop(self.connection.id, None)

    def answer_next(self) -> bool:
        try:
            if self._idling is not None or self._room.authentication.waits_in is not None:
                line = self._commands.line()
                if line is None:
                    return False
                if self._idling is not None:
                    self._end_idle(line)
                else:
                    self._respond(line)
                return True
            command = self._commands.next()
        except TooLongError as error:
            self._write(f"{error.tag} BAD {error}\r\n".encode())
            if error.ends:
                self.close()
            return True
        if command is None:
            return False
        if command == "go on":
            self._write(b"+ go on\r\n")
            return True
        assert isinstance(command, bytes)
        self._command(command)
        return True

    def _command(self, data: bytes) -> None:
        found = _COMMAND.match(data)
        if found is None:
            self._write(b"* BAD that is no command\r\n")
            return
        tag, name = found.group(1).decode("latin-1"), found.group(3).decode().upper()
        rest = data[found.end() :]
        argument = rest[:SHOWN].strip().decode("utf-8", "surrogateescape") or None
        request = self._desk.request(self.connection, name, argument)
        request.tag, request.uid, request.user = tag, bool(found.group(2)), self._room.user
        verdict = self._desk.decide(request)
        arguments = Arguments(rest)
        self.answer(verdict, request, functools.partial(execute, self._room, name, arguments, uid=request.uid))

    def _respond(self, line: bytes) -> None:
        """The client's next line in an AUTHENTICATE."""
        assert self._in_auth is not None
        request, final = self._in_auth
        respond = functools.partial(self._room.respond, line.decode("utf-8", "surrogateescape").strip())
        if final is None and self.answer_response(request, self._room.authentication, respond):
            return
        done = respond()
        if done.ask is None:
            self._in_auth = None
        self._say(self.later_answer(), request, done, final=final)

    def _end_idle(self, line: bytes) -> None:
        assert self._idling is not None
        request, exchange, done = self._idling
        self._idling = None
        if line.strip().upper() == b"DONE":
            done.ask = None
        else:
            done = Done("BAD IDLE ends with DONE")
        self._say(exchange, request, done)

    # What the server says unasked

    def wake(self) -> None:
        """Folders may have changed: who idles hears of it."""
        if self._idling is not None and not self.busy and not self.over:
            self._write(b"".join(line + b"\r\n" for line in self._news(expunge=True)))

    def _tell_idler(self, lines: list[bytes]) -> None:
        """What a rule has for who idles, and what has changed before."""
        if self._idling is not None and not self.over:
            self._write(b"".join(line + b"\r\n" for line in lines))
            self.wake()

    def bye(self, text: str) -> None:
        """End the session."""
        if not self.over and not self.link.is_closing():
            self._write(f"* BYE {text}\r\n".encode("utf-8", "surrogateescape"))
            self.close()

    def _news(self, *, expunge: bool) -> list[bytes]:
        view = self._room.view
        return list(view.changes(expunge=expunge, modseqs=self._room.condstore)) if view is not None else []

    # What goes

    def _write(self, data: bytes) -> None:
        if data:
            self.link.write(data)

    def in_words(self, done: Done) -> str:
        return done.status

    def by_usual(self, exchange: Exchange, request: ImapRequest | None, done: Done) -> None:
        self._say(exchange, request, done)

    def by_rule(
        self,
        exchange: Exchange,
        request: ImapRequest | None,
        answer: CommandAnswer[Any],
        text: str | None,
        usual: Callable[[], Done],
        ahead: Done | None,
    ) -> None:
        before = answer.lines if isinstance(answer, ImapAnswer) else []
        if answer.raw is not None:
            then = usual().then if answer.execute else None
            exchange.answer(b"", b"".join(line + b"\r\n" for line in before) + answer.raw, _told(request))
            if not self.closes(exchange) and then is not None:
                then()
            return
        if text is not None and TAGGED.refuses(text):
            closes = request is None or TAGGED.closes(text)
            done = Done(text, before, then=self.close if closes else nothing)
        else:
            done = usual() if ahead is None else ahead
            if done.ask is not None and text is not None:
                self._say(exchange, request, done, final=text.encode("utf-8", "surrogateescape"))
                return
            if done.ask is not None:
                done.after = before
            else:
                done.lines[:0] = before
            done.status = text if text is not None else done.status
        self._say(exchange, request, done)

    def _say(self, exchange: Exchange, request: ImapRequest | None, done: Done, *, final: bytes | None = None) -> None:
        """Send an answer: what has changed goes before its last line; of an exchange of SASL `final` is that."""
        if done.ask is not None:
            out = b"+ " + done.ask + b"\r\n"
            assert request is not None
            if request.command == "IDLE":
                self._idling = request, exchange, done
                exchange.answer(b"", out, request.answered)
                asyncio.get_running_loop().call_later(MOMENT, self._tell_idler, done.after)
            else:
                self._in_auth = request, final
                exchange.answer(b"", out, request.answered)
            done.then()
            return
        tag = request.tag if request is not None else "*"
        quiet = request is None or done.status.startswith("BYE")
        news = [] if quiet else self._news(expunge=done.expunges)
        status = final if final is not None else done.status.encode("utf-8", "surrogateescape")
        lines = [*(line.replace(b"{tag}", tag.encode("latin-1")) for line in done.lines[:1]), *done.lines[1:], *news]
        self._commands.trusted = self._room.user is not None
        out = b"".join(line + b"\r\n" for line in lines) + tag.encode("latin-1") + b" " + status + b"\r\n"
        exchange.answer(b"", out, _told(request))
        if not self.closes(exchange):
            done.then()
        if done.changes:
            self._desk.changed(by=self)

    # TLS

    def forget(self) -> None:
        self._commands.forget()

    def upgraded(self) -> None:
        self._room.upgraded()


def _told(request: ImapRequest | None) -> Callable[[bytes], None] | None:
    return request.answered if request is not None else None

"""One SMTP session: aiosmtpd's protocol, with our rules before each command and our TLS under it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from aiosmtpd.smtp import MISSING, LoginPassword, syntax

from pytest_netmocks import usercode
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.faults.base import EndingFault
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.flows import NEVER, UP
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.smtp.desk import SmtpDesk
from pytest_netmocks.protocols.smtp.library import Aiosmtpd
from pytest_netmocks.protocols.smtp.reader import read_message
from pytest_netmocks.protocols.smtp.records import Arrival, Envelope, SmtpRequest
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.rules.commands import CommandAnswer
from pytest_netmocks.rules.dialect import CODES
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.starttls import begin_tls
from pytest_netmocks.servers.usual import Ahead, offered, shown

LINE = 1001
"""Bytes of a line of a message with its end and transparent dot (RFC 5321, section 4.5.3.1.6), as aiosmtpd has it."""


class SmtpSession(Aiosmtpd):
    """aiosmtpd's protocol on a link of ours."""

    def __init__(self, desk: SmtpDesk, link: Link, connection: Connection) -> None:
        super().__init__(desk, link, connection, self._command, self._unknown)
        self._lines = b""
        self._exchange: Exchange | None = None
        self._replacement: bytes | None = None
        self._is_last = False
        """Whether the session ends with the answer of the rule."""
        self._request: SmtpRequest | None = None
        self._arrival: Arrival | None = None
        """The message that is answered next."""
        """The latest command, until its answer is out."""
        self._executes = False
        """Whether a command is being executed."""
        self._ahead: Ahead | None = None
        """The command whose usual answer a rule has asked for."""
        self._answer_made: asyncio.Future[bytes]
        self._waits_for_the_rule = False
        self._usual = b""
        self._greeted = False
        self._welcome: Verdict[Any]
        self._greeting: CommandAnswer[Connection] | None
        self._unwelcome = False
        """Whether the greeting was 554, after which only QUIT is executed (RFC 5321, section 3.1)."""
        self._for_the_message: list[tuple[Injection, Draws, Callable[[], None]]] = []
        """DATA's faults that wait for the message, and then those that count it."""
        self._counting: list[Injection] = []

    # The session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._welcome = self._desk.decide_greeting(self._connection)
        self._greeting = self._welcome.take() if self._welcome.answering is not None else None
        super().connection_made(transport)

    async def _command(self, command: str, method: Callable[[str | None], Any], argument: str | None) -> None:
        """Execute a command, unless a rule answers instead."""
        request = self._request = self._desk.request(self._connection, command, argument)
        self._executes = True
        try:
            await self._decide(request, command, method, argument)
        finally:
            self._executes = False
            self._request = None

    def _unknown(self, command: str) -> Callable[[str | None], Any] | None:
        """Put a command on record that aiosmtpd does not know; it answers next, unless a fault does."""
        if self._executes:
            return None  # HELP asks
        request = self._request = self._desk.request(self._connection, command, None)
        verdict = self._desk.decide_unknown(request)
        self._exchange = Exchange(self._link, verdict, request)
        self._replacement = None
        return functools.partial(self._answer_unknown, verdict) if verdict.answering is not None else None

    async def _answer_unknown(self, verdict: Verdict[Any], argument: str | None) -> None:
        answer: CommandAnswer[SmtpRequest] = verdict.take()
        self._is_last = verdict.then_close
        text = await self._text(answer, self._request)
        if text is not None:
            await self._say(CODES.on_the_wire(text), is_last=self._is_last)

    async def _decide(
        self, request: SmtpRequest, command: str, method: Callable[[str | None], Any], argument: str | None
    ) -> None:
        if self._unwelcome and command != "QUIT":
            await self._reply(b"503 5.5.1 no service here, as the greeting said\r\n")
            return
        verdict = self._desk.decide(request)
        self._exchange = Exchange(self._link, self._around_the_transfer(command, verdict), self._request)
        self._replacement = None
        if verdict.answering is None:
            await method(argument)
            return
        answer: CommandAnswer[SmtpRequest] = verdict.take()
        self._is_last = verdict.then_close
        if answer.raw is not None and answer.execute:
            await self._link.pause(answer.delay)
            self._replacement = answer.raw
            await method(argument)
            return
        try:
            execute = functools.partial(self._run_ahead, method, argument)
            with offered(request, execute, self._desk.run_in_loop):
                text = await self._text(answer, request)
            if text is None:
                return
            if self._ahead is not None and self._goes_on(text):
                self._answer_made.set_result(CODES.on_the_wire(text))
                await self._ahead
            elif self._ahead is not None or CODES.refuses(text):
                await self._say(CODES.on_the_wire(text), is_last=self._is_last)
            else:
                self._replacement = CODES.on_the_wire(text)
                await method(argument)
        finally:
            ahead, self._ahead = self._ahead, None
            if ahead is not None:
                ahead.close()

    def _run_ahead(self, method: Callable[[str | None], Any], argument: str | None) -> str:
        """Execute a command up to its first answer, which waits for what a rule makes of it."""
        self._usual = b""
        self._answer_made = asyncio.get_running_loop().create_future()
        self._waits_for_the_rule = True
        try:
            self._ahead = Ahead(method(argument))
        finally:
            self._waits_for_the_rule = False
        return shown(self._usual)

    def _goes_on(self, text: str) -> bool:
        """Whether the command that waits behind its usual answer goes on behind this one."""
        return not CODES.refuses(text) and (CODES.asks_for_more(text) or not CODES.asks_for_more(self._usual))

    def _around_the_transfer(self, command: str, verdict: Verdict[Any]) -> Verdict[Any]:
        """DATA's faults with `after_bytes`, and those upstream, strike the message, which comes after the 354."""
        self._for_the_message.clear()
        if command != "DATA" or not verdict.injections:
            return verdict
        here = Verdict(verdict.answering, verdict.striking, [], [])
        for injection, draws in zip(verdict.injections, verdict.draws, strict=True):
            fault = injection.fault
            counts = isinstance(fault, EndingFault) and fault.after_bytes is not None
            if counts or getattr(fault, "direction", "") == "upstream":
                self._for_the_message.append((injection, draws, verdict.struck))
            else:
                here.injections.append(injection)
                here.draws.append(draws)
        return here

    async def _text(self, answer: CommandAnswer[Any], request: Any) -> str | None:
        """The scripted reply; `None` if raw bytes went out or users' code failed."""
        if answer.delay:
            await self._link.pause(answer.delay)
        if answer.reply is None:
            await self._reply(answer.raw or b"")
            if self._is_last:
                self._link.close()
            return None
        try:
            return await answer.text(request)
        except BaseException as error:  # pytest.fail() is no Exception; the test fails, the client gets an answer
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            self._desk.journal.failed(self._connection.id, error)
            return "451 4.3.0 the reply function raised"

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802  # aiosmtpd's name
        """Take a message."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            await self.push("503 Error: need RCPT command")
            return
        if arg:
            await self.push("501 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        content = await read_message(self.reader, self._desk.settings.max_size, LINE)
        if content == "long line":
            status = "500 Line too long (see RFC5321 4.5.3.1.6)"
        elif content == "too much":
            status = "552 Error: Too much mail data"
        else:
            assert isinstance(content, bytes)
            status = await self._message(self.envelope, content)
        self.forget_the_envelope()
        await self.push(status)

    async def _message(self, envelope: Any, content: bytes) -> str:
        """A whole message has come: store it, unless a rule refuses it; the usual answer."""
        assert self.session is not None
        data = self.session.auth_data
        user = data.login.decode("utf-8", "replace") if isinstance(data, LoginPassword) else None
        sender = "" if envelope.mail_from == "<>" else envelope.mail_from
        arrival = Arrival(
            Envelope(
                sender,
                list(envelope.rcpt_tos),
                self.session.host_name or "",
                user if self.session.authenticated else None,
                self.is_secure,
                list(envelope.mail_options),
                content,
                self._connection,
            )
        )
        if self._request is not None:
            self._request.arrived()
        self._desk.arrived(arrival)
        verdict = self._desk.decide_message(arrival)
        text: str | None = None
        stored = True
        self._arrival = arrival
        self._exchange = Exchange(self._link, verdict, arrival)
        if verdict.answering is not None:
            answer: CommandAnswer[Any] = verdict.take()
            self._replacement, self._is_last = None, verdict.then_close
            if answer.raw is not None:
                await self._link.pause(answer.delay)
                self._replacement = answer.raw
                stored = answer.execute
            else:
                message: Any = None
                if callable(answer.reply):  # which is all that looks at it
                    message = await usercode.in_a_thread(getattr, arrival, "message")
                text = await self._text(answer, message)
                stored = text is None or not CODES.refuses(text)
        if stored:
            self._desk.store(arrival)
        else:
            arrival.let_go()
        if text is not None:
            self._replacement = CODES.on_the_wire(text)
        return "250 OK"

    async def challenge_auth(self, *arguments: Any, **options: Any) -> Any:
        """As the library; a rule with another reply, a 4xx or 5xx, gives it to what the client answers.

        So does an `Answer` of a sweep, whose 2xx stands for the last answer.
        """
        request = self._request
        answer = await super().challenge_auth(*arguments, **options)
        if answer is MISSING or request is None or self._replacement is not None:
            return answer  # or a rule has answered to the whole
        verdict = self._desk.decide(request, again=True)
        rule = verdict.answering
        if rule is None or (rule.in_place_of is None and not CODES.refuses(rule.next_reply or "")):
            return answer
        self._exchange = Exchange(self._link, verdict, request)
        taken, self._is_last = verdict.take(), verdict.then_close
        text = await self._text(taken, request)
        if text is not None and not CODES.refuses(text):
            self._replacement = CODES.on_the_wire(text)
            return answer
        if text is not None:
            await self._say(CODES.on_the_wire(text), is_last=self._is_last)
        return MISSING

    # Answers

    async def push(self, status: str | bytes) -> None:
        """Send a line; what belongs to one answer goes out as one."""
        line = status.encode("utf-8", "surrogateescape") if isinstance(status, str) else status
        self._lines += line + b"\r\n"
        if line[3:4] == b"-":
            return
        answer, self._lines = self._lines, b""
        if not self._greeted:
            self._greeted = True
            await self._greet(answer)
        elif self._waits_for_the_rule:
            self._waits_for_the_rule = False
            self._usual = answer
            await self._say(await self._answer_made, is_last=self._is_last)
        else:
            is_last = False
            # A 2xx stands for the last answer of a command: not for the 334 or 354 on the way there.
            if self._replacement is not None and not (
                CODES.asks_for_more(answer) and CODES.completes(self._replacement)
            ):
                answer, self._replacement, is_last = self._replacement, None, self._is_last
            await self._say(answer, is_last=is_last)

    async def _greet(self, usual: bytes) -> None:
        self._exchange = Exchange(self._link, self._welcome)
        if self._greeting is None:
            await self._say(usual, is_last=False)
            return
        self._is_last = self._welcome.then_close
        text = await self._text(self._greeting, self._connection)
        if text is not None:
            self._unwelcome = text.startswith("554")
            await self._say(CODES.on_the_wire(text), is_last=self._is_last)

    async def _say(self, answer: bytes, *, is_last: bool) -> None:
        """Give an answer; a 421 ends the session, too."""
        await self._reply(answer)
        if is_last or CODES.closes(answer):
            self._link.close()

    async def _reply(self, answer: bytes) -> None:
        exchange = self._exchange or Exchange(self._link, Verdict(None, None, []), self._request)
        self._exchange = None
        for injection in self._counting:
            self._link.disarm(injection)  # the message is over
        self._counting.clear()
        if answer.startswith(b"354"):
            self._count_the_message()
        exchange.answer(b"", answer, self._goes_out)
        self._arrival = None
        await self.drain()

    def _goes_out(self, answer: bytes) -> None:
        """Put on record what goes out."""
        for answered in (self._request, self._arrival):
            if answered is not None:
                answered.answered(answer)

    def _count_the_message(self) -> None:
        awaited = self._link.awaited
        for injection, draws, also in self._for_the_message:
            self._link.arm(injection, payload=(awaited, NEVER), side=UP, draws=draws, also=also)
            self._counting.append(injection)
        self._for_the_message.clear()

    # TLS

    @syntax("STARTTLS", when="tls_context")
    async def smtp_STARTTLS(self, arg: str | None) -> None:  # noqa: N802  # aiosmtpd's name
        """Put TLS under the session (RFC 3207)."""
        if arg:
            await self.push("501 Syntax: STARTTLS")
            return
        if not self.tls_context or self.is_secure:
            await self.push("454 4.7.0 TLS not available")
            return
        # What comes from here on belongs to the handshake, and a fault may hold the 220 that lets it begin.
        self._link.pause_reading()
        try:
            await self.push("220 2.0.0 Ready to start TLS")
        except GeneratorExit:  # a rule has refused it
            self._link.resume_reading()
            raise
        # What was sent in plain text after the command is no part of the session (RFC 3207, section 4.2).
        if not await begin_tls(self._link, self.reader.forget, functools.partial(self._desk.secure, self._connection)):
            return
        self._link.resume_reading()
        self.begin_again()

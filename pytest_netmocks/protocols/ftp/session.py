"""One FTP session: pyftpdlib's handlers, with our rules before each command and our links under both connections."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import socket
from collections.abc import Callable
from typing import Any

from pytest_netmocks.faults.base import ConnectFault
from pytest_netmocks.link import kernel, quiet
from pytest_netmocks.link.flows import DOWN, NEVER, UP, Side
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.ftp.bridge import LinkSocket
from pytest_netmocks.protocols.ftp.commands import FileCommands
from pytest_netmocks.protocols.ftp.data import IDLE, Data, Passive
from pytest_netmocks.protocols.ftp.desk import FtpDesk
from pytest_netmocks.protocols.ftp.files import REVERSIBLE, Files, LocalError
from pytest_netmocks.protocols.ftp.library import COMMANDS, Active, ControlHandler, Poller
from pytest_netmocks.protocols.ftp.lines import Lines
from pytest_netmocks.protocols.ftp.records import FtpConnection, FtpRequest
from pytest_netmocks.protocols.ftp.security import SECURITY, SecurityCommands
from pytest_netmocks.rules.base import Verdict, decide
from pytest_netmocks.rules.commands import CommandAnswer
from pytest_netmocks.rules.dialect import CODES
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.tasks import nothing
from pytest_netmocks.servers.timeslice import TimeSlice
from pytest_netmocks.servers.usual import offered, shown

quiet.silence("pyftpdlib")

TRANSFERS = {"RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD"}

_LAST = re.compile(r"(?:\A|\n)\d{3} [^\n]*\Z")


def _normal(command: str, argument: str) -> tuple[str, str]:
    """As pyftpdlib reads them: SITE with its own command, and what a client marks as urgent without the marks."""
    if command == "SITE" and argument:
        first, _, rest = argument.partition(" ")
        if f"SITE {first.upper()}" in COMMANDS:
            return f"SITE {first.upper()}", rest
    if command not in COMMANDS and command not in SECURITY and command[-4:] in ("ABOR", "STAT", "QUIT"):
        return command[-4:], argument
    return command, argument


@dataclasses.dataclass(slots=True)
class _Ahead:
    """What a command has done that is executed before a rule has said what is answered."""

    answers: list[tuple[bytes, FtpRequest | None]] = dataclasses.field(default_factory=list)
    calls: list[tuple[Callable[[], None], Callable[[], None]]] = dataclasses.field(default_factory=list)


class FtpSession(Lines, FileCommands, SecurityCommands, ControlHandler):
    """A control connection."""

    use_sendfile = False
    abstracted_fs = Files
    unicode_errors = REVERSIBLE
    auth_failed_timeout = 0
    timeout = IDLE
    dtp_handler = Data
    active_dtp = Active
    passive_dtp = Passive
    banner = "ready."
    data_channel: Any

    def __init__(self, desk: FtpDesk, link: Link, connection: FtpConnection, poller: Poller) -> None:
        self.desk = desk
        self.link = link
        self.connection = connection
        self.bridge = LinkSocket(link)
        self.authorizer = desk.authorizer
        self.encoding = desk.settings.encoding
        self.proto_cmds = {**COMMANDS, **(SECURITY if desk.settings.offers_tls else {})}
        self._text = ""
        self._listing: Any = None
        self._request: FtpRequest | None = None
        self._exchange: Exchange | None = None
        self._replacement: bytes | None = None
        self._transfer: tuple[FtpRequest, Verdict[Any]] | None = None
        """The transfer that was asked for and has no data connection yet."""
        self._promised: bytes | None = None
        """What is said at its end in place of the usual."""
        self._last: FtpRequest | None = None
        """The command with whose last answer the session ends."""
        self.completing: Data | None = None
        self.dials = False
        """Whether a data connection that comes just now was made to the client."""
        self._welcome = desk.decide_greeting(connection)
        self._greeting = self._welcome.take() if self._welcome.answering is not None else None
        self.begin_lines()
        self._data: bytes | None = None
        self._ahead: _Ahead | None = None
        super().__init__(self.bridge, desk.stub, ioloop=poller)
        if desk.settings.offers_tls:
            self.offer("AUTH TLS", "AUTH SSL", "PBSZ", "PROT")

    def quiet(self, *_: Any, **__: Any) -> None:
        """The timeline is our log."""

    log = logline = logerror = quiet

    def log_cmd(self, *_: Any, **__: Any) -> None:
        """As `quiet`."""

    def log_transfer(self, *_: Any, **__: Any) -> None:
        """As `quiet`."""

    def log_exception(self, instance: Any) -> None:
        import sys

        error = sys.exc_info()[1]
        self.desk.journal.note(self.connection.id, f"pyftpdlib failed: {error!r}")

    # Commands

    def handle(self) -> None:
        """Greet."""
        verdict = self._welcome
        self._exchange = Exchange(self.link, verdict)
        if self._greeting is None:
            super().handle()
        else:
            self._answer_with(verdict, self._greeting, self.connection, None)

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        """Ask the rules first."""
        name, argument = _normal(cmd, arg)
        request = self._request = self.desk.request(self.connection, name, argument or None)
        if self.fs is not None and argument and COMMANDS.get(name, {}).get("perm"):
            request.path = self.fs.ftpnorm(argument)
        verdict = self.desk.decide(request)
        self._replacement = self._data = None
        self._exchange = None
        if "\0" in line:
            self.respond("501 A path has no NUL.")
            return
        if name in TRANSFERS:
            self._forget_what_waits()
            self._exchange = Exchange(self.link, verdict.take_spoiling(), request)
            self._transfer = request, verdict
            self._promised = None
        else:
            self._exchange = Exchange(self.link, verdict, request)

        def execute() -> None:
            try:
                super(FtpSession, self).pre_process_command(line, cmd, arg)
            except LocalError as error:
                self.respond(str(error))

        if verdict.answering is None:
            execute()
        else:
            self._answer_with(verdict, verdict.take(), request, execute)

    def flush_account(self) -> None:
        """As the library; a file that waits for its data connection is closed."""
        self._forget_what_waits()
        super().flush_account()

    def ftp_ABOR(self, line: str) -> None:  # noqa: N802  # pyftpdlib's names
        """As the library; what waits for a data connection is off, too (RFC 959, section 4.1.3)."""
        self._forget_what_waits()
        super().ftp_ABOR(line)

    def _forget_what_waits(self) -> None:
        """Close the file of a transfer whose data connection never came; pyftpdlib would only drop it."""
        for file in self.take_waiting_files():
            file.close()

    def _answer_with(self, verdict: Verdict[Any], answer: CommandAnswer[Any], request: Any, execute: Any) -> None:
        is_last = verdict.then_close
        if isinstance(answer.reply, str) and not answer.delay:
            self._scripted(answer.reply, execute, is_last=is_last)
        elif answer.reply is None and not answer.delay:
            self._instead(answer, execute, is_last=is_last)
        else:
            self._busy = True
            later = self._later(answer, request, execute, is_last=is_last)
            self.desk.tasks.start(later, self.connection.id, failed=self.link.close)

    async def _later(self, answer: CommandAnswer[Any], request: Any, execute: Any, *, is_last: bool) -> None:
        if answer.delay:
            await self.link.pause(answer.delay)
        asking: Any = contextlib.nullcontext()
        if execute is not None:
            asking = offered(request, functools.partial(self._run_ahead, execute), self.desk.run_in_loop)
        try:
            with asking:
                text = await answer.text(request) if answer.reply is not None else None
        finally:
            ahead, self._ahead = self._ahead, None
        if self.is_closed or self.link.over:
            return  # the client did not wait
        if text is None:
            self._instead(answer, execute, is_last=is_last)
        elif ahead is None:
            self._scripted(text, execute, is_last=is_last)
        else:
            self._answer_instead(text, ahead, is_last=is_last)
        self._go_on()

    def _run_ahead(self, execute: Callable[[], None]) -> str:
        """Execute a command, whose answers wait for what a rule makes of the first."""
        ahead = self._ahead = _Ahead()
        execute()
        if not ahead.answers:
            self.look_at_the_connector()  # PORT is answered once it is connected
        return shown(ahead.answers[0][0], self.encoding, REVERSIBLE) if ahead.answers else ""

    def _answer_instead(self, text: str, ahead: _Ahead, *, is_last: bool) -> None:
        """Answer as the rule says, then as the command has."""
        first = ahead.answers[0][0] if ahead.answers else b""
        refused = CODES.refuses(text) or is_last
        if CODES.is_preliminary(first) and not CODES.is_preliminary(text):
            self._drop_the_transfer()
            ahead.answers.clear()
        self._send(self._lines_of(text))
        for answer, request in ahead.answers[1:]:
            self._put(answer, request)
        for call, otherwise in ahead.calls:
            (otherwise if refused else call)()
        if is_last or CODES.closes(text):
            self.close_when_done()

    def _drop_the_transfer(self) -> None:
        self._forget_what_waits()
        self._transfer = None
        if self.data_channel is not None:
            self.data_channel.close()
            self.data_channel = None

    def _instead(self, answer: CommandAnswer[Any], execute: Any, *, is_last: bool) -> None:
        """Other bytes than the usual ones, on this connection or on the data connection."""
        if answer.data is None and not (answer.execute and execute is not None):
            self._send(answer.raw or b"")
            if is_last:
                self.close_when_done()
            return
        self._promise(answer.raw, is_last=is_last)
        self._data = answer.data
        execute()

    def _promise(self, replacement: bytes | None, *, is_last: bool) -> None:
        self._last = self._request if is_last else None
        if self._transfer is not None and self._transfer[0] is self._request:
            self._promised = replacement
        else:
            self._replacement = replacement

    def push_dtp_data(self, data: Any, isproducer: bool = False, file: Any = None, cmd: Any = None) -> None:
        """Send a file or a listing, or what a rule has instead."""
        instead, self._data = self._data, None
        if instead is not None:
            if file is not None:
                file.close()
            data, isproducer, file = instead, False, None
        super().push_dtp_data(data, isproducer, file, cmd)

    def _scripted(self, text: str, execute: Any, *, is_last: bool) -> None:
        if CODES.refuses(text) or execute is None:
            self._send(self._lines_of(text))
            if is_last or CODES.closes(text):
                self.close_when_done()
            return
        self._promise(self._lines_of(text), is_last=is_last)
        execute()

    def _lines_of(self, text: str) -> bytes:
        return CODES.on_the_wire(text, self.encoding, REVERSIBLE)

    def push(self, data: str) -> None:
        """Send an answer; what belongs to one goes out as one."""
        if self._listing is not None and not self._listed():
            self._busy = True
            self.ioloop.loop.call_soon(self._list_on, data)
            return
        self._text += data
        if not _LAST.search(self._text.rstrip("\r\n")):
            return
        text, self._text = self._text, ""
        answer = text.encode(self.encoding, REVERSIBLE)
        done = self.completing
        if not CODES.is_preliminary(text):
            if done is not None:
                if self._answers_last(done.request):
                    return
                if done.replacement is not None:
                    answer, done.replacement = done.replacement, None
            elif self._replacement is not None:
                answer, self._replacement = self._replacement, None
            elif self._promised is not None and self._transfer is not None and self._transfer[0] is self._request:
                answer, self._promised = self._promised, None  # the transfer is over before it began
        self._send(answer)

    def _answers_last(self, request: FtpRequest | None) -> bool:
        """Whether an `Answer` of a sweep stands in place of the last answer of a transfer, and is given now."""
        chosen = self.desk.choose_later(self.connection)
        verdict: Verdict[Any] = decide((), self.connection, chosen=chosen)
        if verdict.answering is None:
            return False
        self._answer_with(verdict, verdict.take(), request, None)
        return True

    def push_with_producer(self, producer: Any) -> None:
        """A listing on this connection (STAT): a part of the answer, and what is pushed next its end."""
        self._listing = producer

    def _listed(self) -> bool:
        """Put the listing into the answer; whether it is all there, or others have their turn before."""
        time_slice = TimeSlice()
        while self._listing is not None and not time_slice.over:
            data = self._listing.more()
            self._text += data.decode(self.encoding, REVERSIBLE)
            if not data:
                self._listing = None
        return self._listing is None

    def _list_on(self, end: str) -> None:
        if self.is_closed:
            return
        self.push(end)
        if self._listing is None:
            self._go_on()

    def _send(self, answer: bytes) -> None:
        request = self.completing.request if self.completing is not None else self._request
        if self._ahead is not None:
            self._ahead.answers.append((answer, request))
        else:
            self._put(answer, request)

    def _put(self, answer: bytes, request: FtpRequest | None) -> None:
        def told(going: bytes) -> None:
            if request is not None:
                request.reply += going.decode(self.encoding, REVERSIBLE)

        exchange = self._exchange or Exchange(self.link, Verdict(None, None, []), request)
        self._exchange = None
        exchange.answer(b"", answer, told)
        if request is not None and request is self._last and not CODES.is_preliminary(answer):
            self.link.close()  # and pyftpdlib hears of it as of any connection that ends

    # Transfers

    @property
    def data_waits(self) -> bool:
        """In any thread: whether a client has connected for data and is not on record yet."""
        with self.desk.data_lock:
            port = self.port
            return port is not None and port.socket is not None and kernel.readable(port.socket.fileno())

    def accept_data(self) -> None:
        """Accept it now."""
        if self.data_waits:
            self.port.handle_read_event()

    def adopt(self, sock: socket.socket) -> LinkSocket:
        """Put a data connection on a link of its own."""
        ours = socket.socket(fileno=sock.detach())
        return self.desk.adopt(ours, self.connection, secure=self._prot, dialled=self.dials)

    def transfer_begins(self, data: Data) -> None:
        """Arm what the rules have for this transfer, after the 150 and before its first byte."""
        if self._transfer is None:
            return
        request, verdict = self._transfer
        self._transfer = None
        data.replacement, self._promised = self._promised, None
        data.request = request
        link = data.bridge.link
        request.data_connection = link.get_extra_info("connection")
        if link.over:
            return
        up = request.command in ("STOR", "APPE", "STOU")
        side: Side = UP if up else DOWN
        start = link.awaited if up else link.written
        for injection, draws in verdict.in_force():
            assert not isinstance(injection.fault, ConnectFault)
            link.arm(injection, place=start, payload=(start, NEVER), side=side, also=verdict.struck, draws=draws)

    def transfer_ends(self, data: Data) -> None:
        """Put on record how it went."""
        request = data.request
        if request is not None and request.data_connection is not None and request.complete is None:
            request.bytes = data.get_transmitted_bytes()
            request.complete = data.transfer_finished

    def when_answered(self, call: Callable[[], None], otherwise: Callable[[], None] = nothing) -> None:
        """Have it done once the command's answer was given, or the other if a rule makes a refusal of it."""
        if self._ahead is not None:
            self._ahead.calls.append((call, otherwise))
        else:
            call()

    def close_when_done(self) -> None:
        """Close, after the answer."""
        self.when_answered(super().close_when_done)

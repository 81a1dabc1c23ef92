"""One FTP session: pyftpdlib's handlers, with our rules before each command and our links under both connections."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING, Any

from pyftpdlib.handlers import DTPHandler, FTPHandler  # type: ignore[import-untyped]

from pytest_netmocks.faults.base import ConnectFault
from pytest_netmocks.link.flows import DOWN, NEVER, UP
from pytest_netmocks.link.link import Link
from pytest_netmocks.rules import Verdict
from pytest_netmocks.servers.command_rules import CommandAnswer, lines_of
from pytest_netmocks.servers.ftp.bridge import LinkSocket, Poller
from pytest_netmocks.servers.ftp.connection import FtpConnection, FtpRequest
from pytest_netmocks.servers.stream import Exchange

if TYPE_CHECKING:
    from pytest_netmocks.servers.ftp.server import FtpServer

IDLE = 3600
"""Seconds of silence after which pyftpdlib closes: longer than any test."""

TRANSFERS = {"RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD"}

_LAST = re.compile(r"(?:\A|\n)\d{3} [^\n]*\Z")

COMMANDS: dict[str, Any] = FTPHandler.proto_cmds

ActiveDTP: Any = FTPHandler.active_dtp

SECURITY = {
    "AUTH": {
        "perm": None,
        "auth": False,
        "arg": True,
        "help": "Syntax: AUTH <SP> TLS (set up secure control channel).",
    },
    "PBSZ": {"perm": None, "auth": False, "arg": True, "help": "Syntax: PBSZ <SP> 0 (negotiate TLS buffer)."},
    "PROT": {"perm": None, "auth": False, "arg": True, "help": "Syntax: PROT <SP> [C|P] (set up un/secure data)."},
}


class Active(ActiveDTP):  # type: ignore[misc]  # pyftpdlib has no types
    """A data connection to the client."""

    def handle_connect(self) -> None:
        super().handle_connect()
        # Its descriptor is the link's now; pyftpdlib would unregister the number again when the session ends.
        self._fileno = None


class Data(DTPHandler):  # type: ignore[misc]
    """A data connection."""

    timeout = IDLE

    def __init__(self, sock: socket.socket, cmd_channel: FtpSession) -> None:
        self.bridge = cmd_channel.adopt(sock)
        self._armed = False
        super().__init__(self.bridge, cmd_channel)

    def _begin(self) -> None:
        if not self._armed:
            self._armed = True
            self.cmd_channel.transfer_begins(self)

    def push(self, data: bytes) -> None:
        self._begin()
        super().push(data)

    def push_with_producer(self, producer: Any) -> None:
        self._begin()
        super().push_with_producer(producer)

    def enable_receiving(self, kind: str, cmd: str) -> None:
        self._begin()
        super().enable_receiving(kind, cmd)

    def handle_close(self) -> None:
        """The end of the transfer: not before what was sent has left."""
        if self._closed:
            return
        if self.receive or self.producer_fifo or self.bridge.error:
            self._end()
        else:
            self.del_channel()
            self.bridge.when_drained(self._end)

    def _end(self) -> None:
        if self._closed:
            return
        self.transfer_finished = self.bridge.error is None and not self.producer_fifo
        if self.transfer_finished:
            self._resp = ("226 Transfer complete.", self.cmd_channel.quiet)
        else:
            text = f"426 Transfer aborted; {self.get_transmitted_bytes()} bytes transmitted."
            self._resp = (text, self.cmd_channel.quiet)
        self.close()

    def close(self) -> None:
        if not self._closed:
            self.cmd_channel.transfer_ends(self)
        super().close()

    def handle_read(self) -> None:
        super().handle_read()
        if self.bridge.error is not None:
            self.transfer_finished = False

    handle_read_event = handle_read


class FtpSession(FTPHandler):  # type: ignore[misc]
    """A control connection."""

    use_sendfile = False
    auth_failed_timeout = 0
    timeout = IDLE
    dtp_handler = Data
    active_dtp = Active
    banner = "ready."
    _in_dtp_queue: Any
    _out_dtp_queue: Any

    def __init__(self, server: FtpServer, link: Link, connection: FtpConnection, poller: Poller) -> None:
        self.ours = server
        self.link = link
        self.connection = connection
        self.bridge = LinkSocket(link)
        self.authorizer = server.authorizer
        self.proto_cmds = {**COMMANDS, **(SECURITY if server.offers_tls else {})}
        self._text = ""
        self._request: FtpRequest | None = None
        self._exchange: Exchange | None = None
        self._replacement: bytes | None = None
        self._transfer: Verdict[Any] | None = None
        self._data: bytes | None = None
        self._pbsz = self._prot = False
        super().__init__(self.bridge, server.stub, ioloop=poller)
        if server.offers_tls:
            self._extra_feats = ["AUTH TLS", "PBSZ", "PROT"]

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
        self.ours.journal.note(self.connection.id, "note", f"pyftpdlib failed: {error!r}")

    # Commands

    def handle(self) -> None:
        """Greet."""
        verdict = self.ours.decide_greeting(self.connection)
        self._exchange = Exchange(self.link, verdict)
        if verdict.answering is None:
            super().handle()
        else:
            self._answer_with(verdict.answering.take(), self.connection, None)

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        """Ask the rules first."""
        request = self._request = self.ours.request(self.connection, cmd, arg or None)
        if self.fs is not None and arg:
            request.path = self.fs.ftpnorm(arg)
        verdict = self.ours.decide(request)
        self._replacement = None
        self._exchange = None
        if cmd in TRANSFERS:
            self._forget_what_waits()
            self._transfer = verdict
        else:
            self._exchange = Exchange(self.link, verdict)

        def execute() -> None:
            super(FtpSession, self).pre_process_command(line, cmd, arg)

        if verdict.answering is None:
            execute()
        else:
            self._answer_with(verdict.answering.take(), request, execute)

    def _forget_what_waits(self) -> None:
        """Close the file of a transfer whose data connection never came; pyftpdlib would only drop it."""
        waiting = [self._in_dtp_queue[0]] if self._in_dtp_queue is not None else []
        waiting += [self._out_dtp_queue[2]] if self._out_dtp_queue is not None else []
        self._in_dtp_queue = self._out_dtp_queue = None
        for file in waiting:
            if file is not None:
                file.close()

    def _answer_with(self, answer: CommandAnswer[Any], request: Any, execute: Any) -> None:
        if isinstance(answer.reply, str) and not answer.delay:
            self._scripted(answer.reply, execute)
        elif answer.reply is None and not answer.delay:
            self._instead(answer, execute)
        else:
            self.ours.tasks.start(self._later(answer, request, execute), self.connection.id, failed=self.link.close)

    async def _later(self, answer: CommandAnswer[Any], request: Any, execute: Any) -> None:
        if answer.delay:
            await asyncio.sleep(answer.delay)
        if answer.reply is None:
            self._instead(answer, execute)
        else:
            self._scripted(await answer.text(request), execute)

    def _instead(self, answer: CommandAnswer[Any], execute: Any) -> None:
        """Other bytes than the usual ones, on this connection or on the data connection."""
        if answer.data is None and not (answer.execute and execute is not None):
            self._send(answer.raw or b"")
            return
        self._replacement, self._data = answer.raw, answer.data
        execute()

    def push_dtp_data(self, data: Any, isproducer: bool = False, file: Any = None, cmd: Any = None) -> None:
        """Send a file or a listing, or what a rule has instead."""
        instead, self._data = self._data, None
        if instead is not None:
            if file is not None:
                file.close()
            data, isproducer, file = instead, False, None
        super().push_dtp_data(data, isproducer, file, cmd)

    def _scripted(self, text: str, execute: Any) -> None:
        if text[0] in "45" or execute is None:
            self._send(lines_of(text))
            if text.startswith("421"):
                self.close_when_done()
            return
        self._replacement = lines_of(text)
        execute()

    def push(self, data: str) -> None:
        """Send an answer; what belongs to one goes out as one."""
        self._text += data
        if not _LAST.search(self._text.rstrip("\r\n")):
            return
        text, self._text = self._text, ""
        answer = text.encode(self.encoding, "surrogateescape")
        if self._replacement is not None and text[0] != "1":
            answer, self._replacement = self._replacement, None
        self._send(answer)

    def _send(self, answer: bytes) -> None:
        if self._request is not None:
            self._request.reply += answer.decode("utf-8", "replace")
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.answer(b"", answer)
        else:
            self.link.write(answer)

    # Transfers

    def adopt(self, sock: socket.socket) -> LinkSocket:
        """Put a data connection on a link of its own."""
        return self.ours.adopt(socket.socket(fileno=sock.detach()), self.connection, secure=self._prot)

    def transfer_begins(self, data: Data) -> None:
        """Arm what the rules have for this transfer, after the 150 and before its first byte."""
        request, verdict = self._request, self._transfer
        self._transfer = None
        link = data.bridge._link
        if request is not None:
            request.data_connection = link.get_extra_info("connection")
        if verdict is None or link.over:
            return
        up = request is not None and request.command in ("STOR", "APPE", "STOU")
        for injection, draws in zip(verdict.injections, verdict.draws, strict=True):
            assert not isinstance(injection.fault, ConnectFault)
            start = link.awaited if up else link.written
            struck = verdict.striking

            def also(rule: Any = struck) -> None:
                if rule is not verdict.answering:
                    rule.hits += 1

            link.arm(injection, place=start, payload=(start, NEVER), side=UP if up else DOWN, also=also, draws=draws)

    def transfer_ends(self, data: Data) -> None:
        """Put on record how it went."""
        request = self._request
        if request is not None and request.data_connection is not None and request.complete is None:
            request.bytes = data.get_transmitted_bytes()
            request.complete = data.transfer_finished

    # TLS

    @property
    def _secure(self) -> bool:
        return self.link.get_extra_info("ssl_object") is not None

    def ftp_AUTH(self, line: str) -> None:  # noqa: N802  # pyftpdlib's names
        """Put TLS under the control connection (RFC 4217, section 4)."""
        kind = line.upper()
        if self._secure:
            self.respond("503 Already using TLS.")
        elif kind not in ("TLS", "TLS-C", "SSL", "TLS-P"):
            self.respond("504 Unrecognized security mechanism (use TLS).")
        else:
            self.link.pause_reading()
            self.respond(f"234 AUTH {kind} successful.")
            self.bridge.when_drained(self._upgrade)

    def _upgrade(self) -> None:
        if not self.link.over:
            self.ours.secure(self.connection, self.link.resume_reading)

    def ftp_PBSZ(self, line: str) -> None:  # noqa: N802
        """Say that there are no blocks (RFC 4217, section 8)."""
        if not self._secure:
            self.respond("503 PBSZ not allowed on insecure control connection.")
            return
        self.respond("200 PBSZ=0 successful.")
        self._pbsz = True

    def ftp_PROT(self, line: str) -> None:  # noqa: N802
        """Protect data connections, or not (RFC 4217, section 9)."""
        level = line.upper()
        if not self._secure:
            self.respond("503 PROT not allowed on insecure control connection.")
        elif not self._pbsz:
            self.respond("503 You must issue the PBSZ command prior to PROT.")
        elif level in ("C", "P"):
            self._prot = level == "P"
            self.respond(f"200 Protection set to {'Private' if self._prot else 'Clear'}")
        else:
            self.respond(f"536 PROT {level} unsupported (use C or P).")

"""The user's log is the user's: no library of ours speaks in it, and the same libraries in the user's hands do."""

from __future__ import annotations

import asyncio
import contextlib
import ftplib
import gc
import logging
import smtplib
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import aiosmtpd.controller
import pytest
import requests
import websockets.sync.client
from helpers import abort, connect, masked, read_to_end, shake, speak

from pytest_netmocks import Response
from pytest_netmocks.faults import Reset
from pytest_netmocks.link import loop as loops
from pytest_netmocks.link import quiet
from pytest_netmocks.plugin.factory import Netmocks


class _NotTheClients(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.name.startswith(("urllib3", "websockets.client"))


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Iterator[list[logging.LogRecord]]:
    """What is logged from here on, by anything but the test's own clients."""
    gc.collect()  # what an earlier test left may say so when it is collected
    caplog.set_level(logging.DEBUG)
    with caplog.filtering(_NotTheClients()):
        yield caplog.records


def mail(netmocks: Netmocks) -> None:
    server = netmocks.smtp(users={"u": "p"})
    with smtplib.SMTP(*server.address, timeout=30) as client:
        client.starttls(context=server.client_context())
        with contextlib.suppress(smtplib.SMTPAuthenticationError):
            client.login("u", "wrong")
        client.login("u", "p")
        client.sendmail("a@b.c", ["d@e.f"], "Subject: x\n\nhello")
        client.docmd("FOO")
    with connect(server) as sock:
        sock.sendall(b"EHLO x\r\nAUTH LOGIN\r\n*\r\n" + b"FOO\r\n" * 30)
        read_to_end(sock)


def files(netmocks: Netmocks) -> None:
    server = netmocks.ftp(tls="explicit")
    server.when("RETR").inject(Reset(after_bytes=1))
    (server.root / "f").write_bytes(b"content")
    with ftplib.FTP_TLS(timeout=30, context=server.client_context()) as client:
        client.connect("localhost", server.port)
        client.login()
        client.prot_p()
        client.nlst()
        with contextlib.suppress(ftplib.Error):
            client.sendcmd("FOO")
        with contextlib.suppress(OSError, ftplib.Error):
            client.retrbinary("RETR f", lambda data: None)
        client.close()


def web(netmocks: Netmocks) -> None:
    server = netmocks.http()
    server.when("POST", "/").reply(lambda request: Response(200, text=str(request.files)))
    assert requests.post(server.url, files={"f": ("n", b"content")}, timeout=30).ok
    with connect(server) as sock:
        sock.sendall(b"this is no HTTP\r\n\r\n")
        read_to_end(sock)


def sockets(netmocks: Netmocks) -> None:
    server = netmocks.ws()
    with websockets.sync.client.connect(server.url) as client:
        client.send("hello")
        assert client.recv() == "hello"
    with speak(server) as sock:
        sock.sendall(masked("x", "close", code=1000) + b"\xff" * 20)
        read_to_end(sock)


def encryption(netmocks: Netmocks) -> None:
    server = netmocks.tls(client_cert="required")
    with contextlib.suppress(ssl.SSLError, OSError), shake(server) as sock:
        sock.recv(1)
    with connect(server) as plain:
        plain.sendall(b"no TLS")
        read_to_end(plain)


@pytest.mark.parametrize("use", [mail, files, web, sockets, encryption])
def test_no_library_of_ours_speaks_in_the_users_log(
    netmocks: Netmocks, records: list[logging.LogRecord], use: Any
) -> None:
    use(netmocks)
    loops.shared().settle()
    assert [f"{record.name}: {record.getMessage()}" for record in records] == []


def test_a_loop_begins_in_silence(records: list[logging.LogRecord]) -> None:
    loops.LoopThread().close()
    assert records == []


def test_the_same_libraries_in_the_users_hands_speak(netmocks: Netmocks, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    mail(netmocks)
    with tempfile.TemporaryDirectory() as folder:  # a port that is free now may be another's when it is asked for
        controller = aiosmtpd.controller.UnixSocketController(object(), unix_socket=f"{folder}/smtp")
        controller.start()
        try:
            with smtplib.LMTP(f"{folder}/smtp") as client:
                client.noop()
        finally:
            controller.stop()
    logging.getLogger("pyftpdlib").warning("mine")
    with websockets.sync.client.connect(netmocks.ws().url):
        pass
    assert {"mail.log", "pyftpdlib", "websockets.client"} <= {record.name for record in caplog.records}


def test_a_login_leaves_nothing_on_the_standard_error_of_the_command_line() -> None:
    command = [sys.executable, "-m", "pytest_netmocks", "smtp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        host, port = program.stdout.readline().split("//")[1].split()[0].rsplit(":", 1)
        with smtplib.SMTP(host, int(port), timeout=30) as client:
            client.login("u", "p")
        program.terminate()
        _, errors = program.communicate(timeout=30)
    assert "mail.log" not in errors
    assert "login_data" not in errors


@pytest.mark.parametrize("name", ["tcp", "smtp"])
def test_an_rst_is_told_by_nobody_when_its_streams_are_collected(
    netmocks: Netmocks, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Any] = []
    known = quiet.end_is_known

    def end_is_known(protocol: asyncio.StreamReaderProtocol) -> None:
        known(protocol)
        ended.append(protocol)

    monkeypatch.setattr(quiet, "end_is_known", end_is_known)
    server = getattr(netmocks, name)()
    if name == "tcp":

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                await reader.read()

        server.handle(handler)
    sock = connect(server)
    server.wait_for(lambda server: server.connections)
    abort(sock)
    (protocol,) = server.wait_for(lambda server: ended)
    closed = vars(protocol)["_closed"]
    assert closed.done()
    assert not closed._log_traceback  # what a future that is collected looks at

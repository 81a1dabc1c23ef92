"""Replies built on the usual one: a function that asks for `request.usual` gets what the server would have answered."""

from __future__ import annotations

import ftplib
import io
import itertools
import re
import smtplib
import socket
from typing import Any

import pytest
from helpers import connect, read_to_end

from pytest_netmocks.link import kernel
from pytest_netmocks.protocols.ftp.server import FtpServer, FtpsServer
from pytest_netmocks.protocols.smtp.server import SmtpServer

pytestmark = pytest.mark.in_memory

ENVELOPE = b"EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\n"


def login(server: FtpServer) -> ftplib.FTP:
    client = ftplib.FTP(timeout=10)
    client.connect(*server.address)
    client.login()
    return client


def say(server: Any, data: bytes) -> list[bytes]:
    with connect(server) as sock:
        sock.sendall(data)
        return read_to_end(sock).splitlines()


# SMTP


def test_lines_are_taken_out_of_ehlo_and_put_in(smtp_server: SmtpServer) -> None:
    def fewer(request: Any) -> str:
        lines = [line for line in request.usual.split("\n") if "STARTTLS" not in line]
        return "\n".join([*lines, "250 X-OURS"])

    smtp_server.when("EHLO").reply(fewer)
    with smtplib.SMTP(*smtp_server.address, timeout=30) as client:
        client.ehlo()
        assert (client.has_extn("starttls"), client.has_extn("x-ours"), client.has_extn("size")) == (False, True, True)
        client.sendmail("a@b.c", ["d@e.f"], "Subject: x\n\nhello")
    request = smtp_server.requests[0]
    assert "250-STARTTLS\n" in request.usual
    assert "STARTTLS" not in request.reply


async def asked(request: Any) -> str:
    return str(request.usual).replace("250 OK", "250 as usual")


@pytest.mark.parametrize("function", [asked, lambda request: request.usual.replace("250 OK", "250 as usual")])
def test_a_command_whose_usual_answer_was_asked_for_is_executed(smtp_server: SmtpServer, function: Any) -> None:
    for command in ("MAIL", "RCPT"):
        smtp_server.when(command).reply(function)
    lines = say(smtp_server, ENVELOPE + b"DATA\r\n\r\n.\r\nQUIT\r\n")
    assert lines.count(b"250 as usual") == 2
    assert smtp_server.messages[0].envelope.rcpt_tos == ["d@e.f"]


def test_an_error_is_usual_too(smtp_server: SmtpServer) -> None:
    smtp_server.when("DATA").reply(lambda request: request.usual + " (says the test)")
    assert say(smtp_server, b"EHLO c\r\nDATA\r\nQUIT\r\n")[-2:] == [
        b"503 Error: need RCPT command (says the test)",
        b"221 Bye",
    ]


@pytest.mark.parametrize("reply", ["354 go on", "451 4.3.0 not now"])
def test_of_data_the_usual_answer_is_the_354(smtp_server: SmtpServer, reply: str) -> None:
    usual = []

    def function(request: Any) -> str:
        usual.append(request.usual)
        return reply

    smtp_server.when("DATA").reply(function)
    lines = say(smtp_server, ENVELOPE + b"DATA\r\n" + (b"\r\n.\r\n" if reply[0] == "3" else b"") + b"QUIT\r\n")
    assert usual == ["354 End data with <CR><LF>.<CR><LF>"]
    assert lines[-2 - (reply[0] == "3") :][0] == reply.encode()
    assert len(smtp_server.messages) == (reply[0] == "3")


@pytest.mark.on_sockets
def test_starttls_that_a_function_refuses_is_not_begun(smtp_server: SmtpServer) -> None:
    smtp_server.when("STARTTLS").reply(lambda request: request.usual.replace("220 2.0.0", "454 4.7.0 not"), times=1)
    with smtplib.SMTP(*smtp_server.address, timeout=30) as client:
        client.ehlo()
        assert client.docmd("STARTTLS") == (454, b"4.7.0 not Ready to start TLS")
        client.starttls(context=smtp_server.client_context())
        assert client.noop()[0] == 250


@pytest.mark.parametrize("server", ["smtp_server", "ftp_server"])
def test_a_function_that_does_not_ask_decides_whether_the_command_is_executed(
    server: str, request: pytest.FixtureRequest
) -> None:
    mocked = request.getfixturevalue(server)
    mocked.when("QUIT").reply(lambda request: "550 stay", times=1)
    lines = say(mocked, b"QUIT\r\nQUIT\r\n")
    assert [line[:3] for line in lines] == [b"220", b"550", b"221"]
    assert [command.usual for command in mocked.requests] == ["", ""]


@pytest.mark.parametrize("server", ["smtp_server", "ftp_server"])
def test_the_usual_goodbye_comes_before_the_end(server: str, request: pytest.FixtureRequest) -> None:
    mocked = request.getfixturevalue(server)
    mocked.when("QUIT").reply(lambda request: f"{request.usual} and thanks")
    assert say(mocked, b"QUIT\r\nNOOP\r\n")[1:] in ([b"221 Bye and thanks"], [b"221 Goodbye. and thanks"])


# FTP


@pytest.mark.on_sockets
def test_an_address_that_cannot_be_reached_is_given_for_the_usual_one(ftp_server: FtpServer) -> None:
    ftp_server.when("PASV").reply(lambda request: request.usual.replace("127,0,0,1", "192,0,2,1"))
    (ftp_server.root / "f").write_bytes(b"content")
    got = io.BytesIO()
    with login(ftp_server) as client:
        host, _ = ftplib.parse227(client.sendcmd("PASV"))
        assert host == "192.0.2.1"
        client.retrbinary("RETR f", got.write)  # ftplib takes the control connection's host
    assert got.getvalue() == b"content"
    assert re.match(r"227 Entering passive mode \(127,0,0,1,\d+,\d+\)\.", ftp_server.requests[2].usual)


def test_lines_are_taken_out_of_feat(ftp_server: FtpServer) -> None:
    ftp_server.when("FEAT").reply(lambda request: request.usual.replace(" MDTM\n", ""))
    with login(ftp_server) as client:
        features = client.sendcmd("FEAT")
    assert "SIZE" in features
    assert "MDTM" not in features


@pytest.mark.on_sockets
@pytest.mark.parametrize("reply", ["150 here it comes", "450 not now"])
@pytest.mark.parametrize("connected", [True, False])
def test_of_a_transfer_the_usual_answer_is_the_preliminary_one(
    ftp_server: FtpServer, reply: str, connected: bool
) -> None:
    usual = []

    async def function(request: Any) -> str:
        usual.append(request.usual[:4])
        return reply

    (ftp_server.root / "f").write_bytes(b"content")
    ftp_server.when("RETR").reply(function, times=1)
    with login(ftp_server) as client:
        address = client.makepasv()
        if connected:
            data = socket.create_connection(address, timeout=30)
            client.voidcmd("NOOP")
        client.putcmd("RETR f")
        assert client.getline() == reply
        if reply[0] == "1":
            if not connected:
                data = socket.create_connection(address, timeout=30)
            assert read_to_end(data) == b"content"
            assert client.voidresp() == "226 Transfer complete."
        if connected or reply[0] == "1":
            data.close()
        got = io.BytesIO()
        client.retrbinary("RETR f", got.write)
        assert got.getvalue() == b"content"
    assert usual == ["125 " if connected else "150 "]


@pytest.mark.on_sockets
@pytest.mark.parametrize("late", [0, 20])
@pytest.mark.parametrize("command", ["PORT 127,0,0,1,{0},{1}", "EPRT |1|127.0.0.1|{port}|"])
def test_the_usual_answer_of_port_is_there_at_once(
    ftp_server: FtpServer, command: str, late: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the kernel has not decided of the connection when it is asked first."""
    asked = itertools.count()
    writable = kernel.writable
    monkeypatch.setattr(kernel, "writable", lambda number: next(asked) % (late + 1) == late and writable(number))
    ftp_server.when(command[:4]).reply(lambda request: request.usual.replace("Active", "Very active"))
    with login(ftp_server) as client, socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        answer = client.sendcmd(command.format(*divmod(port, 256), port=port))
        assert answer == "200 Very active data connection established."
        listening.accept()[0].close()
        listening.close()
        with pytest.raises(ftplib.error_temp, match="425 Can't connect"):
            client.sendcmd(command.format(*divmod(port, 256), port=port))


@pytest.mark.on_sockets
def test_auth_tls_that_a_function_refuses_is_not_begun(ftps_server: FtpsServer) -> None:
    ftps_server.when("AUTH").reply(lambda request: request.usual.replace("234", "431"), times=1)
    with ftplib.FTP_TLS(timeout=30, context=ftps_server.client_context()) as client:
        client.connect("localhost", ftps_server.port)
        with pytest.raises(ftplib.error_temp, match="431 AUTH TLS successful"):
            client.auth()
        client.login()
        assert client.voidcmd("NOOP").startswith("200")

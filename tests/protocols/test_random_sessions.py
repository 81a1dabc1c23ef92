"""Random sessions of SMTP and FTP: no crash, no hang, no way out of the root, and the next client is served."""

from __future__ import annotations

import contextlib
import ftplib
import pathlib
import smtplib
import tempfile
from collections.abc import Iterator

import pytest
from helpers import connect
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pytest_netmocks
from pytest_netmocks.link import loop
from pytest_netmocks.protocols.ftp.server import FtpServer
from pytest_netmocks.protocols.smtp.server import SmtpServer

SMTP = [
    b"EHLO me\r\n",
    b"HELO me\r\n",
    b"MAIL FROM:<a@b.c>\r\n",
    b"MAIL FROM:<a@b.c> SIZE=99999999999\r\n",
    b"RCPT TO:<d@e.f>\r\n",
    b"DATA\r\n",
    b"Subject: x\r\n\r\n..hello\r\n.\r\n",
    b".\r\n",
    b"RSET\r\n",
    b"STARTTLS\r\n",
    b"AUTH PLAIN\r\n",
    b"AUTH LOGIN =\r\n",
    b"AUTH CRAM-MD5\r\n",
    b"AUTH XOAUTH2 !!!\r\n",
    b"*\r\n",
    b"HELP RCPT\r\n",
    b"QUIT\r\n",
]
FTP = [
    b"USER anonymous\r\n",
    b"PASS x\r\n",
    b"PASV\r\n",
    b"EPSV ALL\r\n",
    b"PORT 127,0,0,1,0,9\r\n",
    b"EPRT |1|127.0.0.1|9|\r\n",
    b"CWD ../..\r\n",
    b"RETR ../secret\r\n",
    b"RETR /../../secret\r\n",
    b"STOR ../../escaped\r\n",
    b"RNFR f\r\n",
    b"RNTO ../../escaped\r\n",
    b"MKD ../../escaped\r\n",
    b"LIST -la /../..\r\n",
    b"MLSD ..\r\n",
    b"REST 5\r\n",
    b"TYPE I\r\n",
    b"ABOR\r\n",
    b"AUTH TLS\r\n",
    b"SITE CHMOD 777 ../secret\r\n",
    b"QUIT\r\n",
]
NOISE = st.binary(max_size=40).map(lambda data: data + b"\r\n")
SOME = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(scope="module")
def smtp() -> Iterator[SmtpServer]:
    with pytest_netmocks.smtp() as server:
        yield server


@pytest.fixture(scope="module")
def ftp() -> Iterator[FtpServer]:
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory, "root")
        root.mkdir()
        pathlib.Path(directory, "secret").write_text("secret")
        with pytest_netmocks.ftp(root=root, tls="explicit") as server:
            yield server


def say(server: SmtpServer | FtpServer, lines: list[bytes]) -> bytes:
    answer = b""
    with connect(server, timeout=0.02) as sock, contextlib.suppress(OSError):
        for line in lines:
            sock.sendall(line)
        while data := sock.recv(65536):
            answer += data
    assert loop.take_errors() == []
    assert server.journal.take_errors() == []
    return answer


@SOME
@given(lines=st.lists(st.sampled_from(SMTP) | NOISE, max_size=12))
def test_smtp(smtp: SmtpServer, lines: list[bytes]) -> None:
    answer = say(smtp, lines)
    assert not answer or answer.startswith(b"220 ")
    with smtplib.SMTP(*smtp.address, timeout=10) as client:
        assert client.noop()[0] == 250


@SOME
@given(lines=st.lists(st.sampled_from(FTP) | NOISE, max_size=12), login=st.booleans())
def test_ftp(ftp: FtpServer, lines: list[bytes], login: bool) -> None:
    answer = say(ftp, [*(FTP[:2] if login else []), *lines])
    assert not answer or answer.startswith(b"220 ")
    above = ftp.root.parent
    assert sorted(path.name for path in above.iterdir()) == ["root", "secret"]
    assert (above / "secret").read_text() == "secret"
    with ftplib.FTP(timeout=10) as client:
        client.connect(*ftp.address)
        client.login()
        assert client.pwd() == "/"

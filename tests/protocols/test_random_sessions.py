"""Random sessions of mail and files: no crash, no hang, no way out of the root, and the next client is served."""

from __future__ import annotations

import contextlib
import ftplib
import imaplib
import pathlib
import poplib
import smtplib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers import connect, shake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pytest_netmocks
from pytest_netmocks.link import loop
from pytest_netmocks.protocols.ftp.server import FtpServer
from pytest_netmocks.servers.stream import StreamServer

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
POP3 = [
    b"USER ada\r\n", b"PASS secret\r\n", b"STAT\r\n", b"LIST 1\r\n", b"RETR 1\r\n", b"TOP 1 999999999\r\n",
    b"DELE 1\r\n",
    b"RSET\r\n", b"CAPA\r\n", b"UTF8\r\n", b"STLS\r\n", b"AUTH CRAM-MD5\r\n", b"AUTH XOAUTH2 !!!\r\n", b"*\r\n",
    b"QUIT\r\n",
]  # fmt: skip
IMAP = [
    b"a CAPABILITY\r\n", b"a LOGIN u p\r\n", b"a LOGIN {1}\r\n", b"u {1+}\r\np\r\n", b"a AUTHENTICATE PLAIN\r\n",
    b"AHUAcA==\r\n",
    b"a SELECT INBOX\r\n", b"a EXAMINE inbox (CONDSTORE)\r\n", b"a IDLE\r\n", b"DONE\r\n", b"a STARTTLS\r\n", b"*\r\n",
    b"a APPEND INBOX (\\Seen) {20}\r\n", b"Subject: x\r\n\r\nbody\r\n", b"a APPEND INBOX {99999999999999999999}\r\n",
    b"a APPEND INBOX {4294967295+}\r\n", b"a APPEND INBOX {60000000}\r\n", b"a SEARCH " + b"(" * 500 + b"\r\n",
    b"a SEARCH " + b"NOT " * 500 + b"ALL\r\n", b"a SEARCH CHARSET UTF-8 TEXT {3}\r\n",
    b"a FETCH 1:* (ENVELOPE BODYSTRUCTURE)\r\n",
    b"a FETCH 1 BODY[" + b"1." * 300 + b"1]\r\n", b"a UID FETCH 1:4294967295 (RFC822 BODY[TEXT]<4294967295.1>)\r\n",
    b"a STORE 1:* +FLAGS (\\Deleted x)\r\n", b"a EXPUNGE\r\n", b"a MOVE 1 INBOX\r\n", b"a COPY 1:* x\r\n",
    b"a CREATE x/y/z\r\n",
    b"a RENAME INBOX y\r\n", b"a RENAME x x/x\r\n", b"a DELETE x/y/z\r\n", b"a LIST \"\" *%*%*%*%*%*\r\n",
    b"a CLOSE\r\n", b"a LOGOUT\r\n",
]  # fmt: skip
WORDS = [
    b"UID", b"FETCH", b"STORE", b"SEARCH", b"STATUS", b"LIST", b"SORT", b"1", b"*", b"1:*", b"0", b"4294967296", b"(",
    b")", b"(FLAGS)", b"[",
    b"BODY[HEADER.FIELDS (A", b"]<0.0>", b"<1.2>", b"OR", b"KEYWORD", b"MODSEQ", b"\0", b'"', b'"\\', b"{3}\r\n",
    b"{0+}\r\n", b"~{1+}\r\n", b"&AGE-",
    b"RETURN (", b"(UNCHANGEDSINCE 1)", b"ON", b"31-Feb-2020", b"\xff\xfe", b"+FLAGS", b"()", b"NIL", b"\r", b"INBOX",
    b"HEADER",
]  # fmt: skip
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=10).map(lambda words: b"a " + b" ".join(words) + b"\r\n")
NOISE = st.binary(max_size=40).map(lambda data: data + b"\r\n")
SOME = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def smtp_again(server: Any) -> None:
    with smtplib.SMTP(server.host, server.port, timeout=10) as client:
        assert client.noop()[0] == 250


def pop3s_again(server: Any) -> None:
    client = poplib.POP3_SSL("localhost", server.port, timeout=10, context=server.client_context())
    client.user("u")
    client.pass_("p")
    client.quit()


def imap_again(server: Any) -> None:
    with imaplib.IMAP4(server.host, server.port, timeout=10) as client:
        client.login("u", "p")
        assert client.select()[0] == "OK"
        assert client.uid("FETCH", "1:*", "(FLAGS)")[0] == "OK"


def imaps_again(server: Any) -> None:
    with imaplib.IMAP4_SSL("localhost", server.port, timeout=10, ssl_context=server.client_context()) as client:
        assert client.noop()[0] == "OK"


SESSIONS: dict[str, tuple[st.SearchStrategy[bytes], bytes, list[bytes], Callable[[Any], None]]] = {
    "smtp": (st.sampled_from(SMTP), b"220 ", [], smtp_again),
    "pop3s": (st.sampled_from(POP3), b"+OK ", POP3[:2], pop3s_again),
    "imap": (st.sampled_from(IMAP) | SENTENCES, b"* OK ", [IMAP[1], IMAP[6]], imap_again),
    "imaps": (st.sampled_from(IMAP) | SENTENCES, b"* OK ", [IMAP[1], IMAP[6]], imaps_again),
}
"""Of each server what a client may say, what the greeting begins with, a login, and the next client."""


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Any]]:
    with contextlib.ExitStack() as stack:
        made: dict[str, Any] = {name: stack.enter_context(getattr(pytest_netmocks, name)()) for name in SESSIONS}
        for server in made.values():
            if hasattr(server, "deliver"):
                server.deliver("Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n")
        yield made


@pytest.fixture(scope="module")
def ftp() -> Iterator[FtpServer]:
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory, "root")
        root.mkdir()
        pathlib.Path(directory, "secret").write_text("secret")
        with pytest_netmocks.ftp(root=root, tls="explicit") as server:
            yield server


def say(server: StreamServer, lines: list[bytes]) -> bytes:
    answer = b""
    with shake(server) if server.scheme.endswith("s") else connect(server) as sock, contextlib.suppress(OSError):
        sock.settimeout(0.02)
        for line in lines:
            sock.sendall(line)
        while data := sock.recv(65536):
            answer += data
    assert loop.take_errors() == []
    assert server.journal.take_errors() == []
    return answer


@pytest.mark.parametrize("name", SESSIONS)
@SOME
@given(data=st.data(), login=st.booleans())
def test_mail(servers: dict[str, Any], name: str, data: st.DataObject, login: bool) -> None:
    phrases, greeting, enter, again = SESSIONS[name]
    lines = data.draw(st.lists(phrases | NOISE, max_size=12))
    answer = say(servers[name], [*(enter if login else []), *lines])
    assert not answer or answer.startswith(greeting)
    again(servers[name])


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

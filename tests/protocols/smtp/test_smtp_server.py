"""SMTP: real clients, rules over commands, faults, STARTTLS, and clients that misbehave."""

from __future__ import annotations

import base64
import re
import smtplib
import ssl
import subprocess
import time
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import pytest
from helpers import abort, connect, program

from pytest_netmocks.faults import Close, Corrupt, HandshakeFailure, Latency, Reset
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.smtp.server import SmtpServer, SmtpsServer

pytestmark = pytest.mark.in_memory


def mail(text: str = "hello\n", to: str = "bob@example.com", subject: str = "Hi") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "alice@example.com", to, subject
    message.set_content(text)
    return message


def client(server: SmtpServer) -> smtplib.SMTP:
    return smtplib.SMTP(*server.address, timeout=10)


def talk(server: SmtpServer, *lines: bytes) -> list[bytes]:
    """The server's answers to lines, its greeting first."""
    with connect(server) as sock, sock.makefile("rb") as answers:
        got = []
        for line in (None, *lines):
            if line is not None:
                sock.sendall(line)
            answer = b""
            while (part := answers.readline()) and (answer := answer + part) and part[3:4] == b"-":
                pass
            got.append(answer)
        return got


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("password", ["secret", "wrong"])
def test_auth(netmocks: Netmocks, mechanism: str, password: str) -> None:
    server = netmocks.smtp(users={"user": "secret"})
    with client(server) as smtp:
        smtp.ehlo()
        smtp.user, smtp.password = "user", password
        method = getattr(smtp, f"auth_{mechanism.lower().replace('-', '_')}")
        if password == "secret":
            assert smtp.auth(mechanism, method)[0] == 235
            smtp.send_message(mail())
            assert server.messages[0].envelope.authenticated_as == "user"
        else:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                smtp.auth(mechanism, method)


def test_xoauth2(netmocks: Netmocks) -> None:
    server = netmocks.smtp(users={"user": "token"})
    with client(server) as smtp:
        smtp.ehlo()
        smtp.auth("XOAUTH2", lambda challenge=None: "user=user\x01auth=Bearer token\x01\x01")
        smtp.send_message(mail())


@pytest.mark.on_sockets
def test_auth_after_starttls_only(netmocks: Netmocks) -> None:
    server = netmocks.smtp(auth_requires_tls=True)
    with client(server) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("auth")
        smtp.starttls(context=server.client_context())
        smtp.ehlo()
        assert smtp.has_extn("auth")
        assert not smtp.has_extn("starttls")


def test_extensions_can_be_left_out(netmocks: Netmocks) -> None:
    server = netmocks.smtp(starttls=False, smtputf8=False)
    with client(server) as smtp:
        smtp.ehlo()
        assert (smtp.has_extn("starttls"), smtp.has_extn("smtputf8")) == (False, False)
        assert (smtp.has_extn("size"), smtp.has_extn("8bitmime")) == (True, True)
        assert smtp.docmd("STARTTLS")[0] == 454


def test_help_vrfy_noop_and_what_is_not_known(smtp_server: SmtpServer) -> None:
    _, ehlo, help_text, vrfy, noop, unknown, empty = talk(
        smtp_server, b"EHLO me\r\n", b"HELP\r\n", b"VRFY bob\r\n", b"NOOP\r\n", b"XYZZY\r\n", b"\r\n"
    )
    assert b"250-SIZE" in ehlo
    assert help_text.startswith(b"250 Supported commands:")
    assert b"STARTTLS" in help_text
    assert vrfy.startswith(b"252")
    assert noop.startswith(b"250")
    assert unknown.startswith(b"500")
    assert empty.startswith(b"500")


def test_scripted_replies(smtp_server: SmtpServer) -> None:
    smtp_server.when("NOOP").reply("250 first\nsecond\nthird", times=1).reply("421 4.3.2 enough")
    smtp_server.when("VRFY", re.compile("^bo")).reply(lambda request: f"550 no {request.argument}")
    _, multi, vrfy, other, bye, end = talk(
        smtp_server, b"NOOP\r\n", b"VRFY bob\r\n", b"VRFY eve\r\n", b"NOOP\r\n", b"NOOP\r\n"
    )
    assert multi == b"250-first\r\n250-second\r\n250 third\r\n"
    assert vrfy == b"550 no bob\r\n"
    assert other.startswith(b"252")
    assert bye == b"421 4.3.2 enough\r\n"
    assert end == b""
    assert smtp_server.connections[0].closed_by == "server"
    assert smtp_server.requests[0].reply.startswith("250-first")


def test_a_two_hundred_is_given_after_executing(smtp_server: SmtpServer) -> None:
    smtp_server.when("MAIL").reply("250 2.1.0 as you wish")
    with client(smtp_server) as smtp:
        smtp.ehlo()
        assert smtp.mail("alice@example.com") == (250, b"2.1.0 as you wish")
        assert smtp.rcpt("bob@example.com")[0] == 250
        assert smtp.data(b"Subject: x\r\n\r\nhello\r\n")[0] == 250
    assert len(smtp_server.messages) == 1


def test_rules_over_messages(smtp_server: SmtpServer) -> None:
    smtp_server.when_message(subject=re.compile("offer")).reply("554 5.7.1 Spam")
    smtp_server.when_message(to="full@example.com").reply("452 4.2.2 Mailbox full", times=1)
    with client(smtp_server) as smtp:
        for message in (mail(subject="An offer"), mail(to="full@example.com")):
            with pytest.raises(smtplib.SMTPDataError):
                smtp.send_message(message)
        smtp.send_message(mail(to="full@example.com"))
    assert [message["To"] for message in smtp_server.messages] == ["full@example.com"]
    assert "hello" in smtp_server.messages[0].describe()


def test_a_reset_in_the_middle_of_the_message(smtp_server: SmtpServer) -> None:
    smtp_server.when("DATA").inject(Reset(after_bytes=5000), first=1)
    with pytest.raises(smtplib.SMTPServerDisconnected), client(smtp_server) as smtp:
        smtp.send_message(mail("x" * 70 + "\n" * 20_000))
    with client(smtp_server) as smtp:
        smtp.send_message(mail())
    assert len(smtp_server.messages) == 1


@pytest.mark.on_sockets
def test_starttls_faults_strike_the_cipher_text(smtp_server: SmtpServer) -> None:
    context = smtp_server.client_context()
    smtp = client(smtp_server)
    failing = pytest.raises(ssl.SSLError, match=r"(?i)internal.error")
    with smtp_server.inject(HandshakeFailure("internal_error")), failing:
        smtp.starttls(context=context)
    smtp.close()
    smtp_server.inject(Reset(after_bytes=300, layer="tls"), first=1)
    smtp = client(smtp_server)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        smtp.starttls(context=context)
    smtp.close()
    smtp_server.inject(Latency(0.02, layer="tls"))
    smtp_server.inject(Latency(0.02))
    with client(smtp_server) as smtp:
        smtp.starttls(context=context)
        begin = time.perf_counter()
        smtp.noop()
        assert time.perf_counter() - begin >= 0.04
        smtp_server.inject(Corrupt(1.0, layer="tls"))
        with pytest.raises((ssl.SSLError, smtplib.SMTPServerDisconnected)):
            smtp.noop()


@pytest.mark.on_sockets
def test_plain_text_after_starttls_is_thrown_away(smtp_server: SmtpServer) -> None:
    with connect(smtp_server) as sock:
        sock.recv(1000)
        sock.sendall(b"EHLO me\r\n")
        sock.recv(1000)
        sock.sendall(b"STARTTLS\r\nNOOP\r\n")
        assert sock.recv(1000).startswith(b"220")
        with smtp_server.client_context().wrap_socket(sock, server_hostname="localhost") as secure:
            secure.sendall(b"QUIT\r\n")
            assert secure.recv(1000).startswith(b"221")
    assert [request.command for request in smtp_server.requests] == ["EHLO", "STARTTLS", "QUIT"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: s.when("RCTP"), ValueError, "command 'RCTP' is not known here .did you mean 'RCPT'"),
        (lambda s: s.when(1), TypeError, "command must be the name of a command, not 1"),
        (lambda s: s.when("RCPT", 1), TypeError, "argument must be text or a compiled pattern"),
        (lambda s: s.when("RCPT").reply("no"), ValueError, "reply must begin with a code of three digits"),
        (lambda s: s.when("RCPT").reply(550), TypeError, "reply must be a reply such as"),
        (lambda s: s.when("RCPT").reply(), TypeError, "needs one of a reply"),
        (lambda s: s.when_message(to=1), TypeError, "to must be text or a compiled pattern"),
    ],
)
def test_wrong_arguments(smtp_server: SmtpServer, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(smtp_server)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"users": ["u"]}, TypeError, "users must be a mapping of names to passwords"),
        ({"users": {"u": 1}}, TypeError, "users must be a mapping"),
        ({"max_size": 0}, ValueError, "max_size must be a whole number of at least 1"),
        ({"starttls": "no"}, TypeError, "starttls must be True or False"),
        ({"user": {}}, TypeError, "SmtpServer takes no 'user' .did you mean 'users'"),
    ],
)
def test_wrong_options(netmocks: Netmocks, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        netmocks.smtp(**options)


@pytest.mark.on_sockets
async def test_aiosmtplib_over_tls(smtps_server: SmtpsServer) -> None:
    context = smtps_server.client_context()
    await aiosmtplib.send(mail(), hostname="localhost", port=smtps_server.port, use_tls=True, tls_context=context)
    assert smtps_server.messages[0].envelope.tls
    assert smtps_server.connections[0].tls is not None


@program("swaks")
def test_swaks(netmocks: Netmocks) -> None:
    server = netmocks.smtp(users={"user": "secret"})
    command = ["swaks", "--server", server.host, "--port", str(server.port), "--to", "bob@example.com"]
    command += ["--from", "a@b.c", "--auth", "PLAIN", "--auth-user", "user", "--auth-password", "secret"]
    done = subprocess.run([*command, "--body", "from swaks"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert server.messages[0].get_content().strip() == "from swaks"
    assert server.messages[0].envelope.authenticated_as == "user"


@pytest.mark.on_sockets
@program("curl")
def test_curl(smtps_server: SmtpsServer, tmp_path: Any) -> None:
    file = tmp_path / "mail.txt"
    file.write_bytes(mail("from curl\n").as_bytes())
    url = f"smtps://localhost:{smtps_server.port}"
    command = ["curl", "-sS", "--noproxy", "*", "--cacert", smtps_server.ca.cert_file, "--max-time", "20", url]
    command += ["--mail-from", "a@b.c", "--mail-rcpt", "bob@example.com", "--upload-file", str(file), "--crlf"]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    assert smtps_server.messages[0].get_content().strip() == "from curl"


def test_clients_that_vanish_hold_up_nobody(smtp_server: SmtpServer) -> None:
    lines = [b"", b"EHLO", b"EHLO me\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\nhalf a mess", b"\x00" * 3000]
    socks = []
    for number in range(40):
        sock = connect(smtp_server)
        sock.sendall(lines[number % 4])
        socks.append(sock)
    for sock in socks[:20]:
        abort(sock)
    with client(smtp_server) as smtp:
        smtp.send_message(mail())
    begin = time.perf_counter()
    smtp_server.stop()
    assert time.perf_counter() - begin < 10
    for sock in socks[20:]:
        sock.close()
    assert len(smtp_server.messages) == 1


def test_an_over_long_line_is_an_error_and_no_more(smtp_server: SmtpServer) -> None:
    _, _, long, after = talk(smtp_server, b"EHLO me\r\n", b"MAIL FROM:<" + b"x" * 5000 + b"@b.c>\r\n", b"NOOP\r\n")
    assert long.startswith(b"500")
    assert after.startswith(b"250")


def test_a_close_instead_of_the_answer_to_quit(smtp_server: SmtpServer) -> None:
    smtp_server.when("QUIT").inject(Close())
    smtp = client(smtp_server)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.quit()
    smtp.close()


@pytest.mark.on_sockets
def test_a_busy_port_is_an_error_at_once(smtp_server: SmtpServer, netmocks: Netmocks) -> None:
    begin = time.perf_counter()
    with pytest.raises(OSError, match=str(smtp_server.port)):
        netmocks.smtp(port=smtp_server.port)
    assert time.perf_counter() - begin < 10


def test_who_is_refused_by_xoauth2_is_told_why_before_the_535(smtp_server: SmtpServer) -> None:
    smtp_server.users["user"] = "token"
    wrong = base64.b64encode(b"user=user\x01auth=Bearer wrong\x01\x01").decode()
    with smtplib.SMTP(*smtp_server.address, timeout=10) as smtp:
        smtp.ehlo()
        code, challenge = smtp.docmd("AUTH", f"XOAUTH2 {wrong}")
        assert (code, b'"status":"400"' in base64.b64decode(challenge)) == (334, True)
        assert smtp.docmd("")[0] == 535
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.user, smtp.password = "user", "wrong"
            smtp.auth("CRAM-MD5", smtp.auth_cram_md5)

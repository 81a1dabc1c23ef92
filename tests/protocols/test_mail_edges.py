"""Mail and files where rules, users' code, transfers and ends meet."""

from __future__ import annotations

import base64
import ftplib
import io
import os
import pathlib
import re
import smtplib
import socket
import time
from typing import Any

import pytest
from helpers import Suite, connect, read_exactly, read_to_end

from pytest_netmocks.faults import Close, Reset
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.ftp.bridge import LinkSocket
from pytest_netmocks.protocols.ftp.data import Passive
from pytest_netmocks.protocols.ftp.server import FtpServer, FtpsServer
from pytest_netmocks.protocols.smtp.server import SmtpServer

pytestmark = pytest.mark.in_memory


class Lines:
    """A client that sends lines and reads answers."""

    def __init__(self, server: Any) -> None:
        self.sock = connect(server)
        self.file = self.sock.makefile("rb")

    def __enter__(self) -> Lines:
        self.answer()
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()
        self.sock.close()

    def answer(self) -> str:
        text = ""
        while True:
            line = self.file.readline().decode()
            text += line
            if not line or line[3:4] == " ":
                return text

    def ask(self, line: str) -> str:
        self.sock.sendall(line.encode() + b"\r\n")
        return self.answer()


def mail(client: Lines, body: str = "hello", first: str = "EHLO c") -> str:
    for line in (first, "MAIL FROM:<a@b.c>", "RCPT TO:<d@e.f>", "DATA"):
        client.ask(line)
    return client.ask(f"Subject: x\r\n\r\n{body}\r\n.")


# Mail


@pytest.mark.on_sockets
def test_users_code_that_fails_in_any_way(suite: Suite) -> None:
    result = suite(
        """
        import pytest, smtplib, sys

        def fail(request):
            pytest.fail("my rule says no")

        def leave(request):
            sys.exit(1)

        @pytest.mark.parametrize("function", [fail, leave])
        def test_command(smtp_server, function):
            smtp_server.when("NOOP").reply(function)
            with smtplib.SMTP(*smtp_server.address, timeout=30) as client:
                assert client.noop()[0] == 451

        def test_message(smtp_server):
            smtp_server.when_message().reply(lambda message: 1 / 0)
            with smtplib.SMTP(*smtp_server.address, timeout=30) as client:
                with pytest.raises(smtplib.SMTPDataError):
                    client.sendmail("a@b.c", ["d@e.f"], "Subject: x\\n\\nhello")
                assert client.noop()[0] == 250
            assert smtp_server.messages == []

        def test_next(smtp_server):
            with smtplib.SMTP(*smtp_server.address, timeout=30) as client:
                assert client.noop()[0] == 250
        """
    )
    result.assert_outcomes(failed=3, passed=1)
    result.stdout.fnmatch_lines(["*my rule says no*"])


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("250-queued\n250 as 7", "250-queued\r\n250 as 7\r\n"),
        ("554-no\nreally", "554-no\r\n554 really\r\n"),
        ("250 OK\r\n", "250 OK\r\n"),
        ("250\nsecond", "250-\r\n250 second\r\n"),
        ("250-OK", "250 OK\r\n"),
    ],
)
def test_replies_of_several_lines(smtp_server: SmtpServer, reply: str, answer: str) -> None:
    smtp_server.when_message().reply(reply)
    smtp_server.when("NOOP").reply(reply)
    with Lines(smtp_server) as client:
        assert mail(client) == answer
        assert client.ask("NOOP") == answer


def test_faults_of_data_count_this_message_alone(smtp_server: SmtpServer) -> None:
    rule = smtp_server.when("DATA")
    injection = rule.inject(Reset(after_bytes=100))
    with Lines(smtp_server) as client:
        client.ask("EHLO c")
        assert client.ask("DATA").startswith("503 ")
        for _ in range(10):
            client.ask("NOOP " + "x" * 30)
        for _ in range(5):
            assert mail(client).startswith("250 ")
        assert (injection.hits, rule.hits) == (0, 0)
        with pytest.raises(ConnectionResetError):
            mail(client, "x" * 200)
    assert (injection.hits, rule.hits) == (1, 1)
    assert len(smtp_server.messages) == 5


def test_a_421_ends_what_was_pipelined(smtp_server: SmtpServer) -> None:
    smtp_server.when("NOOP").reply("421 4.3.2 bye")
    with Lines(smtp_server) as client:
        client.ask("EHLO c")
        lines = "NOOP\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhi\r\n.\r\n"
        client.sock.sendall(lines.encode())
        assert client.answer() == "421 4.3.2 bye\r\n"
        assert client.file.read() == b""
    assert [request.command for request in smtp_server.requests] == ["EHLO", "NOOP"]
    assert smtp_server.messages == []


def test_a_554_greeting_waits_for_quit(smtp_server: SmtpServer) -> None:
    smtp_server.when_connected().reply("554 5.7.1 not you")
    with Lines(smtp_server) as client:
        assert client.ask("EHLO c").startswith("503 ")
        assert client.ask("QUIT").startswith("221 ")


def test_auth_in_the_middle_and_at_its_limits(smtp_server: SmtpServer) -> None:
    token = base64.b64encode(b"user=u\x01auth=Bearer " + b"t" * 3000 + b"\x01\x01").decode()
    with Lines(smtp_server) as client:
        assert "250-PIPELINING\r\n" in client.ask("EHLO c")
        assert client.ask("AUTH XOAUTH2 ####").startswith("501 ")
        assert client.ask("AUTH CRAM-MD5 abcd").startswith("501 ")
        assert client.ask("AUTH XOAUTH2 " + token).startswith("235 ")
    with Lines(smtp_server) as client:
        client.ask("EHLO c")
        assert client.ask("AUTH XOAUTH2").startswith("334 ")
        assert client.ask(token).startswith("235 ")
    smtp_server.when("AUTH").reply("235 2.7.0 ours", times=1).reply("334 VXNlcm5hbWU6").reply("421 4.7.0 enough")
    with Lines(smtp_server) as client:
        client.ask("EHLO c")
        assert client.ask("AUTH LOGIN").startswith("334 ")
        client.ask("dQ==")
        assert client.ask("cA==") == "235 2.7.0 ours\r\n"
    with Lines(smtp_server) as client:
        client.ask("EHLO c")
        assert client.ask("AUTH LOGIN") == "334 VXNlcm5hbWU6\r\n"
        assert client.ask("dQ==") == "421 4.7.0 enough\r\n"
        assert client.file.read() == b""


def test_unknown_commands_are_on_record(smtp_server: SmtpServer) -> None:
    with Lines(smtp_server) as client:
        client.ask("NOOP")
        assert client.ask("FOO bar").startswith("500 ")
    noop, unknown = smtp_server.requests
    assert (noop.command, noop.reply) == ("NOOP", "250 OK\r\n")
    assert (unknown.command, unknown.reply[:4]) == ("FOO", "500 ")


@pytest.mark.parametrize("header", [b"To: ?=<%'0=@", b"Content-Disposition: ;;=;*0*=", b"Message-ID: <@[", b"To: \xff"])
def test_headers_that_no_parser_takes(smtp_server: SmtpServer, header: bytes) -> None:
    with smtplib.SMTP(*smtp_server.address, timeout=30) as client:
        client.sendmail("a@b.c", ["d@e.f"], header + b"\r\nSubject: fine\r\n\r\nhello\r\n")
    (message,) = smtp_server.messages
    assert message["Subject"] == "fine"
    assert message[header.partition(b":")[0].decode()] is not None
    assert header in message.envelope.content


@pytest.mark.on_sockets
def test_raw_answers_to_messages(smtp_server: SmtpServer) -> None:
    smtp_server.when_message().reply(raw=b"250 not kept\r\n", times=1)
    smtp_server.when_message().reply(raw=b"250 kept\r\n", execute=True, delay=0.1, times=1)
    with Lines(smtp_server) as client:
        begin = time.monotonic()
        assert mail(client) == "250 kept\r\n"
        assert time.monotonic() - begin >= 0.1
        assert len(smtp_server.messages) == 1
        assert mail(client) == "250 not kept\r\n"
        assert len(smtp_server.messages) == 1


# Files


def login(server: FtpServer) -> ftplib.FTP:
    client = ftplib.FTP(timeout=10)
    client.connect(*server.address)
    client.login()
    return client


@pytest.mark.on_sockets
def test_an_upload_whose_connection_the_test_ends(ftp_server: FtpServer) -> None:
    for end, code, complete in (("close", "426", False), ("fault", "226", True)):
        with login(ftp_server) as client:
            data = client.transfercmd("STOR g")
            data.sendall(b"x" * 1000)
            ftp_server.wait_for(lambda s: s.connections[-1].bytes_received == 1000, timeout=30)
            connection = ftp_server.connections[-1]
            if end == "close":
                connection.close()
            else:
                connection.inject(Close())
            answer = client.getmultiline()
            data.close()
            assert answer.startswith(code), (end, answer)
        request = next(r for r in reversed(ftp_server.requests) if r.command == "STOR")
        assert request.complete is complete


@pytest.mark.on_sockets
def test_a_download_whose_connection_the_test_ends(ftp_server: FtpServer) -> None:
    (ftp_server.root / "big").write_bytes(bytes(30 << 20))
    with login(ftp_server) as client:
        data = client.transfercmd("RETR big")
        read_exactly(data, 1_000_000)
        ftp_server.connections[-1].close()
        assert client.getmultiline().startswith("426")
        data.close()
    request = next(r for r in ftp_server.requests if r.command == "RETR")
    assert request.complete is False


def test_nothing_is_left_of_sessions_that_stop_ended(netmocks: Netmocks, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(LinkSocket.known)
    socks = []
    doors: list[socket.socket] = []
    listen = Passive.listen

    def listen_seen(passive: Any, number: int) -> None:
        doors.append(passive.socket)
        listen(passive, number)

    monkeypatch.setattr(Passive, "listen", listen_seen)
    for _ in range(5):
        server = netmocks.ftp()
        (server.root / "f").write_bytes(b"x")
        client = login(server)
        port = client.makepasv()[1]
        assert doors[-1].getsockname()[1] == port
        client.putcmd("RETR f")
        server.wait_for(lambda s: any(r.command == "RETR" for r in s.requests))
        server.stop()
        server.settle()
        assert doors[-1].fileno() == -1  # who connects may meet another program that has that port by now
        socks.append(client)
    assert len(LinkSocket.known) == before
    for client in socks:
        client.close()


@pytest.mark.on_sockets
def test_a_data_connection_without_its_handshake(ftps_server: FtpsServer) -> None:
    (ftps_server.root / "f").write_bytes(b"x")
    with ftplib.FTP_TLS(timeout=10, context=ftps_server.client_context()) as client:
        client.connect("localhost", ftps_server.port)
        client.login()
        client.prot_p()
        for garbage in (b"", b"this is no handshake"):
            host, port = client.makepasv()
            with socket.create_connection((host, port), timeout=30) as data:
                assert client.sendcmd("RETR f").startswith("1")
                if garbage:
                    data.sendall(garbage)
            with pytest.raises(ftplib.error_temp, match="426"):
                client.getresp()


def test_stat_of_a_path(ftp_server: FtpServer) -> None:
    (ftp_server.root / "f").write_bytes(b"x")
    with login(ftp_server) as client:
        lines = client.sendcmd("STAT /").splitlines()
    assert lines[0].startswith("213-")
    assert lines[1].endswith(" f")
    assert lines[-1].startswith("213 ")


@pytest.mark.on_sockets
def test_abort_with_an_urgent_byte(ftp_server: FtpServer) -> None:
    (ftp_server.root / "big").write_bytes(bytes(30 << 20))
    with login(ftp_server) as client:
        data = client.transfercmd("RETR big")
        read_exactly(data, 1000)
        assert client.abort()[:3] in ("426", "225", "226")
        data.close()
    retr = next(r for r in ftp_server.requests if r.command == "RETR")
    assert (retr.complete, retr.reply[:3] in ("125", "150")) == (False, True)


@pytest.mark.on_sockets
def test_no_way_out_by_stou(ftp_server: FtpServer, tmp_path: pathlib.Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (ftp_server.root / "link").symlink_to(outside)
    with login(ftp_server) as client, pytest.raises(ftplib.error_perm, match="550"):
        client.storbinary("STOU link/x", io.BytesIO(b"escaped"))
    assert os.listdir(outside) == []


@pytest.mark.on_sockets
def test_commands_during_a_transfer(ftp_server: FtpServer) -> None:
    (ftp_server.root / "f").write_bytes(b"content")
    ftp_server.when("RETR").reply("250 done", times=1)
    with Lines(ftp_server) as client:
        client.ask("USER anonymous")
        client.ask("PASS x")
        numbers = re.findall(r"\d+", client.ask("PASV"))[-2:]
        client.sock.sendall(b"RETR f\r\nNOOP\r\n")
        assert client.answer().startswith("150 ")
        assert client.answer().startswith("200 ")
        with socket.create_connection(("127.0.0.1", int(numbers[0]) * 256 + int(numbers[1])), timeout=30) as data:
            assert read_to_end(data) == b"content"
        assert client.answer() == "250 done\r\n"
    retr = next(r for r in ftp_server.requests if r.command == "RETR")
    noop = next(r for r in ftp_server.requests if r.command == "NOOP")
    assert (retr.complete, retr.bytes, retr.reply.splitlines()[-1]) == (True, 7, "250 done")
    assert noop.reply.startswith("200 ")
    assert "250" not in noop.reply


@pytest.mark.on_sockets
def test_what_was_aborted_is_not_sent_later(ftp_server: FtpServer) -> None:
    (ftp_server.root / "f").write_bytes(b"content")
    with login(ftp_server) as client:
        client.makepasv()
        client.putcmd("RETR f")
        client.getmultiline()
        client.sendcmd("ABOR")
        host, port = client.makepasv()
        with socket.create_connection((host, port), timeout=30) as data:
            assert client.voidcmd("NOOP").startswith("200")
            data.settimeout(0.1)
            with pytest.raises(TimeoutError):
                data.recv(10)


def test_a_client_that_does_not_wait_for_a_late_answer(ftp_server: FtpServer) -> None:
    ftp_server.when("LIST").reply("226 late", delay=0.1)
    client = login(ftp_server)
    client.putcmd("LIST")
    ftp_server.wait_for(lambda s: any(r.command == "LIST" for r in s.requests))
    client.close()
    time.sleep(0.15)  # nothing tells when it would have come
    ftp_server.settle()


def test_answers_keep_their_order(ftp_server: FtpServer) -> None:
    ftp_server.when_connected().reply("220 late", delay=0.05)
    ftp_server.when("PWD").reply('257 "/x"', delay=0.05)
    with connect(ftp_server) as sock:
        sock.sendall(b"USER anonymous\r\nPASS x\r\nPWD\r\nNOOP\r\nQUIT\r\n")
        codes = [line[:3] for line in read_to_end(sock).splitlines()]
    assert codes == [b"220", b"331", b"230", b"257", b"200", b"221"]


@pytest.mark.on_sockets
def test_plain_text_after_auth_tls_is_forgotten(ftps_server: FtpsServer) -> None:
    with connect(ftps_server) as sock:
        sock.recv(100)
        sock.sendall(b"AUTH TLS\r\nUSER evil\r\n")
        assert sock.recv(100).startswith(b"234 ")
        with ftps_server.client_context().wrap_socket(sock, server_hostname="localhost") as secure:
            secure.sendall(b"PASS x\r\n")
            assert secure.recv(100).startswith(b"503 ")
    assert [r.command for r in ftps_server.requests] == ["AUTH", "PASS"]


def test_site_commands_and_nul(ftp_server: FtpServer) -> None:
    (ftp_server.root / "f").write_bytes(b"x")
    rule = ftp_server.when("SITE CHMOD").reply("550 no")
    with login(ftp_server) as client:
        with pytest.raises(ftplib.error_perm, match="550 no"):
            client.sendcmd("SITE CHMOD 644 f")
        with pytest.raises(ftplib.error_perm, match="501"):
            client.sendcmd("STOR a\0b")
        assert client.voidcmd("NOOP").startswith("200")
        client.sendcmd("TYPE I")
    assert rule.hits == 1
    assert ftp_server.requests[-2].path is None


@pytest.mark.on_sockets
def test_a_lifted_fault_spares_the_transfer(ftp_server: FtpServer) -> None:
    (ftp_server.root / "f").write_bytes(b"content")
    injection = ftp_server.when("RETR").inject(Reset(after_bytes=2))
    with login(ftp_server) as client:
        host, port = client.makepasv()
        client.putcmd("RETR f")
        client.getmultiline()
        injection.lift()
        with socket.create_connection((host, port), timeout=30) as data:
            assert read_to_end(data) == b"content"
    assert injection.hits == 0


@pytest.mark.on_sockets
def test_a_data_connection_is_open_as_soon_as_the_client_is_connected(ftp_server: FtpServer) -> None:
    import threading

    (ftp_server.root / "f").write_bytes(b"content")
    with login(ftp_server) as client:
        host, port = client.makepasv()
        gate = threading.Event()
        busy = threading.Thread(target=ftp_server.run_in_loop, args=(gate.wait, 0.2))
        busy.start()
        with socket.create_connection((host, port), timeout=30) as data:
            assert [connection.role for connection in ftp_server.connections] == ["control", "data"]
            injection = ftp_server.inject(Reset(), first=1)
            assert client.sendcmd("RETR f").startswith("1")
            assert read_to_end(data) == b"content"
        gate.set()
        busy.join()
        assert injection.hits == 0
        injection.lift()


# Arguments


@pytest.mark.parametrize(
    "say",
    [
        lambda smtp, ftp: smtp.when("NOOP", re.compile(b"x")),
        lambda smtp, ftp: smtp.when_message(subject=re.compile(b"x")),
        lambda smtp, ftp: smtp.when("NOOP").reply(data=b"x"),
        lambda smtp, ftp: smtp.when("NOOP").reply("250 x", execute=True),
        lambda smtp, ftp: smtp.when("NOOP").reply("250 \ud800"),
        lambda smtp, ftp: ftp.when("RETR", re.compile(b"x")),
        lambda smtp, ftp: ftp.when("NOOP").reply(data=b"x"),
        lambda smtp, ftp: ftp.when("STOR").reply(data=b"x"),
        lambda smtp, ftp: ftp.when_connected().reply(data=b"x"),
        lambda smtp, ftp: SmtpServer(hostname="a\r\nb"),
        lambda smtp, ftp: SmtpServer(hostname=""),
        lambda smtp, ftp: FtpServer(users={"u": 1}),  # type: ignore[dict-item]
        lambda smtp, ftp: FtpServer(permissions={"u": "?!"}),
        lambda smtp, ftp: FtpServer(tls=""),
        lambda smtp, ftp: FtpServer(tls=1),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments(smtp_server: SmtpServer, ftp_server: FtpServer, say: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        say(smtp_server, ftp_server)

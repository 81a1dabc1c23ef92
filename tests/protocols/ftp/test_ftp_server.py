"""FTP: real clients, transfers in every mode, rules, faults on both connections, and clients that misbehave."""

from __future__ import annotations

import ftplib
import io
import pathlib
import socket
import ssl
import subprocess
import time
from typing import Any

import pytest
from helpers import abort, connect, program

from pytest_netmocks.faults import HandshakeFailure, Latency, Reset, Stall
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.ftp.server import FtpServer, FtpsServer
from pytest_netmocks.virtual.clock import VirtualClock


def client(server: FtpServer) -> ftplib.FTP:
    ftp = ftplib.FTP(timeout=10.0)
    ftp.connect(*server.address)
    ftp.login()
    return ftp


def retrieve(ftp: ftplib.FTP, name: str) -> bytes:
    buffer = io.BytesIO()
    ftp.retrbinary(f"RETR {name}", buffer.write)
    return buffer.getvalue()


@pytest.mark.parametrize("passive", [True, False])
@pytest.mark.parametrize(
    ("host", "to"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1")]
)
def test_both_modes_on_both_families(
    netmocks: Netmocks, tmp_path: pathlib.Path, host: str, to: str, passive: bool
) -> None:
    server = netmocks.ftp(root=tmp_path, host=host)
    data = bytes(range(256)) * 2000
    with ftplib.FTP(timeout=10.0) as ftp:
        ftp.connect(to, server.port)
        ftp.login()
        ftp.set_pasv(passive)
        for _ in range(3):
            ftp.storbinary("STOR f", io.BytesIO(data))
            assert retrieve(ftp, "f") == data
        assert ftp.nlst() == ["f"]
    server.wait_for(lambda s: not s.open_connections)
    transfers = [request for request in server.requests if request.command in ("STOR", "RETR")]
    assert [(request.bytes, request.complete) for request in transfers] == [(len(data), True)] * 6
    control = server.connections[0]
    assert {connection.role for connection in server.connections[1:]} == {"data"}
    assert all(connection.control is control for connection in server.connections[1:])


def test_what_pyftpdlib_can_do(ftp_server: FtpServer) -> None:
    (ftp_server.root / "f").write_bytes(b"0123456789")
    with client(ftp_server) as ftp:
        assert "MLST" in ftp.sendcmd("FEAT")
        assert [name for name, _ in ftp.mlsd()] == ["f"]
        ftp.storbinary("APPE f", io.BytesIO(b"abc"))
        assert retrieve(ftp, "f") == b"0123456789abc"
        buffer = io.BytesIO()
        ftp.retrbinary("RETR f", buffer.write, rest=10)
        assert buffer.getvalue() == b"abc"
        assert ftp.sendcmd("MDTM f").startswith("213")
        assert ftp.sendcmd("STAT").startswith("211")
        ftp.sendcmd("SITE CHMOD 600 f")
        ftp.storbinary("STOU", io.BytesIO(b"x"))
        ftp.delete("f")
        lines: list[str] = []
        ftp.retrlines("LIST", lines.append)
        assert len(lines) == 1


@pytest.mark.parametrize("mode", ["explicit", "implicit"])
def test_tls(netmocks: Netmocks, tmp_path: pathlib.Path, mode: str) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100_000)
    (tmp_path / "empty").write_bytes(b"")
    server = netmocks.ftp(root=tmp_path, tls=mode)
    ftp = ftplib.FTP_TLS(context=server.client_context(), timeout=10)
    if mode == "explicit":
        ftp.connect("localhost", server.port)
    else:
        ftp.sock = server.client_context().wrap_socket(connect(server), server_hostname="localhost")
        ftp.af, ftp.host = socket.AF_INET, "localhost"
        ftp.file = ftp.sock.makefile("r", encoding="utf-8")
        ftp.welcome = ftp.getresp()
    ftp.login()
    ftp.prot_p()
    assert retrieve(ftp, "f") == b"x" * 100_000
    assert retrieve(ftp, "empty") == b""
    ftp.storbinary("STOR g", io.BytesIO(b"y" * 100_000))
    ftp.quit()
    assert (tmp_path / "g").read_bytes() == b"y" * 100_000
    assert all(connection.tls is not None for connection in server.connections)


class Resuming(ftplib.FTP_TLS):
    """A client whose data connections resume the control connection's session."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:  # type: ignore[attr-defined]  # what it keeps to itself
            session = self.sock.session  # type: ignore[union-attr]
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=session)
        return conn, size


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("resuming", [True, False])
def test_a_data_connection_may_have_to_resume_the_control_connections_session(
    netmocks: Netmocks, required: bool, resuming: bool, version: Any
) -> None:
    server = netmocks.ftp(tls="explicit", require_session_reuse=required, max_version=version)
    (server.root / "f").write_bytes(b"x" * 100_000)
    kind = Resuming if resuming else ftplib.FTP_TLS
    with kind(context=server.client_context(), timeout=10) as ftp:
        ftp.connect("localhost", server.port)
        ftp.login()
        assert retrieve(ftp, "f") == b"x" * 100_000  # without TLS there is nothing to resume
        ftp.prot_p()
        for command in ("RETR f", "STOR g", "NLST"):
            if required and not resuming:
                with pytest.raises(ftplib.error_perm, match="522"):
                    ftp.transfercmd(command).close()
                    ftp.voidresp()
            else:
                ftp.transfercmd(command).close()
                assert ftp.getmultiline()[:3] in ("226", "426")  # the client did not wait for what it got
        assert ftp.voidcmd("NOOP").startswith("200")
    assert {c.tls.resumed for c in server.connections[2:] if c.tls is not None} == {resuming}


def test_a_failing_handshake_on_auth_tls(ftps_server: FtpsServer) -> None:
    ftps_server.inject(HandshakeFailure("access_denied"))
    ftp = ftplib.FTP_TLS(context=ftps_server.client_context(), timeout=10)
    ftp.connect("localhost", ftps_server.port)
    with pytest.raises(ssl.SSLError, match=r"(?i)access.denied"):
        ftp.auth()
    ftp.close()


@pytest.mark.virtual_time
def test_users_and_their_permissions(netmocks: Netmocks, virtual_clock: VirtualClock) -> None:
    server = netmocks.ftp(users={"reader": "r", "writer": "w"}, permissions={"reader": "elr"})
    assert server.root.is_dir()
    with ftplib.FTP(timeout=10) as ftp:
        ftp.connect(*server.address)
        before = virtual_clock.jumped
        with pytest.raises(ftplib.error_perm, match="530"):
            ftp.login("reader", "wrong")
        assert virtual_clock.jumped - before < 2  # pyftpdlib waits three seconds unless told otherwise
        ftp.login("reader", "r")
        with pytest.raises(ftplib.error_perm, match="550"):
            ftp.mkd("x")
    server.close()
    assert not server.root.exists()


def test_scripted_replies(ftp_server: FtpServer) -> None:
    (ftp_server.root / "f").write_bytes(b"x")
    ftp_server.when("PWD").reply("257 first\nsecond", times=1).reply(lambda request: f"550 {request.command} no")
    ftp_server.when("RETR", "/f").reply("226 as you wish")
    ftp_server.when("NOOP").reply("421 Going down")
    with client(ftp_server) as ftp:
        assert ftp.sendcmd("PWD") == "257-first\n257 second"
        with pytest.raises(ftplib.error_perm, match="550 PWD no"):
            ftp.sendcmd("PWD")
        assert ftp.retrbinary("RETR f", lambda data: None) == "226 as you wish"
        with pytest.raises(ftplib.error_temp, match="421"):
            ftp.sendcmd("NOOP")
        with pytest.raises(EOFError):
            ftp.sendcmd("NOOP")
        ftp.close()


def test_a_fault_on_a_control_answer(ftp_server: FtpServer) -> None:
    ftp_server.when("PWD").inject(Reset(after_bytes=3))
    ftp = client(ftp_server)
    with pytest.raises(ConnectionResetError):
        ftp.sendcmd("PWD")
    ftp.close()


@pytest.mark.virtual_time
def test_a_stalled_download_meets_the_timeout(ftp_server: FtpServer) -> None:
    (ftp_server.root / "f").write_bytes(b"x" * 1000)
    injection = ftp_server.when("RETR").inject(Stall(after_bytes=10))
    ftp = client(ftp_server)
    with pytest.raises(TimeoutError):
        retrieve(ftp, "f")
    ftp.close()
    assert injection.hits == 1


def test_226_comes_after_the_bytes(ftp_server: FtpServer) -> None:
    (ftp_server.root / "f").write_bytes(b"x" * 1000)
    ftp_server.when("RETR").inject(Latency(0.1))
    with client(ftp_server) as ftp:
        begin = time.perf_counter()
        assert len(retrieve(ftp, "f")) == 1000
        assert time.perf_counter() - begin >= 0.1


@pytest.mark.parametrize("path", ["../secret", "/../secret", "..\\secret", "link", "linked/secret"])
def test_there_is_no_way_out(ftp_server: FtpServer, path: str) -> None:
    (ftp_server.root.parent / "secret").write_text("secret")
    (ftp_server.root / "link").symlink_to(ftp_server.root.parent / "secret")
    (ftp_server.root / "linked").symlink_to(ftp_server.root.parent)
    with client(ftp_server) as ftp:
        with pytest.raises(ftplib.error_perm):
            retrieve(ftp, path)
        ftp.storbinary("STOR ../x/../../secret", io.BytesIO(b"below the root"))
    assert (ftp_server.root / "secret").read_bytes() == b"below the root"
    assert (ftp_server.root.parent / "secret").read_text() == "secret"


@program("curl")
def test_curl(ftps_server: FtpsServer, tmp_path: pathlib.Path) -> None:
    (ftps_server.root / "f").write_bytes(b"from the server")
    (tmp_path / "up").write_bytes(b"from curl" * 1000)
    command = ["curl", "-sS", "--noproxy", "*", "--max-time", "20", "--ssl-reqd", "--cacert", ftps_server.ca.cert_file]
    url = f"ftp://localhost:{ftps_server.port}"
    got = subprocess.run([*command, f"{url}/f"], capture_output=True, timeout=60, check=True)
    assert got.stdout == b"from the server"
    subprocess.run([*command, "-T", str(tmp_path / "up"), f"{url}/"], capture_output=True, timeout=60, check=True)
    assert (ftps_server.root / "up").read_bytes() == b"from curl" * 1000


@program("wget")
def test_wget(ftp_server: FtpServer, tmp_path: pathlib.Path) -> None:
    (ftp_server.root / "f").write_bytes(b"x" * 50_000)
    ftp_server.when("RETR").inject(Reset(after_bytes=20_000), first=1)
    target = tmp_path / "got"
    command = ["wget", "-q", "--no-proxy", "--tries=3", "--waitretry=0", "-O", str(target), f"{ftp_server.url}/f"]
    subprocess.run(command, timeout=60, check=True)
    assert target.read_bytes() == b"x" * 50_000


def test_clients_that_vanish_hold_up_nobody(ftp_server: FtpServer) -> None:
    (ftp_server.root / "big").write_bytes(bytes(20_000_000))
    socks = []
    for number in range(30):
        sock = connect(ftp_server)
        sock.sendall([b"", b"USER anon", b"\xff\x00" * 2000, b"USER anonymous\r\nPASS x\r\nPASV\r\n"][number % 4])
        socks.append(sock)
    stuck = client(ftp_server)
    stuck.transfercmd("RETR big").close()
    for sock in socks[:15]:
        abort(sock)
    with client(ftp_server) as ftp:
        assert ftp.pwd() == "/"
    begin = time.perf_counter()
    ftp_server.stop()
    assert time.perf_counter() - begin < 10
    for sock in socks[15:]:
        sock.close()
    stuck.close()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: s.when("RETRIEVE"), ValueError, "command 'RETRIEVE' is not known here"),
        (lambda s: s.when("RETR").reply("busy"), ValueError, "reply must begin with a code of three digits"),
    ],
)
def test_wrong_arguments(ftp_server: FtpServer, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(ftp_server)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tls": "maybe"}, ValueError, "tls must be 'explicit', 'implicit', True or False, not 'maybe'"),
        ({"root": "/no/such"}, FileNotFoundError, "/no/such"),
        ({"users": "u"}, TypeError, "users must be a mapping"),
        ({"anonymous": 1}, TypeError, "anonymous must be True, False or None"),
        ({"require_session_reuse": True}, ValueError, "require_session_reuse= is about TLS"),
        ({"tls": "explicit", "require_session_reuse": 1}, TypeError, "require_session_reuse must be True or False"),
        ({"rot": "/"}, TypeError, "FtpServer takes no 'rot' .did you mean 'root'"),
    ],
)
def test_wrong_options(netmocks: Netmocks, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        netmocks.ftp(**options)

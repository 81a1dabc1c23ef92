"""A certificate that is another while the server runs."""

from __future__ import annotations

import ftplib
import imaplib
import os
import poplib
import smtplib
import ssl
import stat
from typing import Any

import pytest
from helpers import connect, needed, read_exactly, shake

import pytest_netmocks
from pytest_netmocks import Certificate
from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.known import TABLE
from pytest_netmocks.protocols.tcp.server import TlsServer
from pytest_netmocks.servers.stream import StreamServer

STREAMS = [name for name, entry in TABLE.items() if entry.stream]
UPGRADES = ["smtp", "pop3", "imap", "ftps"]


def made(netmocks: Netmocks, name: str, **options: Any) -> StreamServer:
    arguments = {"tcp_proxy": (netmocks.tcp(),), "badssl": ("sha256",)}.get(name, needed(name))
    if name not in UPGRADES and not TABLE[name].load().always_secure:  # type: ignore[attr-defined]
        options["tls"] = True
    server: StreamServer = getattr(netmocks, name)(*arguments, **options)
    return server


def begin(server: StreamServer) -> Any:
    """What clients do first: a handshake, after STARTTLS where it begins without."""
    context = server.client_context()
    if server.scheme == "smtp":
        smtp = smtplib.SMTP(server.host, server.port, timeout=10)
        smtp._host = "localhost"  # type: ignore[attr-defined]  # the name that it looks for in the certificate
        smtp.starttls(context=context)
        return smtp.sock
    if server.scheme == "pop3":
        pop3 = poplib.POP3("localhost", server.port, timeout=10)
        pop3.stls(context=context)
        return pop3.sock
    if server.scheme == "imap":
        imap = imaplib.IMAP4("localhost", server.port, timeout=10)
        imap.starttls(ssl_context=context)
        return imap.sock
    if getattr(server, "explicit", False):
        ftp = ftplib.FTP_TLS(context=context, timeout=10)
        ftp.connect("localhost", server.port)
        ftp.auth()
        return ftp.sock
    return shake(server)


def seen(server: StreamServer) -> bytes:
    """The certificate that a new client sees."""
    with begin(server) as sock:
        der: bytes = sock.getpeercert(binary_form=True)
    return der


@pytest.mark.parametrize("name", STREAMS)
def test_clients_that_come_later_see_the_new_certificate_and_others_go_on(
    netmocks: Netmocks, tls_ca: Authority, name: str
) -> None:
    first, second = tls_ca.issue("localhost"), tls_ca.issue("localhost", key_type="rsa")
    server = made(netmocks, name, certificate=first)
    assert server.certificate == first
    with begin(server) as before:
        assert before.getpeercert(binary_form=True) == first.der
        server.certificate = second
        assert server.certificate == second
        assert seen(server) == second.der
        before.setblocking(False)
        with pytest.raises((ssl.SSLWantReadError, BlockingIOError)):  # it is open: no end has come, and no alert
            while before.recv(1000):
                pass
    server.certificate = None
    assert seen(server) not in (first.der, second.der)


@pytest.mark.parametrize("name", STREAMS)
def test_wrong_ones_are_refused_at_the_call_and_the_one_before_stays(
    netmocks: Netmocks, tls_ca: Authority, name: str, tmp_path: Any
) -> None:
    server = made(netmocks, name)
    before = server.certificate
    one, other = tls_ca.issue("localhost"), tls_ca.issue("localhost")
    missing = str(tmp_path / "missing.pem")
    for wrong, error, match in (
        (5, TypeError, "certificate must be what tls_ca.issue"),
        (one.cert_file, TypeError, "certificate must be what tls_ca.issue"),
        ([], ValueError, r"certificate must be what tls_ca.issue\(\) gives, or a list of those, not \[\]"),
        (Certificate(one.cert_file, other.key_file), ValueError, "are no certificate and its key"),
        (Certificate(one.key_file, one.key_file), ValueError, "are no certificate and its key"),
        (Certificate(missing, one.key_file), FileNotFoundError, "missing.pem"),
        (Certificate(one.cert_file, one.key_file, ("\u2603" * 300,)), ValueError, "a name that is none"),
    ):
        with pytest.raises(error, match=match):
            server.certificate = wrong  # type: ignore[assignment]
    assert server.certificate == before


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in ("tcp", "ftps", "smtp", "pop3", "imap")])
def test_where_there_is_no_tls_there_is_no_certificate(netmocks: Netmocks, tls_ca: Authority, name: str) -> None:
    if TABLE[name].load().always_secure:  # type: ignore[attr-defined]
        return
    server = getattr(netmocks, name)(*needed(name))
    for word in ("certificate", "context"):
        with pytest.raises(AttributeError, match="is about TLS, and there is none: make it with tls=True"):
            getattr(server, word)
    with pytest.raises(AttributeError, match="is about TLS, and there is none: make it with tls=True"):
        server.certificate = tls_ca.issue("localhost")


def test_one_with_a_flaw_or_a_chain_is_the_client_s_affair(tls_server: TlsServer, tls_ca: Authority) -> None:
    tls_server.certificate = tls_ca.issue("localhost", expired=True)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shake(tls_server)
    tls_server.certificate = tls_ca.issue("localhost", intermediates=2)
    shake(tls_server).close()
    tls_server.certificate = tls_ca.issue("localhost", intermediates=2, incomplete_chain=True)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake(tls_server)
    tls_server.certificate = tls_ca.issue("localhost", weak_key=True)
    with pytest.raises(ssl.SSLError):
        shake(tls_server)


def test_of_several_the_client_s_sni_chooses(tls_server: TlsServer, tls_ca: Authority) -> None:
    one, two = tls_ca.issue("one.test"), tls_ca.issue("two.test")
    tls_server.certificate = [one, two]
    assert tls_server.certificate == (one, two)
    for certificate, name in ((one, "one.test"), (two, "two.test")):
        with shake(tls_server, name=name) as sock:
            assert sock.getpeercert(binary_form=True) == certificate.der


def test_a_session_of_the_old_certificate_is_not_resumed(tls_server: TlsServer, tls_ca: Authority) -> None:
    context = tls_server.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        sessions: list[Any] = []
        for _ in range(3):
            with connect(tls_server) as raw:
                session = sessions[-1] if sessions else None
                with context.wrap_socket(raw, server_hostname="localhost", session=session) as sock:
                    sessions.append(sock.session)
                    if len(sessions) == 2:
                        assert sock.session_reused
                        tls_server.certificate = new = tls_ca.issue("localhost")
                    if len(sessions) == 3:
                        assert not sock.session_reused
                        assert sock.getpeercert(binary_form=True) == new.der
    finally:
        context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED


def test_a_client_that_is_connected_already_is_no_new_one(tls_server: TlsServer, tls_ca: Authority) -> None:
    before = tls_server.certificate
    assert isinstance(before, Certificate)
    with connect(tls_server) as raw:
        tls_server.certificate = tls_ca.issue("localhost")
        with tls_server.client_context().wrap_socket(raw, server_hostname="localhost") as sock:
            assert sock.getpeercert(binary_form=True) == before.der


def test_a_data_connection_of_ftp_goes_on_with_its_session(netmocks: Netmocks, tls_ca: Authority) -> None:
    server = netmocks.ftp(tls="explicit", require_session_reuse=True)
    (server.root / "a").write_bytes(b"text")

    class Reusing(ftplib.FTP_TLS):
        def ntransfercmd(self, cmd: str, rest: Any = None) -> Any:
            sock, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
            control: Any = self.sock
            return self.context.wrap_socket(sock, server_hostname=self.host, session=control.session), size

    client = Reusing(context=server.client_context(), timeout=10)
    client.connect("localhost", server.port)
    client.login()
    client.prot_p()
    server.certificate = tls_ca.issue("localhost")
    got: list[bytes] = []
    client.retrbinary("RETR a", got.append)
    assert b"".join(got) == b"text"
    client.quit()


def test_names_show_theirs_unless_a_certificate_is_given(netmocks: Netmocks, tls_ca: Authority) -> None:
    one, two = netmocks.tls(), netmocks.tls()
    with netmocks.names({"one.test": one, "two.test": two}):
        given = tls_ca.issue("one.test")
        one.certificate = given
        with shake(one, name="one.test") as sock:
            assert sock.getpeercert(binary_form=True) == given.der
        shake(two, name="two.test").close()
        one.certificate = None
        shown = one.certificate
        assert isinstance(shown, tuple)
        for certificate, name in zip(shown, ("localhost", "one.test"), strict=True):
            with shake(one, name=name) as sock:
                assert sock.getpeercert(binary_form=True) == certificate.der


def test_a_reset_brings_back_what_its_maker_said(netmocks: Netmocks, tls_ca: Authority) -> None:
    first = tls_ca.issue("localhost")
    given, usual = netmocks.tls(certificate=first), netmocks.tls()
    default = usual.certificate
    for server, before in ((given, first), (usual, default)):
        server.certificate = tls_ca.issue("localhost")
        server.reset()
        assert server.certificate == before
        assert isinstance(before, Certificate)
        assert seen(server) == before.der


def test_its_files_are_the_owner_s_alone_and_go_with_the_authority() -> None:
    authority = Authority()
    with pytest_netmocks.tls() as server:
        issued = authority.issue("localhost")
        server.certificate = issued
        for path in (issued.cert_file, issued.key_file):
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        authority.close()
        assert not os.path.exists(issued.key_file)
        context = ssl.create_default_context(cadata=authority.cert_pem.decode())
        with shake(server, context) as sock:  # what was read stays
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"


def test_it_is_given_before_the_start_and_while_stopped_too(tls_ca: Authority) -> None:
    server = pytest_netmocks.tls()
    server.certificate = first = tls_ca.issue("localhost")
    with server:
        assert seen(server) == first.der
        server.stop()
        server.certificate = second = tls_ca.issue("localhost")
        server.start()
        assert seen(server) == second.der

"""The authority, its certificates and their flaws."""

from __future__ import annotations

import os
import pathlib
import ssl
import stat
import subprocess
import sys
import textwrap

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from helpers import connect, read_exactly, shake

import pytest_netmocks
from pytest_netmocks import Authority, Certificate
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.server import TlsServer


def test_files_are_the_owners_alone_and_gone_at_the_end() -> None:
    source = """
        import os, stat, pathlib
        from pytest_netmocks.encryption import authority
        ca = authority.shared()
        certificate = ca.issue("a.test")
        directory = pathlib.Path(ca.cert_file).parent
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in directory.iterdir())
        if os.fork() == 0:
            raise SystemExit  # the parent's files are not the child's to remove
        os.wait()
        assert pathlib.Path(certificate.key_file).exists()
        print(directory)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(source)], capture_output=True, text=True, check=True)
    assert not pathlib.Path(done.stdout.strip()).exists()


def test_the_default_certificate_is_good_for_the_servers_host(netmocks: Netmocks) -> None:
    server = netmocks.tls(host="127.0.0.2")
    for name in ("127.0.0.2", "127.0.0.1", "localhost", "::1"):
        shake(server, name=name).close()


def test_a_context_is_the_same_for_a_test(tls_ca: Authority) -> None:
    context = tls_ca.client_context()
    assert tls_ca.client_context() is context
    certificate = tls_ca.issue("alice")
    assert tls_ca.client_context(certificate) is tls_ca.client_context(certificate) is not context
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def test_and_fresh_in_the_next(tls_ca: Authority) -> None:
    assert tls_ca.client_context().maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED


def test_revoked_certificates_are_on_the_list(netmocks: Netmocks, tls_ca: Authority) -> None:
    for revoked in (True, False):
        server = netmocks.tls(certificate=tls_ca.issue("localhost", revoked=revoked))
        context = ssl.create_default_context(cafile=tls_ca.cert_file)
        context.load_verify_locations(tls_ca.crl_file)
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
        if revoked:
            with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
                shake(server, context)
        else:
            shake(server, context).close()


@pytest.mark.parametrize(
    ("names", "common"),
    [
        (("api.test", "127.0.0.1"), "api.test"),
        (("*.api.test",), "*.api.test"),
        (("x" * 60 + ".test", "127.0.0.1"), "127.0.0.1"),
        (("x" * 60 + ".test",), None),
    ],
)
def test_the_first_name_that_fits_is_the_common_name(
    tls_ca: Authority, names: tuple[str, ...], common: str | None
) -> None:
    found = x509.load_pem_x509_certificate(tls_ca.issue(*names).cert_pem)
    assert [one.value for one in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [common][: bool(common)]
    assert len(list(found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)) == len(names)


def test_the_clients_name_chooses_the_certificate(netmocks: Netmocks, tls_ca: Authority) -> None:
    one, two = tls_ca.issue("one.test"), tls_ca.issue("*.two.test")
    server = netmocks.tls(certificate=[one, two])
    for name, certificate in (("one.test", one), ("a.two.test", two), ("A.TWO.test", two)):
        with shake(server, name=name) as sock:
            assert sock.getpeercert(binary_form=True) == certificate.der
    with pytest.raises(ssl.SSLCertVerificationError, match="match"):
        shake(server, name="a.b.two.test")


def test_an_rsa_certificate(netmocks: Netmocks, tls_ca: Authority) -> None:
    server = netmocks.tls(certificate=tls_ca.issue("localhost", key_type="rsa"), max_version="TLSv1.2")
    with shake(server) as sock:
        cipher = sock.cipher()
        assert cipher is not None
        assert "RSA" in cipher[0]


def test_ones_own_certificate(netmocks: Netmocks, tls_ca: Authority, tmp_path: pathlib.Path) -> None:
    issued = tls_ca.issue("localhost")
    copy = tmp_path / "mine.pem"
    copy.write_bytes(issued.cert_pem)
    server = netmocks.tls(certificate=Certificate(str(copy), issued.key_file))
    shake(server).close()


def test_trust_by_environment(tls_server: TlsServer, tls_trust: Authority) -> None:
    assert os.environ["SSL_CERT_FILE"] == tls_trust.cert_file
    with ssl.create_default_context().wrap_socket(connect(tls_server), server_hostname="localhost") as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"


@pytest.mark.parametrize(
    ("names", "options", "error", "message"),
    [
        ((), {}, ValueError, "names must have at least one host name"),
        (("",), {}, ValueError, "names must be a host name"),
        ((b"x",), {}, TypeError, "names must be host names, addresses or e-mail addresses, not b'x'"),
        (("a b",), {}, ValueError, "names must be host names, addresses or e-mail addresses, not .'a b'"),
        (("a",), {"expird": True}, TypeError, "issue\\(\\) takes no 'expird' \\(did you mean 'expired'"),
        (("a",), {"expired": 1}, TypeError, "expired must be True or False, not 1"),
        (("a",), {"key_type": "dsa"}, ValueError, "key_type must be one of 'ecdsa', .* not 'dsa'"),
        (("a",), {"expired": True, "not_yet_valid": True}, ValueError, "contradict each other"),
        (("a",), {"revoked": True, "self_signed": True}, ValueError, "goes with neither untrusted= nor self_signed="),
    ],
)
def test_wrong_names_and_options_of_issue(
    tls_ca: Authority, names: tuple[str, ...], options: dict[str, bool], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tls_ca.issue(*names, **options)  # type: ignore[arg-type]  # they are wrong


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"min_version": "TLS1.3"}, ValueError, "min_version must be one of 'TLSv1', .* not 'TLS1.3'"),
        ({"min_version": "TLSv1.3", "max_version": "TLSv1.2"}, ValueError, "min_version must not be newer"),
        ({"client_cert": True}, ValueError, "client_cert must be one of 'required', 'optional', not True"),
        ({"alpn": "h2"}, TypeError, r"alpn must be a list of protocol names .* not 'h2'"),
        ({"alpn": ["x" * 256]}, ValueError, "names of 1 to 255 bytes"),
        ({"alpn": [1]}, TypeError, "alpn must be a list of protocol names"),
        ({"ciphers": "NONSENSE"}, ValueError, "ciphers must be a list in OpenSSL's notation .* not 'NONSENSE'"),
        ({"certificate": "cert.pem"}, TypeError, "certificate must be what tls_ca.issue"),
        ({"certificate": Certificate("/no/cert", "/no/key")}, FileNotFoundError, "certificate: .*/no/cert"),
        ({"certificate": Certificate(__file__, __file__)}, ValueError, "are no certificate and its key"),
        ({"tickets": 2}, TypeError, "tickets must be True or False"),
        ({"key_log": 1}, TypeError, "key_log must be a path or None"),
        ({"key_log": ""}, ValueError, "key_log must be a path or None, not ''"),
        ({"alpn": 5}, TypeError, "alpn must be a list of protocol names .* not 5"),
        ({"alpn": b"h2"}, TypeError, "alpn must be a list of protocol names .* not b'h2'"),
        ({"alpn": False}, TypeError, "alpn must be a list of protocol names .* not False"),
        ({"certificate": []}, ValueError, r"certificate must be what tls_ca.issue\(\) gives, .* not \[\]"),
        (
            {"certificate": Certificate("c", "k", ("\u2000",))},
            ValueError,
            "certificate has a name that is none: '.u2000'",
        ),
        ({"ciphers": ""}, ValueError, "ciphers must be a list in OpenSSL's notation, or None, not ''"),
    ],
)
def test_wrong_options_of_a_server(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        pytest_netmocks.tls(**options)  # type: ignore[arg-type]  # they are wrong


def test_a_server_without_tls_loads_nothing_for_it() -> None:
    source = "import sys, pytest_netmocks; pytest_netmocks.tcp().start().close(); print('trustme' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_key_files_are_not_group_readable_whatever_the_umask(tls_ca: Authority) -> None:
    before = os.umask(0)
    try:
        assert stat.S_IMODE(os.stat(tls_ca.issue("x.test").key_file).st_mode) == 0o600
    finally:
        os.umask(before)


def test_what_a_killed_process_leaves_the_next_one_removes(tls_ca: Authority) -> None:
    source = """
import os, signal, sys, pytest_netmocks
print(os.path.dirname(pytest_netmocks.tls().ca.cert_file), flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed, ended = (
        subprocess.run([sys.executable, "-c", source, how], capture_output=True, text=True, check=False)
        for how in ("killed", "ended")
    )
    assert (killed.returncode, ended.returncode) == (-9, 0)
    for done in (killed, ended):
        assert "netmocks-tls-" in done.stdout
        assert not os.path.exists(done.stdout.strip())
    assert os.path.exists(tls_ca.cert_file)  # its owner lives

"""Every flaw of a certificate, as Python's, OpenSSL's and curl's clients see it, and that it is the flaw they see."""

from __future__ import annotations

import pathlib
import re
import ssl
import subprocess
from typing import Any, get_args, get_type_hints

import pytest
from helpers import program, shake

from pytest_netmocks import Authority
from pytest_netmocks.encryption.certificate import Digest, IssueOptions, KeyType
from pytest_netmocks.encryption.flaws import FLAWS
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.servers.stream import StreamServer

REFUSED = {
    "expired": "certificate has expired",
    "not_yet_valid": "certificate is not yet valid",
    "wrong_host": "[Hh]ostname mismatch",
    "self_signed": "self.signed certificate",
    "untrusted": "unable to get local issuer certificate",
    "revoked": "certificate revoked",
    "incomplete_chain": "unable to get local issuer certificate",
    "long_chain": "certificate chain too long",
    "path_length": "path length constraint exceeded",
    "issuer_not_ca": "invalid CA certificate",
    "name_constraints": "permitted subtree violation",
    "wrong_usage": "(unsuitable|unsupported) certificate purpose",
    "wrong_key_usage": "(unsuitable|unsupported) certificate purpose",
    "weak_key": "EE certificate key too weak",
    "sha1_signature": "CA signature digest algorithm too weak",
    "md5_signature": "CA signature digest algorithm too weak",
    "sha1_intermediate": "CA signature digest algorithm too weak",
    "too_many_names": "excessive message size",
}
"""What OpenSSL says."""

TAKEN = {"reversed_chain", "no_names", "no_subject"}
"""Those that OpenSSL does not mind."""


def flawed(netmocks: Netmocks, tls_ca: Authority, flaw: str) -> StreamServer:
    options: dict[str, Any] = {flaw: True}
    return netmocks.tls(certificate=tls_ca.issue("localhost", **options))


def strict(tls_ca: Authority) -> ssl.SSLContext:
    """A client as strict as it can be told to be; what it refuses is OpenSSL's usual level."""
    context = ssl.create_default_context(cafile=tls_ca.cert_file)
    context.load_verify_locations(tls_ca.crl_file)
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    context.hostname_checks_common_name = False
    return context


def test_every_flaw_is_a_word_of_issue_and_says_what_it_is() -> None:
    words = {name for name, kind in get_type_hints(IssueOptions).items() if kind is bool}
    assert words == set(FLAWS) == {*REFUSED, *TAKEN}
    assert all(flaw.sentence and f"`{name}`" in str(Authority.issue.__doc__) for name, flaw in FLAWS.items())


def test_the_documentation_has_every_flaw_in_its_words() -> None:
    page = (pathlib.Path(__file__).parents[2] / "docs" / "tls.md").read_text()
    assert all(f"| `{name}` | {flaw.sentence} |" in page for name, flaw in FLAWS.items())


@pytest.mark.parametrize("intermediates", [0, 1, 2, 9])
def test_a_chain_without_a_flaw_is_good(netmocks: Netmocks, tls_ca: Authority, intermediates: int) -> None:
    certificate = tls_ca.issue("localhost", intermediates=intermediates)
    assert certificate.cert_pem.count(b"BEGIN CERTIFICATE") == 1 + intermediates
    shake(netmocks.tls(certificate=certificate), strict(tls_ca)).close()


@pytest.mark.parametrize("key_type", [kind for kind in get_args(KeyType) if kind not in ("rsa-1024", "rsa-8192")])
def test_every_kind_of_key_is_good(netmocks: Netmocks, tls_ca: Authority, key_type: Any) -> None:
    server = netmocks.tls(certificate=tls_ca.issue("localhost", key_type=key_type))
    shake(server, strict(tls_ca)).close()


@pytest.mark.parametrize("digest", get_args(Digest))
def test_every_digest_is_good(netmocks: Netmocks, tls_ca: Authority, digest: Any) -> None:
    server = netmocks.tls(certificate=tls_ca.issue("localhost", digest=digest, intermediates=1))
    shake(server, strict(tls_ca)).close()


@pytest.mark.parametrize("flaw", REFUSED)
def test_python_refuses_it_for_what_it_is(netmocks: Netmocks, tls_ca: Authority, flaw: str) -> None:
    server = flawed(netmocks, tls_ca, flaw)
    context = strict(tls_ca)
    if flaw == "revoked":
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    with pytest.raises(ssl.SSLError, match=REFUSED[flaw]):
        shake(server, context)


@pytest.mark.parametrize("flaw", sorted(TAKEN))
def test_openssl_does_not_mind_these(netmocks: Netmocks, tls_ca: Authority, flaw: str) -> None:
    shake(flawed(netmocks, tls_ca, flaw)).close()


def test_a_common_name_is_no_name_for_who_does_not_look_at_it(netmocks: Netmocks, tls_ca: Authority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake(flawed(netmocks, tls_ca, "no_names"), strict(tls_ca))


def s_client(server: StreamServer, *arguments: str) -> str:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-servername", "localhost"]
    command += ["-CAfile", server.ca.cert_file, "-verify_return_error", "-verify_hostname", "localhost", *arguments]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=30, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


@program("openssl")
@pytest.mark.parametrize("flaw", REFUSED)
def test_openssl_has_words_for_it(netmocks: Netmocks, tls_ca: Authority, flaw: str) -> None:
    server = flawed(netmocks, tls_ca, flaw)
    more = ["-crl_check", "-CRL", tls_ca.crl_file] if flaw == "revoked" else []
    assert re.search(REFUSED[flaw], s_client(server, "-cipher", "DEFAULT:@SECLEVEL=2", *more))
    assert "Verification: OK" in s_client(netmocks.tls())


@program("openssl")
def test_the_order_of_a_chain_is_as_the_flaw_says(netmocks: Netmocks, tls_ca: Authority) -> None:
    for flaw, order in (("reversed_chain", ["1", "2"]), ("path_length", ["2", "1"])):
        shown = s_client(flawed(netmocks, tls_ca, flaw), "-showcerts")
        assert re.findall(r"^ *\d+ s:.*Intermediate CA (\d)", shown, re.MULTILINE) == order


@program("curl")
@pytest.mark.parametrize("flaw", [flaw for flaw in REFUSED if flaw not in ("revoked", "wrong_host")])
def test_curl_has_words_for_it(netmocks: Netmocks, tls_ca: Authority, flaw: str) -> None:
    server = flawed(netmocks, tls_ca, flaw)
    where = ["--connect-to", f"localhost:{server.port}:127.0.0.1:{server.port}", f"https://localhost:{server.port}/"]
    command = ["curl", "-sS", "--noproxy", "*", "--max-time", "10", "--cacert", tls_ca.cert_file, *where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert re.search(REFUSED[flaw], done.stderr)


@pytest.mark.parametrize("flaw", ["weak_key", "sha1_signature"])
def test_a_weak_certificate_can_be_a_clients_too_and_the_server_refuses_it(
    netmocks: Netmocks, tls_ca: Authority, flaw: str
) -> None:
    server = netmocks.tls(client_cert="required", max_version="TLSv1.2")
    mine = tls_ca.issue("alice", **{flaw: True})  # type: ignore[arg-type]
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake(server, tls_ca.client_context(mine))
    server.wait_for(lambda s: not s.open_connections)
    assert server.connections[0].closed_by == "server"


def test_a_weak_certificate_goes_with_ciphers_of_ones_own(netmocks: Netmocks, tls_ca: Authority) -> None:
    weak = tls_ca.issue("localhost", weak_key=True)
    server = netmocks.tls(certificate=weak, ciphers="ECDHE-RSA-AES128-GCM-SHA256", max_version="TLSv1.2")
    context = tls_ca.client_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with shake(server, context) as sock:
        cipher = sock.cipher()
        assert cipher is not None
        assert cipher[0] == "ECDHE-RSA-AES128-GCM-SHA256"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weak_key": True, "key_type": "rsa"}, "key_type='rsa' and weak_key=True contradict each other"),
        ({"sha1_signature": True, "md5_signature": True}, "sha1_signature=True and md5_signature=True contradict"),
        ({"incomplete_chain": True, "reversed_chain": True}, "contradict each other: give one of them"),
        ({"self_signed": True, "intermediates": 1}, "there is no issuer"),
        ({"revoked": True, "intermediates": 1}, "goes with neither untrusted= nor self_signed= nor intermediates"),
        ({"intermediates": 10}, "intermediates must be a whole number from 0 to 9"),
        ({"digest": "md5"}, "digest must be one of 'sha256', 'sha384', 'sha512', not 'md5'"),
        ({"key_type": "rsa-512"}, "key_type must be one of .* not 'rsa-512'"),
    ],
)
def test_what_contradicts_itself_is_refused(tls_ca: Authority, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tls_ca.issue("localhost", **options)


def test_flaws_that_do_not_contradict_each_other_go_together(netmocks: Netmocks, tls_ca: Authority) -> None:
    server = netmocks.tls(certificate=tls_ca.issue("localhost", expired=True, wrong_host=True))
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake(server)
    anybody = strict(tls_ca)
    anybody.check_hostname = False
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shake(server, anybody)

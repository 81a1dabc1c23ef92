"""badssl.com's names: what a client meets behind each, and why some cannot be had."""

from __future__ import annotations

import http.client
import pathlib
import ssl
import warnings
from typing import Any

import pytest

import pytest_netmocks
from pytest_netmocks import Authority, Netmocks
from pytest_netmocks.encryption import chain
from pytest_netmocks.protocols.badssl.server import ELSEWHERE, SITES, BadsslServer

REFUSED = {
    "expired": "certificate has expired",
    "wrong.host": "[Hh]ostname mismatch",
    "self-signed": "self.signed certificate",
    "untrusted-root": "unable to get local issuer",
    "revoked": "certificate revoked",
    "incomplete-chain": "unable to get local issuer",
    "sha1-intermediate": "digest algorithm too weak",
    "sha1-2016": "digest algorithm too weak|expired",
    "sha1-2017": "digest algorithm too weak|expired",
    "10000-sans": "excessive message size",
    "cbc": "(?i)handshake.failure",
    "null": "(?i)handshake.failure",
    "static-rsa": "(?i)handshake.failure",
    "dh1024": "(?i)handshake.failure",
    "dh2048": "(?i)handshake.failure",
    "dh-composite": "(?i)handshake.failure",
    "dh-small-subgroup": "(?i)handshake.failure",
    "tls-v1-0": "(?i)unsupported.protocol|protocol.version",
    "tls-v1-1": "(?i)unsupported.protocol|protocol.version",
}
"""What a client that is as careful as it can be says of them; it offers ciphers with forward secrecy alone."""

MUST_BE_BUILT_IN = {"rc4": "RC4", "rc4-md5": "RC4-MD5", "3des": "3DES"}


def careful(tls_ca: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls_ca.cert_file)
    context.load_verify_locations(tls_ca.crl_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Debian's Python asks for none by itself
    context.set_ciphers("ECDHE+AESGCM:@SECLEVEL=2")
    return context


def careless(tls_ca: Authority) -> ssl.SSLContext:
    """Takes everything that OpenSSL can be made to take."""
    context = tls_ca.client_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:eNULL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


def get(server: BadsslServer, context: ssl.SSLContext) -> tuple[int, str]:
    connection = http.client.HTTPSConnection("localhost", server.port, timeout=10, context=context)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


HERE = [site for site in SITES if site not in (*MUST_BE_BUILT_IN, "rsa8192")]


@pytest.mark.parametrize("site", HERE)
def test_a_careful_client_refuses_what_is_bad_and_no_more(netmocks: Netmocks, tls_ca: Authority, site: str) -> None:
    server = netmocks.badssl(site)
    context = careful(tls_ca)
    if site == "revoked":
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    if site in REFUSED:
        with pytest.raises(ssl.SSLError, match=REFUSED[site]):
            get(server, context)
    elif site.startswith("client"):
        assert get(server, context) == (400, "No required SSL certificate was sent\n")
    else:
        assert get(server, context) == (200, f"{site}.badssl.com: {SITES[site].sentence}\n")


@pytest.mark.parametrize("site", [site for site in HERE if site != "10000-sans"])
def test_a_careless_client_gets_in_everywhere(netmocks: Netmocks, tls_ca: Authority, site: str) -> None:
    server = netmocks.badssl(site)
    context = careless(tls_ca)
    if site.startswith("client"):
        mine = tls_ca.issue("alice")
        context.load_cert_chain(mine.cert_file, mine.key_file)
    assert get(server, context) == (200, f"{site}.badssl.com: {SITES[site].sentence}\n")


@pytest.mark.parametrize(
    ("site", "cipher"),
    [("null", "NULL"), ("cbc", "-SHA"), ("static-rsa", "AES"), ("dh-composite", "DHE-RSA"), ("dh2048", "DHE-RSA")],
)
def test_what_is_agreed_on_is_what_the_name_says(netmocks: Netmocks, tls_ca: Authority, site: str, cipher: str) -> None:
    server = netmocks.badssl(site)
    get(server, careless(tls_ca))
    info = server.connections[0].tls
    assert info is not None
    assert cipher in str(info.cipher)
    assert info.version == "TLSv1.2"


@pytest.mark.parametrize("site", MUST_BE_BUILT_IN)
def test_ciphers_that_openssl_was_built_without_cannot_be_had(netmocks: Netmocks, tls_ca: Authority, site: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(MUST_BE_BUILT_IN[site])
    except ssl.SSLError:
        with pytest.raises(
            ValueError, match=f"{site!r} cannot be had here: OpenSSL .* was built without these ciphers"
        ):
            netmocks.badssl(site)
    else:
        assert get(netmocks.badssl(site), careless(tls_ca))[0] == 200


def test_a_large_key_is_as_large_as_the_name_says(netmocks: Netmocks, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    small = chain._rsa(2048)

    def rsa(bits: int) -> Any:
        made.append(bits)
        return small

    monkeypatch.setattr(chain, "_large", rsa)
    netmocks.badssl("rsa8192")
    assert made == [8192]


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ("expird", r"site 'expird' is none of badssl.com's names \(did you mean 'expired'\?\); known are .*'?3des"),
        ("dh480", "site 'dh480' cannot be had here .OpenSSL offers no Diffie-Hellman below 1024 bits.*known are"),
        ("extended-validation", "cannot be had here .browsers have a list of their own for it"),
        ("superfish", 'cannot be had here .to a client it is "untrusted-root"'),
    ],
)
def test_what_cannot_be_had_says_why_and_what_can(site: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pytest_netmocks.badssl(site)
    with pytest.raises(TypeError, match=r"site must be one of badssl\.com's names, not 5"):
        pytest_netmocks.badssl(5)  # type: ignore[arg-type]


def test_the_documentation_names_all_that_can_be_had() -> None:
    page = (pathlib.Path(__file__).parents[3] / "docs" / "tls.md").read_text()
    assert all(f"`{site}`" in page for site in SITES)


def test_no_name_is_said_to_be_both(tls_ca: Authority) -> None:
    assert not set(SITES) & set(ELSEWHERE)
    with pytest_netmocks.badssl("expired.badssl.com") as server:
        assert (server.site, server.name, server.scheme) == ("expired", "expired.badssl.com", "https")


def test_rules_and_options_of_a_test_come_first(netmocks: Netmocks, tls_ca: Authority) -> None:
    server = netmocks.badssl("tls-v1-2", max_version="TLSv1.3", name="mine")
    server.when("/").reply(text="hello")
    assert get(server, careful(tls_ca)) == (200, "hello")
    info = server.connections[0].tls
    assert info is not None
    assert (info.version, server.name) == ("TLSv1.3", "mine")


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("/no/such", FileNotFoundError, "dh_params: .*/no/such"),
        (__file__, ValueError, "dh_params: .* has no parameters that OpenSSL takes"),
        ("", ValueError, "dh_params must be a path or None, not ''"),
    ],
)
def test_wrong_parameters_are_refused(path: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        pytest_netmocks.tls(dh_params=path)

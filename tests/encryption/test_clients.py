"""Real clients of TLS, in their own words."""

from __future__ import annotations

import pathlib
import re
import ssl
import subprocess

import aiohttp
import pytest
import trio
from helpers import program

from pytest_netmocks import Authority
from pytest_netmocks.faults import HandshakeFailure, HandshakeStall
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.server import TcpServer, TlsServer
from pytest_netmocks.servers.stream import StreamServer


def s_client(server: StreamServer, *arguments: str, say: bytes = b"") -> str:
    done = subprocess.run(
        [
            *("openssl", "s_client", "-connect", f"{server.host}:{server.port}", "-servername", "localhost"),
            *("-CAfile", server.ca.cert_file, "-verify_return_error", *arguments),
        ],
        input=say,
        capture_output=True,
        timeout=30,
        check=False,
    )
    return (done.stdout + done.stderr).decode(errors="replace")


def curl(server: StreamServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    url = f"https://localhost:{server.port}/"
    where = ["--connect-to", f"localhost:{server.port}:{server.host}:{server.port}"]
    command = ["curl", "-sS", "--noproxy", "*", "--http0.9", "--max-time", "10", *where, *arguments, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def say_hello(server: TcpServer) -> None:
    server.when(b"\r\n\r\n").reply(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")


@program("openssl")
def test_openssl_is_content(tls_server: TlsServer) -> None:
    text = s_client(tls_server)
    assert "Verification: OK" in text
    assert "Verify return code: 0 (ok)" in text


@program("openssl")
@pytest.mark.parametrize(
    ("alert", "words"),
    [
        ("handshake_failure", "alert handshake failure"),
        ("unknown_ca", "alert unknown ca"),
        ("certificate_required", "alert certificate required"),
        ("no_application_protocol", "alert no application protocol"),
        ("internal_error", "alert internal error"),
        ("protocol_version", "alert protocol version"),
        ("access_denied", "alert access denied"),
    ],
)
def test_openssl_has_words_for_the_alerts(tls_server: TlsServer, alert: str, words: str) -> None:
    tls_server.inject(HandshakeFailure(alert))
    assert words in s_client(tls_server)


@program("openssl")
@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        ("expired", "certificate has expired"),
        ("not_yet_valid", "certificate is not yet valid"),
        ("self_signed", "self.signed certificate"),
        ("untrusted", "unable to get local issuer certificate"),
        ("wrong_host", "hostname mismatch"),
        ("revoked", "certificate revoked"),
    ],
)
def test_openssl_has_words_for_the_flaws(netmocks: Netmocks, tls_ca: Authority, flaw: str, words: str) -> None:
    server = netmocks.tls(certificate=tls_ca.issue("localhost", **{flaw: True}))  # type: ignore[arg-type]
    more = ["-crl_check", "-CRL", tls_ca.crl_file] if flaw == "revoked" else []
    assert re.search(words, s_client(server, "-verify_hostname", "localhost", *more), re.IGNORECASE)


@program("openssl")
def test_openssl_shows_a_client_certificate(netmocks: Netmocks, tls_ca: Authority) -> None:
    server = netmocks.tls(client_cert="required", alpn=["h2", "http/1.1"])
    mine = tls_ca.issue("alice@example.com")
    text = s_client(server, "-cert", mine.cert_file, "-key", mine.key_file, "-alpn", "http/1.1")
    assert "ALPN protocol: http/1.1" in text
    server.wait_for(lambda s: not s.open_connections)
    assert "alice@example.com" in str(server.connections[0].tls)


@program("curl")
def test_curl(tls_server: TlsServer, tls_ca: Authority) -> None:
    say_hello(tls_server)
    good = curl(tls_server, "--cacert", tls_ca.cert_file)
    assert good.stdout == "hello"
    assert "unable to get local issuer certificate" in curl(tls_server).stderr
    with tls_server.inject(HandshakeFailure()):
        assert "handshake failure" in curl(tls_server, "--cacert", tls_ca.cert_file).stderr
    with tls_server.inject(HandshakeStall()):
        assert curl(tls_server, "--cacert", tls_ca.cert_file, "--max-time", "0.3").returncode == 28  # timed out


@program("curl")
def test_curl_checks_the_host_and_the_pin(netmocks: Netmocks, tls_ca: Authority) -> None:
    server = netmocks.tls(certificate=tls_ca.issue("localhost", wrong_host=True))
    assert curl(server, "--cacert", tls_ca.cert_file).returncode == 60
    server = netmocks.tls()
    wrong = "sha256//" + "A" * 43 + "="
    assert curl(server, "--cacert", tls_ca.cert_file, "--pinnedpubkey", wrong).returncode == 90


async def test_aiohttp(netmocks: Netmocks, tls_ca: Authority) -> None:
    server = netmocks.tls()
    say_hello(server)
    url = f"https://localhost:{server.port}/"
    connector = aiohttp.TCPConnector(ssl=server.client_context())
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as response:
        assert await response.text() == "hello"
    expired = netmocks.tls(certificate=tls_ca.issue("localhost", expired=True))
    connector = aiohttp.TCPConnector(ssl=server.client_context(), force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError, match="expired"):
            await session.get(f"https://localhost:{expired.port}/")


def test_trio(tls_server: TlsServer) -> None:
    async def main() -> None:
        with trio.fail_after(10):
            stream = await trio.open_ssl_over_tcp_stream(
                "localhost", tls_server.port, ssl_context=tls_server.client_context()
            )
            await stream.send_all(b"hello")
            assert await stream.receive_some(5) == b"hello"
            await stream.aclose()  # close_notify, and waits for ours
            with tls_server.inject(HandshakeFailure()):
                stream = await trio.open_ssl_over_tcp_stream(
                    "localhost", tls_server.port, ssl_context=tls_server.client_context()
                )
                with pytest.raises(trio.BrokenResourceError) as caught:
                    await stream.do_handshake()
                assert isinstance(caught.value.__cause__, ssl.SSLError)
                await trio.aclose_forcefully(stream)

    trio.run(main)


@program("sslscan")
def test_sslscan_reports_what_was_configured(netmocks: Netmocks, tmp_path: pathlib.Path) -> None:
    server = netmocks.tls(min_version="TLSv1.2", max_version="TLSv1.3", ciphers="ECDHE-ECDSA-AES256-GCM-SHA384")
    address = f"{server.host}:{server.port}"
    command = ["sslscan", "--no-colour", "--sni-name=localhost", address]
    text = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    versions = dict(re.findall(r"^(TLSv1\.\d)\s+(enabled|disabled)", text, re.MULTILINE))
    assert versions == {"TLSv1.0": "disabled", "TLSv1.1": "disabled", "TLSv1.2": "enabled", "TLSv1.3": "enabled"}
    accepted = set(re.findall(r"(?:Preferred|Accepted)\s+TLSv1\.2\s+\d+ bits\s+(\S+)", text))
    assert accepted == {"ECDHE-ECDSA-AES256-GCM-SHA384"}

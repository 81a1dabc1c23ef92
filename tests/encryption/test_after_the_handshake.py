"""Alerts of connections whose handshake is over."""

from __future__ import annotations

import ssl
import subprocess

import pytest
from helpers import connect, program, read_exactly, shake

from pytest_netmocks.faults import Corrupt
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.records.tls import TlsInfo
from pytest_netmocks.servers.stream import StreamServer


def info(server: StreamServer) -> TlsInfo:
    found = server.connections[0].tls
    assert found is not None
    return found


@program("openssl")
@pytest.mark.parametrize("before", [b"", b"hello\n"])
def test_a_renegotiation_that_is_refused_is_on_record(netmocks: Netmocks, before: bytes) -> None:
    server = netmocks.tls(max_version="TLSv1.2")
    server.when(b"nobody says this").reply(b"")  # no echo, which would be in the way of the handshake
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", server.ca.cert_file]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        assert client.stdin is not None
        server.wait_for(lambda s: s.connections and s.connections[0].tls and s.connections[0].tls.version, timeout=30)
        if before:
            client.stdin.write(before)
            client.stdin.flush()
            server.wait_for(lambda s: s.connections[0].received == before, timeout=30)
        client.stdin.write(b"R\n")
        client.stdin.flush()
        said = client.communicate(timeout=30)[0]
    assert b"no renegotiation" in said
    assert info(server).alert_sent == "no_renegotiation"
    assert "alert no_renegotiation sent" in str(server.timeline)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_the_alert_that_a_broken_record_gets_is_on_record(netmocks: Netmocks, version: str) -> None:
    server = netmocks.tls(max_version=version)
    with shake(server) as sock:
        sock.sendall(b"fine")
        read_exactly(sock, 4)
        server.inject(Corrupt(1.0, layer="tls", direction="upstream"))
        sock.sendall(b"hello")
        with pytest.raises(ssl.SSLError) as failure:
            sock.recv(5)
    sent = info(server).alert_sent
    assert sent is None or sent.upper() in str(failure.value)
    assert server.connections[0].closed_by == "server"


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize(
    ("record", "alert"),
    [
        (b"\x17\x03\x03\x00\x20" + bytes(32), "bad_record_mac"),
        (b"\x17\x03\x03\xff\xff" + bytes(100), "record_overflow"),
        (b"\x80\x03\x03\x00\x20" + bytes(32), {"TLSv1.2": "bad_record_mac", "TLSv1.3": "unexpected_message"}),
    ],
)
def test_and_it_is_the_one_that_the_client_gets(
    netmocks: Netmocks, version: str, record: bytes, alert: str | dict[str, str]
) -> None:
    server = netmocks.tls(max_version=version)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = server.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with connect(server) as sock:
        while True:
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
            else:
                break
        sock.sendall(outgoing.read() + record)
        while data := sock.recv(65536):
            incoming.write(data)
        expected = alert if isinstance(alert, str) else alert[version]
        with pytest.raises(ssl.SSLError, match=f"(?i)alert.{expected.replace('_', '.')}"):
            client.read(1)
    assert info(server).alert_sent == expected

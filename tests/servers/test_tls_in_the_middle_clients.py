"""Clients that go on with TLS after having asked for it: psycopg, ldap3."""

from __future__ import annotations

import contextlib
import re
import ssl
import warnings
from typing import Any

import psycopg
import pytest

from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.faults import HandshakeFailure
from pytest_netmocks.protocols.tcp.records import TcpRequest
from pytest_netmocks.protocols.tcp.server import TcpServer

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it asks pyasn1 for names of old
    import ldap3  # type: ignore[import-untyped]

pytestmark = pytest.mark.filterwarnings("ignore:ssl.match_hostname:DeprecationWarning")

ASK = b"\0\0\0\x08\x04\xd2\x16\x2f"
"""Postgres' SSLRequest."""

LOCAL = "host=localhost hostaddr=127.0.0.1 connect_timeout=10 gssencmode=disable"

POSTGRES = b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I"
"""Let in, and ready for a query."""


def postgres(server: TcpServer) -> None:
    server.when(re.compile(rb"\x00\x00.{2}\x00\x03\x00\x00.*?\x00\x00", re.DOTALL)).reply(POSTGRES)
    server.when(b"X\0\0\0\4").reply(b"", then_close=True)


@pytest.mark.parametrize("answer", [b"S", b"N"])
def test_psycopg_asks_for_tls(tcp_server: TcpServer, tls_ca: Authority, answer: bytes) -> None:
    postgres(tcp_server)
    rule = tcp_server.when(ASK).reply(answer)
    if answer == b"S":
        rule.start_tls()
    where = f"{LOCAL} port={tcp_server.port} user=u dbname=d"
    mode = f"sslmode=verify-full sslrootcert={tls_ca.cert_file}" if answer == b"S" else "sslmode=prefer"
    with psycopg.connect(f"{where} {mode}") as connection:
        assert connection.pgconn.ssl_in_use == (answer == b"S")
    assert (tcp_server.connections[0].tls is not None) == (answer == b"S")
    assert b"user\0u\0" in tcp_server.connections[0].received
    if answer == b"N":
        with pytest.raises(psycopg.OperationalError, match="server does not support SSL"):
            psycopg.connect(f"{where} sslmode=require")


def test_psycopg_does_not_trust_an_unknown_authority(tcp_server: TcpServer, tls_ca: Authority) -> None:
    postgres(tcp_server)
    tcp_server.when(ASK).reply(b"S").start_tls()
    tcp_server.certificate = tls_ca.issue("localhost", untrusted=True)
    where = f"{LOCAL} port={tcp_server.port} user=u"
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(f"{where} sslmode=verify-full sslrootcert={tls_ca.cert_file}")
    tls = tcp_server.wait_for(lambda s: s.connections[0].tls)
    tcp_server.wait_for(lambda s: tls.alert_received == "unknown_ca")


def answered(request: TcpRequest, kind: bytes) -> bytes:
    """A result that says success (RFC 4511, section 4.1.9), to the message with that number."""
    assert request.match is not None
    return b"\x30\x0c\x02\x01" + request.match.group(1) + kind + b"\x07\x0a\x01\x00\x04\x00\x04\x00"


def ldap(server: TcpServer) -> Any:
    """A client of a server that knows StartTLS (RFC 4511, section 4.14) and bind."""
    start_tls = re.compile(rb"\x30.\x02\x01(.)\x77.\x80\x16" + re.escape(b"1.3.6.1.4.1.1466.20037"), re.DOTALL)
    server.when(start_tls).reply(lambda request: answered(request, b"\x78")).start_tls()
    bind = re.compile(rb"\x30.\x02\x01(.)\x60.*", re.DOTALL)
    server.when(bind).reply(lambda request: answered(request, b"\x61"))
    trust = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=server.ca.cert_file)
    where = ldap3.Server("localhost", server.port, tls=trust, get_info=ldap3.NONE, connect_timeout=10)
    return ldap3.Connection(where, "cn=u", "secret", receive_timeout=10)


def test_ldap3_starts_tls_before_it_binds(tcp_server: TcpServer) -> None:
    client = ldap(tcp_server)
    assert client.start_tls()
    assert client.bind()
    assert tcp_server.connections[0].tls is not None
    assert b"secret" in tcp_server.connections[0].received
    with contextlib.suppress(OSError):
        client.unbind()


def test_ldap3_hears_of_a_handshake_that_fails(tcp_server: TcpServer) -> None:
    client = ldap(tcp_server)
    tcp_server.inject(HandshakeFailure())
    with pytest.raises(ldap3.core.exceptions.LDAPStartTLSError):
        client.start_tls()
    assert b"secret" not in tcp_server.connections[0].received

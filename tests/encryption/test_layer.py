"""TLS between two links: alerts, ends, faults on both layers, records."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import socket
import ssl
import time
from typing import Any

import pytest
from helpers import CUT_OFF, abort, connect, noticing, read_exactly, read_to_end, shake

from pytest_netmocks import Authority, Certificate
from pytest_netmocks.faults import (
    Bandwidth,
    Blackhole,
    Close,
    Corrupt,
    HandshakeFailure,
    HandshakeStall,
    Latency,
    Reset,
    Slice,
    Stall,
    alerts,
)
from pytest_netmocks.link.runqueue import RunQueue
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.server import TcpServer, TlsServer


@pytest.mark.parametrize("alert", alerts.ALERTS)
def test_every_alert_goes_out_as_it_is(tls_server: TlsServer, alert: str) -> None:
    injection = tls_server.inject(HandshakeFailure(alert))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls_server.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with connect(tls_server) as sock:
        sock.sendall(outgoing.read())
        level = 1 if alert in ("close_notify", "user_canceled") else 2
        assert read_to_end(sock) == bytes([21, 3, 3, 0, 2, level, alerts.ALERTS[alert]])
    (connection,) = tls_server.connections
    assert (connection.closed_by, connection.faults, injection.hits) == ("fault", ["HandshakeFailure"], 1)
    assert connection.tls is not None
    assert connection.tls.alert_sent == alert


def test_an_unknown_alert_is_named() -> None:
    with pytest.raises(ValueError, match=r"HandshakeFailure: alert must be one of 'close_notify', .* not 'nope'"):
        HandshakeFailure("nope")


def test_a_stalled_handshake_goes_on_when_the_stall_is_lifted(tls_server: TlsServer) -> None:
    with connect(tls_server) as raw:
        injection = tls_server.inject(HandshakeStall())
        raw.settimeout(0.05)
        context = tls_server.client_context()
        sock = context.wrap_socket(raw, server_hostname="localhost", do_handshake_on_connect=False)
        with pytest.raises(TimeoutError):
            sock.do_handshake()
        tls_server.wait_for(lambda s: injection.hits)
        injection.lift()
        sock.settimeout(10)
        sock.do_handshake()
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        sock.close()
    assert injection.hits == 1


def test_a_client_that_gives_up_a_stalled_handshake_is_off_the_books(tls_server: TlsServer) -> None:
    tls_server.inject(HandshakeStall())
    with pytest.raises(TimeoutError):
        tls_server.client_context().wrap_socket(
            socket.create_connection(tls_server.address, timeout=0.05), server_hostname="localhost"
        )
    tls_server.wait_for(lambda s: s.connections and not s.open_connections)
    assert tls_server.connections[0].closed_by == "client"


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_alerts_of_both_sides_are_on_record(netmocks: Netmocks, tls_ca: Authority, version: Any) -> None:
    server = netmocks.tls(client_cert="required", max_version=version)
    expected = "certificate_required" if version == "TLSv1.3" else "handshake_failure"
    with pytest.raises(ssl.SSLError, match=expected.replace("_", ".")), shake(server) as sock:
        sock.recv(1)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server, ssl.create_default_context())
    server.wait_for(lambda s: not s.open_connections)
    first, second = server.connections
    assert first.tls is not None
    assert second.tls is not None
    assert (first.tls.alert_sent, first.closed_by) == (expected, "server")
    assert (second.tls.alert_received, second.closed_by) == ("unknown_ca", "client")
    assert f"the handshake failed, alert {expected} sent" in str(server.timeline)


def test_an_optional_client_certificate(netmocks: Netmocks, tls_ca: Authority) -> None:
    server = netmocks.tls(client_cert="optional")
    shake(server).close()
    with shake(server, tls_ca.client_context(tls_ca.issue("bob"))) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
    none, bob = (connection.tls for connection in server.connections)
    assert none is not None
    assert none.client_cert is None
    assert bob is not None
    assert bob.client_cert is not None
    assert bob.client_cert["subjectAltName"] == (("DNS", "bob"),)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("tickets", [True, False])
def test_sessions_are_resumed_unless_told_otherwise(netmocks: Netmocks, version: Any, tickets: bool) -> None:
    server = netmocks.tls(max_version=version, tickets=tickets)
    session = None
    for _ in range(2):
        context = server.client_context()
        sock = context.wrap_socket(connect(server), server_hostname="localhost", session=session)
        sock.sendall(b"x")
        read_exactly(sock, 1)
        session = sock.session
        sock.close()
    first, second = (connection.tls for connection in server.connections)
    assert first is not None
    assert second is not None
    assert (first.resumed, second.resumed) == (False, tickets)


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"])
def test_every_version(netmocks: Netmocks, version: Any) -> None:
    server = netmocks.tls(max_version=version)
    context = server.client_context()
    if version in ("TLSv1", "TLSv1.1"):
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1
    with shake(server, context) as sock:
        assert sock.version() == version
        sock.sendall(b"x")
        read_exactly(sock, 1)
    (connection,) = server.connections
    assert connection.tls is not None
    assert connection.tls.version == version


def test_ciphers(netmocks: Netmocks) -> None:
    server = netmocks.tls(max_version="TLSv1.2", ciphers="ECDHE-ECDSA-CHACHA20-POLY1305")
    with shake(server) as sock:
        cipher = sock.cipher()
    assert cipher is not None
    assert cipher[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"
    assert server.connections[0].tls is not None
    assert server.connections[0].tls.cipher == cipher[0]


def test_key_log(netmocks: Netmocks, tmp_path: pathlib.Path) -> None:
    server = netmocks.tls(key_log=tmp_path / "keys")
    with shake(server) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)  # in TLS 1.3 the client's handshake ends before the server's
    assert "CLIENT_TRAFFIC_SECRET_0" in (tmp_path / "keys").read_text()


def test_every_server_logs_its_keys_where_it_was_told(
    netmocks: Netmocks, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        for _ in range(2):
            server = netmocks.tls(key_log="keys")
            with shake(server) as sock:
                sock.sendall(b"x")
                read_exactly(sock, 1)
            assert "CLIENT_TRAFFIC_SECRET_0" in pathlib.Path("keys").read_text()
            pathlib.Path("keys").unlink()


def test_a_certificate_that_was_renewed_in_its_place_is_the_one_that_is_shown(
    netmocks: Netmocks, tls_ca: Authority, tmp_path: pathlib.Path
) -> None:
    mine = Certificate(str(tmp_path / "cert"), str(tmp_path / "key"))
    for name in ("old.test", "new.test"):
        issued = tls_ca.issue(name)
        (tmp_path / "cert").write_bytes(issued.cert_pem)
        (tmp_path / "key").write_text(pathlib.Path(issued.key_file).read_text())
        shake(netmocks.tls(certificate=mine), name=name).close()


def test_an_international_name_chooses_its_certificate(netmocks: Netmocks, tls_ca: Authority) -> None:
    certificates = [tls_ca.issue("first.test"), tls_ca.issue("bücher.example"), tls_ca.issue("*.straße.test")]
    server = netmocks.tls(certificate=certificates)
    for name in ("bücher.example", "xn--bcher-kva.example", "a.xn--strae-oqa.test", "first.test"):
        shake(server, name=name).close()


def shaken_by_hand(server: TlsServer, sock: socket.socket) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    """A client whose handshake is over, and what it reads and writes: the end of it has not been sent."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = server.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            client.do_handshake()
            return client, incoming, outgoing
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))


def test_an_alert_after_the_handshake_is_the_clients(tls_server: TlsServer) -> None:
    with connect(tls_server) as sock:
        client, incoming, outgoing = shaken_by_hand(tls_server, sock)
        client.write(b"x")
        sock.sendall(outgoing.read())
        tls_server.wait_for(lambda s: s.connections[0].bytes_sent == 1)
        records = bytearray(sock.recv(65536))  # the echo, and tickets before it
        records[-1] ^= 1
        incoming.write(bytes(records))
        with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac|decryption.failed"):
            while True:
                client.read()
        sock.sendall(outgoing.read())
        tls_server.wait_for(lambda s: not s.open_connections)
    connection = tls_server.connections[0]
    assert connection.tls is not None
    assert (connection.closed_by, connection.tls.alert_received) == ("client", "bad_record_mac")


# Ends


def test_close_notify_both_ways(tls_server: TlsServer) -> None:
    with shake(tls_server) as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        sock.unwrap().close()  # waits for the server's
    tls_server.wait_for(lambda s: not s.open_connections)
    assert tls_server.connections[0].closed_by == "client"
    assert "without close_notify" not in str(tls_server.timeline)


def test_a_client_that_only_finishes(tls_server: TlsServer) -> None:
    with shake(tls_server) as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
    tls_server.wait_for(lambda s: not s.open_connections)
    assert "the client finished without close_notify" in str(tls_server.timeline)


def test_a_client_that_never_answers_close_notify_holds_up_nobody(tls_server: TlsServer) -> None:
    with shake(tls_server) as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        tls_server.connections[0].close()
        assert not tls_server.open_connections
        shake(tls_server).close()
        begin = time.perf_counter()
        tls_server.stop()
        assert time.perf_counter() - begin < 10
        assert sock.recv(1) == b""  # the close_notify is there


@pytest.mark.parametrize(("layer", "ragged"), [("application", False), ("tls", True)])
def test_close_says_goodbye_above_and_not_below(tls_server: TlsServer, layer: Any, ragged: bool) -> None:
    with shake(tls_server, noticing(tls_server.client_context())) as sock:
        sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]  # typeshed does not know it
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        tls_server.inject(Close(layer=layer))
        if ragged:
            with pytest.raises(CUT_OFF, match=r"(?i)eof"):
                sock.recv(1)
        else:
            assert sock.recv(1) == b""
    assert tls_server.connections[0].closed_by == "fault"


def test_half_closed_by_the_server(netmocks: Netmocks) -> None:
    got = []

    async def handler(reader: Any, writer: Any) -> None:
        writer.write(b"all of it")
        writer.write_eof()
        got.append(await reader.read())

    server = netmocks.tls()
    server.handle(handler)
    with shake(server) as sock:
        assert read_to_end(sock) == b"all of it"
        sock.sendall(b"and an answer")
        sock.unwrap().close()
    server.wait_for(lambda _: got == [b"and an answer"])


# Faults on both layers


@pytest.mark.parametrize("layer", ["application", "tls"])
@pytest.mark.parametrize("fault", [Latency(0.02), Bandwidth(2_000_000), Slice(1000), Latency(0.01, 0.01)])
def test_shaped_bytes_are_the_same_bytes(tls_server: TlsServer, fault: Any, layer: str) -> None:
    kind = type(fault)
    data = bytes(range(256)) * 400
    arguments = {name: value for name, value in vars(fault).items() if name not in ("layer", "direction")}
    tls_server.inject(kind(**arguments, layer=layer, direction="both"))
    with shake(tls_server) as sock:
        sock.sendall(data)
        assert read_exactly(sock, len(data)) == data
    tls_server.wait_for(lambda s: not s.open_connections)
    assert tls_server.connections[0].received == data


@pytest.mark.in_memory
def test_what_a_client_says_with_the_end_of_its_handshake_keeps_its_order(
    tls_server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of it than is looked at in one step, in pieces of which the last wait below while the step has its turn."""
    monkeypatch.setattr(RunQueue, "take", lambda _, work: asyncio.get_running_loop().call_soon(work))
    tls_server.inject(Slice(1000, layer="tls", direction="upstream"))
    data = bytes(range(256)) * 400
    with connect(tls_server) as sock:
        client, incoming, outgoing = shaken_by_hand(tls_server, sock)
        client.write(data)
        sock.sendall(outgoing.read())
        got = b""
        while len(got) < len(data):
            try:
                got += client.read(65536)
            except ssl.SSLWantReadError:
                incoming.write(sock.recv(65536))
    assert got == data


def test_faults_of_both_layers_add(tls_server: TlsServer) -> None:
    tls_server.inject(Latency(0.05, layer="tls"))
    tls_server.inject(Latency(0.05))
    with shake(tls_server) as sock:
        begin = time.perf_counter()
        sock.sendall(b"x")
        read_exactly(sock, 1)
        assert time.perf_counter() - begin >= 0.1


def test_the_last_bytes_come_through_a_slow_cipher_before_the_reset(tls_server: TlsServer) -> None:
    tls_server.inject(Latency(0.05, layer="tls"))
    tls_server.inject(Reset(after_bytes=3))
    with shake(tls_server) as sock:
        sock.sendall(b"hello")
        assert read_exactly(sock, 3) == b"hel"


@pytest.mark.parametrize("size", [0, 1, 5, 50, 200])
def test_a_handshake_cut_anywhere(tls_server: TlsServer, size: int) -> None:
    tls_server.inject(Close(after_bytes=size, layer="tls"), first=1)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake(tls_server)
    assert tls_server.connections[0].closed_by == "fault"
    shake(tls_server).close()


def test_a_corrupted_record_from_the_client_is_an_alert(tls_server: TlsServer) -> None:
    with shake(tls_server) as sock:
        sock.sendall(b"fine")
        assert read_exactly(sock, 4) == b"fine"
        tls_server.inject(Corrupt(1.0, layer="tls", direction="upstream"))
        sock.sendall(b"hello")
        with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
            sock.recv(5)
    assert tls_server.connections[0].closed_by == "server"


def test_a_stall_below_holds_back_and_lets_go(tls_server: TlsServer) -> None:
    with shake(tls_server) as sock:
        sock.sendall(b"a")
        assert read_exactly(sock, 1) == b"a"
        injection = tls_server.inject(Stall(layer="tls"))
        sock.settimeout(0.05)
        sock.sendall(b"b")
        with pytest.raises(TimeoutError):
            sock.recv(1)
        injection.lift()
        sock.settimeout(10)
        assert read_exactly(sock, 1) == b"b"


def test_connection_close_passes_a_stall_below(tls_server: TlsServer) -> None:
    with shake(tls_server) as sock:
        sock.sendall(b"a")
        read_exactly(sock, 1)
        tls_server.inject(Stall(layer="tls"))
        tls_server.connections[0].close()
        assert sock.recv(1) == b""


def test_a_blackhole_below_is_silence_and_the_record_closes(tls_server: TlsServer) -> None:
    tls_server.inject(Blackhole(layer="tls"))
    with pytest.raises(TimeoutError):
        tls_server.client_context().wrap_socket(
            socket.create_connection(tls_server.address, timeout=0.05), server_hostname="localhost"
        )
    tls_server.wait_for(lambda s: not s.open_connections)


def test_a_script_of_both_layers(tls_server: TlsServer) -> None:
    tls_server.script([HandshakeFailure()], [Reset(after_bytes=10, layer="tls")], [Close(after_bytes=2)], [])
    with pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"):
        shake(tls_server)
    with pytest.raises((ConnectionResetError, ssl.SSLError)):
        shake(tls_server)
    with shake(tls_server) as sock:
        sock.sendall(b"hello")
        assert read_to_end(sock) == b"he"
    with shake(tls_server) as sock:
        sock.sendall(b"hello")
        assert read_exactly(sock, 5) == b"hello"


@pytest.mark.parametrize("fault", [HandshakeStall(), HandshakeFailure(), Reset(layer="tls")])
def test_what_makes_no_sense_without_tls_is_refused(tcp_server: TcpServer, fault: Any) -> None:
    with pytest.raises(ValueError, match="there is no TLS on tcp_server"):
        tcp_server.inject(fault)


def test_a_rule_cannot_strike_a_handshake(tls_server: TlsServer) -> None:
    with pytest.raises(ValueError, match="before anything a rule could match"):
        tls_server.when(b"x").inject(HandshakeFailure())


# Clients that misbehave


GARBAGE = [b"", b"\x16", b"\x16\x03\x01\xff\xff", b"\x16\x03\x01\x00\x05hello", b"GET / HTTP/1.1\r\n\r\n", bytes(70000)]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_hurts_nobody(tls_server: TlsServer, garbage: bytes) -> None:
    for _ in range(20):
        sock = connect(tls_server)
        sock.sendall(garbage)
        abort(sock)
    half = connect(tls_server)
    half.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
    with shake(tls_server) as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
        begin = time.perf_counter()
        tls_server.stop()
        assert time.perf_counter() - begin < 10
    half.close()
    tls_server.wait_for(lambda s: not s.open_connections)


def test_many_handshakes_at_once(tls_server: TlsServer) -> None:
    context = tls_server.client_context()
    raw = [connect(tls_server) for _ in range(200)]
    socks = [context.wrap_socket(sock, server_hostname="localhost") for sock in raw]
    for sock in socks:
        sock.sendall(b"x")
    assert all(read_exactly(sock, 1) == b"x" for sock in socks)
    assert tls_server.peak_connections == 200
    for sock in socks:
        sock.close()


def test_a_slow_reader_does_not_grow_the_process(tls_server: TlsServer) -> None:
    with shake(tls_server) as sock:
        sock.setblocking(False)
        sent = 0
        with pytest.raises(ssl.SSLWantWriteError):
            while sent < 1 << 30:
                sent += sock.send(bytes(65536))
    assert sent < 100 << 20


# Proxies


@pytest.mark.parametrize("tls", [True, False])
def test_a_proxy_that_speaks_tls_on_either_side(netmocks: Netmocks, tls: bool) -> None:
    upstream = netmocks.tls()
    proxy = netmocks.tcp_proxy(upstream, tls=tls, upstream_tls=True)
    data = bytes(range(256)) * 4000
    sock: socket.socket = connect(proxy)
    if tls:
        sock = proxy.client_context().wrap_socket(sock, server_hostname="localhost")
    with sock:
        sock.sendall(data)
        assert read_exactly(sock, len(data)) == data
    proxy.wait_for(lambda s: not s.open_connections)
    upstream.wait_for(lambda s: not s.open_connections)
    assert proxy.connections[0].received == upstream.connections[0].received == data


def test_a_proxy_tells_why_its_upstream_will_not_speak_tls(netmocks: Netmocks) -> None:
    upstream = netmocks.tls()
    upstream.inject(HandshakeFailure())
    proxy = netmocks.tcp_proxy(upstream, upstream_tls=True)
    with pytest.raises(ConnectionResetError), connect(proxy) as sock:
        sock.recv(1)
    assert "the TLS handshake with the upstream failed" in str(proxy.timeline)


def test_a_proxy_trusts_whom_it_is_told_to(netmocks: Netmocks) -> None:
    upstream = netmocks.tls()
    proxy = netmocks.tcp_proxy(upstream, upstream_tls=ssl.create_default_context())
    with pytest.raises(ConnectionResetError), connect(proxy) as sock:
        sock.recv(1)
    upstream.wait_for(lambda s: not s.open_connections)
    assert upstream.connections[0].tls is not None
    assert upstream.connections[0].tls.alert_received == "unknown_ca"


def test_a_client_that_hangs_up_without_an_alert_may_not_trust_the_certificate(tls_server: TlsServer) -> None:
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(came, goes, server_hostname="localhost").do_handshake()
    with connect(tls_server) as sock:
        sock.sendall(goes.read())
        assert sock.recv(1)
        sock.shutdown(socket.SHUT_WR)
        read_to_end(sock)
    assert "before its end (as a client on asyncio does that does not trust the certificate" in str(tls_server.timeline)

"""Events of the wire: what the kernel took and gave, for who asks, and nowhere else."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from pytest_netmocks import Netmocks, SmtpServer, TcpServer, UdpServer
from pytest_netmocks.faults import HandshakeFailure, Latency, Loss, Reset
from pytest_netmocks.records.events import Event, Keys, Received, WireEnded, WireReceived, WireSent
from pytest_netmocks.servers.server import Server

LINGER_ZERO = struct.pack("ii", 1, 0)


@contextlib.contextmanager
def wire_of(server: Server) -> Iterator[list[Event]]:
    heard: list[Event] = []
    server.journal.subscribe(heard.append, wire=True)
    yield heard
    server.close()


def data(heard: Iterable[Event], kind: type[Any]) -> bytes:
    pieces: list[Any] = [event for event in heard if type(event) is kind]
    assert [piece.offset for piece in pieces] == [sum(one.size for one in pieces[:i]) for i in range(len(pieces))]
    return b"".join(piece.data for piece in pieces)


def ends(heard: Iterable[Event]) -> list[tuple[str, str]]:
    return [(event.direction, event.sign) for event in heard if isinstance(event, WireEnded)]


def copied(heard: list[Event], server: Server) -> None:
    """Hear with copies: what pieces hold is lent."""

    def hear(event: Event) -> None:
        if isinstance(event, (WireReceived, WireSent)):
            event = type(event)(*event._replace(source=event.data, start=0))
        heard.append(event)

    server.journal.subscribe(hear, wire=True)


def connected(server: Server) -> socket.socket:
    return socket.create_connection(server.address, timeout=30)


def test_bytes_and_ends_are_told_in_order(tcp_server: TcpServer) -> None:
    tcp_server.when(b"ask").reply(b"answer")
    with wire_of(tcp_server) as heard, connected(tcp_server) as client:
        client.sendall(b"ask")
        assert client.recv(100) == b"answer"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""
    assert data(heard, WireReceived) == b"ask"
    assert data(heard, WireSent) == b"answer"
    assert ends(heard) == [("upstream", "FIN"), ("downstream", "FIN")]


def test_none_of_it_is_kept_or_told_to_who_has_not_asked(tcp_server: TcpServer) -> None:
    usual: list[Event] = []
    tcp_server.subscribe(usual.append)
    with wire_of(tcp_server) as heard, connected(tcp_server) as client:
        client.sendall(b"ask")
        client.recv(100)
    for kind in (WireReceived, WireSent, WireEnded):
        assert any(type(event) is kind for event in heard)
        assert not any(type(event) is kind for event in usual)
        assert not any(type(event) is kind for event in tcp_server.journal.log)
    assert any(type(event) is Received for event in usual)


def test_without_anybody_who_asks_connections_have_sockets_as_they_are(tcp_server: TcpServer) -> None:
    with connected(tcp_server):
        tcp_server.wait_for(lambda server: server.connections)
        assert [type(wire.socket) for wire in tcp_server.front.wires] == [socket.socket]


def test_what_a_fault_keeps_back_is_not_on_the_wire(tcp_server: TcpServer) -> None:
    tcp_server.inject(Reset(after_bytes=4))
    with wire_of(tcp_server) as heard, connected(tcp_server) as client:
        client.sendall(b"0123456789")
        assert client.recv(100) == b"0123"
        with pytest.raises(ConnectionResetError):
            client.recv(100)
    assert data(heard, WireSent) == b"0123"
    assert ends(heard) == [("downstream", "RST")]


def test_the_clients_rst_is_told_as_its_own(tcp_server: TcpServer) -> None:
    with wire_of(tcp_server) as heard, connected(tcp_server) as client:
        client.sendall(b"x")
        assert client.recv(100) == b"x"
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        client.close()
        tcp_server.wait_for(lambda server: not server.connections[0].is_open)
    assert ends(heard) == [("upstream", "RST")]


def test_bytes_that_the_kernel_never_took_are_not_told(netmocks: Netmocks) -> None:
    size = 20 << 20
    server = netmocks.tcp()
    server.when(b"ask").reply(bytes(size))
    heard: list[Event] = []
    copied(heard, server)
    with connected(server) as client:
        client.sendall(b"ask")
        assert client.recv(10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        client.close()
        server.wait_for(lambda one: not one.connections[0].is_open)
    assert 10 <= len(data(heard, WireSent)) < size
    assert ends(heard) == [("upstream", "RST")]


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_the_keys_of_each_handshake_are_told_on_its_connection(netmocks: Netmocks, version: str) -> None:
    server = netmocks.tcp(tls=True, min_version=version, max_version=version)
    with wire_of(server) as heard:
        for _ in range(2):
            with server.client_context().wrap_socket(connected(server), server_hostname="localhost") as client:
                client.sendall(b"secret")
                assert client.recv(100) == b"secret"
    lines = [(event.connection, line) for event in heard if isinstance(event, Keys) for line in event.text.splitlines()]
    randoms = {number: {line.split()[1] for one, line in lines if one == number} for number in (1, 2)}
    assert len(randoms[1]) == len(randoms[2]) == 1
    assert randoms[1] != randoms[2]
    for number, random in randoms.items():
        hello = data((event for event in heard if event.connection == number), WireReceived)
        assert bytes.fromhex(*random) in hello
    labels = {line.split()[0] for _, line in lines}
    expected = {"CLIENT_RANDOM"} if version == "TLSv1.2" else {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"}
    assert expected <= labels


def test_a_key_log_of_the_users_is_written_as_before_and_read_only(netmocks: Netmocks, tmp_path: pathlib.Path) -> None:
    log = tmp_path / "keys.log"
    log.write_text("# mine\n")
    server = netmocks.tcp(tls=True, key_log=log)
    context = server.client_context()
    with wire_of(server) as heard, context.wrap_socket(connected(server), server_hostname="localhost") as client:
        client.sendall(b"x")
        client.recv(1)
    lines = log.read_text().splitlines()
    assert lines[0] == "# mine"
    told = [line for event in heard if isinstance(event, Keys) for line in event.text.splitlines()]
    assert told
    assert set(told) <= set(lines)


def test_keys_of_a_failed_handshake_are_told_as_far_as_there_are_any(netmocks: Netmocks) -> None:
    server = netmocks.tcp(tls=True)
    with wire_of(server) as heard, connected(server) as raw, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(raw, server_hostname="localhost")
    labels = {line.split()[0] for event in heard if isinstance(event, Keys) for line in event.text.splitlines()}
    assert "SERVER_HANDSHAKE_TRAFFIC_SECRET" in labels


def test_a_handshake_that_a_fault_refuses_has_no_keys(netmocks: Netmocks) -> None:
    server = netmocks.tcp(tls=True)
    server.inject(HandshakeFailure())
    with wire_of(server) as heard, connected(server) as raw, pytest.raises(ssl.SSLError):
        server.client_context().wrap_socket(raw, server_hostname="localhost")
    assert not any(isinstance(event, Keys) for event in heard)


def test_keys_come_after_starttls_too(smtp_server: SmtpServer) -> None:
    import smtplib

    with wire_of(smtp_server) as heard, smtplib.SMTP(*smtp_server.address, timeout=30) as client:
        client.starttls(context=smtp_server.client_context())
        client.noop()
    assert any(isinstance(event, Keys) for event in heard)
    assert b"STARTTLS" in data(heard, WireReceived)


def test_contexts_are_shared_by_who_wants_keys_and_apart_from_the_others(netmocks: Netmocks) -> None:
    first, second, third = netmocks.tcp(tls=True), netmocks.tcp(tls=True), netmocks.tcp(tls=True)
    with wire_of(first), wire_of(second):
        assert first.front.offered() is second.front.offered()
        assert third.front.offered() is third.front.contexts
        assert first.front.offered() is not third.front.offered()


def test_a_datagram_is_told_when_it_leaves_and_not_if_it_is_lost(udp_server: UdpServer) -> None:
    udp_server.when(b"a").reply(b"one", b"two")
    udp_server.inject(Loss(1.0, direction="upstream"), nth=1)
    udp_server.inject(Latency(0.05, direction="downstream"))
    with wire_of(udp_server) as heard, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        for _ in range(2):
            client.sendto(b"a", udp_server.address)
        assert [client.recv(10), client.recv(10)] == [b"one", b"two"]
    came = [event.at for event in heard if isinstance(event, WireReceived)]
    left = [event.at for event in heard if isinstance(event, WireSent)]
    assert len(came) == 1
    assert len(left) == 2
    assert min(left) >= came[0] + 0.05


def test_two_threads_do_not_mix_their_keys(netmocks: Netmocks) -> None:
    server = netmocks.tcp(tls=True)

    def talk() -> None:
        with server.client_context().wrap_socket(connected(server), server_hostname="localhost") as client:
            client.sendall(b"x")
            client.recv(1)

    with wire_of(server) as heard:
        threads = [threading.Thread(target=talk) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    randoms: dict[int, set[str]] = {}
    for event in heard:
        if isinstance(event, Keys):
            randoms.setdefault(event.connection, set()).update(line.split()[1] for line in event.text.splitlines())
    assert len(randoms) == 8
    assert all(len(found) == 1 for found in randoms.values())
    assert len(set.union(*randoms.values())) == 8

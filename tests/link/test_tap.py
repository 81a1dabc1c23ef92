"""A tap hears what really passes, either way: bytes, FINs and RSTs, with the time; and where none is, none costs."""

from __future__ import annotations

import smtplib
import ssl

import pytest
from helpers import abort, connect, read_exactly, read_to_end, shake

from pytest_netmocks.faults import Close, Latency, Reset, Slice
from pytest_netmocks.link.ports import End
from pytest_netmocks.link.tap import Ear, Tap
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.protocols.tcp.server import TcpServer, TlsServer
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.stack import Place
from pytest_netmocks.servers.stream import StreamServer

Heard = list[tuple[float, str, bytes | End]]


def listen(server: StreamServer, place: Place = "wire") -> Heard:
    heard: Heard = []

    def hear(at: float, side: str, what: bytes | memoryview | End) -> None:
        heard.append((at, side[0], what if isinstance(what, End) else bytes(what)))

    server.listen_in(lambda connection: hear, place)
    return heard


def whats(heard: Heard) -> list[tuple[str, bytes | End]]:
    return [(side, what) for _, side, what in heard]


def said(heard: Heard, side: str) -> bytes:
    return b"".join(what for _, toward, what in heard if toward == side and isinstance(what, bytes))


def test_a_tap_hears_both_sides_and_their_ends(tcp_server: TcpServer) -> None:
    heard = listen(tcp_server)
    with connect(tcp_server) as sock:
        sock.sendall(b"hello")
        read_exactly(sock, 5)
    tcp_server.wait_for(lambda server: ("d", End.FIN) in whats(heard))
    assert whats(heard) == [("u", b"hello"), ("d", b"hello"), ("u", End.FIN), ("d", End.FIN)]


def test_what_a_tap_on_the_wire_hears_is_the_faults_work_when_it_leaves(tcp_server: TcpServer) -> None:
    heard = listen(tcp_server)
    for fault in (Latency(0.1), Slice(2, delay=0.05), Reset(after_bytes=4)):
        tcp_server.inject(fault)
    with connect(tcp_server) as sock:
        sock.sendall(b"hello")
        with pytest.raises(ConnectionResetError):
            read_to_end(sock)
    assert whats(heard) == [("u", b"hello"), ("d", b"he"), ("d", b"ll"), ("d", End.RST)]
    came, first, second, _ = (at for at, _, _ in heard)
    assert first - came >= 0.1
    assert second - came >= 0.15


def test_a_clients_rst_is_heard_as_one(tcp_server: TcpServer) -> None:
    heard = listen(tcp_server)
    sock = connect(tcp_server)
    sock.sendall(b"x")
    read_exactly(sock, 1)
    abort(sock)
    tcp_server.wait_for(lambda server: not server.open_connections)
    assert whats(heard) == [("u", b"x"), ("d", b"x"), ("u", End.RST)]


def test_over_tls_the_wire_has_cipher_text_and_the_application_plain_text(tls_server: TlsServer) -> None:
    wire, plain = listen(tls_server), listen(tls_server, "application")
    tls_server.inject(Close(after_bytes=3))
    with shake(tls_server) as sock:
        sock.sendall(b"hello")
        assert read_to_end(sock) == b"hel"
    assert whats(plain)[:2] == [("u", b"hello"), ("d", b"hel")]
    assert said(wire, "u")[0] == said(wire, "d")[0] == 22  # a handshake record
    assert b"hel" not in said(wire, "u") + said(wire, "d")
    tls_server.wait_for(lambda server: ("d", End.FIN) in whats(wire))
    for heard in (wire, plain):
        assert whats(heard).count(("d", End.FIN)) == 1


def test_a_tap_stays_where_it_is_when_starttls_puts_tls_in(smtp_server: SmtpServer) -> None:
    wire, plain = listen(smtp_server), listen(smtp_server, "application")
    with smtplib.SMTP(*smtp_server.address) as client:
        client.starttls(context=smtp_server.client_context())
        client.noop()
    assert said(wire, "u").startswith(b"ehlo ")
    assert b"STARTTLS\r\n\x16\x03" in said(wire, "u")
    assert b"noop" not in said(wire, "u")
    assert said(plain, "u").upper().endswith(b"\r\nSTARTTLS\r\nNOOP\r\nQUIT\r\n")


def test_a_stack_without_listeners_has_no_tap(netmocks: Netmocks) -> None:
    for server in (netmocks.tcp(), netmocks.tls()):
        with connect(server) if not server.always_secure else shake(server) as sock:
            sock.sendall(b"x")
            read_exactly(sock, 1)
            (stack,) = server.front.links.values()
            assert not any(isinstance(layer, Tap) for layer in stack.layers)
            assert len(stack.layers) == (4 if isinstance(sock, ssl.SSLSocket) else 2)


def test_each_connection_has_an_ear_of_its_own(tcp_server: TcpServer) -> None:
    heard: list[tuple[int, bytes]] = []

    def ear(connection: Connection) -> Ear:
        def hear(at: float, side: str, what: bytes | memoryview | End) -> None:
            if not isinstance(what, End):
                heard.append((connection.id, bytes(what)))

        return hear

    tcp_server.listen_in(ear)
    with connect(tcp_server) as first, connect(tcp_server) as second:
        for sock, data in ((second, b"2"), (first, b"1")):
            sock.sendall(data)
            read_exactly(sock, 1)
    assert heard == [(2, b"2"), (2, b"2"), (1, b"1"), (1, b"1")]

"""`proxy_protocol=`: every stream server takes the PROXY header off what comes, and a TCP proxy says it."""

from __future__ import annotations

import ftplib
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import connect, outcome, read_exactly, read_to_end, say, shake
from hypothesis import given
from hypothesis import strategies as st
from openings import OPENINGS, STREAMS, opened, secured, speaks

import pytest_netmocks
from pytest_netmocks import Netmocks, Response
from pytest_netmocks.faults import Blackhole, Close, Latency, Reset, Stall
from pytest_netmocks.link import loop
from pytest_netmocks.link.introduction import PATIENCE
from pytest_netmocks.link.proxy_protocol import SIGNATURE, header
from pytest_netmocks.servers.stream import StreamServer

CLIENT, PROXY = ("192.0.2.7", 4711), ("192.0.2.1", 443)
LINE = header(1, CLIENT, PROXY)
BLOCK = header(2, ("2001:db8::7", 4711), ("2001:db8::1", 443))


def test_every_stream_server_has_an_opening() -> None:
    assert sorted(OPENINGS) == sorted(STREAMS)


@pytest.mark.parametrize("head", [LINE, BLOCK], ids=["v1", "v2"])
@pytest.mark.parametrize("name", STREAMS)
def test_the_client_is_who_the_header_says(netmocks: Netmocks, name: str, head: bytes) -> None:
    server = opened(netmocks, name, proxy_protocol=True)
    with connect(server) as sock:
        near = sock.getsockname()
        sock.sendall(head)
        with secured(server, sock) as secure:
            speaks(server, name, secure)
            [connection] = server.connections
    assert connection.proxy_header is not None
    assert connection.client_address == connection.proxy_header.source
    assert connection.client_address[1] == 4711
    assert connection.peer_address == near
    assert b"PROXY" not in connection.received


@pytest.mark.parametrize("name", STREAMS)
def test_without_a_header_nothing_is_said_and_the_connection_is_reset(netmocks: Netmocks, name: str) -> None:
    server = opened(netmocks, name, proxy_protocol=True)
    with connect(server) as sock, pytest.raises(ConnectionResetError):
        sock.sendall(b"EHLO me\r\n")
        assert sock.recv(100) == b""
    server.wait_for(lambda server: not server.open_connections)
    assert server.connections[0].closed_by == "server"
    assert "no PROXY header: what has come begins with b'EHLO me" in str(server.timeline)
    assert "no PROXY header" not in str(opened(netmocks, name).timeline)


def test_what_comes_behind_it_in_the_same_segment_is_the_protocol_s(netmocks: Netmocks) -> None:
    server = netmocks.http(proxy_protocol=True)
    server.when("/").reply(lambda request: Response(200, text=request.connection.client_address[0]))
    assert say(server, LINE + b"GET / HTTP/1.0\r\n\r\n", finish=True).endswith(b"\r\n\r\n192.0.2.7")


@pytest.mark.in_memory
@pytest.mark.parametrize("head", [LINE, BLOCK], ids=["v1", "v2"])
def test_it_may_come_byte_by_byte(netmocks: Netmocks, head: bytes) -> None:
    server = netmocks.smtp(proxy_protocol=True)
    with connect(server) as sock:
        for at in range(len(head)):
            assert server.connections[0].proxy_header is None
            sock.sendall(head[at : at + 1])
            server.settle()
        assert read_exactly(sock, 4) == b"220 "


@pytest.mark.in_memory
@pytest.mark.parametrize("begun", [b"", b"PROXY", SIGNATURE])
def test_who_sends_none_in_time_is_reset(netmocks: Netmocks, stage: Any, begun: bytes) -> None:
    server = netmocks.tcp(proxy_protocol=True)
    with connect(server, timeout=60) as sock, pytest.raises(ConnectionResetError):
        sock.sendall(begun)
        sock.recv(1)
    [connection] = server.connections
    assert connection.closed_at == pytest.approx(connection.opened_at + PATIENCE)
    assert "it has not come within 5 s" in str(server.timeline)


@pytest.mark.in_memory
def test_after_the_header_nobody_is_in_a_hurry(netmocks: Netmocks, stage: Any) -> None:
    server = netmocks.tcp(proxy_protocol=True)
    with connect(server) as sock:
        sock.sendall(LINE)
        server.settle()
        stage.pass_time(10 * PATIENCE)
        sock.sendall(b"hello")
        assert read_exactly(sock, 5) == b"hello"


def test_a_client_that_finishes_before_its_header_is_closed_by_itself(netmocks: Netmocks) -> None:
    server = netmocks.tcp(proxy_protocol=True)
    with connect(server) as sock, pytest.raises(ConnectionResetError):
        sock.sendall(LINE[:10])
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(10) == b""
    server.wait_for(lambda server: not server.open_connections)
    assert server.connections[0].closed_by == "client"
    assert "no PROXY header: the peer has finished before it was whole" in str(server.timeline)


@pytest.mark.parametrize("direction", ["upstream", "downstream"])
def test_faults_count_behind_the_header(netmocks: Netmocks, direction: Any) -> None:
    server = netmocks.tcp(proxy_protocol=True)
    server.inject(Close(after_bytes=3, direction=direction))
    with connect(server) as sock:
        sock.sendall(LINE + b"hello")
        assert read_to_end(sock) == b"hel"


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("fault", [Stall(), Blackhole(), Latency(0.01), Reset(after=30), Close(after=30)])
def test_a_fault_keeps_no_header_from_being_read(netmocks: Netmocks, fault: Any, where: str) -> None:
    server = netmocks.tcp(proxy_protocol=True)
    if where == "before":
        server.inject(fault)
    with connect(server) as sock:
        sock.sendall(LINE)
        server.wait_for(lambda server: server.connections and server.connections[0].proxy_header)
        injection = server.inject(fault) if where == "after" else server.in_force[0]
        sock.sendall(b"hello")
        if isinstance(fault, Stall | Blackhole):
            injection.lift()
        if isinstance(fault, Stall | Latency):
            assert read_exactly(sock, 5) == b"hello"
    assert server.connections[0].client_address == CLIENT


def test_a_fault_on_cipher_text_counts_from_the_client_hello(netmocks: Netmocks) -> None:
    server = netmocks.tls(proxy_protocol=True)
    server.inject(Close(after_bytes=1, direction="upstream", layer="tls"), first=1)
    with connect(server) as sock:
        sock.sendall(BLOCK)
        sock.sendall(b"\x16")
        assert read_to_end(sock) == b""
    with connect(server) as sock:
        sock.sendall(BLOCK)
        with secured(server, sock) as secure:
            speaks(server, "tls", secure)


class Introduced(ftplib.FTP):
    """A client of FTP whose control connection begins with a header."""

    def connect(self, host: str = "", port: int = 0, *_: Any, **__: Any) -> str:
        self.host = host
        self.sock = socket.create_connection((host, port), timeout=10)
        self.sock.sendall(LINE)
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome


@pytest.mark.parametrize("passive", [True, False])
def test_data_connections_of_ftp_come_without_one(netmocks: Netmocks, passive: bool) -> None:
    server = netmocks.ftp(proxy_protocol=True)
    (server.root / "a").write_bytes(b"hello")
    with Introduced() as client:
        client.connect(*server.address)
        client.login()
        client.set_pasv(passive)
        got: list[bytes] = []
        client.retrbinary("RETR a", got.append)
    assert got == [b"hello"]
    control, data = server.connections
    assert (control.client_address, data.proxy_header) == (CLIENT, None)


def test_datagrams_of_socks_come_from_where_the_connection_does(netmocks: Netmocks) -> None:
    server, udp = netmocks.socks5(proxy_protocol=True), netmocks.udp()
    with connect(server) as sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        sock.sendall(LINE + b"\5\1\0" + b"\5\3\0\1\0\0\0\0\0\0")
        port = int.from_bytes(read_exactly(sock, 12)[-2:])
        datagrams.settimeout(10)
        to_echo = b"\0\0\0\1" + socket.inet_aton("127.0.0.1") + udp.port.to_bytes(2)
        datagrams.sendto(to_echo + b"hello", ("127.0.0.1", port))
        assert datagrams.recv(100) == to_echo + b"hello"


def test_local_and_unknown_leave_the_address_that_it_came_from(netmocks: Netmocks) -> None:
    server = netmocks.tcp(proxy_protocol=True)
    for head in (b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\0\0\0"):
        with connect(server) as sock:
            sock.sendall(head + b"hello")
            assert read_exactly(sock, 5) == b"hello"
            connection = server.connections[-1]
            assert connection.client_address == connection.peer_address == sock.getsockname()


def test_stopping_the_server_ends_who_has_sent_no_header(netmocks: Netmocks) -> None:
    server = netmocks.tls(proxy_protocol=True)
    with connect(server) as sock:
        server.stop()
        assert sock.recv(1) == b""
    server.start()
    with connect(server) as sock:
        sock.sendall(LINE)
        with secured(server, sock) as secure:
            speaks(server, "tls", secure)


@pytest.fixture(scope="module")
def reader() -> Iterator[StreamServer]:
    with pytest_netmocks.tcp(proxy_protocol=True) as server:
        yield server


@given(
    data=st.binary(max_size=300), start=st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE + b"!\x11\0\x0c"])
)
def test_random_bytes_in_its_place_harm_nobody(reader: StreamServer, data: bytes, start: bytes) -> None:
    with connect(reader, timeout=10) as sock:
        try:
            sock.sendall(start + data)
            sock.shutdown(socket.SHUT_WR)
            read_to_end(sock)
        except OSError:
            pass
    assert loop.take_errors() == reader.journal.take_errors() == []
    with connect(reader) as sock:
        sock.sendall(LINE + b"hello")
        assert read_exactly(sock, 5) == b"hello"


# Proxies


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", STREAMS)
def test_a_proxy_tells_the_upstream_whose_connection_it_is(netmocks: Netmocks, name: str, version: Any) -> None:
    server = opened(netmocks, name, proxy_protocol=True)
    proxy = netmocks.tcp_proxy(server, proxy_protocol=version)
    with connect(proxy) as sock:
        near = sock.getsockname()
        with secured(server, sock) as secure:
            speaks(server, name, secure)
            [connection] = server.connections
        assert connection.client_address == near
        assert connection.proxy_header is not None
        assert (connection.proxy_header.version, connection.proxy_header.destination) == (version, proxy.address)
        assert connection.peer_address != connection.client_address


def test_the_header_goes_before_tls_that_the_proxy_speaks_and_before_what_the_client_says(netmocks: Netmocks) -> None:
    server = netmocks.tls(proxy_protocol=True)
    proxy = netmocks.tcp_proxy(server, proxy_protocol=2, upstream_tls=True)
    assert outcome(proxy) == "echo"
    assert proxy.connections[0].received == b"hello"


def test_a_proxy_passes_a_client_s_header_on(netmocks: Netmocks) -> None:
    server = netmocks.tcp(proxy_protocol=True)
    proxy = netmocks.tcp_proxy(server)
    with connect(proxy) as sock:
        sock.sendall(LINE + b"hello")
        assert read_exactly(sock, 5) == b"hello"
        assert server.connections[0].client_address == CLIENT


def test_ipv6_is_said_as_it_is(netmocks: Netmocks) -> None:
    server = netmocks.tcp(proxy_protocol=True)
    proxy = netmocks.tcp_proxy(server, host="::1", proxy_protocol=1)
    assert outcome(proxy) == "echo"
    assert server.connections[0].client_address[0] == "::1"


@pytest.mark.parametrize("wrong", [True, False, 0, 3, "1"])
def test_a_proxy_is_told_the_version(netmocks: Netmocks, wrong: Any) -> None:
    with pytest.raises(ValueError, match="proxy_protocol must be 1 or 2, the version of the header"):
        netmocks.tcp_proxy(("127.0.0.1", 9), proxy_protocol=wrong)


@pytest.mark.parametrize("wrong", [1, 2, None, "v1"])
def test_a_server_is_told_whether_there_is_a_header(netmocks: Netmocks, wrong: Any) -> None:
    with pytest.raises(TypeError, match="proxy_protocol must be True or False"):
        netmocks.tcp(proxy_protocol=wrong)


def test_a_tls_client_behind_the_proxy_is_believed(netmocks: Netmocks) -> None:
    server = netmocks.https(proxy_protocol=True)
    with shake(netmocks.tcp_proxy(server, proxy_protocol=1)) as sock:
        speaks(server, "https", sock)

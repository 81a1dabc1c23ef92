"""`idle_timeout`: who is silent is ended with a FIN, on every server over TCP and by its clock."""

from __future__ import annotations

import contextlib
import ftplib
import time
from typing import Any

import pytest
from helpers import connect, needed, read_to_end, shake, speak

from pytest_netmocks import VirtualClock
from pytest_netmocks.faults import Blackhole, Stall
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.known import TABLE
from pytest_netmocks.protocols.tcp.server import TcpServer

pytestmark = pytest.mark.virtual_time

STREAMS = [name for name, entry in TABLE.items() if entry.stream]

LONG = 1800.0

PARTING = {
    "smtp": b"421 4.4.2 Error: timeout exceeded\r\n",
    "ftp": b"421 Timeout.\r\n",
    "ftps": b"421 Timeout.\r\n",
    "imap": b"* BYE idle for too long\r\n",
}
"""What protocols say before it."""


def made(netmocks: Netmocks, name: str, **options: Any) -> Any:
    arguments = (netmocks.tcp(),) if name == "tcp_proxy" else needed(name)
    return getattr(netmocks, name)(*arguments, **options)


@pytest.mark.parametrize("name", STREAMS)
def test_who_says_nothing_is_ended_in_good_order(netmocks: Netmocks, virtual_clock: VirtualClock, name: str) -> None:
    server = made(netmocks, name, idle_timeout=LONG)
    begin = virtual_clock.now()
    with connect(server, timeout=3 * LONG) as sock:
        assert read_to_end(sock).endswith(PARTING.get(name, b""))
        assert LONG <= virtual_clock.now() - begin < LONG + 60
    (connection,) = server.connections
    assert connection.closed_by == "server"
    assert "silent for 1800 s: the server ends it" in str(server.timeline)


def test_bytes_of_either_side_begin_the_time_anew(tcp_server: TcpServer, virtual_clock: VirtualClock) -> None:
    tcp_server.idle_timeout = LONG
    with connect(tcp_server, timeout=3 * LONG) as sock:
        for _ in range(3):
            time.sleep(0.6 * LONG)
            begin = virtual_clock.now()
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
        assert sock.recv(1) == b""
        assert LONG <= virtual_clock.now() - begin < LONG + 60


def test_an_answer_that_takes_longer_is_not_given(http_server: HttpServer) -> None:
    http_server.idle_timeout = 1.0
    http_server.when("/").reply(text="late", delay=5.0)
    with connect(http_server, timeout=60) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert read_to_end(sock) == b""
    assert http_server.connections[0].closed_by == "server"


def test_an_open_connection_has_its_time_from_when_it_is_set(
    tcp_server: TcpServer, virtual_clock: VirtualClock
) -> None:
    with connect(tcp_server, timeout=600) as sock:
        time.sleep(100.0)
        begin = virtual_clock.now()
        tcp_server.idle_timeout = 50.0
        tcp_server.idle_timeout = 20.0
        assert sock.recv(1) == b""
        assert 20.0 <= virtual_clock.now() - begin < 50.0


def test_taken_back_it_ends_nobody(tcp_server: TcpServer) -> None:
    tcp_server.idle_timeout = 10.0
    with connect(tcp_server) as sock:
        tcp_server.wait_for(lambda server: server.connections)
        tcp_server.idle_timeout = None
        time.sleep(1000.0)
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


def test_a_handshake_has_to_get_on_too(netmocks: Netmocks, virtual_clock: VirtualClock) -> None:
    server = netmocks.tls(idle_timeout=LONG)
    with connect(server, timeout=3 * LONG) as sock:
        sock.sendall(b"\x16\x03\x01")
        assert sock.recv(1) == b""
    with shake(server) as sock:
        sock.settimeout(3 * LONG)
        assert sock.recv(1) == b""
    assert [connection.closed_by for connection in server.connections] == ["server"] * 2


def test_nothing_is_said_before_a_proxy_header(netmocks: Netmocks) -> None:
    server = netmocks.smtp(proxy_protocol=True, idle_timeout=1.0)
    with connect(server) as sock:
        assert read_to_end(sock) == b""


def test_an_end_that_a_fault_holds_is_begun_once(netmocks: Netmocks) -> None:
    server = netmocks.smtp(idle_timeout=1.0)
    server.inject(Stall(direction="downstream"))
    with connect(server, timeout=5), contextlib.suppress(TimeoutError):
        server.wait_for(lambda server: False, timeout=5)
    assert str(server.timeline).count("silent for 1 s") == 1


def test_what_a_fault_swallows_has_not_come(tcp_server: TcpServer) -> None:
    tcp_server.inject(Blackhole())
    tcp_server.idle_timeout = 10.0
    with connect(tcp_server, timeout=30) as sock:
        sock.sendall(b"x")
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert tcp_server.connections[0].closed_by == "server"


def test_a_transfer_keeps_the_session_of_ftp_alive(netmocks: Netmocks) -> None:
    server = netmocks.ftp(idle_timeout=10.0)
    with ftplib.FTP() as client:
        client.connect(server.host, server.port, timeout=60)
        client.login()
        with client.transfercmd("STOR f") as data:
            for _ in range(5):
                time.sleep(6.0)
                data.sendall(b"x" * 1000)
        assert client.voidresp().startswith("226")


def test_a_websocket_is_ended_as_a_load_balancer_does_it(netmocks: Netmocks) -> None:
    server = netmocks.ws(idle_timeout=10.0)
    with speak(server) as sock:
        sock.settimeout(60)
        assert sock.recv(1) == b""
    assert server.connections[0].close_sent is None


def test_behind_a_proxy_the_upstream_s_end_goes_with_the_client_s(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    proxy = netmocks.tcp_proxy(upstream, idle_timeout=10.0)
    with connect(proxy, timeout=60) as sock:
        sock.sendall(b"x")
        assert [sock.recv(1), sock.recv(1)] == [b"x", b""]
        upstream.wait_for(lambda server: not server.open_connections)


def test_a_place_that_a_silent_client_has_is_given_to_who_waits(netmocks: Netmocks) -> None:
    server = netmocks.tcp(max_connections=1, idle_timeout=10.0)
    with connect(server, timeout=60) as first, connect(server, timeout=60) as second:
        second.sendall(b"x")
        assert second.recv(1) == b"x"
        assert first.recv(1) == b""


def test_a_server_that_is_not_asked_has_no_subscriber(tcp_server: TcpServer) -> None:
    assert not tcp_server.journal.subscribers
    tcp_server.idle_timeout = 1.0
    assert tcp_server.journal.subscribers
    tcp_server.reset()
    assert not tcp_server.journal.subscribers

"""A client that has gone is on record and off the list, whatever keeps us from reading it or sending to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from helpers import abort, connect, later, read_exactly, read_to_end, shake

from pytest_netmocks.faults import Bandwidth, Blackhole, Fault, Latency, Slice, SlowClose, Stall
from pytest_netmocks.link import peers
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.servers.stream import StreamServer

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MAIL = b"HELO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n\r\nhello\r\n.\r\n"

End = Callable[[socket.socket], object]
HELD: list[Fault] = [
    Stall(after_bytes=10),
    Stall(),
    Stall(direction="upstream"),
    Stall(direction="both"),
    Latency(10.0),
    Bandwidth(1.0),
    Slice(1, delay=10.0),
    SlowClose(10.0),
]


def is_gone(server: StreamServer) -> bool:
    return not server.open_connections and [one.closed_by for one in server.connections] == ["client"]


@pytest.mark.parametrize("end", [socket.socket.close, abort])
@pytest.mark.parametrize("fault", HELD, ids=repr)
@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_a_client_that_gives_up_is_gone_whatever_a_fault_holds(
    netmocks: Netmocks, kind: str, fault: Fault, end: End
) -> None:
    server: TcpServer = getattr(netmocks, kind)()
    server.inject(fault).expected = False
    sock = shake(server) if kind == "tls" else connect(server)
    sock.sendall(b"x" * 1000)
    later(0.05)
    assert server.open_connections
    end(sock)
    server.wait_for(is_gone)


@pytest.mark.parametrize("end", [socket.socket.close, abort])
def test_a_client_of_much_that_nobody_reads_is_gone_too(tcp_server: TcpServer, end: End) -> None:
    tcp_server.inject(Stall(after_bytes=1000))
    sock = connect(tcp_server)
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            sock.send(b"x" * 65536)
    later(0.05)
    end(sock)
    tcp_server.wait_for(is_gone)


@pytest.mark.parametrize("end", [socket.socket.close, abort])
def test_what_is_behind_a_proxy_hears_of_a_stalled_client_s_end(netmocks: Netmocks, end: End) -> None:
    upstream = netmocks.tcp()
    proxy = netmocks.tcp_proxy(upstream)
    proxy.inject(Stall(after_bytes=3))
    sock = connect(proxy)
    sock.sendall(b"hello")
    read_exactly(sock, 3)
    end(sock)
    proxy.wait_for(is_gone)
    upstream.wait_for(is_gone)


DELAYED: dict[str, tuple[Callable[[Any], object], bytes]] = {
    "tcp": (lambda server: server.when(b"x").reply(b"y", delay=30), b"x"),
    "tcp at the greeting": (lambda server: server.when_connected().reply(b"y", delay=30), b""),
    "http": (lambda server: server.when("/").reply(text="y", delay=30), GET),
    "http before the body": (lambda server: server.when("PUT", "/").reply(413, before_body=True, delay=30), PUT),
    "http at the greeting": (lambda server: server.when_connected().reply(b"y", delay=30), b""),
    "ws": (lambda server: server.when_connected().reply(503, delay=30), HANDSHAKE),
    "smtp": (lambda server: server.when("NOOP").reply("250 y", delay=30), b"NOOP\r\n"),
    "smtp at the greeting": (lambda server: server.when_connected().reply("220 y", delay=30), b""),
    "smtp after a message": (lambda server: server.when_message().reply("250 y", delay=30), MAIL),
    "pop3": (lambda server: server.when("NOOP").reply("+OK", delay=30), b"NOOP\r\n"),
    "pop3 at the greeting": (lambda server: server.when_connected().reply("+OK", delay=30), b""),
    "ftp": (lambda server: server.when("NOOP").reply("250 y", delay=30), b"NOOP\r\n"),
    "ftp at the greeting": (lambda server: server.when_connected().reply("220 y", delay=30), b""),
}


@pytest.mark.parametrize("case", DELAYED)
def test_a_client_that_does_not_wait_for_a_late_answer_is_gone(netmocks: Netmocks, case: str) -> None:
    prepare, said = DELAYED[case]
    server = getattr(netmocks, case.split(maxsplit=1)[0])()
    prepare(server)
    with connect(server) as sock:
        if not case.endswith("greeting"):
            greeting = {"smtp": b"220", "pop3": b"+OK", "ftp": b"220"}.get(case.split(maxsplit=1)[0], b"")
            assert sock.recv(1000 if greeting else 0).startswith(greeting)
        sock.sendall(said)
        later(0.05)
        assert server.open_connections
        sock.shutdown(socket.SHUT_WR)
        later(0.1)
        assert server.open_connections, "it may wait for the answer"
    server.wait_for(is_gone)


def test_a_handler_that_reads_nothing_hears_of_an_rst(tcp_server: TcpServer) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await tcp_server.async_wait_for(lambda server: server.connections[0].closed_by)

    tcp_server.handle(handler)
    sock = connect(tcp_server)
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            sock.send(b"x" * 65536)
    later(0.05)
    abort(sock)
    tcp_server.wait_for(lambda server: server.connections[0].closed_by == "client")
    tcp_server.wait_for(is_gone)


def test_what_came_before_an_rst_is_read_by_who_reads_slowly(tcp_server: TcpServer) -> None:
    got = bytearray()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"a greeting of which nobody reads more than a byte")
        await tcp_server.async_wait_for(lambda server: server.connections[0].closed_by)
        while data := await reader.read(1000):
            got.extend(data)

    tcp_server.handle(handler)
    sock = connect(tcp_server)
    sock.sendall(b"x" * 150_000)
    tcp_server.wait_for(lambda server: server.connections[0].bytes_received > 1 << 17)  # more than a reader holds
    sock.sendall(b"x" * 30_000)
    assert sock.recv(1) == b"a"
    assert tcp_server.connections[0].bytes_received <= 150_000
    sock.close()  # with something unread it is an RST
    tcp_server.wait_for(is_gone)
    assert len(got) == 180_000


def test_a_client_that_has_only_finished_gets_what_was_late(tcp_server: TcpServer) -> None:
    tcp_server.inject(Latency(0.3))
    with connect(tcp_server) as sock:
        sock.sendall(b"hello")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b"hello"


def test_a_client_that_has_only_finished_gets_what_a_stall_held(tcp_server: TcpServer) -> None:
    stall = tcp_server.inject(Stall(after_bytes=1))
    with connect(tcp_server) as sock:
        sock.sendall(b"x" * 80_000)
        sock.shutdown(socket.SHUT_WR)
        tcp_server.wait_for(lambda server: server.connections[0].closed_by == "client")
        later(0.2)
        assert tcp_server.open_connections
        stall.lift()
        assert read_to_end(sock) == b"x" * 80_000


def test_a_client_that_has_finished_and_gives_up_later_is_gone_then(tcp_server: TcpServer) -> None:
    tcp_server.inject(Stall(after_bytes=1))
    with connect(tcp_server) as sock:
        sock.sendall(b"hello")
        sock.shutdown(socket.SHUT_WR)
        later(0.2)
        assert tcp_server.open_connections
    tcp_server.wait_for(is_gone)


def test_what_a_client_said_before_it_went_arrives_late_all_the_same(http_server: HttpServer) -> None:
    http_server.inject(Latency(0.2, direction="both"))
    with connect(http_server) as sock:
        sock.sendall(b"GET /fire-and-forget HTTP/1.1\r\nHost: h\r\n\r\n")
    http_server.wait_for(lambda server: server.requests)
    http_server.wait_for(is_gone)


def test_what_a_stall_held_of_a_client_that_has_gone_is_still_released(tcp_server: TcpServer) -> None:
    tcp_server.when(b"hello").reply(b"hi")
    stall = tcp_server.inject(Stall(direction="upstream"))
    with connect(tcp_server) as sock:
        sock.sendall(b"hello")
    tcp_server.wait_for(is_gone)
    assert not tcp_server.requests
    stall.lift()
    tcp_server.wait_for(lambda server: server.requests)


def test_the_end_of_a_client_is_told_once(tcp_server: TcpServer) -> None:
    stall = tcp_server.inject(Stall(after_bytes=1))
    with connect(tcp_server) as sock:
        sock.sendall(b"x" * 80_000)
        sock.shutdown(socket.SHUT_WR)
        tcp_server.wait_for(lambda server: server.connections[0].closed_by == "client")
        stall.lift()
        read_to_end(sock)
    assert str(tcp_server.timeline).count("the client has finished") == 1


def test_a_stalled_handshake_s_client_is_gone(netmocks: Netmocks) -> None:
    server = netmocks.tls()
    server.inject(Blackhole(layer="tls"))
    with connect(server) as sock:
        sock.sendall(b"\x16\x03\x01")
    server.wait_for(is_gone)


@pytest.mark.parametrize(("host", "client"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")])
def test_the_kernel_tells_a_client_that_waits_from_one_that_has_gone(host: str, client: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family, dualstack_ipv6=host == "::") as listener:
        sock = socket.create_connection((client, listener.getsockname()[1]))
        ours, _ = listener.accept()
        with ours:
            assert not peers.has_closed(ours)
            sock.shutdown(socket.SHUT_WR)
            assert not peers.has_closed(ours)
            sock.close()
            assert peers.has_closed(ours)

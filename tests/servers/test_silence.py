"""Faults together with silence: what ends a connection that nothing passes any more, and what does not."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from helpers import connect, later, read_exactly, read_to_end
from playbook import now

from pytest_netmocks.faults import Blackhole, Close, Reset, Stall
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.tcp.server import TcpServer

REQUEST = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.mark.in_memory
def test_a_time_out_ends_a_connection_that_the_server_has_ended_in_silence(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="a")
    http_server.inject(Blackhole(direction="downstream"))
    close = http_server.inject(Close(after=0.2))
    begin = now()
    with connect(http_server) as sock:
        sock.sendall(REQUEST)
        assert sock.recv(9) == b""
    assert now() - begin == pytest.approx(0.2)
    assert close.hits == 1
    assert http_server.connections[0].faults == ["Blackhole", "Close"]


@pytest.mark.in_memory
@pytest.mark.parametrize("direction", ["both", "downstream"])
@pytest.mark.parametrize("fault", [Close(after=0.2), Reset(after=0.2)])
def test_a_time_out_ends_a_connection_that_the_client_has_half_closed(
    tcp_server: TcpServer, fault: Any, direction: Any
) -> None:
    tcp_server.inject(Blackhole(direction=direction))
    tcp_server.inject(fault)
    begin = now()
    with connect(tcp_server) as sock:
        sock.sendall(b"x")
        sock.shutdown(socket.SHUT_WR)
        if isinstance(fault, Close):
            assert sock.recv(9) == b""
        else:
            with pytest.raises(ConnectionResetError):
                sock.recv(9)
    assert now() - begin == pytest.approx(0.2)


@pytest.mark.in_memory
def test_a_lifted_time_out_does_not_end_the_silence(tcp_server: TcpServer) -> None:
    tcp_server.inject(Blackhole())
    first = tcp_server.inject(Close(after=0.1))
    second = tcp_server.inject(Reset(after=0.2))
    with connect(tcp_server) as sock:
        sock.shutdown(socket.SHUT_WR)
        tcp_server.wait_for(lambda s: s.connections and not s.open_connections)
        first.lift()
        with pytest.raises(ConnectionResetError):
            sock.recv(9)
    assert (first.hits, second.hits) == (0, 1)


@pytest.mark.in_memory
def test_a_time_out_that_comes_after_the_server_strikes_nothing(netmocks: Netmocks) -> None:
    server = netmocks.tcp()
    server.inject(Blackhole())
    close = server.inject(Close(after=0.1))
    with connect(server) as sock:
        sock.shutdown(socket.SHUT_WR)
        server.wait_for(lambda s: s.connections and not s.open_connections)
        server.close()
        assert sock.recv(1) == b""
    later(0.15)
    assert close.hits == 0


@pytest.mark.parametrize("fault", [Blackhole(), Blackhole(direction="downstream"), Stall()])
@pytest.mark.parametrize("reachable", [True, False])
def test_what_happens_upstream_does_not_break_a_proxys_silence(netmocks: Netmocks, fault: Any, reachable: bool) -> None:
    upstream = netmocks.tcp()
    proxy = netmocks.tcp_proxy(upstream)
    injection = proxy.inject(fault)
    if not reachable:
        upstream.stop()
    with connect(proxy, timeout=0.2) as sock:
        if reachable:
            upstream.wait_for(lambda s: s.connections)
            upstream.connections[0].inject(Reset())
        proxy.wait_for(lambda s: "the upstream" in str(s.timeline))
        with pytest.raises(TimeoutError):
            sock.recv(9)
        injection.lift()
        if isinstance(fault, Stall):
            sock.settimeout(10)
            with pytest.raises(ConnectionResetError):
                sock.recv(9)
        else:
            with pytest.raises(TimeoutError):
                sock.recv(9)


def test_a_reset_that_waits_for_a_client_that_has_gone_waits_no_longer(tcp_server: TcpServer) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"z" * 20_000_000)
        await reader.read()

    tcp_server.handle(handler)
    tcp_server.inject(Reset(after_bytes=3_000_000))
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(tcp_server.address)
    sock.shutdown(socket.SHUT_WR)
    tcp_server.wait_for(lambda s: s.connections and s.connections[0].closed_by == "fault")
    while any(wire.buffered for wire in list(tcp_server.front.wires)):
        sock.recv(50_000)
    sock.close()
    tcp_server.wait_for(lambda s: not s.front.wires)


@pytest.mark.parametrize("data", [5, [65, 66], None, "text"])
def test_a_writer_takes_bytes_alone(tcp_server: TcpServer, data: Any) -> None:
    seen = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with pytest.raises(TypeError, match="bytes-like object is required"):
            writer.write(data)
        writer.write(bytearray(b"good"))
        seen.append(data)

    tcp_server.handle(handler)
    with connect(tcp_server) as sock:
        assert read_to_end(sock) == b"good"
    assert seen == [data]


def test_what_a_stall_holds_of_an_ending_proxy_comes_when_it_is_lifted(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    upstream.when_connected().reply(b"hello")
    upstream.inject(Reset(after_bytes=5))
    proxy = netmocks.tcp_proxy(upstream)
    stall = proxy.inject(Stall(direction="downstream"))
    with connect(proxy) as sock:
        proxy.wait_for(lambda s: stall.hits)
        stall.lift()
        assert read_exactly(sock, 5) == b"hello"
        with pytest.raises(ConnectionResetError):
            sock.recv(1)

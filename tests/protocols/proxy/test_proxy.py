"""The proxies: transparent in every way but the faults."""

from __future__ import annotations

import socket

import pytest
from helpers import abort, connect, echo, elapsed, in_thread, outcome, read_exactly, read_to_end, udp_client

import pytest_netmocks
from pytest_netmocks.faults import Blackhole, Close, Duplicate, Latency, Reset, Stall, Unreachable
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.proxy.server import TcpProxy, UdpProxy


def test_large_transfers_both_ways_at_once(netmocks: Netmocks) -> None:
    proxy = netmocks.tcp_proxy(netmocks.tcp())
    payload = bytes(range(256)) * 40_000
    with connect(proxy) as sock:
        sender = in_thread(sock.sendall, payload)
        assert read_exactly(sock, len(payload)) == payload
        sender.join()


def test_an_upstream_that_reads_slowly_slows_the_client(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    stall = upstream.inject(Stall(direction="upstream"))
    proxy = netmocks.tcp_proxy(upstream)
    with connect(proxy, timeout=0.3) as sock:
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 200_000_000:
                sent += sock.send(b"x" * 1_000_000)
        stall.lift()
        sock.settimeout(10)
        assert len(read_exactly(sock, sent)) == sent


def test_the_upstreams_fin_and_rst_reach_the_client(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    proxy = netmocks.tcp_proxy(upstream)
    upstream.script([Close(after_bytes=2)], [Reset(after_bytes=2)])
    assert [outcome(proxy), outcome(proxy), outcome(proxy)] == ["cut b'he'", "reset", "echo"]
    assert [connection.closed_by for connection in proxy.connections[:2]] == ["server", "server"]


def test_a_proxys_reset_reaches_the_upstream(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    proxy = netmocks.tcp_proxy(upstream)
    proxy.inject(Reset(after_bytes=2), first=1)
    assert outcome(proxy) == "reset"
    upstream.wait_for(lambda server: not server.open_connections)
    assert "Connection reset" in str(upstream.timeline)


def test_a_blackhole_swallows_without_telling_anybody(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    proxy = netmocks.tcp_proxy(upstream)
    with connect(proxy) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        proxy.inject(Blackhole())
        sock.sendall(b"lost")
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert upstream.connections[0].bytes_received == 1


def test_an_unreachable_upstream_is_a_reset_and_on_record(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    proxy = netmocks.tcp_proxy(upstream)
    upstream.stop()
    assert outcome(proxy) == "reset"
    assert proxy.connections[0].closed_by == "server"
    assert f"the upstream 127.0.0.1:{upstream.port} cannot be reached" in str(proxy.timeline)
    upstream.start()
    assert echo(proxy) == b"hello"


def test_a_stopped_proxy_lets_its_upstream_go(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    proxy = netmocks.tcp_proxy(upstream)
    with connect(proxy) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        proxy.stop()
        assert sock.recv(1) == b""
    upstream.wait_for(lambda server: not server.open_connections)


def test_faults_before_and_behind_add(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    upstream.inject(Latency(0.1))
    proxy = netmocks.tcp_proxy(upstream)
    proxy.inject(Latency(0.1))
    assert elapsed(lambda: echo(proxy)) >= 0.2


def test_ipv6_upstream_behind_an_ipv4_proxy(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp(host="::1")
    assert echo(netmocks.tcp_proxy(upstream)) == b"hello"
    assert echo(netmocks.tcp_proxy(("::1", upstream.port))) == b"hello"


def test_localhost_is_tried_in_all_its_addresses(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp(host="127.0.0.1")
    assert echo(netmocks.tcp_proxy(("localhost", upstream.port))) == b"hello"


def test_a_client_that_gives_up_ends_the_way_to_the_upstream(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    upstream.inject(Unreachable())
    proxy = netmocks.tcp_proxy(upstream)
    with connect(proxy) as first:
        abort(first)
    proxy.wait_for(lambda s: s.connections and not s.open_connections)
    with connect(proxy) as second:
        second.sendall(b"x")
    proxy.wait_for(lambda s: len(s.connections) == 2 and not s.open_connections)
    assert proxy.connections[1].received == b"x"
    assert "the upstream has not been reached" in str(proxy.timeline)


def test_what_a_client_says_before_the_upstream_is_reached_is_passed_on(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    proxy = netmocks.tcp_proxy(upstream)
    data = bytes(range(256)) * 4000
    hang = upstream.inject(Unreachable())
    with connect(proxy) as sock:
        sender = in_thread(sock.sendall, data)
        proxy.wait_for(lambda s: s.connections and s.connections[0].bytes_received)
        hang.lift()
        assert read_exactly(sock, len(data)) == data
        sender.join()


def test_an_upstream_that_never_reads_hears_that_the_client_has_gone(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()

    async def handler(reader, writer):  # type: ignore[no-untyped-def]
        while True:
            writer.write(b"z" * 10_000)
            await writer.drain()

    upstream.handle(handler)
    proxy = netmocks.tcp_proxy(upstream)
    proxy.inject(Close(after_bytes=10))
    with connect(proxy) as sock:
        assert read_to_end(sock) == b"z" * 10
    upstream.wait_for(lambda s: not s.open_connections)


def test_half_close_both_ways(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()

    async def speaks_first(reader, writer):  # type: ignore[no-untyped-def]
        writer.write(b"all I have to say")
        writer.write_eof()
        upstream.when(b"unused")
        assert await reader.read() == b"and I"

    upstream.handle(speaks_first)
    proxy = netmocks.tcp_proxy(upstream)
    with connect(proxy) as sock:
        assert read_to_end(sock) == b"all I have to say"
        sock.sendall(b"and I")
        sock.shutdown(socket.SHUT_WR)
    upstream.wait_for(lambda server: not server.open_connections)
    assert upstream.connections[0].received == b"and I"


def test_udp_clients_have_a_branch_each(netmocks: Netmocks) -> None:
    upstream = netmocks.udp()
    proxy = netmocks.udp_proxy(upstream)
    with udp_client(proxy) as one, udp_client(proxy) as two:
        one.send(b"1")
        two.send(b"2")
        assert (one.recv(10), two.recv(10)) == (b"1", b"2")
        proxy.inject(Duplicate(1.0))
        one.send(b"3")
        assert [one.recv(10), one.recv(10)] == [b"3", b"3"]
    assert len(upstream.connections) == len(proxy.connections) == 2


def test_a_udp_upstream_that_is_gone_is_on_record(netmocks: Netmocks) -> None:
    upstream = netmocks.udp()
    proxy = netmocks.udp_proxy(upstream)
    upstream.stop()
    with udp_client(proxy) as sock:
        sock.send(b"x")
        proxy.wait_for(lambda server: "Connection refused" in str(server.timeline))
        upstream.start()
        sock.send(b"y")
        assert sock.recv(10) == b"y"


@pytest.mark.parametrize("kind", [TcpProxy, UdpProxy])
@pytest.mark.parametrize(
    ("upstream", "error", "message"),
    [
        ("127.0.0.1:80", TypeError, r"upstream must be a \(host, port\) pair .* not '127.0.0.1:80'"),
        (("127.0.0.1",), ValueError, r"upstream must be a \(host, port\) pair"),
        (("127.0.0.1", 0), ValueError, "upstream's port must be a whole number from 1 to 65535"),
        ((80, "127.0.0.1"), TypeError, "upstream's host must be"),
        (("no.such.host.invalid", 80), OSError, "upstream 'no.such.host.invalid' has no address"),
    ],
)
def test_a_wrong_upstream_is_named(kind, upstream, error, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=message):
        kind(upstream)


@pytest.mark.parametrize(("proxy", "upstream"), [("tcp_proxy", "tcp"), ("udp_proxy", "udp")])
def test_an_upstream_that_has_not_started_has_no_port_yet(proxy: str, upstream: str) -> None:
    with pytest.raises(ValueError, match=r"must be a server that has started, .* not <.*>: start\(\) it"):
        getattr(pytest_netmocks, proxy)(getattr(pytest_netmocks, upstream)())

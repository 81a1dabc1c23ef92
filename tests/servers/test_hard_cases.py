"""What went wrong once: ends that never came, faults that cut the wrong way, users' code that failed unseen."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from typing import Any

import pytest
from helpers import abort, connect, echo, read_exactly, read_to_end

from pytest_netmocks.faults import Bandwidth, Blackhole, Close, Corrupt, Latency, Loss, Reset, Slice
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.protocols.udp.server import UdpServer


def test_a_close_of_both_ends_the_side_that_got_there_first(tcp_server: TcpServer) -> None:
    tcp_server.when(b"GO").reply(b"0123456789")
    tcp_server.inject(Close(after_bytes=5, after=0.05, direction="both"))
    with connect(tcp_server) as sock:
        sock.sendall(b"GO")
        assert read_to_end(sock) == b"01234"


@pytest.mark.parametrize("fault", [Close(after_bytes=5, after=30), Reset(after_bytes=5, after=30)])
def test_a_cut_that_is_lifted_before_it_strikes_has_lost_nothing(tcp_server: TcpServer, fault: Close | Reset) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"0123456789")
        await reader.read(1)
        writer.write(b"abc")

    tcp_server.handle(handler)
    injection = tcp_server.inject(fault)
    with connect(tcp_server) as sock:
        assert read_exactly(sock, 5) == b"01234"
        tcp_server.wait_for(lambda _: injection.hits)
        injection.lift()
        sock.sendall(b"x")
        assert read_to_end(sock) == b"56789abc"
    tcp_server.wait_for(lambda s: not s.open_connections)


def test_after_an_upstream_close_that_is_lifted_nothing_more_is_read(tcp_server: TcpServer) -> None:
    got = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read())
        writer.write(b"answer")

    tcp_server.handle(handler)
    injection = tcp_server.inject(Close(after_bytes=3, direction="upstream"))
    with connect(tcp_server) as sock:
        sock.sendall(b"abcdef")
        tcp_server.wait_for(lambda _: injection.hits)
        injection.lift()
        sock.sendall(b"ghi")
        assert read_to_end(sock) == b"answer"
    assert got == [b"abc"]


def test_what_is_withheld_is_a_hit_before_the_strike(tcp_server: TcpServer) -> None:
    injection = tcp_server.inject(Reset(after_bytes=5, after=30))
    with connect(tcp_server) as sock:
        sock.sendall(b"0123456789")
        assert read_exactly(sock, 5) == b"01234"
        tcp_server.wait_for(lambda _: injection.hits == 1)
    assert tcp_server.connections[0].faults == ["Reset"]


@pytest.mark.parametrize("fault", [Latency(0.0), Bandwidth(1000)])
def test_what_delays_nothing_is_no_hit(tcp_server: TcpServer, fault: Any) -> None:
    injection = tcp_server.inject(fault)
    with connect(tcp_server):
        pass
    tcp_server.wait_for(lambda s: s.connections and not s.open_connections)
    assert injection.hits == 0


def test_a_downstream_blackhole_leaves_the_way_up_open(tcp_server: TcpServer) -> None:
    got = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        got.append(await reader.readexactly(5))

    tcp_server.handle(handler)
    tcp_server.inject(Blackhole(direction="downstream"))
    with connect(tcp_server) as sock:
        sock.sendall(b"hello")
        tcp_server.wait_for(lambda _: got == [b"hello"])


def test_an_upstream_blackhole_leaves_the_answer_alone(tcp_server: TcpServer) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        await tcp_server.async_wait_for(lambda s: not s.open_connections)  # the client's FIN closes the record
        writer.write(b"answer")

    tcp_server.handle(handler)
    tcp_server.inject(Blackhole(after_bytes=5, direction="upstream"))
    with connect(tcp_server) as sock:
        sock.sendall(b"hello and more")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b"answer"


def test_a_reset_does_not_wait_for_a_client_that_never_reads(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as sock:
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                sock.send(bytes(65536))
        tcp_server.inject(Reset())
        sock.settimeout(10)
        with pytest.raises(ConnectionError):
            while True:
                sock.send(bytes(65536))


def test_stop_ends_a_reset_that_waits_for_such_a_client(tcp_server: TcpServer) -> None:
    tcp_server.when(b"GO").reply(bytes(50_000_000))
    tcp_server.inject(Reset(after_bytes=40_000_000))
    with connect(tcp_server) as sock:
        sock.sendall(b"GO")
        tcp_server.wait_for(lambda s: s.connections[0].faults == ["Reset"])
        tcp_server.stop()
        with pytest.raises(ConnectionResetError):
            while sock.recv(1 << 20):
                pass


def test_rule_faults_find_their_place_behind_other_answers(tcp_server: TcpServer) -> None:
    tcp_server.when(b"L").reply(b"l" * 50).inject(Latency(0.05))
    rule = tcp_server.when(b"C").reply(b"0123456789", delay=0.1)
    rule.inject(Reset(after_bytes=100))
    close = rule.inject(Close(after_bytes=3))
    with connect(tcp_server) as sock:
        sock.sendall(b"L")
        assert read_exactly(sock, 50) == b"l" * 50
        sock.sendall(b"C")
        assert read_to_end(sock) == b"012"
    assert close.hits == 1


def test_the_draws_of_an_exchange_are_its_own_however_late_it_answers(tcp_server: TcpServer) -> None:
    tcp_server.when(b"x").reply(bytes(200), delay=0.05).inject(Corrupt(0.2))
    with connect(tcp_server) as one, connect(tcp_server) as two:
        one.sendall(b"x")
        tcp_server.wait_for(lambda s: len(s.requests) == 1)
        two.sendall(b"x")
        late = read_exactly(one, 200), read_exactly(two, 200)
    assert late[0] != late[1]


def test_spent_faults_of_a_newer_rule_leave_the_older_ones_theirs(tcp_server: TcpServer) -> None:
    old = tcp_server.when(b"x").inject(Close())
    tcp_server.when(b"x").inject(Reset(), first=1)
    with connect(tcp_server) as sock:
        sock.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    with connect(tcp_server) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b""
    assert old.hits == 1


def test_an_older_rule_takes_what_a_used_up_one_leaves(tcp_server: TcpServer) -> None:
    tcp_server.when(b"B\n").reply(b"old")
    tcp_server.when(b"AB\n").reply(b"new", times=1)
    with connect(tcp_server) as sock:
        sock.sendall(b"AB\n")
        assert read_exactly(sock, 3) == b"new"
        sock.sendall(b"AB\n")
        assert read_exactly(sock, 3) == b"old"


def test_many_pipelined_matches_leave_others_their_turn(tcp_server: TcpServer) -> None:
    tcp_server.when(re.compile(rb"^ab")).reply(b"y")
    tcp_server.when(b"never")
    with connect(tcp_server) as sock, connect(tcp_server) as other:
        thread = threading.Thread(target=sock.sendall, args=(b"ab" * 40_000,), daemon=True)
        thread.start()
        other.sendall(b"ab")
        assert read_exactly(other, 1) == b"y"
        assert read_exactly(sock, 40_000) == b"y" * 40_000
        thread.join()


def test_tiny_slices_of_much_leave_others_their_turn(netmocks: Netmocks) -> None:
    server, other = netmocks.tcp(), netmocks.tcp()
    server.when(b"GO").reply(bytes(2 << 20))
    server.inject(Slice(1))
    with connect(server) as sock:
        sock.sendall(b"GO")
        read_exactly(sock, 1)
        assert echo(other) == b"hello"
        assert server.connections[0].bytes_delivered < 2 << 20


def test_a_stopped_server_keeps_its_port(netmocks: Netmocks) -> None:
    server = netmocks.tcp()
    echo(server)
    server.stop()
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1 port {server.port}"):
        netmocks.tcp(port=server.port)
    server.start()
    assert echo(server) == b"hello"


def test_a_rule_does_not_strike_whose_connect_had_returned(tcp_server: TcpServer) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"handled")

    for _ in range(20):
        before = connect(tcp_server)
        tcp_server.handle(handler)
        before.sendall(b"hello")
        assert read_exactly(before, 5) == b"hello"
        before.close()
        tcp_server.handle(None)


def test_a_handler_is_not_started_on_a_connection_that_its_greeting_ended(tcp_server: TcpServer) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("there is nobody to talk to")

    tcp_server.when_connected().reply(b"hello").inject(Reset())
    tcp_server.handle(handler)
    with pytest.raises(ConnectionResetError), connect(tcp_server) as sock:
        sock.recv(1)


def test_bytes_on_their_way_come_before_the_reset_of_an_upstream(netmocks: Netmocks) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2)
        writer.write(b"0123456789")
        await reader.readexactly(2)

    upstream = netmocks.tcp()
    upstream.handle(handler)
    proxy = netmocks.tcp_proxy(upstream)
    proxy.inject(Latency(0.1))
    with connect(proxy) as sock:
        sock.sendall(b"GO")
        proxy.wait_for(lambda s: s.connections[0].bytes_sent == 10)
        upstream.connections[0].inject(Reset())
        assert read_exactly(sock, 10) == b"0123456789"
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_client_that_leaves_without_reading_ends_its_handler(tcp_server: TcpServer) -> None:
    ended = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(10)
        finally:
            ended.append(True)

    tcp_server.handle(handler)
    sock = connect(tcp_server)
    sock.sendall(b"x")
    tcp_server.wait_for(lambda s: s.connections[0].bytes_received == 1)
    abort(sock)
    tcp_server.wait_for(lambda _: ended)


def test_a_loss_of_nothing_is_no_hit_of_its_rule(udp_server: UdpServer) -> None:
    rule = udp_server.when(b"x")
    injection = rule.inject(Loss(0.0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.sendto(b"x", udp_server.address)
        assert sock.recv(10) == b"x"
    assert injection.hits == 0


async def test_a_predicate_that_is_a_coroutine_function_is_refused(tcp_server: TcpServer) -> None:
    async def predicate(server: TcpServer) -> bool:
        return False

    with pytest.raises(TypeError, match="coroutine function"):
        tcp_server.wait_for(predicate)  # type: ignore[unused-coroutine]  # which is how mypy refuses it
    with pytest.raises(TypeError, match="coroutine function"):
        await tcp_server.async_wait_for(predicate)  # type: ignore[unused-coroutine]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda n: n.tcp(bogus=1), TypeError, r"TcpServer takes no 'bogus'.*record_limit"),
        (lambda n: n.udp(prt=1), TypeError, r"did you mean 'port'\?"),
        (lambda n: n.tcp(host="x" * 100), ValueError, "host must be a host name or address, not 'xxx"),
        (lambda n: n.tcp(host="a\0b"), OSError, "has no address"),
        (lambda n: n.tcp_proxy(("a..b", 80)), ValueError, "upstream's host must be a host name"),
        (lambda n: n.tcp_proxy(n.udp()), TypeError, "upstream must be a server over TCP"),
        (lambda n: n.udp_proxy(n.tcp()), TypeError, "upstream must be a server over UDP"),
        (lambda n: n.tcp(tls="yes"), TypeError, "tls must be True or False, not 'yes'"),
        (lambda n: n.tcp(alpn=["h2"]), ValueError, "alpn= is about TLS, and there is none: give tls=True"),
        (lambda n: Latency(10**400), ValueError, "Latency: seconds must be a number"),
    ],
)
def test_a_wrong_argument_is_named(netmocks: Netmocks, make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(netmocks)

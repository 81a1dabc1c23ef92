"""The UDP server: rules, faults a datagram, broadcast, going down."""

# mypy: disable-error-code=arg-type
# Wrong arguments are what some of these tests give.

from __future__ import annotations

import re
import socket

import pytest
from helpers import elapsed, udp_client

from pytest_netmocks.faults import Bandwidth, Corrupt, Duplicate, Latency, Loss, Refuse, Reorder, Reset
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.udp.server import UdpServer
from pytest_netmocks.servers.datagram_front import Datagram


def ask(sock: socket.socket, question: bytes) -> bytes:
    sock.send(question)
    return sock.recv(70000)


def nothing_comes(sock: socket.socket) -> bool:
    sock.settimeout(0.1)
    try:
        sock.recv(100)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(30)
    return False


def test_a_rule_is_for_the_whole_datagram_and_a_pattern_is_found_in_it(udp_server: UdpServer) -> None:
    udp_server.when(re.compile(rb"id=(\d+)")).reply(lambda request: b"found")
    udp_server.when(b"who").reply(b"me")
    with udp_client(udp_server) as sock:
        assert ask(sock, b"who") == b"me"
        assert ask(sock, b"x id=7 y") == b"found"
        sock.send(b"who?")
        udp_server.wait_for(lambda s: "no rule matches the datagram" in str(s.timeline))
        assert nothing_comes(sock)


def test_answers_are_a_sequence_and_a_used_up_rule_falls_to_the_echo(udp_server: UdpServer) -> None:
    rule = udp_server.when(b"n").reply(b"1").reply(b"2", times=1)
    with udp_client(udp_server) as sock:
        assert [ask(sock, b"n") for _ in range(3)] == [b"1", b"2", b"n"]
    assert rule.hits == 2


def test_late_and_empty_answers(udp_server: UdpServer) -> None:
    udp_server.when(b"late").reply(b"", delay=0.1)
    with udp_client(udp_server) as sock:
        assert elapsed(lambda: ask(sock, b"late")) >= 0.1


def test_faults_on_a_rule_strike_its_answers_only(udp_server: UdpServer) -> None:
    udp_server.when(b"a").reply(b"A")
    rule = udp_server.when(b"b").reply(b"B")
    injection = rule.inject(Loss(1.0), first=1)
    with udp_client(udp_server) as sock:
        assert ask(sock, b"a") == b"A"
        sock.send(b"b")
        assert nothing_comes(sock)
        assert ask(sock, b"b") == b"B"
    assert injection.hits == 1


def test_an_upstream_fault_strikes_before_the_server_sees_it(udp_server: UdpServer) -> None:
    injection = udp_server.inject(Loss(1.0, direction="upstream"), nth=2)
    with udp_client(udp_server) as sock:
        ask(sock, b"1")
        sock.send(b"2")
        ask(sock, b"3")
    assert [datagram.data for datagram in udp_server.requests] == [b"1", b"3"]
    assert injection.hits == 1
    assert udp_server.connections[0].faults == ["Loss"]


def test_a_datagram_with_several_answers_is_one_hit(udp_server: UdpServer) -> None:
    udp_server.when(b"x").reply(b"1", b"2", b"3")
    injection = udp_server.inject(Latency(0.02))
    with udp_client(udp_server) as sock:
        sock.send(b"x")
        assert [sock.recv(10) for _ in range(3)] == [b"1", b"2", b"3"]
    assert injection.hits == 1


def test_faults_compose_and_lift(udp_server: UdpServer) -> None:
    duplicate = udp_server.inject(Duplicate(1.0))
    with udp_server.inject(Latency(0.1)), udp_client(udp_server) as sock:
        assert elapsed(lambda: ask(sock, b"x")) >= 0.1
        assert sock.recv(10) == b"x"
        duplicate.lift()
        ask(sock, b"y")
        assert nothing_comes(sock)


def test_bandwidth_is_a_line_for_each_client(udp_server: UdpServer) -> None:
    udp_server.inject(Bandwidth(10_000))
    with udp_client(udp_server) as one, udp_client(udp_server) as two:
        assert elapsed(lambda: ask(one, bytes(2000))) >= 0.2
        assert elapsed(lambda: ask(two, bytes(1000))) >= 0.1


def test_one_client_can_be_struck_alone_and_forgotten(udp_server: UdpServer) -> None:
    with udp_client(udp_server) as one, udp_client(udp_server) as two:
        ask(one, b"1")
        ask(two, b"2")
        injection = udp_server.connections[0].inject(Corrupt(1.0))
        assert ask(one, b"\0") != b"\0"
        assert ask(two, b"\0") == b"\0"
        injection.lift()
        assert ask(one, b"\0") == b"\0"
        udp_server.connections[0].close()
        ask(one, b"again")
        assert [c.is_open for c in udp_server.connections] == [False, True, True]


def test_a_stopped_server_refuses_by_icmp_and_comes_back_on_the_same_port(udp_server: UdpServer) -> None:
    with udp_client(udp_server) as sock:
        ask(sock, b"x")
        udp_server.stop()
        sock.send(b"lost")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(10)
        udp_server.start()
        assert ask(sock, b"back") == b"back"
    assert len(udp_server.connections) == 1


def test_broadcast_on_loopback(netmocks: Netmocks) -> None:
    server = netmocks.udp(broadcast=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.settimeout(30)
        sock.sendto(b"anybody?", ("127.255.255.255", server.port))
        assert sock.recvfrom(100) == (b"anybody?", server.address)
        sock.sendto(b"you", server.address)
        assert sock.recvfrom(100) == (b"you", server.address)
    assert len(server.connections) == 1
    with pytest.raises(ValueError, match="broadcast=True works on loopback's IPv4"):
        netmocks.udp(host="::1", broadcast=True)


def test_a_fault_that_was_there_before_its_server_strikes_broadcasts_too(netmocks: Netmocks) -> None:
    latency = netmocks.inject(Latency(0.01))
    server = netmocks.udp(broadcast=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.settimeout(30)
        sock.sendto(b"anybody?", ("127.255.255.255", server.port))
        assert sock.recvfrom(100) == (b"anybody?", server.address)
    assert latency.hits == 1


def test_a_server_bound_to_the_broadcast_address_itself(netmocks: Netmocks) -> None:
    server = netmocks.udp(host="127.255.255.255")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.settimeout(30)
        sock.sendto(b"x", server.address)
        assert sock.recv(10) == b"x"


def test_ipv6(netmocks: Netmocks) -> None:
    server = netmocks.udp(host="::1")
    assert server.url == f"udp://[::1]:{server.port}"
    with udp_client(server) as sock:
        assert ask(sock, b"six") == b"six"


def test_everywhere_means_ipv4_too(netmocks: Netmocks) -> None:
    server = netmocks.udp(host="::")
    for host, family in (("::1", socket.AF_INET6), ("127.0.0.1", socket.AF_INET)):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(30)
            sock.connect((host, server.port))
            assert ask(sock, b"here") == b"here"


def test_hundreds_of_clients(udp_server: UdpServer) -> None:
    socks = [udp_client(udp_server) for _ in range(300)]
    for number, sock in enumerate(socks):
        assert ask(sock, b"%d" % number) == b"%d" % number
        sock.close()
    assert len(udp_server.connections) == 300
    assert udp_server.peak_connections == 300


def test_a_broken_reply_function_is_kept(udp_server: UdpServer) -> None:
    def broken(request: Datagram) -> bytes:
        raise RuntimeError("mine")

    udp_server.when(b"x").reply(broken)
    with udp_client(udp_server) as sock:
        sock.send(b"x")
        udp_server.wait_for(lambda server: server.journal.errors)
    assert isinstance(udp_server.journal.take_errors()[0], RuntimeError)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: s.inject(Reset()), ValueError, r"Reset\(\) strikes a byte stream.*use Loss, Duplicate"),
        (lambda s: s.inject(Refuse()), ValueError, r"stop\(\) refuses them all"),
        (lambda s: s.inject(Latency(0.1, layer="tls")), ValueError, "no TLS on udp_server"),
        (lambda s: s.script([Reset()]), ValueError, "strikes a byte stream"),
        (lambda s: s.when(b"x").inject(Reset()), ValueError, "strikes a byte stream"),
        (lambda s: s.when("x"), TypeError, "pattern must be bytes"),
        (lambda s: UdpServer(broadcast=1), TypeError, "broadcast must be True or False, not 1"),
        (lambda s: UdpServer(port=s.port).start(), OSError, r"cannot bind UDP 127.0.0.1 port \d+"),
    ],
)
def test_bad_input_is_named(udp_server, call, error, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=message):
        call(udp_server)


@pytest.mark.virtual_time
def test_reorder_lets_later_ones_overtake(udp_server: UdpServer) -> None:
    udp_server.inject(Reorder(1.0, delay=60), every=2)
    with udp_client(udp_server, timeout=600) as sock:
        for number in range(4):
            sock.send(b"%d" % number)
        assert [sock.recv(10) for _ in range(4)] == [b"0", b"2", b"1", b"3"]

"""What a UDP server can say besides one answer to each datagram: nothing, much, elsewhere, from elsewhere, unasked."""

# mypy: disable-error-code="arg-type,call-arg"
# Wrong arguments are what some of these tests give.

from __future__ import annotations

import functools
import re
import socket

import pytest
from helpers import udp_client

from pytest_netmocks.faults import Latency, Loss
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.udp.server import Send, UdpServer
from pytest_netmocks.servers.datagram_front import Datagram


def test_silence_n_times_and_then_an_answer(udp_server: UdpServer) -> None:
    rule = udp_server.when(b"q").reply(None, times=2).reply(b"a")
    with udp_client(udp_server) as sock:
        for _ in range(3):
            sock.send(b"q")
        assert sock.recv(10) == b"a"
    assert rule.hits == 3
    assert [datagram.replies for datagram in udp_server.requests] == [[], [], [b"a"]]


def test_silence_may_be_late_and_for_ever(udp_server: UdpServer) -> None:
    udp_server.when(re.compile(b"")).reply(None)
    udp_server.when(b"end").reply(b"end")
    with udp_client(udp_server) as sock:
        for data in (b"1", b"2", b"end"):
            sock.send(data)
        assert sock.recv(10) == b"end"


async def several(datagram: Datagram, send: Send) -> None:
    if datagram.data != b"hush":
        send(b"one " + datagram.data)
        send(b"two")


def test_a_handler_answers_with_none_or_several(udp_server: UdpServer) -> None:
    udp_server.when(b"x").reply(b"of a rule, which has no say here")
    udp_server.handle(several)
    with udp_client(udp_server) as sock:
        sock.send(b"hush")
        sock.send(b"x")
        assert [sock.recv(10), sock.recv(10)] == [b"one x", b"two"]
    assert [datagram.replies for datagram in udp_server.requests] == [[], [b"one x", b"two"]]


def test_a_handler_that_is_taken_back_leaves_the_rules(udp_server: UdpServer) -> None:
    udp_server.when(b"x").reply(b"rule")
    udp_server.handle(several)
    udp_server.handle(None)
    with udp_client(udp_server) as sock:
        sock.send(b"x")
        assert sock.recv(10) == b"rule"


def test_a_handler_sends_to_somebody_else(udp_server: UdpServer) -> None:
    with udp_client(udp_server) as one, udp_client(udp_server) as two:

        async def relay(datagram: Datagram, send: Send) -> None:
            send(datagram.data, two.getsockname())

        udp_server.handle(relay)
        one.send(b"for you")
        assert two.recv(10) == b"for you"
    asked, other = udp_server.connections
    assert (asked.sent, other.sent) == (b"", b"for you")
    assert udp_server.requests[0].replies == []


def test_an_answer_from_another_socket_has_its_address_and_what_comes_there_is_the_servers(
    udp_server: UdpServer,
) -> None:
    async def forge(datagram: Datagram, send: Send) -> None:
        send(datagram.data.upper(), source=("127.0.0.2", 0))

    udp_server.handle(forge)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.sendto(b"a", udp_server.address)
        data, other = sock.recvfrom(10)
        assert (data, other[0], other == udp_server.address) == (b"A", "127.0.0.2", False)
        sock.sendto(b"b", other)
        assert sock.recvfrom(10) == (b"B", other)
    assert len(udp_server.connections) == 1


def test_a_datagram_that_nobody_asked_for_is_on_record(udp_server: UdpServer) -> None:
    with udp_client(udp_server) as sock:
        udp_server.send(b"news", sock.getsockname())
        assert sock.recv(10) == b"news"
    (connection,) = udp_server.connections
    assert (connection.sent, connection.received) == (b"news", b"")
    assert "first datagram to 127.0.0.1" in str(udp_server.timeline)


def test_faults_without_a_selector_strike_the_unasked_too_and_they_are_not_counted(udp_server: UdpServer) -> None:
    late = udp_server.inject(Latency(0.01))
    second = udp_server.inject(Loss(1.0), nth=2)
    with udp_client(udp_server) as sock:
        udp_server.send(b"1", sock.getsockname())
        udp_server.send(b"2", sock.getsockname())
        sock.send(b"first")
        assert [sock.recv(10) for _ in range(3)] == [b"1", b"2", b"first"]
    assert (late.hits, second.hits) == (3, 0)


def test_what_is_lost_either_way_is_in_the_timeline(udp_server: UdpServer) -> None:
    udp_server.inject(Loss(1.0, direction="upstream"), first=1)
    udp_server.inject(Loss(1.0), nth=2)
    with udp_client(udp_server) as sock:
        for data in (b"up", b"down", b"both ways"):
            sock.send(data)
        assert sock.recv(10) == b"both ways"
    text = str(udp_server.timeline)
    assert "lost on the way to the server: 2 B  b'up'" in text
    assert "lost on the way to the client: 4 B  b'down'" in text
    assert udp_server.requests[0].replies == [b"down"]


def test_a_handler_that_raises_is_kept(udp_server: UdpServer) -> None:
    async def broken(datagram: Datagram, send: Send) -> None:
        send(bytes(70000))

    udp_server.handle(broken)
    with udp_client(udp_server) as sock:
        sock.send(b"x")
        errors = udp_server.wait_for(lambda server: server.journal.take_errors())
    assert "data must fit into a datagram: 65507 bytes, not 70000" in str(errors[0])


def test_a_proxy_has_replies_on_record_too(udp_server: UdpServer, netmocks: Netmocks) -> None:
    proxy = netmocks.udp_proxy(udp_server)
    with udp_client(proxy) as sock:
        sock.send(b"x")
        assert sock.recv(10) == b"x"
    assert proxy.requests[0].replies == [b"x"]


async def of_one(one: object) -> None: ...


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: s.when(b"x").reply(None, b"x"), TypeError, "None has no place among datagrams"),
        (lambda s: s.when(b"x").reply(None, times=0), ValueError, "times must be"),
        (lambda s: s.handle(of_one), TypeError, r"async function of datagram and send, not of \(one\)"),
        (lambda s: s.handle(lambda datagram, send: None), TypeError, "async function of datagram and send, not the pl"),
        (lambda s: s.send("x", s.address), TypeError, "data must be bytes, not 'x'"),
        (lambda s: s.send(b"x", "here"), TypeError, r"address must be a \(host, port\) pair"),
        (lambda s: s.send(b"x", ("localhost", 9)), ValueError, "with an IP address.*not .'localhost'"),
        (lambda s: s.send(b"x", ("127.0.0.1", 0)), ValueError, "address's port must be"),
        (lambda s: s.send(b"x", ("::1", 9)), ValueError, "address must be of the server's kind"),
        (lambda s: s.send(b"x", None), TypeError, "address must be"),
        (lambda s: s.send(b"x", s.address, source=s.address), OSError, "cannot bind UDP"),
        (lambda s: s.stop() or s.send(b"x", ("127.0.0.1", 9)), RuntimeError, "udp_server is stopped"),
    ],
)
def test_bad_input_is_named(udp_server, call, error, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=message):
        call(udp_server)


def test_another_socket_goes_down_and_comes_back_with_the_server(udp_server: UdpServer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.bind(("127.0.0.1", 0))
        udp_server.send(b"x", sock.getsockname(), source=("127.0.0.2", 0))
        other = sock.recvfrom(10)[1]
        udp_server.stop()
        udp_server.start()
        udp_server.send(b"y", sock.getsockname(), source=("127.0.0.2", 0))
        assert sock.recvfrom(10) == (b"y", other)


def test_ipv6(netmocks: Netmocks) -> None:
    server = netmocks.udp(host="::1")
    with udp_client(server) as sock:
        server.send(b"six", sock.getsockname()[:2])
        assert sock.recv(10) == b"six"
        sock.send(b"x")
        assert sock.recv(10) == b"x"
    assert len(server.connections) == 1


def test_a_partial_of_an_async_function_is_one(udp_server: UdpServer) -> None:
    async def name(who: bytes, datagram: Datagram, send: Send) -> None:
        send(who)

    udp_server.handle(functools.partial(name, b"bob"))
    with udp_client(udp_server) as sock:
        sock.send(b"?")
        assert sock.recv(10) == b"bob"

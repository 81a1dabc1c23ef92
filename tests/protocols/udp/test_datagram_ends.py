"""The ends of UDP's clients and servers, and where their datagrams come from."""

from __future__ import annotations

import socket
import sys
import time

import pytest
from helpers import udp_client

from pytest_netmocks.faults import Latency, Loss
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.udp.server import UdpServer


@pytest.mark.virtual_time
@pytest.mark.parametrize("delayed", ["reply", "datagram"])
def test_a_client_that_is_closed_gets_nothing_more(udp_server: UdpServer, delayed: str) -> None:
    if delayed == "reply":
        udp_server.when(b"x").reply(b"late", delay=60)
    else:
        udp_server.inject(Latency(60))
    with udp_client(udp_server, timeout=200) as sock:
        sock.send(b"x")
        udp_server.wait_for(lambda s: s.requests)
        udp_server.connections[0].close()
        with pytest.raises(TimeoutError):
            sock.recv(9)
    assert udp_server.connections[0].closed_by == "server"


@pytest.mark.virtual_time
def test_what_was_to_come_does_not_outlive_a_stop(udp_server: UdpServer) -> None:
    udp_server.when(b"x").reply(b"late", delay=60)
    with udp_client(udp_server, timeout=200) as sock:
        sock.send(b"x")
        udp_server.wait_for(lambda s: s.requests)
        udp_server.stop()
        udp_server.start()
        with pytest.raises(TimeoutError):
            sock.recv(9)
    assert udp_server.connections[0].bytes_sent == 0


@pytest.mark.virtual_time
def test_a_stopped_server_takes_no_delayed_request(netmocks: Netmocks) -> None:
    server = netmocks.udp()
    server.inject(Latency(60, direction="upstream"))
    with udp_client(server) as sock:
        sock.send(b"x")
        server.wait_for(lambda s: s.connections)
        server.stop()
        time.sleep(90)
    assert not server.requests


@pytest.mark.virtual_time
def test_a_stopped_proxy_passes_nothing_on_and_comes_back(netmocks: Netmocks) -> None:
    upstream = netmocks.udp()
    upstream.when(b"x").reply(b"late", delay=60)
    upstream.when(b"y").reply(b"soon")
    proxy = netmocks.udp_proxy(upstream)
    with udp_client(proxy, timeout=200) as sock:
        sock.send(b"x")
        upstream.wait_for(lambda s: s.requests)
        proxy.stop()
        time.sleep(90)
        assert proxy.connections[0].bytes_sent == 0
        proxy.start()
        sock.send(b"y")
        assert sock.recv(9) == b"soon"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the route chooses where an answer comes from")
@pytest.mark.parametrize("host", ["::", "0.0.0.0"])
def test_an_answer_comes_from_where_the_client_has_asked(netmocks: Netmocks, host: str) -> None:
    server = netmocks.udp(host=host)
    for address in ("127.0.0.1", "127.0.0.2"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(30)
            sock.connect((address, server.port))
            for _ in range(2):
                sock.send(b"x")
                assert sock.recv(9) == b"x"
                server.stop()
                server.start()


def test_a_fault_of_a_rule_counts_when_it_strikes(udp_server: UdpServer) -> None:
    never = udp_server.when(b"x")
    loss = never.inject(Loss(0.0))
    lost = udp_server.when(b"y")
    lost.inject(Loss(1.0))
    with udp_client(udp_server) as sock:
        sock.send(b"y")
        sock.send(b"x")
        assert sock.recv(9) == b"x"
    assert (never.hits, loss.hits, lost.hits) == (0, 0, 1)


def test_a_reply_has_to_fit_into_a_datagram(netmocks: Netmocks) -> None:
    with pytest.raises(ValueError, match="reply must fit into a datagram: 65507 bytes, not 65508"):
        netmocks.udp().when(b"x").reply(b"y" * 65508)
    server = netmocks.udp(host="::1")
    server.when(b"x").reply(b"y" * 65527)
    with udp_client(server) as sock:
        sock.send(b"x")
        assert len(sock.recv(70000)) == 65527

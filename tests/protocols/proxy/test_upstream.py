"""A proxy whose upstream is another while it runs."""

from __future__ import annotations

import pathlib
import socket
from typing import Any

import pytest
import requests
from helpers import connect, echo, read_exactly, read_to_end, shake, udp_client

import pytest_netmocks
from pytest_netmocks.faults import Latency
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.proxy.server import TcpProxy
from pytest_netmocks.protocols.tcp.server import TcpServer

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tls to the client": {"tls": True},
    "tls to the upstream": {"upstream_tls": True},
    "tls both ways": {"tls": True, "upstream_tls": True},
    "with a header": {"proxy_protocol": 1},
}


def client(proxy: TcpProxy, way: str) -> socket.socket:
    return shake(proxy) if WAYS[way].get("tls") else connect(proxy)


@pytest.mark.parametrize("way", WAYS)
def test_who_comes_later_is_passed_on_to_the_other_and_who_is_there_goes_on(netmocks: Netmocks, way: str) -> None:
    header, secure = "proxy_protocol" in WAYS[way], "upstream_tls" in WAYS[way]
    one, two = (netmocks.tcp(tls=secure, proxy_protocol=header) for _ in range(2))
    one.when(b"who?").reply(b"one")
    two.when(b"who?").reply(b"two")
    proxy = netmocks.tcp_proxy(one, **WAYS[way])

    def ask(sock: socket.socket) -> bytes:
        sock.sendall(b"who?")
        return read_exactly(sock, 3)

    with client(proxy, way) as old:
        assert ask(old) == b"one"
        for upstream, name in ((two, b"two"), (one, b"one"), (("localhost", two.port), b"two")):
            proxy.upstream = upstream
            assert proxy.upstream == upstream
            with client(proxy, way) as new:
                assert [ask(new), ask(old)] == [name, b"one"]
    assert [len(server.connections) for server in (one, two)] == [2, 2]


def test_a_port_and_a_unix_socket_take_turns(netmocks: Netmocks, tmp_path: pathlib.Path) -> None:
    one, two = netmocks.tcp(), netmocks.tcp(path=str(tmp_path / "s"))
    proxy = netmocks.tcp_proxy(one)
    for upstream in (two, one, two):
        proxy.upstream = upstream
        assert echo(proxy) == b"hello"
    assert [len(server.connections) for server in (one, two)] == [1, 2]


def test_a_client_that_is_connected_already_is_no_new_one(netmocks: Netmocks) -> None:
    one, two = netmocks.tcp(), netmocks.tcp()
    proxy = netmocks.tcp_proxy(one)
    for _ in range(20):
        proxy.upstream = one
        with connect(proxy) as sock:
            proxy.upstream = two
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
    assert not two.connections


def test_nor_is_one_whose_first_datagram_is_sent(netmocks: Netmocks) -> None:
    one, two = netmocks.udp(), netmocks.udp()
    proxy = netmocks.udp_proxy(one)
    for _ in range(20):
        proxy.upstream = one
        with udp_client(proxy) as sock:
            sock.send(b"x")
            proxy.upstream = two
            assert sock.recv(1) == b"x"
    assert not two.connections


def test_one_that_has_gone_is_replaced_before_the_client_tries_again(netmocks: Netmocks) -> None:
    """A fail-over: the client's pool keeps the address that it knows."""
    one, two = netmocks.http(), netmocks.http()
    one.when("/").reply(text="one")
    two.when("/").reply(text="two")
    proxy = netmocks.tcp_proxy(one)
    with requests.Session() as session:
        assert session.get(proxy.url, timeout=30).text == "one"
        one.stop()
        proxy.settle()  # has passed on the end, which the pool looks for
        proxy.upstream = two
        assert session.get(proxy.url, timeout=30).text == "two"


@pytest.mark.parametrize("wrong", [5, ("127.0.0.1",), ("127.0.0.1", 0), ("", "x"), None, "x"])
def test_what_is_none_is_refused_at_the_call_and_the_one_before_stays(netmocks: Netmocks, wrong: Any) -> None:
    for proxy, upstream in ((netmocks.tcp_proxy, netmocks.tcp()), (netmocks.udp_proxy, netmocks.udp())):
        made = proxy(upstream)
        with pytest.raises((TypeError, ValueError), match="upstream"):
            made.upstream = wrong
        assert made.upstream is upstream


def test_a_proxy_is_no_upstream_of_itself(netmocks: Netmocks, tcp_server: TcpServer) -> None:
    proxy = netmocks.tcp_proxy(tcp_server)
    with pytest.raises(ValueError, match="not the proxy itself"):
        proxy.upstream = proxy
    assert echo(proxy) == b"hello"


def test_a_client_of_udp_goes_on_with_the_one_that_it_has(netmocks: Netmocks) -> None:
    one, two = netmocks.udp(), netmocks.udp()
    one.when(b"who?").reply(b"one")
    two.when(b"who?").reply(b"two")
    proxy = netmocks.udp_proxy(one)

    def ask(sock: socket.socket) -> bytes:
        sock.send(b"who?")
        return sock.recv(3)

    with udp_client(proxy) as old, udp_client(proxy) as new:
        assert ask(old) == b"one"
        proxy.upstream = two
        assert [ask(new), ask(old)] == [b"two", b"one"]


def test_faults_and_records_are_the_proxy_s_whatever_is_behind_it(netmocks: Netmocks) -> None:
    one, two = netmocks.tcp(), netmocks.tcp()
    proxy = netmocks.tcp_proxy(one)
    slow = proxy.inject(Latency(0.01))
    for upstream in (one, two):
        proxy.upstream = upstream
        echo(proxy)
    assert slow.hits == 2
    assert [connection.id for connection in proxy.connections] == [1, 2]


def test_a_reset_brings_back_the_one_that_it_was_made_with(netmocks: Netmocks) -> None:
    tcp, udp = netmocks.tcp(), netmocks.udp()
    for proxy, upstream, other in (
        (netmocks.tcp_proxy(tcp), tcp, netmocks.tcp()),
        (netmocks.tcp_proxy(tcp.address), tcp.address, netmocks.tcp()),
        (netmocks.udp_proxy(udp), udp, netmocks.udp()),
    ):
        proxy.upstream = other
        proxy.reset()
        assert proxy.upstream == upstream
    assert echo(netmocks.tcp_proxy(tcp)) == b"hello"


def test_before_it_starts_it_has_another_too() -> None:
    with pytest_netmocks.tcp() as one, pytest_netmocks.tcp() as two:
        proxy = pytest_netmocks.tcp_proxy(one)
        proxy.upstream = two
        with proxy:
            assert echo(proxy) == b"hello"
            proxy.upstream = one
            proxy.reset()
            assert proxy.upstream is two
            with connect(proxy) as sock:
                sock.shutdown(socket.SHUT_WR)
                assert read_to_end(sock) == b""
        assert [len(server.connections) for server in (one, two)] == [0, 2]

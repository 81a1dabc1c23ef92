"""What proxies have on record of the way on."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
import requests
from helpers import connect, echo, read_exactly

from pytest_netmocks import HttpServer
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.records.addresses import describe_address


def by_tcp_proxy(netmocks: Netmocks, far: HttpServer) -> Any:
    proxy = netmocks.tcp_proxy(far)
    requests.get(proxy.url_for("/"), timeout=10)
    return proxy


def by_connect(netmocks: Netmocks, far: HttpServer) -> Any:
    proxy = netmocks.http_proxy()
    with connect(proxy) as client:
        client.sendall(b"CONNECT localhost:%d HTTP/1.1\r\nHost: x\r\n\r\n" % far.port)
        read_exactly(client, 12)
    return proxy


def by_absolute_form(netmocks: Netmocks, far: HttpServer) -> Any:
    proxy = netmocks.http_proxy()
    requests.get(far.url, proxies={"http": proxy.url}, timeout=10)
    return proxy


def by_a_rule(netmocks: Netmocks, far: HttpServer) -> Any:
    server = netmocks.http()
    server.when("CONNECT", "api.test:443").tunnel(to=far)
    with connect(server) as client:
        client.sendall(b"CONNECT api.test:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        read_exactly(client, 12)
    return server


def by_socks(netmocks: Netmocks, far: HttpServer) -> Any:
    proxy = netmocks.socks5()
    requests.get(far.url, proxies={"http": proxy.url}, timeout=10)
    return proxy


@pytest.mark.parametrize("way", [by_tcp_proxy, by_connect, by_absolute_form, by_a_rule, by_socks])
def test_a_proxy_says_where_it_passes_a_client_on_to_and_where_that_comes_from(
    netmocks: Netmocks, http_server: HttpServer, way: Callable[[Netmocks, HttpServer], Any]
) -> None:
    http_server.when("/").reply(200)
    timeline = str(way(netmocks, http_server).timeline)
    http_server.wait_for(lambda server: server.connections, timeout=30)
    (connection,) = http_server.connections
    here, there = describe_address(http_server.address), describe_address(connection.client_address)
    assert f"passed on to {here}, where it comes from {there}" in timeline


def test_so_does_one_of_datagrams(netmocks: Netmocks) -> None:
    far = netmocks.udp()
    proxy = netmocks.udp_proxy(far)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.connect(proxy.address)
        for _ in range(2):
            client.send(b"x")
            assert client.recv(1) == b"x"
    there = describe_address(far.connections[0].client_address)
    assert str(proxy.timeline).count(f"where it comes from {there}") == 1


def test_who_is_passed_on_to_nobody_is_told_nothing_of_it(netmocks: Netmocks) -> None:
    gone = netmocks.tcp()
    proxy = netmocks.tcp_proxy(gone)
    assert echo(proxy) == b"hello"
    gone.stop()
    with pytest.raises(ConnectionResetError), connect(proxy) as client:  # it may come before connect() is over
        client.recv(1)
    assert str(proxy.timeline).count("passed on to") == 1

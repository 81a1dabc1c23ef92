"""Who else connects while names are in force: the test's own proxies, and clients in virtual time."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest
from helpers import connect, read_exactly

import pytest_netmocks
from pytest_netmocks.faults import Latency
from pytest_netmocks.link.calls import METHODS
from pytest_netmocks.plugin.factory import Netmocks


def methods() -> list[object]:
    return [vars(socket.socket).get(name) for name in METHODS]


def ask(name: str, port: int) -> bytes:
    with socket.create_connection((name, port), timeout=10) as client:
        client.sendall(b"x")
        return client.recv(10)


def test_a_proxy_behind_the_name_of_its_upstream_comes_to_that(netmocks: Netmocks) -> None:
    backend = netmocks.tcp()
    proxy = netmocks.tcp_proxy(("127.0.0.1", backend.port))
    netmocks.names({f"db.internal:{backend.port}": proxy})
    assert ask("db.internal", backend.port) == b"x"
    assert len(proxy.connections) == len(backend.connections) == 1


def test_a_proxy_of_datagrams_does_too(netmocks: Netmocks) -> None:
    backend = netmocks.udp()
    proxy = netmocks.udp_proxy(("127.0.0.1", backend.port))
    netmocks.names({f"clock.internal:{backend.port}": proxy})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.connect(socket.getaddrinfo("clock.internal", backend.port, type=socket.SOCK_DGRAM)[0][4])
        client.send(b"x")
        assert client.recv(10) == b"x"
    assert len(backend.connections) == 1


def test_a_server_of_datagrams_answers_where_the_question_came_from(netmocks: Netmocks) -> None:
    server, other = netmocks.udp(), netmocks.udp()
    netmocks.names({"clock.internal": other})
    socket.gethostbyname("clock.internal")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        client.bind(("127.0.0.1", 0))
        socket.socket.__base__.sendto(client, b"x", server.address)  # type: ignore[union-attr]
        assert client.recv(10) == b"x"


def by_sendto(client: socket.socket, port: int) -> None:
    client.sendto(b"x", ("clock.internal", port))


def by_sendmsg(client: socket.socket, port: int) -> None:
    client.sendmsg([b"x"], (), 0, ("clock.internal", port))


@pytest.mark.parametrize("way", [by_sendto, by_sendmsg])
@pytest.mark.parametrize("timed", [False, True])
def test_a_datagram_goes_where_the_name_leads(
    netmocks: Netmocks, way: Callable[[socket.socket, int], None], *, timed: bool
) -> None:
    server = netmocks.udp()
    netmocks.names({"clock.internal:123": server}, strict=True)
    server.inject(Latency(0.05))
    virtual = pytest_netmocks.virtual_time() if timed else contextlib.nullcontext()
    with virtual, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        way(client, 123)
        assert client.recv(10) == b"x"
        with pytest.raises(ConnectionRefusedError, match="leads nowhere"):
            way(client, 124)


def by_connect(netmocks: Netmocks, port: int) -> None:
    with connect(netmocks.http_proxy()) as client:
        client.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % port)
        assert read_exactly(client, 12) == b"HTTP/1.1 200"


def by_absolute_form(netmocks: Netmocks, port: int) -> None:
    with connect(netmocks.http_proxy()) as client:
        client.sendall(b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % port)
        assert read_exactly(client, 12) == b"HTTP/1.1 404"


def by_socks(netmocks: Netmocks, port: int) -> None:
    with connect(netmocks.socks5()) as client:
        client.sendall(b"\5\1\0\5\1\0\1\x7f\0\0\1" + port.to_bytes(2))
        assert read_exactly(client, 4) == b"\5\0\5\0"


@pytest.mark.parametrize("way", [by_connect, by_absolute_form, by_socks])
def test_an_address_that_a_proxy_is_asked_for_is_no_name(netmocks: Netmocks, way: Callable[[Any, int], None]) -> None:
    far, other = netmocks.http(), netmocks.tcp()
    netmocks.names({f"db.internal:{far.port}": other})
    socket.getaddrinfo("db.internal", far.port)
    way(netmocks, far.port)
    assert len(far.connections) == 1
    assert other.connections == []


def test_what_is_strict_is_strict_to_proxies_too(netmocks: Netmocks) -> None:
    proxy = netmocks.tcp_proxy(("192.0.2.1", 80))
    netmocks.names({}, strict=True)
    with pytest.raises(ConnectionResetError), connect(proxy) as client:
        client.recv(1)
    assert "192.0.2.1:80 cannot be reached: ECONNREFUSED" in str(proxy.timeline)


def test_names_hold_in_virtual_time_that_begins_after_them(netmocks: Netmocks) -> None:
    server = netmocks.tcp()
    netmocks.names({"db.internal:5432": server}, strict=True)
    with pytest_netmocks.virtual_time():
        assert ask("db.internal", 5432) == b"x"
        with pytest.raises(ConnectionRefusedError, match=r"names\(\) is strict"):
            socket.create_connection(("192.0.2.1", 80), timeout=5)
    assert ask("db.internal", 5432) == b"x"


@pytest.mark.parametrize("names_first", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_names_and_virtual_time_come_and_go_in_any_order(
    netmocks: Netmocks, *, names_first: bool, nested: bool
) -> None:
    before = methods()
    server = netmocks.tcp()
    kinds: list[Callable[[], Any]] = [lambda: netmocks.names({"a.test": server}), pytest_netmocks.virtual_time]
    first, second = kinds if names_first else reversed(kinds)
    one, two = first(), None
    one.__enter__()
    two = second()
    two.__enter__()
    assert ask("a.test", 80) == b"x"
    for each in (two, one) if nested else (one, two):
        assert methods() != before
        each.__exit__(None, None, None)
    assert methods() == before

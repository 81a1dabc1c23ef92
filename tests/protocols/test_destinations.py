"""Where proxies connect to: this machine and the test's names, however somebody else's address is written."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers import connect, read_exactly, read_to_end

from pytest_netmocks import HttpProxyServer, Socks5Server
from pytest_netmocks.plugin.factory import Netmocks

ELSEWHERE = [
    "192.0.2.1",
    "::ffff:192.0.2.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:db8::1",
    "fe80::1%lo",
    "::1%lo",
    "::1%zz",
    "::%zz",
    "3221225985",
    "0xC0.0.2.1",
    "0300.0.2.1",
    "192.0.513",
    "2130706433",
    "0x7f.1",
    "017700000001",
    "127.1",
    "127.0.0.1%lo",
    "127.0.0.1.example.com",
    "www.python.org",
    "localhost.example.com",
    "api.test.example.com",
    "api.test\0.example.com",
    "",
]
HERE = ["127.0.0.1", "127.1.2.3", "0.0.0.0", "::ffff:127.0.0.1", "localhost", "LOCALHOST.", "a.localhost", "api.test"]


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No name is looked up that is not the test's: what it leads to may change from one time to the next."""
    asked: list[object] = []
    real = socket.getaddrinfo

    def hear(host: Any, *arguments: Any, **options: Any) -> Any:
        if host != "127.0.0.1":  # the test's own client
            asked.append(host)
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hear)
    yield
    assert asked == []


def by_connect(proxy: HttpProxyServer, host: str, port: int) -> bool:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    with connect(proxy) as client:
        client.sendall(f"CONNECT {where} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1"))
        return read_exactly(client, 12) == b"HTTP/1.1 200"


def by_absolute_form(proxy: HttpProxyServer, host: str, port: int) -> bool:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    with connect(proxy) as client:
        client.sendall(f"GET http://{where}/ HTTP/1.1\r\nHost: api.test\r\n\r\n".encode("latin-1"))
        client.shutdown(socket.SHUT_WR)
        return read_to_end(client).startswith(b"HTTP/1.1 404")  # the far server's, for it has no rules


def by_socks(proxy: Socks5Server, host: str, port: int) -> bool:
    name = host.encode("latin-1")
    with connect(proxy) as client:
        client.sendall(b"\5\1\0" + b"\5\1\0\3" + bytes([len(name)]) + name + port.to_bytes(2))
        return read_exactly(client, 4)[3] == 0


Way = Callable[[Any, str, int], bool]
WAYS = [("http_proxy", by_connect), ("http_proxy", by_absolute_form), ("socks5", by_socks)]


@pytest.mark.parametrize(("kind", "way"), WAYS)
def test_a_proxy_connects_to_this_machine_and_to_the_tests_names(netmocks: Netmocks, kind: str, way: Way) -> None:
    far = netmocks.http(host="0.0.0.0")
    proxy = getattr(netmocks, kind)(names={"api.test": far})
    assert {host: way(proxy, host, far.port) for host in HERE} == dict.fromkeys(HERE, True)


@pytest.mark.parametrize(("kind", "way"), WAYS)
def test_a_proxy_connects_nowhere_else_however_that_is_written(netmocks: Netmocks, kind: str, way: Way) -> None:
    far = netmocks.http()
    proxy = getattr(netmocks, kind)(names={"api.test": far})
    assert [host for host in ELSEWHERE if way(proxy, host, far.port)] == []
    assert "passed on to" not in str(proxy.timeline)
    assert far.connections == []


def test_who_asks_is_no_part_of_where(netmocks: Netmocks) -> None:
    far = netmocks.http()
    proxy = netmocks.http_proxy(names={"api.test": far})
    assert by_absolute_form(proxy, "user@api.test", far.port)
    assert "authorization" not in far.requests[0].headers
    assert far.requests[0].headers["host"] == f"api.test:{far.port}"
    assert not by_absolute_form(proxy, "127.0.0.1@www.python.org", 80)


@pytest.mark.parametrize(("kind", "way"), [WAYS[0], WAYS[2]])
def test_a_zone_that_there_is_not_cannot_be_reached(netmocks: Netmocks, kind: str, way: Way) -> None:
    proxy = getattr(netmocks, kind)(anywhere=True)
    assert not way(proxy, "fe80::1%zz", 80)
    assert "cannot be reached: " in str(proxy.timeline)


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (b"Content-Length: 4\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 4", b"0\r\n\r\n"),
        (b"Content-Length: 4\r\nContent-Length: 40", b""),
        (b"Transfer-Encoding: xchunked", b"0\r\n\r\n"),
        (b"Transfer-Encoding: chunked, identity", b"0\r\n\r\n"),
        (b"Connection: content-length\r\nContent-Length: 35", b""),
        (b"Content-Length : 35", b""),
        (b"X: a\rTransfer-Encoding: chunked\r\nContent-Length: 0", b""),
        (b"X: a\nTransfer-Encoding: chunked\r\nContent-Length: 35", b""),
        (b"Content-Length: +35", b""),
    ],
)
def test_no_request_is_smuggled_past_it_in_the_body_of_another(
    netmocks: Netmocks, http_proxy_server: HttpProxyServer, fields: bytes, body: bytes
) -> None:
    far = netmocks.http()
    with connect(http_proxy_server) as client:
        head = f"POST {far.url_for('/x')} HTTP/1.1\r\nHost: x\r\n".encode() + fields + b"\r\n\r\n"
        client.sendall(head + body + SMUGGLED)
        client.shutdown(socket.SHUT_WR)
        read_to_end(client)
    assert {request.path for request in far.requests} <= {"/x"}
    for request in far.requests:
        assert "transfer-encoding" not in request.headers
        assert int(request.headers["content-length"]) == len(request.body)

"""CONNECT names a host and a port (RFC 9112, section 3.2.3), and an answer of 2xx begins a tunnel."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import connect, read_exactly, read_to_end

from pytest_netmocks import ANY_PATH, AnyOf, Not, Response
from pytest_netmocks.protocols.http.server import HttpServer

pytestmark = pytest.mark.in_memory


def ask(server: HttpServer, target: str, more: bytes = b"", method: str = "CONNECT") -> bytes:
    with connect(server) as sock:
        sock.sendall(f"{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode() + more)
        return read_to_end(sock)


@pytest.mark.parametrize(
    ("wanted", "target", "status"),
    [
        ("host:443", "host:443", 403),
        ("Host:443", "hOST:443", 403),
        ("host:443", "host:80", 404),
        ("host:443", "other:443", 404),
        ("host:443", "host", 404),
        ("[::1]:443", "[::1]:443", 403),
        ("{host}:443", "a.b:443", 403),
        ("{host}:{port:int}", "a.b:443", 403),
        ("{host}:{port:int}", "a.b:http", 404),
        (AnyOf("a:1", "b:2"), "b:2", 403),
        (Not("a:1"), "a:1", 404),
        (ANY_PATH, "a:1", 403),
    ],
)
def test_a_rule_matches_its_authority(http_server: HttpServer, wanted: Any, target: str, status: int) -> None:
    http_server.when("CONNECT", wanted).reply(403)
    assert int(ask(http_server, target).split()[1]) == status


def test_places_of_an_authority_are_parameters(http_server: HttpServer) -> None:
    http_server.when("CONNECT", "{host}:{port:int}").reply(lambda request: Response(403, json=request.path_params))
    assert ask(http_server, "api.test:8443").endswith(b'{"host": "api.test", "port": 8443}')
    request = http_server.assert_requested("CONNECT", "api.test:8443")
    assert (request.target, request.path) == ("api.test:8443", "api.test:8443")


@pytest.mark.parametrize("method", ["CONNECT", "connect", AnyOf("CONNECT", "GET")])
def test_every_way_to_say_connect_takes_one(http_server: HttpServer, method: Any) -> None:
    http_server.when(method, "host:443").reply(403)
    assert ask(http_server, "host:443").startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("path", ["host", "host:", ":443", "host:443/x", "user@host:443", "host:443?a", "::1:443", ""])
def test_what_is_no_authority_is_refused(http_server: HttpServer, path: str) -> None:
    with pytest.raises(ValueError, match="path of a CONNECT must be a host and a port"):
        http_server.when("CONNECT", path)


@pytest.mark.parametrize("what", [("GET", "host:443"), ("host:443",), (None, "host:443")])
def test_other_methods_have_none_and_are_told_of_connect(http_server: HttpServer, what: Any) -> None:
    with pytest.raises(
        ValueError, match=r"path must begin with a slash, not 'host:443': when\(\"CONNECT\", 'host:443'"
    ):
        http_server.when(*what)


def test_a_tunnel_has_no_length_and_goes_on_here(http_server: HttpServer) -> None:
    http_server.when("CONNECT", "host:80").reply(200, reason="Connection Established")
    http_server.when("GET", "/x").reply(text="through")
    for _ in range(2):
        with connect(http_server) as sock:
            sock.sendall(b"CONNECT host:80 HTTP/1.1\r\nHost: host:80\r\n\r\n")
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += read_exactly(sock, 1)
            assert head.startswith(b"HTTP/1.1 200 Connection Established\r\n")
            assert b"content-length" not in head.lower()
            assert b"onnection: close" not in head
            sock.sendall(b"GET /x HTTP/1.1\r\nHost: host\r\nConnection: close\r\n\r\n")
            assert read_to_end(sock).endswith(b"\r\n\r\nthrough")

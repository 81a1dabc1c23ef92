"""Paths are split, then decoded (RFC 3986, sections 2.2 and 6.2.2.2), wherever they are compared."""

from __future__ import annotations

import pathlib
import re
from urllib.parse import quote

import pytest
import requests
from helpers import HANDSHAKE, connect, read_to_end, speak
from hypothesis import given
from hypothesis import strategies as st

from pytest_netmocks import Response
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.web.paths import PathPattern, comparable

pytestmark = pytest.mark.in_memory


def status(server: HttpServer, target: str, method: str = "GET") -> int:
    with connect(server) as sock:
        sock.sendall(f"{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        return int(read_to_end(sock).split()[1])


@pytest.mark.parametrize(
    ("rule", "target", "same"),
    [
        ("/c/a/b", "/c/a%2Fb", False),
        ("/c/a%2Fb", "/c/a%2fb", True),
        ("/c/a%2Fb", "/c/a/b", False),
        ("/c/a%2Fb", "/c/a%252Fb", False),
        ("/c/{x}", "/c/a%2Fb", True),
        ("/c/{x}/b", "/c/a%2Fb", False),
        ("/{rest:path}", "/c/a%2Fb", True),
        ("/a b", "/a%20b", True),
        ("/a%20b", "/a%20b", True),
        ("/%7Euser", "/~user", True),
        ("/100%", "/100%25", True),
        ("/%7Bx%7D", "/{x}", True),
        ("/%7Bx%7D", "/y", False),
        ("/é", "/%C3%A9", True),
        ("/%FF", "/%FF", True),
        ("/%FF", "/%FE", False),
        ("/a%3Fb%23", "/a%3Fb%23", True),
        ("/{n:int}", "/%D9%A3", False),
        ("/x", "HTTP://h/x", True),
        ("/", "http://h?a=/x", True),
        ("/x", "Foo://u:p@h:1/x?q#f", True),
        ("*", "*", True),
    ],
)
def test_segments_are_compared_each_decoded(http_server: HttpServer, rule: str, target: str, same: bool) -> None:
    method = "OPTIONS" if target == "*" else "GET"
    http_server.when(rule).reply(204)
    assert status(http_server, target, method) == (204 if same else 404)


@pytest.mark.on_sockets
def test_a_pattern_sees_a_slash_in_a_segment_as_it_was_sent(http_server: HttpServer) -> None:
    http_server.when(re.compile(r"/c/(?P<name>[^/]+)")).reply(lambda request: Response(json=request.path_params))
    assert requests.get(http_server.url + "/c/a%2fb%20c", timeout=30).json() == {"name": "a%2Fb c"}
    assert status(http_server, "/c/a/b") == 404


def test_users_get_paths_decoded_and_raw(http_server: HttpServer) -> None:
    http_server.when("/{x}/{rest:path}").reply(204)
    assert status(http_server, "http://h/a%2Fb%FF/c%2Fd?q") == 204
    request = http_server.requests[0]
    assert (request.path, request.raw_path) == ("/a/b\ufffd/c/d", "/a%2Fb%FF/c%2Fd")
    assert request.path_params == {"x": "a/b\ufffd", "rest": "c/d"}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}?#"), max_size=12))
def test_a_rule_answers_the_url_that_is_made_for_it(text: str) -> None:
    path = "/" + text
    target = HttpServer().url_for(path)
    raw = target.partition("://")[2].partition("/")[2]
    assert PathPattern(path).match(comparable(b"/" + raw.encode())) == {}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12))
def test_a_segment_stands_for_any_text_that_is_encoded(text: str) -> None:
    assert PathPattern("/{x}").match(comparable(b"/" + quote(text, safe="").encode())) == {"x": text}


def test_methods_that_are_allowed_are_those_of_the_same_path(http_server: HttpServer) -> None:
    http_server.when("PUT", "/a/b").reply(204)
    assert status(http_server, "/a/b") == 405
    assert status(http_server, "/a%2Fb") == 404


def test_a_mount_begins_at_a_slash_that_is_one(http_server: HttpServer, tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("found")
    http_server.serve_files(tmp_path, at="/my%20files")
    assert status(http_server, "/my%20files/a/b") == 200
    assert status(http_server, "/my%20files%2Fa/b") == 404
    assert status(http_server, "/my%20files/a%2Fb") == 404


@pytest.mark.on_sockets
def test_a_mounted_application_gets_both(http_server: HttpServer) -> None:
    def app(environ: dict[str, str], start_response: object) -> list[bytes]:
        start_response("200 OK", [])  # type: ignore[operator]
        return [f"{environ['SCRIPT_NAME']} {environ['PATH_INFO']}".encode()]

    http_server.mount(app, at="/a%2Fb")
    assert requests.get(http_server.url + "/a%2Fb/c%2Fd", timeout=30).text == "/a/b /c/d"
    assert status(http_server, "/a/b/c") == 404


def test_a_websocket_route_has_a_path_like_any_other(http_server: HttpServer) -> None:
    http_server.when("/ws/{room}").websocket()
    speak(http_server, path="/ws/a%2Fb").close()
    with connect(http_server) as sock:
        sock.sendall(HANDSHAKE.replace("GET /", "GET /ws/a/b").encode() + b"Connection: close\r\n\r\n")
        assert b" 404 " in sock.recv(1000)


def test_assertions_compare_as_rules_do(http_server: HttpServer) -> None:
    status(http_server, "/a%2Fb")
    http_server.assert_requested("GET", "/a%2fb")
    with pytest.raises(AssertionError, match=r"path: expected /a/b, got /a%2Fb"):
        http_server.assert_requested("/a/b")

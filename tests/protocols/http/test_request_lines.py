"""What a request may begin with (RFC 9110 and 9112): any method, any minor version; and how the rest is refused."""

from __future__ import annotations

import re
import socket
import string

import pytest
from helpers import connect, read_to_end
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_netmocks.protocols.http.server import HttpServer

pytestmark = pytest.mark.in_memory

DATE = re.compile(rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n")


def ask(server: HttpServer, data: bytes, step: int = 0) -> bytes:
    with connect(server) as sock:
        for start in range(0, len(data), step or len(data)):
            sock.sendall(data[start : start + (step or len(data))])
        sock.shutdown(socket.SHUT_WR)
        return read_to_end(sock)


def status(server: HttpServer, data: bytes) -> int:
    return int(ask(server, data).split(maxsplit=2)[1])


def test_any_token_is_a_method_that_rules_match(http_server: HttpServer) -> None:
    rule = http_server.when("BREW", "/x").reply(418)
    assert status(http_server, b"BREW /x HTTP/1.1\r\nHost: h\r\n\r\n") == 418
    request = http_server.requests[0]
    assert (request.method, request.complete, request.rules) == ("BREW", True, (rule,))
    assert rule.match.method == "BREW"
    http_server.assert_requested("BREW", "/x")


def test_a_method_that_nobody_knows_is_not_implemented(http_server: HttpServer) -> None:
    http_server.when("GET", "/x").reply(200)
    for path in (b"/x", b"/y"):
        answer = ask(http_server, b"BREW %b HTTP/1.1\r\nHost: h\r\n\r\n" % path)
        assert answer.startswith(b"HTTP/1.1 501 ")
    assert [request.response.status for request in http_server.requests] == [501, 501]  # type: ignore[union-attr]
    assert status(http_server, b"get /x HTTP/1.1\r\nHost: h\r\n\r\n") == 501
    assert status(http_server, b"PROPFIND /x HTTP/1.1\r\nHost: h\r\n\r\n") == 405
    assert status(http_server, b"PROPFIND /y HTTP/1.1\r\nHost: h\r\n\r\n") == 404


def test_methods_that_nobody_knows_are_told_apart_by_case(http_server: HttpServer) -> None:
    http_server.when("Brew", "/x").reply(418)
    http_server.when("get", "/x").reply(200)
    assert [status(http_server, b"%b /x HTTP/1.1\r\nHost: h\r\n\r\n" % m) for m in (b"Brew", b"BREW", b"GET")] == [
        418,
        501,
        200,
    ]


def test_a_rule_for_any_method_takes_it(http_server: HttpServer) -> None:
    http_server.when("/x").reply(200)
    assert status(http_server, b"!#$%&'*+-.^_`|~09aZ /x HTTP/1.1\r\nHost: h\r\n\r\n") == 200


METHODS = st.sampled_from([b"GET", b"BREW", b"PUT", b"M-SEARCH", b"GETS", b"G", b"POSTER"])
BODIES = st.sampled_from(
    [
        (b"", b""),
        (b"Content-Length: 7\r\n", b"\r\n\r\nX Y"),
        (b"Content-Length: 0\r\n", b""),
        (b"Transfer-Encoding: chunked\r\n", b"6\r\n\r\n\r\nGE\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n0\r\nX-T: BREW / HTTP/1.1\r\n\r\n"),
        (b"Connection: upgrade\r\nUpgrade: h2c\r\n", b""),
        (b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 6\r\n", b"BREW /"),
    ]
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    asked=st.lists(st.tuples(METHODS, st.sampled_from([b"1.1", b"1.2"]), BODIES), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 40), max_size=8),
    blank=st.sampled_from([b"", b"\r\n"]),
)
def test_pipelines_of_any_methods_cut_anywhere_are_read_the_same(
    http_server: HttpServer, asked: list[tuple[bytes, bytes, tuple[bytes, bytes]]], cuts: list[int], blank: bytes
) -> None:
    before = len(http_server.requests)
    data = b"".join(
        blank + b"%b /%d HTTP/%b\r\nHost: h\r\n%b\r\n%b" % (method, number, version, fields, body)
        for number, (method, version, (fields, body)) in enumerate(asked)
    )
    with connect(http_server) as sock:
        for size in cuts:
            sock.sendall(data[:size])
            data = data[size:]
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        answers = read_to_end(sock)
    assert answers.count(b"HTTP/1.1 ") == len(asked)
    came = http_server.requests[before:]
    assert [(request.method.encode(), request.path) for request in came] == [
        (method, f"/{number}") for number, (method, _, _) in enumerate(asked)
    ]
    assert all(request.complete for request in came)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"GET / HTTP/1.2", 404),
        (b"GET / HTTP/1.9", 404),
        (b"GET / HTTP/2.0", 505),
        (b"PRI * HTTP/2.1", 505),
        (b"GET / HTTP/0.9", 505),
        (b"GET / HTTP/3.7", 505),
        (b"GET / HTTP/11.1", 400),
        (b"GET / http/1.1", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b"GET /a b HTTP/1.1", 400),
        (b"GET /a\tb HTTP/1.1", 400),
        (b"G(T / HTTP/1.1", 400),
        (b" GET / HTTP/1.1", 400),
        (b"GET", 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1", 414),
        (b"BREW /" + b"a" * 70_000 + b" HTTP/1.1", 414),
        (b"B" * 70_000, 501),
    ],
)
def test_a_first_line_is_refused_with_the_word_for_it(http_server: HttpServer, line: bytes, expected: int) -> None:
    answer = ask(http_server, line + b"\r\nHost: h\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % expected)
    assert DATE.search(answer)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"Host: h", 404),
        (b"Host:", 404),
        (b"Host: h:80", 404),
        (b"Host: [::1]:80", 404),
        (b"Host: [v1.a:b]", 404),
        (b"Host: a_b.%41", 404),
        (b"X: 1", 400),
        (b"Host: a\r\nHost: a", 400),
        (b"Host: a b", 400),
        (b"Host: a/b", 400),
        (b"Host: u@h", 400),
        (b"Host: h:x", 400),
        (b"Host: [::1", 400),
        (b"Host: a, b c", 400),
        (b"Host: \xe9", 400),
        (b"Host: h\r\nX : 1", 400),
        (b"Host: h\r\nX: a\r\n b", 400),
        (b"Host: h\r\nContent-Length: 1\r\nContent-Length: 2", 400),
        (b"Host: h\r\nContent-Length: +1", 400),
        (b"Host: h\r\nContent-Length: \xb2", 400),
        (b"Host: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", 400),
        (b"Host: h\r\nTransfer-Encoding: gzip, chunked", 501),
        (b"Host: h\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501),
        (b"Host: h\r\nTransfer-Encoding: chunked, chunked", 400),
        (b"Host: h\r\nTransfer-Encoding: chunked, gzip", 400),
        (b"Host: h\r\nX: " + b"x" * 70_000, 431),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_head_is_refused_with_a_date_and_no_body_for_head(
    http_server: HttpServer, method: bytes, fields: bytes, expected: int
) -> None:
    answer = ask(http_server, method + b" / HTTP/1.1\r\n" + fields + b"\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % expected)
    assert DATE.search(head + b"\r\n")
    assert bool(body) == (method == b"GET")
    (request,) = http_server.requests
    assert (request.method.encode(), request.response.status) == (method, expected)  # type: ignore[union-attr]
    assert request.complete == (expected == 404)


def test_a_field_name_is_a_token_and_nothing_else(http_server: HttpServer) -> None:
    """RFC 9110, sections 5.1 and 5.6.2."""
    token = (string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode()
    for byte in set(range(256)) - set(b":\r\n"):
        answered = status(http_server, b"GET / HTTP/1.1\r\nHost: h\r\na%cb: 1\r\n\r\n" % byte)
        assert (byte, answered) == (byte, 404 if byte in token else 400)
    assert status(http_server, b"GET / HTTP/1.1\r\nHost: h\r\n: 1\r\n\r\n") == 400


@pytest.mark.on_sockets
def test_chunks_in_http_1_0_are_the_last_on_the_connection(http_server: HttpServer) -> None:
    http_server.when("/").reply(204)
    chunked = b"PUT / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    answers = ask(http_server, chunked + b"GET / HTTP/1.0\r\n\r\n")
    assert answers.count(b"HTTP/1.1 ") == 1
    first, second = http_server.requests
    assert (first.body, first.unanswered) == (b"x", None)
    assert second.unanswered == "the answer before it was the last of the connection"


def test_what_is_no_http_is_refused_before_its_line_ends(http_server: HttpServer) -> None:
    for data in (b"\x16\x03\x01\x02\x00\x01", b"(", b"GET\x00", b"{}"):
        with connect(http_server) as sock:
            sock.sendall(data)
            assert read_to_end(sock).startswith(b"HTTP/1.1 400 ")


def test_the_path_of_an_asterisk_is_one(http_server: HttpServer) -> None:
    http_server.when("*").reply(204)
    assert status(http_server, b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n") == 204

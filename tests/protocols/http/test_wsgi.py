"""WSGI applications are hosted as the servers host them that people deploy (gunicorn, waitress, cheroot, werkzeug)."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import connect, read_to_end

from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer

pytestmark = pytest.mark.in_memory


def ask(server: HttpServer, line: str, *fields: str, body: bytes = b"") -> bytes:
    with connect(server) as sock:
        head = "".join(f"{field}\r\n" for field in (line, "Host: h", "Connection: close", *fields))
        sock.sendall(f"{head}\r\n".encode() + body)
        return read_to_end(sock)


def show(environ: Any, start_response: Any) -> list[bytes]:
    variables = {name: value for name, value in environ.items() if isinstance(value, (str, bool))}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({**variables, "body": environ["wsgi.input"].read().decode()}).encode()]


def environ_of(server: HttpServer, *request: str, body: bytes = b"") -> dict[str, Any]:
    server.mount(show)
    found: dict[str, Any] = json.loads(ask(server, *request, body=body).partition(b"\r\n\r\n")[2])
    return found


@pytest.mark.parametrize("status", ["200 Fine By Me", "599 Strange", "404 "])
def test_the_reason_phrase_is_the_applications(http_server: HttpServer, status: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, [])
        return [b"x"]

    http_server.mount(app)
    assert ask(http_server, "GET / HTTP/1.1").startswith(f"HTTP/1.1 {status}\r\n".encode())


@pytest.mark.parametrize(
    "field",
    [("Proxy-Authenticate", "Basic realm=x"), ("X-mIxEd", "1"), ("Keep-Alive", "timeout=5"), ("Upgrade", "h2c")],
)
def test_fields_go_out_as_they_are_spelt_and_from_hop_to_hop_too(
    http_server: HttpServer, field: tuple[str, str]
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("407 Not Yet", [field])
        return [b"x"]

    http_server.mount(app)
    assert f"\r\n{field[0]}: {field[1]}\r\n".encode() in ask(http_server, "GET / HTTP/1.1")
    assert http_server.requests[0].response is not None
    assert http_server.requests[0].response.headers[field[0]] == field[1]


def test_an_applications_connection_close_ends_the_connection(http_server: HttpServer) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Connection", "close")])
        return [b"x"]

    http_server.mount(app)
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert read_to_end(sock).count(b"\r\nConnection: close\r\n") == 1


def test_the_framing_is_the_servers(http_server: HttpServer) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Transfer-Encoding", "gzip")])
        return iter([b"a", b"", b"b"])

    http_server.mount(app)
    answer = ask(http_server, "GET / HTTP/1.1")
    assert answer.count(b"Transfer-Encoding: chunked\r\n") == answer.count(b"Transfer-Encoding") == 1
    assert answer.endswith(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_says_no_length(http_server: HttpServer, status: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, [])
        return []

    http_server.mount(app)
    answer = ask(http_server, "GET / HTTP/1.1")
    assert answer.startswith(f"HTTP/1.1 {status}\r\n".encode())
    assert b"Content-Length" not in answer


def test_the_head_may_change_until_the_first_byte(http_server: HttpServer) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b""
        try:
            raise LookupError
        except LookupError:
            import sys

            start_response("503 Later", [("X-A", "1")], sys.exc_info())
        yield b"sorry"

    http_server.mount(app)
    assert ask(http_server, "GET / HTTP/1.1").startswith(b"HTTP/1.1 503 Later\r\nX-A: 1\r\n")


def test_no_length_is_made_up(http_server: HttpServer) -> None:
    assert "CONTENT_LENGTH" not in environ_of(http_server, "POST / HTTP/1.1")


@pytest.mark.parametrize("size", [0, 3])
def test_a_length_that_was_given_is_there(http_server: HttpServer, size: int) -> None:
    environ = environ_of(http_server, "POST / HTTP/1.1", f"Content-Length: {size}", body=b"abc"[:size])
    assert (environ["CONTENT_LENGTH"], environ["body"]) == (str(size), "abc"[:size])
    assert "HTTP_CONTENT_LENGTH" not in environ


def test_a_chunked_body_has_no_length_and_an_end(http_server: HttpServer) -> None:
    chunks = b"3\r\nabc\r\n0\r\n\r\n"
    environ = environ_of(http_server, "POST / HTTP/1.1", "Transfer-Encoding: chunked", body=chunks)
    assert environ["body"] == "abc"
    assert environ["wsgi.input_terminated"] is True
    assert not {"CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"} & environ.keys()


def test_it_runs_in_threads_of_one_process(http_server: HttpServer) -> None:
    environ = environ_of(http_server, "GET / HTTP/1.1")
    assert [environ[f"wsgi.{word}"] for word in ("multithread", "multiprocess", "run_once")] == [True, False, False]


@pytest.mark.parametrize(
    ("target", "path"), [("/a%2Fb%C3%BC?q=%20", "/a/b\xc3\xbc"), ("http://h/a?b", "/a"), ("/", "/")]
)
def test_the_target_is_there_as_it_was_sent(http_server: HttpServer, target: str, path: str) -> None:
    environ = environ_of(http_server, f"GET {target} HTTP/1.1")
    assert (environ["REQUEST_URI"], environ["RAW_URI"], environ["PATH_INFO"]) == (target, target, path)


def test_the_server_as_a_whole_is_asked_of_the_application_at_its_root(http_server: HttpServer) -> None:
    environ = environ_of(http_server, "OPTIONS * HTTP/1.1")
    assert (environ["PATH_INFO"], environ["RAW_URI"], environ["SCRIPT_NAME"]) == ("*", "*", "")


def test_names_with_underscores_pass_for_no_others(http_server: HttpServer) -> None:
    environ = environ_of(http_server, "GET / HTTP/1.1", "X_Under: forged", "X-Under: real", "A: 1", "A: 2")
    assert (environ["HTTP_X_UNDER"], environ["HTTP_A"]) == ("real", "1,2")


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("2xx OK", []),
        ("103 Early Hints", []),
        ("200 OK", [("X-A", 5)]),
        ("200", []),
        (200, []),
        ("200 OK", [("X-A", "a\r\nb")]),
    ],
)
def test_an_answer_that_is_none_is_the_applications_fault(http_server: HttpServer, status: Any, fields: Any) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, fields)
        return [b"x"]

    http_server.mount(app)
    assert ask(http_server, "GET / HTTP/1.1").startswith(b"HTTP/1.1 500 ")
    assert len(http_server.journal.take_errors()) == 1


def test_what_never_starts_an_answer_is_told_so(http_server: HttpServer) -> None:
    http_server.mount(lambda environ, start_response: [])
    assert b"returned before start_response()" in ask(http_server, "GET / HTTP/1.1")
    assert len(http_server.journal.take_errors()) == 1


@pytest.mark.on_sockets
def test_it_makes_the_next_piece_while_the_client_has_not_taken_the_one_before_and_no_more(
    netmocks: Netmocks,
) -> None:
    asked: list[int] = []
    second, third = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        for number, event in enumerate((threading.Event(), second, third)):
            asked.append(number)
            event.set()
            yield b"x" * (16 << 20)  # more than any buffer of the kernel's takes

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        return pieces()

    server = netmocks.http()
    server.mount(app)
    with socket.create_connection(server.address, timeout=30) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert second.wait(30)
        assert not third.wait(0.2)
        while sock.recv(1 << 20):
            pass
    assert asked == [0, 1, 2]

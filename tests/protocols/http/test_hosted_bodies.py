"""The body of a request to a hosted application comes as the client sends it, and may never come at all."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from typing import Any

import pytest
from helpers import abort, connect, read_exactly, read_to_end

from pytest_netmocks.faults import Latency
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer

pytestmark = pytest.mark.in_memory

HEAD = b"PUT /up HTTP/1.1\r\nHost: h\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def read_head(sock: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_exactly(sock, 1)
    return head


async def asgi_too_large(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no"})


def wsgi_too_large(environ: Any, start_response: Any) -> list[bytes]:
    start_response("413 Content Too Large", [("Content-Length", "2")])
    return [b"no"]


async def asgi_echo(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


def wsgi_echo(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    return iter(lambda: environ["wsgi.input"].read1(65536), b"")


async def asgi_read_all(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % len(body)})


def wsgi_read_all(environ: Any, start_response: Any) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [b"%d" % len(body)]


TOO_LARGE = pytest.mark.parametrize("app", [asgi_too_large, wsgi_too_large])
ECHO = pytest.mark.parametrize("app", [asgi_echo, wsgi_echo])
READ_ALL = pytest.mark.parametrize("app", [asgi_read_all, wsgi_read_all])


@TOO_LARGE
def test_an_answer_needs_no_body(http_server: HttpServer, app: Any) -> None:
    http_server.mount(app)
    with connect(http_server) as sock:
        sock.sendall(HEAD + b"Content-Length: 10000000\r\n\r\n")
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in answer
    (request,) = http_server.requests
    assert (request.body, request.response and request.response.status) == (b"", 413)


@TOO_LARGE
def test_a_client_that_goes_on_sending_gets_the_early_answer_all_the_same(http_server: HttpServer, app: Any) -> None:
    http_server.mount(app)
    with connect(http_server) as sock:
        sock.sendall(HEAD + b"Content-Length: 10000000\r\n\r\n")
        for _ in range(10):
            sock.sendall(bytes(1000000))
        assert read_to_end(sock).endswith(b"\r\n\r\nno")


@TOO_LARGE
@pytest.mark.parametrize(
    "framing", [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
)
def test_a_short_body_that_nobody_reads_leaves_the_connection_open(
    http_server: HttpServer, app: Any, framing: bytes
) -> None:
    http_server.mount(app)
    with connect(http_server) as sock:
        head, _, body = framing.partition(b"\r\n\r\n")
        for _ in range(2):
            sock.sendall(HEAD + head + b"\r\n\r\n")
            assert b"close" not in read_head(sock)
            assert read_exactly(sock, 2) == b"no"
            sock.sendall(body)
    assert [request.body for request in http_server.requests[:1]] == [b"hello"]


@TOO_LARGE
def test_a_chunked_body_without_end_that_nobody_reads_ends_the_connection(http_server: HttpServer, app: Any) -> None:
    http_server.mount(app)
    with connect(http_server) as sock:
        sock.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        read_head(sock)
        assert read_exactly(sock, 2) == b"no"
        for _ in range(8):
            sock.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        assert read_to_end(sock) == b""


@ECHO
@pytest.mark.parametrize("chunked", [True, False])
def test_what_has_come_is_answered_before_the_rest_comes(http_server: HttpServer, app: Any, chunked: bool) -> None:
    http_server.mount(app)
    with connect(http_server) as sock:
        sock.sendall(HEAD + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: 15\r\n\r\n"))
        for number, piece in enumerate([b"first", b"next!", b"third"]):
            sock.sendall(b"5\r\n%b\r\n" % piece if chunked else piece)
            if not number:
                read_head(sock)
            assert read_exactly(sock, 10) == b"5\r\n%b\r\n" % piece
            assert http_server.requests[0].body.endswith(piece)
        sock.sendall(b"0\r\n\r\n" if chunked else b"")
        assert read_exactly(sock, 5) == b"0\r\n\r\n"
        sock.sendall(b"GET /again HTTP/1.1\r\nHost: h\r\n\r\n")
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
    assert [request.body for request in http_server.requests] == [b"firstnext!third", b""]


@READ_ALL
def test_continue_is_said_when_the_application_reads(http_server: HttpServer, app: Any) -> None:
    http_server.mount(app)
    with connect(http_server) as sock:
        sock.sendall(HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert read_exactly(sock, len(CONTINUE)) == CONTINUE
        sock.sendall(b"hello")
        assert b"Content-Length: 1\r\n" in read_head(sock)
        assert read_exactly(sock, 1) == b"5"


@TOO_LARGE
def test_continue_is_not_said_when_it_answers_without_reading(http_server: HttpServer, app: Any) -> None:
    http_server.mount(app)
    with connect(http_server) as sock:
        sock.sendall(HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in answer


@READ_ALL
def test_continue_waits_for_the_answers_before_it(http_server: HttpServer, app: Any) -> None:
    http_server.mount(app)
    http_server.when("/slow").reply(text="late", delay=0.05)
    with connect(http_server) as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        sock.sendall(HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")
        assert read_exactly(sock, 4) == b"late"
        assert read_exactly(sock, len(CONTINUE)) == CONTINUE
        sock.sendall(b"hello")
        assert read_head(sock).startswith(b"HTTP/1.1 200 ")


@pytest.mark.on_sockets
@pytest.mark.parametrize("leave", [abort, lambda sock: sock.shutdown(socket.SHUT_WR)])
def test_an_asgi_application_hears_that_its_client_has_gone_in_the_middle(http_server: HttpServer, leave: Any) -> None:
    heard: queue.Queue[Any] = queue.Queue()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        while (message := await receive())["type"] != "http.disconnect":
            heard.put(message["body"])
        heard.put(message["type"])

    http_server.mount(app)
    with connect(http_server) as sock:
        sock.sendall(HEAD + b"Content-Length: 10\r\n\r\nhello")
        assert heard.get(timeout=10) == b"hello"
        leave(sock)
        assert heard.get(timeout=10) == "http.disconnect"
    http_server.wait_for(lambda server: not server.open_connections, timeout=30)
    assert http_server.journal.take_errors() == []


@pytest.mark.on_sockets
@pytest.mark.parametrize("leave", [abort, lambda sock: sock.shutdown(socket.SHUT_WR)])
def test_a_wsgi_application_that_reads_hears_it_as_an_error(http_server: HttpServer, leave: Any) -> None:
    heard: queue.Queue[Any] = queue.Queue()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"]
        heard.put(body.read(5))
        try:
            body.read()
        except ConnectionError as error:
            heard.put(error)
            raise
        return []

    http_server.mount(app)
    with connect(http_server) as sock:
        sock.sendall(HEAD + b"Content-Length: 10\r\n\r\nhello")
        assert heard.get(timeout=10) == b"hello"
        leave(sock)
        assert "in the middle of the request's body" in str(heard.get(timeout=10))
    http_server.wait_for(lambda server: not server.open_connections, timeout=30)
    assert http_server.journal.take_errors() == []


def test_the_input_of_wsgi_reads_as_files_do(http_server: HttpServer) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"]
        got = [body.read(2), body.readline(), body.readline(3), body.readline(), body.readlines(2), next(body)]
        got += [list(body), body.read(), body.read(5)]
        start_response("200 OK", [])
        return [repr(got).encode()]

    http_server.mount(app)
    text = b"one\ntwo and more\nthree\nfour\nfive\nsix"
    with connect(http_server) as sock:
        sock.sendall(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(text))
        for piece in (text[:9], text[9:20], text[20:]):
            sock.sendall(piece)
        answer = read_to_end(sock).partition(b"\r\n\r\n")[2]
    expected = [b"on", b"e\n", b"two", b" and more\n", [b"three\n"], b"four\n", [b"five\n", b"six"], b"", b""]
    assert answer.decode() == repr(expected)


@pytest.mark.on_sockets
def test_a_body_that_an_application_does_not_read_is_not_read_from_the_client(http_server: HttpServer) -> None:
    go = threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        go.wait(30)
        size = len(environ["wsgi.input"].read())
        start_response("200 OK", [])
        return [b"%d" % size]

    http_server.mount(app)
    body = bytes(20_000_000)
    with connect(http_server) as sock:
        sock.sendall(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.sendall(body)
        (connection,) = http_server.connections
        assert connection.bytes_received < 1_000_000
        go.set()


@READ_ALL
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_that_is_read_is_not_limited_by_what_waits(http_server: HttpServer, app: Any, chunked: bool) -> None:
    http_server.mount(app)
    size = 5_000_000
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    with connect(http_server) as sock:
        sock.sendall(HEAD + framing + b"\r\n\r\n")
        sock.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (size, bytes(size)) if chunked else bytes(size))
        read_head(sock)
        assert read_exactly(sock, 7) == b"5000000"
    assert len(http_server.requests[0].body) == size


@pytest.mark.on_sockets
@READ_ALL
def test_the_limit_of_a_body_holds_while_it_comes(netmocks: Netmocks, app: Any) -> None:
    server = netmocks.http(max_body=1000)
    server.mount(app)
    with connect(server) as sock:
        sock.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + bytes(1000) + b"\r\n")
        sock.sendall(b"1\r\nx\r\n")
        assert read_to_end(sock).startswith(b"HTTP/1.1 413 ")
    server.wait_for(lambda server: not server.open_connections, timeout=30)
    (request,) = server.requests
    assert (request.response and request.response.status, server.journal.take_errors()) == (413, [])


@ECHO
def test_a_body_that_breaks_its_coding_ends_an_answer_that_has_begun(http_server: HttpServer, app: Any) -> None:
    http_server.mount(app)
    with connect(http_server) as sock:
        sock.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        read_head(sock)
        assert read_exactly(sock, 10) == b"5\r\nhello\r\n"
        sock.sendall(b"no size\r\n")
        assert read_to_end(sock) == b""
    assert http_server.journal.take_errors() == []


@READ_ALL
def test_requests_on_one_connection_keep_their_order_and_bodies(http_server: HttpServer, app: Any) -> None:
    http_server.mount(app)
    with connect(http_server) as sock:
        sock.sendall(b"".join(HEAD + b"Content-Length: %d\r\n\r\n" % size + bytes(size) for size in range(5)))
        for size in range(5):
            assert read_head(sock).startswith(b"HTTP/1.1 200 ")
            assert read_exactly(sock, 1) == b"%d" % size
    assert [len(request.body) for request in http_server.requests] == [0, 1, 2, 3, 4]


@READ_ALL
def test_a_rule_that_looks_at_the_body_is_asked_before_the_application(http_server: HttpServer, app: Any) -> None:
    http_server.mount(app)
    http_server.when("PUT", "/up", body=b"rules").reply(text="a rule")
    with connect(http_server) as sock:
        sock.sendall(HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert read_exactly(sock, len(CONTINUE)) == CONTINUE
        sock.sendall(b"rules")
        assert b"Content-Length: 6\r\n" in read_head(sock)
        assert read_exactly(sock, 6) == b"a rule"
        sock.sendall(HEAD + b"Content-Length: 5\r\n\r\nother")
        assert b"Content-Length: 1\r\n" in read_head(sock)
        assert read_exactly(sock, 1) == b"5"


@READ_ALL
def test_the_end_of_the_server_ends_a_wait_for_a_body(netmocks: Netmocks, app: Any) -> None:
    server = netmocks.http()
    server.mount(app)
    with connect(server) as sock:
        sock.sendall(HEAD + b"Content-Length: 5\r\n\r\n")
        server.wait_for(lambda server: server.requests)
        server.stop()
        assert sock.recv(1) == b""
    assert server.journal.take_errors() == []


@pytest.mark.on_sockets
async def test_a_background_task_of_an_answered_request_does_not_hold_up_the_next(http_server: HttpServer) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asgi_read_all(scope, receive, send)
        assert (await receive())["type"] == "http.disconnect"

    http_server.mount(app)
    reader, writer = await asyncio.open_connection(*http_server.address)
    for _ in range(2):
        writer.write(HEAD + b"Content-Length: 5\r\n\r\nhello")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(1) == b"5"
    writer.close()


@pytest.mark.on_sockets
@ECHO
def test_a_fault_on_the_way_up_makes_the_body_come_late_and_whole(http_server: HttpServer, app: Any) -> None:
    http_server.mount(app)
    http_server.inject(Latency(0.02, direction="upstream"))
    with connect(http_server) as sock:
        sock.sendall(HEAD + b"Content-Length: 200000\r\nConnection: close\r\n\r\n" + bytes(200000))
        answer = read_to_end(sock)
    assert answer.endswith(b"0\r\n\r\n")
    assert answer.count(b"\0") == 200000

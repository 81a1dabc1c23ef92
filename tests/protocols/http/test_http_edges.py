"""HTTP where messages, answers and connections meet: pipelines, upgrades, limits, lifted faults, wild apps."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pathlib
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import requests
from helpers import connect, read_exactly, read_to_end

from pytest_netmocks import Response
from pytest_netmocks.faults import Close, Garbage, Latency, MalformedChunk
from pytest_netmocks.protocols.http.server import HttpServer

pytestmark = pytest.mark.in_memory

LAST = b"GET %b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def ask(server: HttpServer, data: bytes) -> bytes:
    with connect(server) as sock:
        sock.sendall(data)
        return read_to_end(sock)


# Upgrades, pipelines and limits


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize("method", [b"POST", b"CONNECT"])
@pytest.mark.parametrize(
    "framed",
    [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-After: 1\r\n\r\n"],
)
def test_the_body_of_an_upgrade_offer_is_a_body(
    http_server: HttpServer, step: int, method: bytes, framed: bytes
) -> None:
    http_server.when("/up").reply(text="no upgrade")
    http_server.when("/2").reply(text="second")
    target = b"/up" if method == b"POST" else b"http://h/up"
    offer = method + b" " + target + b" HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n" + framed
    data = offer + LAST % b"/2"
    with connect(http_server) as sock:
        for start in range(0, len(data), step):
            sock.sendall(data[start : start + step])
        answers = read_to_end(sock)
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert [(request.path, request.body) for request in http_server.requests] == [("/up", b"hello"), ("/2", b"")]


def test_a_long_body_in_a_pipeline_is_no_long_head(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="ok")
    post = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    answers = ask(http_server, (post + b"GET / HTTP/1.1\r\nHo" + b"st: h\r\n\r\n") * 3 + LAST % b"/")
    assert answers.count(b"HTTP/1.1 200 OK") == 7


@pytest.mark.on_sockets
def test_100_continue_waits_its_turn(http_server: HttpServer) -> None:
    gate = threading.Event()

    def slow(request: Any) -> Response:
        gate.wait(10)
        return Response(text="first")

    http_server.when("/slow").reply(slow)
    http_server.when("/body").reply(text="second")
    with connect(http_server) as sock:
        sock.sendall(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        sock.sendall(b"PUT /body HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        http_server.wait_for(lambda server: server.requests, timeout=30)
        http_server.settle()
        gate.set()
        got = read_exactly(sock, len(b"HTTP/1.1 200 OK"))
        assert got == b"HTTP/1.1 200 OK"
        while not got.endswith(b"100 Continue\r\n\r\n"):
            got += read_exactly(sock, 1)
        assert b"first" in got
        sock.sendall(b"hi")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock).endswith(b"second")


def test_more_pipelined_requests_than_are_taken_at_once_and_a_half_close(http_server: HttpServer) -> None:
    http_server.when("/{n:int}").reply(lambda request: Response(json=request.path_params["n"]))
    data = b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(300))
    with connect(http_server) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        answers = read_to_end(sock)
    assert re.findall(rb"\r\n\r\n(\d+)", answers) == [b"%d" % n for n in range(300)]


def test_a_client_that_pipelines_and_never_reads_is_not_answered_without_end(http_server: HttpServer) -> None:
    http_server.when("/").reply(body=b"x" * 1_000_000)
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 60)
        http_server.wait_for(lambda server: server.requests)
        http_server.settle()
        assert len(http_server.requests) < 60
        got = 0
        while got < 60_000_000:
            got += len(sock.recv(1 << 20))
    assert len(http_server.requests) == 60


def test_what_is_asked_after_a_fault_ended_the_connection_is_on_record_and_not_answered(
    http_server: HttpServer,
) -> None:
    http_server.when("/a").reply(text="a").inject(Close(after_bytes=0))
    http_server.when("/b").reply(text="b")
    answers = ask(http_server, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n")
    assert b"\r\n\r\nb" not in answers
    http_server.wait_for(lambda server: len(server.requests) == 2)
    _, passed_over = http_server.requests
    assert (passed_over.path, passed_over.response) == ("/b", None)
    assert passed_over.unanswered == "a fault ended it (Close)"


def test_trailers_have_a_limit(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="ok")
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    answer = ask(http_server, head + b"".join(b"X-%d: %b\r\n" % (n, b"v" * 1000) for n in range(80)) + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.on_sockets
def test_a_body_that_is_too_long_is_on_record(netmocks: Any) -> None:
    server = netmocks.http(max_body=10)
    for body in ({"data": b"x" * 11}, {"data": iter([b"x" * 6, b"y" * 6])}):
        assert requests.post(server.url, timeout=30, **body).status_code == 413
    assert [request.response.status for request in server.requests] == [413, 413]


@pytest.mark.on_sockets
def test_a_rule_that_looks_at_the_body_wins_over_an_older_early_one(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="early", before_body=True)
    http_server.when("/", body="hello").reply(text="late")
    assert requests.post(http_server.url, data="hello", timeout=30).text == "late"
    assert requests.post(http_server.url, data="bye", timeout=30).text == "early"


# Faults and answers


@pytest.mark.on_sockets
def test_a_lifted_fault_does_not_strike_a_stream_that_has_begun(http_server: HttpServer) -> None:
    gate = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"12345"
        gate.wait(10)
        yield b"67890"

    rule = http_server.when("/").reply(stream=pieces)
    injection = rule.inject(Close(after_bytes=8))
    with connect(http_server) as sock:
        sock.sendall(LAST % b"/")
        got = b""
        while b"12345" not in got:
            got += sock.recv(4096)
        injection.lift()
        gate.set()
        assert read_to_end(sock).endswith(b"67890\r\n0\r\n\r\n")


@pytest.mark.parametrize("options", [{"stream": [b"abc", b"def"]}, {"text": "abcdef"}])
def test_malformed_chunks_of_any_answer(http_server: HttpServer, options: Any) -> None:
    http_server.when("/").reply(**options).inject(MalformedChunk(after_bytes=4))
    answer = ask(http_server, LAST % b"/")
    assert answer.count(b"ransfer-Encoding: chunked") == 1
    assert answer.endswith(b"\r\n\r\n4\r\nabcd\r\nthis is no size\r\n")


def test_garbage_in_place_of_a_stream(http_server: HttpServer) -> None:
    http_server.when("/").reply(stream=itertools.repeat(b"x" * 1000, 10)).inject(Garbage(size=40))
    assert len(ask(http_server, LAST % b"/")) == 40


@pytest.mark.on_sockets
def test_latency_of_an_answer_without_a_body(http_server: HttpServer) -> None:
    http_server.when("/").reply(204).inject(Latency(0.2))
    answer = requests.get(http_server.url, timeout=30)
    assert (answer.status_code, answer.elapsed.total_seconds() >= 0.2) == (204, True)


def test_connection_close_among_the_headers_closes(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="bye", headers={"Connection": "close"})
    assert ask(http_server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").endswith(b"bye")


@pytest.mark.parametrize("status", [204, 304])
def test_a_stream_that_has_no_place(http_server: HttpServer, status: int) -> None:
    http_server.when("/").reply(status, stream=[b"x"])
    answer = ask(http_server, LAST % b"/").lower()
    assert b"transfer-encoding" not in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.on_sockets
@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=" + "9" * 5000 + "-", "bytes=0-" + "9" * 5000, "lines=1-2"])
def test_a_range_that_is_none(http_server: HttpServer, asked: str) -> None:
    http_server.when("/").reply(text="0123456789", ranges=True)
    answer = requests.get(http_server.url, headers={"Range": asked}, timeout=30)
    assert (answer.status_code, answer.text) == (200, "0123456789")


@pytest.mark.on_sockets
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("*", "gzip"), ("gzip;q=0.1, deflate;q=0.5", "deflate"), ("*;q=0", None), ("gzip;q=no", None), ("", None)],
)
def test_the_preferred_coding(http_server: HttpServer, tmp_path: pathlib.Path, accepted: str, coding: str) -> None:
    (tmp_path / "page.txt").write_text("hello " * 100)
    http_server.when("/").reply(file=tmp_path / "page.txt", compress=True)
    answer = requests.get(http_server.url, headers={"Accept-Encoding": accepted}, timeout=30)
    assert (answer.headers.get("Content-Encoding"), answer.text) == (coding, "hello " * 100)


@pytest.mark.on_sockets
def test_a_generator_is_closed_when_its_client_leaves(http_server: HttpServer) -> None:
    closed = threading.Event()

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.set()

    async def endless_too() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.set()

    http_server.when("/sync").reply(stream=endless)
    http_server.when("/async").reply(stream=endless_too)
    for path in (b"/sync", b"/async"):
        closed.clear()
        with connect(http_server) as sock:
            sock.sendall(LAST % path)
            read_exactly(sock, 1_000_000)
        assert closed.wait(10)


# Matching


@pytest.mark.on_sockets
@pytest.mark.parametrize(
    ("body", "coding", "kind"),
    [
        (b"[" * 200_000, "", "application/json"),
        (b"nothing", "gzip", "application/json"),
        (b"nothing", "br", "application/json"),
        (b"\xff\xfe", "", "application/json; charset=idna"),
        (b"--x\r\nbroken", "", "multipart/form-data; boundary=x"),
    ],
)
def test_a_body_that_cannot_be_read_matches_nothing(
    http_server: HttpServer, body: bytes, coding: str, kind: str
) -> None:
    http_server.when("/", json={"a": 1}).reply(200)
    http_server.when("/", form={"a": "1"}).reply(200)
    http_server.when("/", body="x").reply(200)
    headers = {"Content-Type": kind, **({"Content-Encoding": coding} if coding else {})}
    assert requests.post(http_server.url, data=body, headers=headers, timeout=30).status_code == 404


@pytest.mark.on_sockets
def test_matching_fine_points(http_server: HttpServer) -> None:
    http_server.when("/p", headers={"X-Token": re.compile(r".*")}).reply(text="token")
    http_server.when("/q", query={"tag": ["a", re.compile("^b")]}).reply(text="both")
    http_server.when("/{n:int}").reply(text="number")
    with pytest.raises(TypeError, match="json must be"):
        http_server.when("/j", json={"when": {1, 2}})
    get = requests.get
    assert get(http_server.url_for("/p"), timeout=30).status_code == 404
    assert get(http_server.url_for("/p"), headers={"X-Token": ""}, timeout=30).text == "token"
    assert get(http_server.url_for("/q", tag=["a", "bc"]), timeout=30).text == "both"
    assert get(http_server.url_for("/q", tag=["a"]), timeout=30).status_code == 404
    assert get(http_server.url_for("/" + "9" * 5000), timeout=30).status_code == 404
    assert get(http_server.url_for("/p"), headers={"X-Token": "1"}, timeout=30).text == "token"
    http_server.assert_requested("GET", "/q", query={"tag": ["a"]})


@pytest.mark.on_sockets
def test_the_timeline_says_why_no_rule_matched(http_server: HttpServer) -> None:
    http_server.when("POST", "/users", json={"name": "Ada"}).reply(201)
    requests.post(http_server.url_for("/users"), json={"name": "Bob"}, timeout=30)
    assert "404: no rule matches POST /users\n" in str(http_server.timeline)
    assert 'json: expected {"name": "Ada"}, got {"name": "Bob"}' in str(http_server.timeline)


@pytest.mark.on_sockets
def test_405_only_where_another_method_would_do(http_server: HttpServer) -> None:
    http_server.when("GET", "/faults").inject(Close())
    http_server.when("GET", "/any").reply(200)
    http_server.when("/any", json=1).reply(200)
    assert requests.post(http_server.url_for("/faults"), timeout=30).status_code == 404
    assert requests.post(http_server.url_for("/any"), timeout=30).status_code == 404


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"reason": "no\r\nX: y"}, ValueError),
        ({"http_version": "1.1\n"}, ValueError),
        ({"sse": "text"}, TypeError),
        ({"sse": {"data": 1}}, TypeError),
        ({"cookies": "a=b"}, TypeError),
        ({"text": "x", "trailers": {"A": "b"}}, ValueError),
        ({"raw": b"x", "headers": {"A": "b"}}, ValueError),
        ({"stream": {"a": 1}}, TypeError),
        ({"stream": [b"x"], "compress": True}, ValueError),
    ],
)
def test_wrong_answers_fail_where_they_are_written(options: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"^({'|'.join(options)})"):
        Response(**options)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [(("/a#b",), {}), (("/a",), {"query": {"a": {1: 2}}}), (("/a",), {"headers": {"a": object()}})],
)
def test_wrong_rules_fail_where_they_are_written(http_server: HttpServer, arguments: Any, options: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        http_server.when(*arguments, **options)
    with pytest.raises(ValueError, match="times must be"):
        http_server.assert_requested("/", times=-1)


# Files


@pytest.mark.on_sockets
def test_what_is_no_file_is_not_served(http_server: HttpServer, tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    http_server.serve_files(tmp_path)
    assert requests.get(http_server.url_for("/pipe"), timeout=30).status_code == 404


# Applications


def test_an_application_s_start_and_end(http_server: HttpServer) -> None:
    lived = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await asyncio.sleep(0)
            lived.append(message["type"])
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return

    http_server.mount(app)
    http_server.stop()
    http_server.start()
    assert lived == ["lifespan.startup"]
    http_server.close()
    assert lived == ["lifespan.startup", "lifespan.shutdown"]


@pytest.mark.on_sockets
def test_an_application_whose_shutdown_fails(suite: Any) -> None:
    result = suite(
        """
        async def app(scope, receive, send):
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.failed", "message": "lost the keys"})

        def test_it(http_server):
            http_server.mount(app)
        """
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*lost the keys*"])


@pytest.mark.on_sockets
@pytest.mark.parametrize("kind", ["wsgi", "late_wsgi", "longer", "shorter", "broken_header"])
def test_applications_that_misbehave(suite: Any, kind: str) -> None:
    result = suite(
        f"""
        import requests

        def wsgi(environ, start_response):
            raise ConnectionResetError("the database hung up")

        def late_wsgi(environ, start_response):
            start_response("200 OK", [])
            yield b"part"
            raise BrokenPipeError("the database hung up")

        async def asgi(send, body, *headers):
            await send({{"type": "http.response.start", "status": 200, "headers": headers}})
            for piece in body:
                await send({{"type": "http.response.body", "body": piece, "more_body": True}})
            await send({{"type": "http.response.body"}})

        async def longer(scope, receive, send):
            assert scope["type"] == "http"
            await asgi(send, [b"12", b"345"], (b"content-length", b"4"))

        async def shorter(scope, receive, send):
            assert scope["type"] == "http"
            await asgi(send, [b"12"], (b"content-length", b"4"))

        async def broken_header(scope, receive, send):
            assert scope["type"] == "http"
            await asgi(send, [b"12"], (b"x-a", b"b\\r\\nset-cookie: c"))

        def test_it(http_server):
            http_server.mount({kind})
            try:
                answer = requests.get(http_server.url, timeout=30)
            except requests.exceptions.RequestException as error:
                print("the client saw", type(error).__name__)
            else:
                assert answer.status_code == 500
        """
    )
    result.assert_outcomes(failed=1)
    said = {"longer": "has 5 bytes", "shorter": "has 2 bytes", "broken_header": "line breaks"}
    result.stdout.fnmatch_lines([f"*{said.get(kind, 'the database hung up')}*"])
    if kind in ("late_wsgi", "longer", "shorter"):
        result.stdout.fnmatch_lines(["*the client saw Chunked*"])


@pytest.mark.on_sockets
@pytest.mark.parametrize("leave", ["fin", "rst"])
def test_an_application_is_told_that_the_client_has_gone(http_server: HttpServer, leave: str) -> None:
    told = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        told.set()

    http_server.mount(app)
    sock = connect(http_server)
    sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    http_server.wait_for(lambda server: server.requests, timeout=30)
    if leave == "rst":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
    assert told.wait(30)


@pytest.mark.on_sockets
def test_an_application_that_streams_to_nobody_ends(http_server: HttpServer) -> None:
    ended = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        finally:
            ended.set()

    http_server.mount(app)
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        read_exactly(sock, 1_000_000)
    assert ended.wait(10)


@pytest.mark.on_sockets
def test_work_after_the_answer_holds_up_nobody(http_server: HttpServer) -> None:
    go_on, worked = threading.Event(), threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"transfer-encoding", b"chunked")]})
        await send({"type": "http.response.body", "body": scope["path"].encode()})
        if scope["path"] == "/1":
            await asyncio.to_thread(go_on.wait, 10)
            worked.set()

    http_server.mount(app)
    with requests.Session() as session:
        assert session.get(http_server.url_for("/1"), timeout=30).text == "/1"
        assert session.get(http_server.url_for("/2"), timeout=30).text == "/2"
    assert not worked.is_set()
    go_on.set()
    assert worked.wait(10)
    assert len(http_server.connections) == 1


@pytest.mark.parametrize("at", ["/", "/ünter"])
def test_the_paths_an_application_sees(http_server: HttpServer, at: str) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        names = [environ[name].encode("latin-1").decode() for name in ("SCRIPT_NAME", "PATH_INFO")]
        return [json.dumps(names).encode()]

    http_server.mount(app, at=at)
    path = "/%C3%BCnter/a%20b" if at != "/" else "/a%20b"
    for target in (path, http_server.url + path):
        answer = ask(http_server, LAST % target.encode())
        assert json.loads(answer.partition(b"\r\n\r\n")[2]) == [at.rstrip("/"), "/a b"]

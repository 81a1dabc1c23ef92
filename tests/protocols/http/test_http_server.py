"""The HTTP server: what it parses, matches, answers and refuses."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import pathlib
import re
import threading
import time
from typing import Any

import httpx
import pytest
import requests
from helpers import Suite, abort, connect, elapsed, read_exactly, read_to_end

from pytest_netmocks import Response
from pytest_netmocks.faults import Bandwidth, Blackhole, Close, Corrupt, Garbage, Latency, MalformedChunk, Reset, Slice
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.web.fields import Headers, Query

GET = b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET %b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def ask(server: HttpServer, data: bytes) -> bytes:
    with connect(server) as sock:
        sock.sendall(data)
        return read_to_end(sock)


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


# Rules


@pytest.mark.parametrize(
    ("rule", "path", "params"),
    [
        ("/users/{id:int}", "/users/-7", {"id": -7}),
        ("/users/{id:int}", "/users/x", None),
        ("/users/{id}", "/users/a%20b", {"id": "a b"}),
        ("/users/{id}", "/users/a/b", None),
        ("/files/{rest:path}", "/files/a/b/c", {"rest": "a/b/c"}),
        ("/files/{rest:path}", "/files/", {"rest": ""}),
        ("/{a}/{b}.{c}", "/x/y.z", {"a": "x", "b": "y", "c": "z"}),
        ("/a.c", "/abc", None),
        ("/ü", "/%C3%BC", {}),
        (re.compile(r"/v(?P<n>\d+)/.*"), "/v2/x", {"n": "2"}),
    ],
)
def test_paths(http_server: HttpServer, rule: Any, path: str, params: dict[str, Any] | None) -> None:
    http_server.when(rule).reply(200)
    status = requests.get(http_server.url + path, timeout=30).status_code
    assert status == (404 if params is None else 200)
    if params is not None:
        assert http_server.requests[0].path_params == params


def test_matchers_of_all_kinds(http_server: HttpServer) -> None:
    http_server.when("POST", "/x", form={"a": "1"}).reply(201)
    http_server.when("POST", "/x", body=b"raw").reply(202)
    http_server.when("POST", "/x", body="text").reply(203)
    http_server.when("POST", "/x", body=re.compile(rb"^\d+$")).reply(207)
    http_server.when("POST", "/x", query={"q": re.compile("^[a-c]+$")}).reply(208)
    http_server.when("POST", "/x", matches=lambda request: request.headers.get("x-me") == "yes").reply(226)
    url = http_server.url_for("/x")
    post = requests.post
    assert post(url, data={"a": "1", "b": "2"}, timeout=30).status_code == 201
    assert post(url, data=b"raw", timeout=30).status_code == 202
    assert post(url, data=b"text", timeout=30).status_code == 203
    assert post(url, data=b"123", timeout=30).status_code == 207
    assert post(url, params={"q": "abc"}, timeout=30).status_code == 208
    assert post(url, headers={"X-Me": "yes"}, timeout=30).status_code == 226
    assert post(url, data=b"none of them", timeout=30).status_code == 404


def test_a_body_that_is_no_json_matches_no_json_rule(http_server: HttpServer) -> None:
    http_server.when("POST", "/", json={"a": 1}).reply(200)
    answer = requests.post(http_server.url, data=b"{", timeout=30)
    assert answer.status_code == 404
    assert 'json: expected {"a": 1}, got no JSON' in answer.text or "got no JSON" in answer.text


def test_a_function_that_raises_is_a_500_and_fails_the_test(suite: Suite) -> None:
    result = suite(
        """
        import requests
        def test_it(http_server):
            def reply(request):
                raise RuntimeError("my reply broke")
            http_server.when("/").reply(reply)
            http_server.when("/after").reply(200)
            answer = requests.get(http_server.url, timeout=30)
            assert (answer.status_code, answer.text) == (500, "RuntimeError: my reply broke\\n")
            assert requests.get(http_server.url_for("/after"), timeout=30).ok
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*my reply broke*"])


@pytest.mark.parametrize("breaking", ["return 'text'", "pytest.fail('no')", "raise SystemExit(3)"])
def test_whatever_a_function_does_the_client_gets_an_answer(suite: Suite, breaking: str) -> None:
    result = suite(
        f"""
        import pytest, requests
        def test_it(http_server):
            def reply(request):
                {breaking}
            http_server.when("/").reply(reply)
            assert requests.get(http_server.url, timeout=30).status_code == 500
        """
    )
    result.assert_outcomes(failed=1)


def test_an_expected_request_that_never_came(suite: Suite) -> None:
    result = suite(
        """
        import requests
        def test_never(http_server):
            http_server.when("GET", "/ping").reply(200).expect()
            requests.get(http_server.url_for("/pong"), timeout=30)

        def test_too_often(http_server):
            http_server.when("GET", "/ping").reply(200).expect(times=1)
            for _ in range(2):
                requests.get(http_server.url_for("/ping"), timeout=30)

        def test_met(http_server):
            http_server.when("GET", "/ping").reply(200).expect(times=1)
            requests.get(http_server.url_for("/ping"), timeout=30)
        """
    )
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(["*when('GET', '/ping') expected at least 1 requests and met 0*", "*GET /pong -> 404*"])


def test_blocking_functions_hold_up_nobody(http_server: HttpServer) -> None:
    go = threading.Event()

    def wait(request: Any) -> Response:
        assert go.wait(60)
        return Response(text="waited")

    http_server.when("/wait").reply(wait)
    http_server.when("/now").reply(text="now")
    with httpx.Client(timeout=60) as client:
        threads = [
            threading.Thread(target=requests.get, args=(http_server.url_for("/wait"),), kwargs={"timeout": 60})
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        http_server.wait_for(lambda s: len(s.requests) == 20, timeout=60)
        assert client.get(http_server.url_for("/now")).text == "now"
        go.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: s.when("GET"), ValueError, "path must begin with a slash, not 'GET'"),
        (lambda s: s.when("users"), ValueError, "path must begin with a slash, not 'users'"),
        (lambda s: s.when(), TypeError, "a path, or a method and a path"),
        (lambda s: s.when("GET", 1), TypeError, "path must be text or a compiled pattern of text, not 1"),
        (lambda s: s.when("GET", re.compile(b"x")), TypeError, "path must be text or a compiled pattern of text"),
        (lambda s: s.when("G T", "/"), ValueError, "method must be a method such as GET, not 'G T'"),
        (lambda s: s.when("/{a}{a}"), ValueError, "path must have places"),
        (lambda s: s.when("/{a:uuid}"), ValueError, "path must have places such as .*str, int, float, path"),
        (lambda s: s.when("/{a"), ValueError, "a closing brace for each opening one"),
        (lambda s: s.when("/a?b=c"), ValueError, "path must have no query"),
        (lambda s: s.when("/", query="q"), TypeError, "query must be a mapping"),
        (lambda s: s.when("/", jsn=1), TypeError, r"when\(\) takes no 'jsn' \(did you mean 'json'"),
        (lambda s: s.when("/", matches=1), TypeError, "matches must be a function of the request"),
        (lambda s: s.when("/").reply("hello"), TypeError, "not 'hello': write text='hello'"),
        (lambda s: s.when("/").reply(99), ValueError, "status must be a whole number from 100 to 999"),
        (lambda s: s.when("/").reply(text="a", json=1), ValueError, "only one of .* not text and json"),
        (lambda s: s.when("/").reply(text=b"a"), TypeError, "text must be text, not b'a'"),
        (lambda s: s.when("/").reply(body="a"), TypeError, "body must be bytes, not 'a'"),
        (lambda s: s.when("/").reply(json={1, 2}), TypeError, "json must be what json.dumps"),
        (lambda s: s.when("/").reply(stream=b"abc"), TypeError, "stream must be an iterable"),
        (lambda s: s.when("/").reply(file="/no/such"), FileNotFoundError, "/no/such"),
        (lambda s: s.when("/").reply(headers="X: y"), TypeError, "headers must be a mapping"),
        (lambda s: s.when("/").reply(headers={"X": "a\r\nY: b"}), ValueError, "headers must not have line breaks"),
        (lambda s: s.when("/").reply(headers={"X": 1.5}), TypeError, "headers must have names and values of text"),
        (lambda s: s.when("/").reply(stream=[b"x"], trailers={"X": None}), TypeError, "headers must have names"),
        (lambda s: s.when("/").reply(txt="a"), TypeError, r"reply\(\) takes no 'txt' \(did you mean 'text'"),
        (lambda s: s.when("/").reply(delay=-1), ValueError, "delay must be a number of at least 0"),
        (lambda s: s.when("/").reply(times=0), ValueError, "times must be a whole number of at least 1"),
        (lambda s: s.when("/").reply(lambda r: r, text="a"), TypeError, "text= has no place there"),
        (lambda s: s.when("/", json=1).reply(before_body=True), ValueError, "before_body=True cannot be kept"),
        (lambda s: s.when("/").expect(times=-1), ValueError, "times must be a whole number of at least 0"),
        (lambda s: s.mount(1), TypeError, "app must be a WSGI or ASGI application, not 1"),
        (lambda s: s.mount(lambda a: a), TypeError, "app must take"),
        (lambda s: s.mount(lambda a, b: a, at="app"), ValueError, "at must begin with a slash"),
        (lambda s: s.serve_files("/no/such"), NotADirectoryError, "/no/such"),
        (lambda s: s.url_for("x"), ValueError, "path must begin with a slash, not 'x'"),
    ],
)
def test_wrong_arguments_are_named(http_server: HttpServer, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(http_server)


def test_a_fault_of_http_on_another_protocol(netmocks: Netmocks) -> None:
    with pytest.raises(ValueError, match=r"strikes answers of http, https, and .* speaks tcp"):
        netmocks.tcp().when(b"x").inject(MalformedChunk())
    netmocks.tcp().when(b"x").inject(Garbage(3))


# The wire


def test_pipelined_requests_with_bodies_and_an_upgrade(http_server: HttpServer) -> None:
    http_server.when("/{n}").reply(lambda request: Response(text=request.path + request.text))
    answers = ask(
        http_server,
        b"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
        b"GET /2 HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        b"POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ncd\r\n0\r\nX-T: 1\r\n\r\n"
        + LAST
        % b"/4",
    )
    assert re.findall(rb"\r\n\r\n(/[^H]*)", answers) == [b"/1ab", b"/2", b"/3cd", b"/4"]
    assert http_server.requests[2].trailers == {"x-t": "1"}


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 1001 + b"\r\n", 431),
        (b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
    ],
    ids=range(14),
)
def test_nonsense_is_refused_with_a_reason(http_server: HttpServer, request_bytes: bytes, status: int) -> None:
    http_server.when("/").reply(200)
    answer = ask(http_server, request_bytes + GET % b"/smuggled")
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1") == 1
    assert "/smuggled" not in [request.path for request in http_server.requests]
    assert f"{status} " in str(http_server.timeline)
    assert requests.get(http_server.url, timeout=30).status_code == 200


def test_a_head_that_never_ends(http_server: HttpServer) -> None:
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nX: ")
        try:
            for _ in range(100):
                sock.sendall(b"y" * 10_000)
        except ConnectionError:
            pass
        assert read_exactly(sock, 12) == b"HTTP/1.1 431"


def test_limits_of_a_body(netmocks: Netmocks) -> None:
    server = netmocks.http(max_body=10)
    server.when("POST", "/").reply(200)
    chunked = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" + b"x" * 32 + b"\r\n0\r\n\r\n"
    assert ask(server, chunked).startswith(b"HTTP/1.1 413")
    assert requests.post(server.url, data=b"x" * 10, timeout=30).status_code == 200


def test_http_1_0_keeps_alive_if_asked(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="ok")
    http_server.when("/stream").reply(stream=[b"a", b"b"])
    keep = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    answers = ask(http_server, keep + b"GET /stream HTTP/1.0\r\n\r\n")
    assert answers.count(b"HTTP/1.1 200") == 2
    assert b"Connection: keep-alive" in answers
    assert answers.endswith(b"\r\n\r\nab")


def test_an_absolute_target(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="ok")
    assert ask(http_server, LAST % b"http://example.com/x?a=1").endswith(b"ok")
    assert http_server.requests[0].query == {"a": "1"}


def test_a_client_that_never_reads_does_not_grow_the_process(http_server: HttpServer) -> None:
    made = 0

    def endless() -> Any:
        nonlocal made
        while made < 1 << 30:
            made += 65536
            yield bytes(65536)

    http_server.when("/").reply(stream=endless)
    with connect(http_server) as sock:
        sock.sendall(GET % b"/")
        read_exactly(sock, 1000)
        time.sleep(0.2)  # a bound, not a wait: an unbounded writer would be far beyond it by now
        assert made < 64 << 20


def test_a_client_that_leaves_a_stream_ends_it(http_server: HttpServer) -> None:
    ended = threading.Event()

    async def endless() -> Any:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.001)
        finally:
            ended.set()

    http_server.when("/").reply(stream=endless)
    sock = connect(http_server)
    sock.sendall(GET % b"/")
    read_exactly(sock, 200)
    abort(sock)
    assert ended.wait(10)


# Answers


def test_ranges_and_conditions(http_server: HttpServer, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(range(100)))
    http_server.when("/file").reply(file=file)
    http_server.when("/bytes").reply(body=bytes(range(100)), ranges=True, etag="v1")
    for path in ("/file", "/bytes"):
        url = http_server.url_for(path)

        def get(url: str = url, **headers: str) -> requests.Response:
            return requests.get(url, headers={k.replace("_", "-"): v for k, v in headers.items()}, timeout=30)

        assert get().content == bytes(range(100))
        part = get(Range="bytes=10-19")
        assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
        assert part.headers["Content-Range"] == "bytes 10-19/100"
        assert get(Range="bytes=-5").content == bytes(range(95, 100))
        assert get(Range="bytes=95-").content == bytes(range(95, 100))
        assert get(Range="bytes=100-").status_code == 416
        assert get(Range="lines=1-2").status_code == 200
        etag = get().headers["ETag"]
        assert get(If_None_Match=etag).status_code == 304
        assert get(If_None_Match='"other"').status_code == 200
        assert get(Range="bytes=0-0", If_Range='"other"').status_code == 200
        assert requests.head(url, headers={"Range": "bytes=0-4"}, timeout=30).headers["Content-Length"] == "100"
    modified = requests.get(http_server.url_for("/file"), timeout=30).headers["Last-Modified"]
    again = requests.get(http_server.url_for("/file"), headers={"If-Modified-Since": modified}, timeout=30)
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("accepts", "coding"),
    [("gzip", "gzip"), ("deflate", "deflate"), ("br", "br"), ("gzip;q=0, deflate", "deflate"), ("identity", None)],
)
def test_compression_on_request(http_server: HttpServer, accepts: str, coding: str | None) -> None:
    http_server.when("/").reply(text="hello " * 100, compress=True)
    answer = requests.get(http_server.url, headers={"Accept-Encoding": accepts}, timeout=30)
    assert answer.headers.get("Content-Encoding") == coding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.text == "hello " * 100


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(http_server: HttpServer, status: int) -> None:
    http_server.when("/").reply(status, text="not sent")
    answer = ask(http_server, LAST % b"/")
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length" not in answer


def test_a_stream_that_raises_ends_the_connection_and_fails(suite: Suite) -> None:
    result = suite(
        """
        import pytest, requests
        def test_it(http_server):
            def pieces():
                yield b"one"
                raise RuntimeError("stream broke")
            http_server.when("/").reply(stream=pieces)
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                requests.get(http_server.url, timeout=30)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*stream broke*"])


def test_uploads_and_their_odd_forms(http_server: HttpServer) -> None:
    http_server.when("POST", "/").reply(200)
    content = bytes(range(256)) * 40
    requests.post(http_server.url, files={"f": ("ü.bin", content, "image/x")}, data={"a": ["1", "2"]}, timeout=30)
    requests.post(http_server.url, data=b"--x\r\nbroken", headers={"Content-Type": "multipart/form-data"}, timeout=30)
    requests.post(http_server.url, data=gzip.compress(b'{"a":1}'), headers={"Content-Encoding": "gzip"}, timeout=30)
    requests.post(http_server.url, data=b"no gzip", headers={"Content-Encoding": "gzip"}, timeout=30)
    first, second, third, fourth = http_server.requests
    assert first.files["f"].content == content
    assert first.files["f"].content_type == "image/x"
    assert first.form.get_all("a") == ["1", "2"]
    with pytest.raises(ValueError, match="the form has no boundary"):
        second.form  # noqa: B018
    assert third.json() == {"a": 1}
    with pytest.raises(ValueError, match="the body is no gzip"):
        fourth.json()


def test_fields() -> None:
    headers = Headers([("A", "1"), ("a", "2"), ("B", "3")])
    assert headers["a"] == "1, 2"
    assert headers.get_all("A") == ["1", "2"]
    assert headers == {"a": "1, 2", "B": "3"}
    assert len(headers) == 2
    query = Query.of("q=1&q=2&e=")
    assert (query["q"], query.get_all("q"), query["e"], query.get("z")) == ("2", ["1", "2"], "", None)
    with pytest.raises(KeyError):
        query["z"]


def test_the_assertion_helper(http_server: HttpServer) -> None:
    http_server.when("/").reply(200)
    requests.post(http_server.url, json={"a": 1}, timeout=30)
    assert http_server.assert_requested("POST", "/", json={"a": 1}, times=1).method == "POST"
    http_server.assert_requested("GET", "/", times=0)
    with pytest.raises(AssertionError, match=re.escape('json: expected {"a": 2}, got {"a": 1}')):
        http_server.assert_requested("POST", "/", json={"a": 2})
    with pytest.raises(AssertionError, match="expected 2 requests 'POST', '/', found 1 among 1"):
        http_server.assert_requested("POST", "/", times=2)


# Faults


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 250, 299, 300])
@pytest.mark.parametrize("kind", [Reset, Close])
def test_after_bytes_counts_a_streams_payload_exactly(http_server: HttpServer, kind: Any, size: int) -> None:
    http_server.when("/").reply(stream=[b"x" * 100] * 3).inject(kind(after_bytes=size))
    with connect(http_server) as sock:
        sock.sendall(GET % b"/")
        got = b""
        try:
            while piece := sock.recv(65536):
                got += piece
            assert kind is Close
        except ConnectionResetError:
            assert kind is Reset
    assert body_of(got).count(b"x") == size


@pytest.mark.virtual_time
def test_shaping_lasts_for_the_answer_alone(http_server: HttpServer) -> None:
    http_server.when("/slow").reply(stream=[b"x" * 100] * 3).inject(Latency(60))
    http_server.when("/fast").reply(text="fast")
    with requests.Session() as session:
        begin = time.perf_counter()
        assert session.get(http_server.url_for("/slow"), timeout=600).content == b"x" * 300
        middle = time.perf_counter()
        for _ in range(20):
            session.get(http_server.url_for("/fast"), timeout=600)
        assert middle - begin >= 60
        assert time.perf_counter() - middle < 60
    assert http_server.connections[0].faults == ["Latency"]


@pytest.mark.parametrize("fault", [Slice(7), Bandwidth(1_000_000), Latency(0.01)])
def test_shaped_answers_are_the_same(http_server: HttpServer, fault: Any) -> None:
    body = bytes(range(256)) * 100
    http_server.when("/stream").reply(stream=[body[:10_000], body[10_000:]]).inject(fault)
    http_server.when("/body").reply(body=body).inject(fault)
    with requests.Session() as session:
        for path in ("/stream", "/body", "/stream"):
            assert session.get(http_server.url_for(path), timeout=10).content == body


def test_a_corrupted_body_keeps_its_head(http_server: HttpServer) -> None:
    http_server.when("/").reply(body=bytes(1000)).inject(Corrupt(0.5))
    answer = requests.get(http_server.url, timeout=30)
    assert len(answer.content) == 1000
    assert answer.content != bytes(1000)


def test_answer_faults_are_hits_on_record(http_server: HttpServer) -> None:
    rule = http_server.when("/").reply(text="hello")
    injection = rule.inject(MalformedChunk(after_bytes=2), first=1)
    answer = ask(http_server, GET % b"/")
    assert body_of(answer) == b"2\r\nhe\r\nthis is no size\r\n"
    assert (injection.hits, rule.hits) == (1, 1)
    assert http_server.connections[0].faults == ["MalformedChunk"]
    assert http_server.connections[0].closed_by == "fault"
    assert ask(http_server, LAST % b"/").endswith(b"hello")


@pytest.mark.virtual_time
def test_a_blackhole_on_one_answer_and_the_next_connection_is_fine(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="ok").inject(Blackhole(after_bytes=1), first=1)
    with pytest.raises(requests.ConnectionError):
        requests.get(http_server.url, timeout=30)
    assert requests.get(http_server.url, timeout=30).text == "ok"


def test_stop_with_answers_on_their_way(http_server: HttpServer) -> None:
    http_server.when("/slow").reply(text="late", delay=60)
    http_server.when("/big").reply(body=bytes(50_000_000))
    socks = [connect(http_server) for _ in range(30)]
    for number, sock in enumerate(socks):
        sock.sendall([GET % b"/slow", GET % b"/big", b"GET /half HTTP/1.1\r\nHo"][number % 3])
    http_server.wait_for(lambda s: len(s.requests) == 20, timeout=60)
    assert elapsed(http_server.stop) < 30  # half as long as the late answers
    for sock in socks:
        sock.close()


def test_http_client_of_the_standard_library(http_server: HttpServer) -> None:
    http_server.when("GET", "/").reply(json=[1])
    connection = http.client.HTTPConnection(*http_server.address, timeout=30)
    for _ in range(2):
        connection.request("GET", "/")
        assert json.loads(connection.getresponse().read()) == [1]
    connection.close()
    assert len(http_server.connections) == 1

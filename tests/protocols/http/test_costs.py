"""Whatever one client sends, within the limits, the others do not wait for it."""

from __future__ import annotations

import gzip
import pathlib
import socket
from collections.abc import Callable

import pytest
from canary import ALLOWED, metered
from helpers import connect, in_thread

from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.web.paths import PathPattern

MB = 1_000_000
FORM = "Content-Type: application/x-www-form-urlencoded"
MULTIPART = "Content-Type: multipart/form-data; boundary=b"
PART = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n"


def get(target: str = "/", *fields: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (f"GET {target} HTTP/1.1", "Host: h", *fields, "")).encode()


def post(body: bytes, *fields: str) -> bytes:
    return get("/", *fields, f"Content-Length: {len(body)}").replace(b"GET", b"POST", 1) + body


def chunked(body: bytes, *fields: str) -> bytes:
    return get("/", *fields, "Transfer-Encoding: chunked").replace(b"GET", b"POST", 1) + body


def drain(sock: socket.socket) -> None:
    while sock.recv(1 << 20):
        pass


def worst_turn(server: HttpServer, data: bytes) -> float:
    """Seconds of the loop's CPU time that the longest turn took until all was answered."""
    with connect(server, timeout=60) as sock:
        reader = in_thread(drain, sock)
        with metered() as meter:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            reader.join(60)
    assert server.requests[-1].response is not None
    return meter.worst


def rules(server: HttpServer) -> None:
    server.when("GET", "/", query={"q": "1"}, headers={"X-Q": "1"}).reply(201)
    server.when("POST", "/", json={"a": 1}).reply(202)
    server.when("POST", "/", form={"q": "1"}).reply(203)
    server.when("POST", "/", body="text").reply(203)
    server.when("/{a}-{b}-{c}/x").reply(206)
    for number in range(50):
        server.when(f"/r{number}/{{x}}/{{y:int}}").reply(207)
    server.when("/compressed").reply(text="x" * 100, compress=True, etag="v", ranges=True)
    server.when("/plain").reply(text="x")


INPUTS: dict[str, Callable[[], bytes]] = {
    "many requests at once": lambda: get("/plain") * 5000,
    "many that no rule answers": lambda: get("/r/aaaaaaaaaaaaaaaaaaaaa") * 300,
    "many offers to upgrade": lambda: get("/plain", "Connection: upgrade", "Upgrade: x") * 2000,
    "a long path of many segments": lambda: get("/" + "ab/" * 21000),
    "a long path of dashes": lambda: get("/" + "-" * 60000 + "/"),
    "a thousand fields": lambda: get("/", *["a: b"] * 998),
    "many fields in a query": lambda: get("/?" + "a&" * 31000),
    "many fields in a query to be decoded": lambda: get("/?" + "a=%41&" * 10000),
    "a byte in each chunk": lambda: chunked(b"1\r\nx\r\n" * 300_000 + b"0\r\n\r\n"),
    "many trailers": lambda: chunked(b"0\r\n" + b"a: b\r\n" * 8000 + b"\r\n"),
    "a form of many fields": lambda: post(b"a&" * MB, FORM),
    "a form to be decoded": lambda: post(b"a=" + b"%41" * MB, FORM),
    "a form of many parts": lambda: post((PART + b"\r\n") * 20_000 + b"--b--\r\n", MULTIPART),
    "a part that looks like many": lambda: post(PART + b"\r\n--" * MB + b"\r\n--b--\r\n", MULTIPART),
    "a part with a long head": lambda: post(PART[:-4] + b"; a=b" * 200_000 + b"\r\n\r\nx\r\n--b--\r\n", MULTIPART),
    "many parameters of a media type": lambda: post(b"x", MULTIPART + "; a=b" * 12000),
    "many charsets": lambda: post(b"x", "Content-Type: text/plain" + "; charset=a" * 5000),
    "deep JSON": lambda: post(b"[" * MB),
    "wide JSON": lambda: post(b"[" + b"[]," * MB + b"[]]"),
    "a long number": lambda: post(b"1" * MB),
    "a body that unpacks to a large one": lambda: post(gzip.compress(bytes(300 * MB), 1), "Content-Encoding: gzip"),
    "a body of many packed ones": lambda: post(gzip.compress(b"") * 20_000, "Content-Encoding: gzip"),
    "many codings": lambda: post(b"x", "Content-Encoding: " + "identity," * 6000),
    "many ranges": lambda: get("/compressed", "Range: bytes=" + "0-1," * 15000),
    "many tags": lambda: get("/compressed", "If-None-Match: " + '"a",' * 15000),
    "many accepted codings": lambda: get("/compressed", "Accept-Encoding: " + "a;q=1," * 10000),
}


@pytest.mark.parametrize("name", INPUTS)
def test_no_request_keeps_the_others_waiting(http_server: HttpServer, name: str) -> None:
    rules(http_server)
    data = INPUTS[name]()
    assert worst_turn(http_server, data) < ALLOWED


@pytest.mark.parametrize("path", ["a/" * 20000, "a/../" * 800, "./" * 2000, "/" * 60000, "a" * 60000])
def test_no_path_of_a_file_keeps_the_others_waiting(http_server: HttpServer, tmp_path: pathlib.Path, path: str) -> None:
    (tmp_path / "a").mkdir()
    http_server.serve_files(tmp_path, at="/s")
    assert worst_turn(http_server, get(f"/s/{path}")) < ALLOWED


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("/{a}-{b}-{c}/x", "/1-2-3-4/x", {"a": "1-2", "b": "3", "c": "4"}),
        ("/{name}.{kind}", "/x.tar.gz", {"name": "x.tar", "kind": "gz"}),
        ("/{rest:path}/{a}-{b}", "/x/y/1-2", {"rest": "x/y", "a": "1", "b": "2"}),
        ("/{a}{b}", "/abc", {"a": "ab", "b": "c"}),
        ("/{a}-{b}", "/-b", None),
        ("/{a}-{b}", "/a-", None),
        ("/v{a}-{b}x", "/v1-2x", {"a": "1", "b": "2"}),
    ],
)
def test_of_several_places_in_a_segment_the_first_is_the_longest(
    pattern: str, path: str, found: dict[str, str] | None
) -> None:
    assert PathPattern(pattern).match(path) == found


def test_a_heavy_body_is_matched_apart_and_what_a_matcher_raises_fails_the_test(netmocks: Netmocks) -> None:
    server = netmocks.http()
    server.when("POST", "/", matches=lambda request: 1 / 0).reply(200)
    worst_turn(server, post(bytes(100_000)))
    (error,) = server.journal.take_errors()
    assert isinstance(error, ZeroDivisionError)
    assert server.requests[0].response is not None
    assert server.requests[0].response.status == 500


def test_requests_behind_a_heavy_one_keep_their_order(netmocks: Netmocks) -> None:
    server = netmocks.http()
    server.when("POST", "/", body=bytes(100_000)).reply(201)
    server.when("/after").reply(202)
    worst_turn(server, post(bytes(100_000)) + get("/after") + post(bytes(100_000)) + get("/after"))
    assert [request.response and request.response.status for request in server.requests] == [201, 202, 201, 202]

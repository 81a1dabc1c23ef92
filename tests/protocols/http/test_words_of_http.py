"""What a test says of requests and answers on HTTP: their order and number, curl, fields that are left out."""

from __future__ import annotations

import http.client
import re
import subprocess
import time
from typing import Any

import pytest
import requests
from helpers import connect, program, read_to_end, shake, speak

from pytest_netmocks import HttpRequest, Response
from pytest_netmocks.faults import Latency, SlowClose
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.ws.server import WsServer


def ask(server: HttpServer, data: bytes) -> bytes:
    with connect(server) as sock:
        sock.sendall(data)
        return read_to_end(sock)


def head_of(answer: bytes) -> dict[str, str]:
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


# Order and number


def test_requests_in_order(http_server: HttpServer) -> None:
    rule = http_server.when("POST", "/b", json={"n": 1}).reply(200)
    for path in ("/a", "/x", "/b", "/c"):
        requests.post(http_server.url_for(path, q=1), json={"n": 1}, timeout=30)
    found = http_server.assert_requested_in_order("/a", rule, ("POST", "/c", {"query": {"q": 1}}))
    assert [request.path for request in found] == ["/a", "/b", "/c"]
    assert http_server.assert_requested_in_order() == []
    with pytest.raises(AssertionError, match=r"number 2, '/a', did not come after <HttpRequest POST /b\?q=1"):
        http_server.assert_requested_in_order(rule, "/a")
    with pytest.raises(AssertionError, match="number 2, '/a', did not come"):
        http_server.assert_requested_in_order("/a", "/a")


@pytest.mark.parametrize("wanted", ["GET", ("GET",), 3, ("/a", {"quer": {}}), ()])
def test_what_is_no_request_has_no_place_in_an_order(http_server: HttpServer, wanted: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        http_server.assert_requested_in_order(wanted)


def test_requests_are_numbered_on_their_connection(http_server: HttpServer) -> None:
    with requests.Session() as session:
        for path in ("/1", "/2"):
            session.get(http_server.url_for(path), timeout=30)
    requests.get(http_server.url_for("/other"), timeout=30)
    assert [(request.path, request.number) for request in http_server.requests] == [("/1", 1), ("/2", 2), ("/other", 1)]


def test_a_handler_knows_the_number(http_server: HttpServer) -> None:
    http_server.when("/").reply(lambda request: Response(text=str(request.number)))
    answers = ask(http_server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 2 + b"GET / HTTP/1.0\r\n\r\n")
    assert re.findall(rb"\r\n\r\n(\d)", answers) == [b"1", b"2", b"3"]


# curl


def again(request: HttpRequest, **options: Any) -> str:
    command = request.curl(**options)
    subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=30)
    return command


def essence(request: HttpRequest) -> Any:
    fields = [pair for pair in request.headers.pairs if pair[0].lower() not in ("content-length",)]
    return request.method, request.target, request.http_version, request.body, sorted(fields)


EVIL = "'; touch /tmp/x; echo \"$(id)`id`\\ %s 'é"

REQUESTS: list[tuple[str, str, bytes | None, dict[str, str]]] = [
    ("GET", "/plain?a=b&c=[1]", None, {}),
    ("GET", "/../{x}/%2e%2e/;a", None, {"Accept": "*/*", "X-Empty": ""}),
    ("HEAD", "/", None, {"User-Agent": "me"}),
    ("POST", "/form", b"a=1&b=2", {"Content-Type": "application/x-www-form-urlencoded"}),
    ("PUT", "/", b"", {}),
    ("POST", "/", b"@/etc/passwd", {}),
    ("POST", "/", b'it\'s 100% "$HOME" `id` \\n\n\0\xff', {"X-Evil": EVIL}),
    ("PATCH", "/", bytes(range(256)) * 100, {}),
    ("DELETE", "/", b"x", {"Host": "api.test:81"}),
    ("REPORT", "/'$(id)'", None, {"Host": "api.test"}),
    ("OPTIONS", "*", None, {}),
]


@program("curl")
@pytest.mark.parametrize(("method", "target", "body", "headers"), REQUESTS)
def test_curl_sends_the_request_again(
    http_server: HttpServer, method: str, target: str, body: bytes | None, headers: dict[str, str]
) -> None:
    http_server.when("*").reply(200)
    connection = http.client.HTTPConnection(*http_server.address, timeout=30)
    connection.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in {**headers, **({} if body is None else {"Content-Length": str(len(body))})}.items():
        connection.putheader(name, value.encode())
    connection.endheaders(body)
    connection.getresponse().read()
    connection.close()
    again(http_server.requests[0])
    first, second = http_server.requests
    assert essence(second) == essence(first)


@program("curl")
def test_curl_over_tls_and_http_1_0(netmocks: Netmocks) -> None:
    server = netmocks.https()
    server.when("/").reply(200)
    requests.get(server.url, verify=server.ca.cert_file, timeout=30)
    again(server.requests[0])
    assert essence(server.requests[0]) == essence(server.requests[1])
    plain = netmocks.http()
    ask(plain, b"GET /old HTTP/1.0\r\n\r\n")
    again(plain.requests[0])
    assert [request.http_version for request in plain.requests] == ["1.0", "1.0"]


def test_curl_leaves_out_a_body_beyond_the_limit_and_says_so(http_server: HttpServer) -> None:
    requests.post(http_server.url, data=b"x" * 101, timeout=30)
    request = http_server.requests[0]
    assert request.curl(body_limit=100).endswith("  # without its body of 101 bytes")
    assert "x" * 101 in request.curl(body_limit=101)
    with pytest.raises(ValueError, match="body_limit must be a whole number of at least 0"):
        request.curl(-1)


# Fields that are left out


@pytest.mark.parametrize("name", ["Date", "Content-Type", "Content-Length", "Connection", "Accept-Ranges", "ETag"])
def test_a_field_whose_value_is_none_stays_away(http_server: HttpServer, name: str) -> None:
    options: dict[str, Any] = {"text": "hello", "etag": "x", "ranges": True, "close": name == "Content-Length"}
    http_server.when("/with").reply(**options)
    http_server.when("/without").reply(headers={name.upper(): None}, **options)
    answers = [ask(http_server, b"GET /%b HTTP/1.0\r\n\r\n" % path) for path in (b"with", b"without")]
    assert answers[1].endswith(b"\r\n\r\nhello")
    heads = [head_of(answer) for answer in answers]
    assert name.lower() not in heads[1]
    assert {**heads[0], "date": ""} | {name.lower(): None} == {**heads[1], "date": ""} | {name.lower(): None}


def test_a_body_without_a_length_ends_with_the_connection(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="hello", headers={"Content-Length": None})
    http_server.when("/stream").reply(stream=[b"a", b"b"], headers={"Transfer-Encoding": None})
    for path, body in ((b"/", b"hello"), (b"/stream", b"ab")):
        answer = ask(http_server, b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path)
        assert answer.endswith(b"Connection: close\r\n\r\n" + body)
        assert not head_of(answer).keys() & {"content-length", "transfer-encoding"}


def test_an_answer_without_a_body_keeps_the_connection(http_server: HttpServer) -> None:
    http_server.when("/").reply(204, headers={"Date": None, "Content-Length": None})
    answer = ask(http_server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 2 + b"GET / HTTP/1.0\r\n\r\n")
    assert answer.count(b"HTTP/1.1 204") == 3
    assert b"Date" not in answer


def test_a_field_of_the_handshake_stays_away(ws_server: WsServer) -> None:
    ws_server.when_connected().reply(headers={"Sec-WebSocket-Accept": None, "Date": None})
    with speak(ws_server):
        pass
    request = ws_server.connections[0].upgrade_request
    assert request is not None
    assert request.response is not None
    assert "upgrade" in request.response.headers
    assert "sec-websocket-accept" not in request.response.headers
    assert b"Date:" not in ws_server.connections[0].sent


@pytest.mark.parametrize(
    "answer", [{"text": "hello"}, {"stream": [b"hello"]}, {"status": lambda r: Response(text="hello")}]
)
def test_an_answer_may_be_the_last_of_its_connection(http_server: HttpServer, answer: dict[str, Any]) -> None:
    http_server.when("/").reply(**answer, times=1, then_close=True).reply(text="no")
    said = ask(http_server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 2)
    assert head_of(said)["connection"] == "close"
    assert said.count(b"HTTP/1.1") == said.count(b"hello") == 1
    http_server.wait_for(lambda server: server.connections[0].closed_by == "server", timeout=30)


@pytest.mark.virtual_time
@pytest.mark.parametrize("kind", ["http", "https"])
def test_what_the_end_of_its_connection_follows_waits_for_no_late_one(netmocks: Netmocks, kind: str) -> None:
    server: HttpServer = getattr(netmocks, kind)()
    server.when("/").reply(text="all of it", close=True)
    server.inject(SlowClose(60))
    begin = time.monotonic()
    with shake(server) if kind == "https" else connect(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        came = b""
        while not came.endswith(b"all of it"):
            came += sock.recv(1000)
        assert time.monotonic() - begin < 30


@pytest.mark.virtual_time
@pytest.mark.parametrize("fault", [None, Latency(10)])
def test_the_pieces_of_an_answer_that_ends_its_connection_come_when_they_are_sent(
    http_server: HttpServer, fault: Latency | None
) -> None:
    rule = http_server.when("/").reply(stream=[b"a", b"b"], interval=0 if fault else 10, close=True)
    if fault is not None:
        rule.inject(fault)
    begin = time.monotonic()
    with connect(http_server, timeout=15) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - begin < 5
        assert b"b" in read_to_end(sock)
        assert 10 <= time.monotonic() - begin < 15

"""Archives of HTTP and WebSocket: what a client got, and what it did not."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import pathlib
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import pytest
from helpers import Suite
from jsonschema import Draft6Validator
from referencing import Registry, Resource
from websockets.sync.client import connect

from pytest_netmocks import HttpServer, WsServer
from pytest_netmocks.faults import Blackhole, Garbage, Latency, Replace, Reset
from pytest_netmocks.reports import har
from pytest_netmocks.reports.recording import Recording
from pytest_netmocks.reports.tape import Room, Tape, on_record, recording_of
from pytest_netmocks.servers.stream import StreamServer

SCHEMA = pathlib.Path(__file__).parent / "har_schema"


def complaints(archive: dict[str, Any]) -> list[str]:
    """What the JSON schema of HAR 1.2 has against it."""
    schemas = {path.name: json.loads(path.read_text()) for path in SCHEMA.glob("*.json")}
    resources = [(name, Resource.from_contents(schema)) for name, schema in schemas.items()]
    registry: Any = Registry().with_resources(resources)
    found = Draft6Validator(
        schemas["har.json"], registry=registry, format_checker=Draft6Validator.FORMAT_CHECKER
    ).iter_errors(archive)
    return [f"{error.json_path}: {error.message}" for error in found]


def say(server: StreamServer, data: bytes, *, timeout: float = 30) -> bytes:
    """What a client gets that says this and reads until the end."""
    got = b""
    with socket.create_connection(server.address, timeout=timeout) as client:
        client.sendall(data)
        with contextlib.suppress(OSError):
            while piece := client.recv(65536):
                got += piece
    return got


def get(target: str, *fields: str, method: str = "GET", version: str = "1.1", body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/{version}", "Host: test.example", "Connection: close", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Archive:
    """The archive of one server from now on."""

    def __init__(self, server: StreamServer) -> None:
        self._server = server
        self._tape = Tape(server, Room())

    def read(self) -> dict[str, Any]:
        self._server.stop()
        made: dict[str, Any] = json.loads(har.write([recording_of([(self._server, *self._tape.take())], title="it")]))
        assert complaints(made) == []
        log: dict[str, Any] = made["log"]
        return log

    def entries(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.read()["entries"]
        for entry in entries:
            took = sum(max(0, took) for name, took in entry["timings"].items() if name != "ssl")
            assert entry["time"] == pytest.approx(took, abs=0.01)
            assert min(entry["timings"][name] for name in ("send", "wait", "receive")) >= 0
        return entries

    def entry(self) -> dict[str, Any]:
        (entry,) = self.entries()
        return entry


@pytest.fixture
def archive(http_server: HttpServer) -> Archive:
    return Archive(http_server)


def fields(message: dict[str, Any]) -> dict[str, str]:
    return {field["name"].lower(): field["value"] for field in message["headers"]}


def test_an_entry_has_what_was_asked_and_what_was_answered(http_server: HttpServer, archive: Archive) -> None:
    http_server.when("POST", "/é").reply(
        302, json={"a": 1}, redirect="/next", cookies={"c": "d"}, headers={"Set-Cookie": "e=f; Secure; HttpOnly"}
    )
    body = b"name=J%C3%BCrgen&empty="
    kind = "Content-Type: application/x-www-form-urlencoded"
    got = say(
        http_server,
        get("/%C3%A9?q=1&q=%20&r", kind, "Content-Length: 23", "Cookie: a=b; c=d=e", method="POST", body=body),
    )
    entry = archive.entry()
    request, response = entry["request"], entry["response"]
    assert (request["method"], request["url"]) == ("POST", "http://test.example/%C3%A9?q=1&q=%20&r")
    assert request["httpVersion"] == "HTTP/1.1"
    assert [(one["name"], one["value"]) for one in request["queryString"]] == [("q", "1"), ("q", " "), ("r", "")]
    assert [(one["name"], one["value"]) for one in request["cookies"]] == [("a", "*"), ("c", "***")]
    assert request["postData"]["params"] == [{"name": "name", "value": "Jürgen"}, {"name": "empty", "value": ""}]
    assert request["postData"]["text"] == body.decode()
    assert request["bodySize"] == len(body)
    head = got.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert (response["status"], response["statusText"], response["redirectURL"]) == (302, "Found", "/next")
    assert response["headersSize"] == len(head)
    assert response["headersSize"] + response["bodySize"] == len(got)
    assert "date" in fields(response)
    assert json.loads(response["content"]["text"]) == {"a": 1}
    assert response["content"]["mimeType"] == "application/json"
    assert {one["name"]: one for one in response["cookies"]} == {
        "e": {"name": "e", "value": "*", "secure": True, "httpOnly": True},
        "c": {"name": "c", "value": "*", "path": "/"},
    }
    assert entry["serverIPAddress"] == "127.0.0.1"
    assert entry["_netmocks"]["rule"] == "when('POST', '/é')"


def test_bytes_that_are_no_text_are_in_base64(http_server: HttpServer, archive: Archive) -> None:
    http_server.when("PUT", "/").reply(200, body=b"\x00\xff")
    say(http_server, get("/", "Content-Length: 2", method="PUT", body=b"\xfe\x00"))
    entry = archive.entry()
    assert base64.b64decode(entry["request"]["postData"]["text"]) == b"\xfe\x00"
    assert entry["request"]["postData"]["_encoding"] == "base64"
    assert base64.b64decode(entry["response"]["content"]["text"]) == b"\x00\xff"
    assert entry["response"]["content"]["encoding"] == "base64"


def test_the_files_of_a_form_are_told_by_name_and_type(http_server: HttpServer, archive: Archive) -> None:
    body = (
        b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B\r\n'
        b'Content-Disposition: form-data; name="f"; filename="x.png"\r\nContent-Type: image/png\r\n\r\n'
        b"\xff\r\n--B--\r\n"
    )
    length = f"Content-Length: {len(body)}"
    say(http_server, get("/", length, "Content-Type: multipart/form-data; boundary=B", method="POST", body=body))
    assert archive.entry()["request"]["postData"]["params"] == [
        {"name": "a", "value": "1"},
        {"name": "f", "fileName": "x.png", "contentType": "image/png", "_size": 1},
    ]


def test_what_was_compressed_is_told_unpacked_with_what_that_saved(http_server: HttpServer, archive: Archive) -> None:
    packed = gzip.compress(b"x" * 1000)
    http_server.when("/").reply(200, body=packed, headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})
    say(http_server, get("/"))
    response = archive.entry()["response"]
    assert response["content"]["text"] == "x" * 1000
    assert response["content"]["size"] == 1000
    assert response["bodySize"] == len(packed)
    assert response["content"]["compression"] == 1000 - len(packed)


def test_of_a_chunked_answer_the_body_is_told_without_its_chunks(http_server: HttpServer, archive: Archive) -> None:
    http_server.when("/").reply(200, stream=[b"abc", b"de"], trailers={"T": "x"})
    got = say(http_server, get("/"))
    response = archive.entry()["response"]
    assert response["content"]["text"] == "abcde"
    assert response["bodySize"] == 5
    assert response["_transferSize"] == len(got)


@pytest.mark.parametrize("taken", [5, 60, 100])
def test_sizes_are_those_of_what_was_delivered_where_a_fault_cut_it(
    http_server: HttpServer, archive: Archive, taken: int
) -> None:
    http_server.when("/").reply(200, body=b"x" * 200)
    http_server.inject(Reset(after_bytes=taken, direction="downstream"))
    got = say(http_server, get("/"))
    assert len(got) == taken
    entry = archive.entry()
    response = entry["response"]
    assert response["_transferSize"] == taken
    assert "the fault" in response["_error"]
    assert response["status"] == (0 if taken == 5 else 200)
    assert entry["_netmocks"]["faults"] == [f"Reset(after_bytes={taken})"]
    assert sum(one["bytes"] for one in entry["_netmocks"]["lost"]) > 0


def test_a_body_that_was_cut_is_told_as_far_as_it_came(http_server: HttpServer, archive: Archive) -> None:
    http_server.when("/").reply(200, body=b"x" * 200).inject(Reset(after_bytes=7))
    got = say(http_server, get("/"))
    response = archive.entry()["response"]
    assert response["status"] == 200
    assert response["headersSize"] == len(got) - 7
    assert response["bodySize"] == response["content"]["size"] == 7
    assert "193 bytes of the answer never came" in response["_error"]


def test_what_a_fault_held_counts_as_time_in_which_it_was_received(http_server: HttpServer, archive: Archive) -> None:
    http_server.when("/").reply(200, body=b"x").inject(Latency(0.1))
    say(http_server, get("/"))
    entry = archive.entry()
    assert entry["timings"]["receive"] >= 95
    assert entry["_netmocks"]["held"] == [
        {"bytes": 1, "direction": "downstream", "layer": "application", "faults": ["Latency(0.1)"]}
    ]


@pytest.mark.virtual_time
def test_a_request_that_nobody_answered_waits_until_its_connection_ends(
    http_server: HttpServer, archive: Archive
) -> None:
    http_server.when("/").reply(200).inject(Blackhole())
    say(http_server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", timeout=600)
    entry = archive.entry()
    assert entry["timings"]["wait"] >= 500_000
    assert entry["response"]["status"] == 0
    assert entry["response"]["_error"].startswith("no answer: ")


@pytest.mark.virtual_time
def test_a_request_that_never_reached_the_server_has_an_entry_all_the_same(
    http_server: HttpServer, archive: Archive
) -> None:
    http_server.inject(Blackhole(direction="upstream"))
    say(http_server, get("/lost?a=b"), timeout=20)
    entry = archive.entry()
    assert entry["request"]["url"].endswith("/lost?a=b")
    assert entry["response"]["_error"] == "no answer: the request never reached the server"
    assert entry["_netmocks"]["unseen"] is True


def test_a_request_that_came_behind_the_last_answer_says_why_nobody_answered(
    http_server: HttpServer, archive: Archive
) -> None:
    http_server.when("/").reply(200, then_close=True)
    say(http_server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /late HTTP/1.1\r\nHost: a\r\n\r\n")
    first, late = archive.entries()
    assert first["response"]["status"] == 200
    assert late["response"]["status"] == 0
    assert "the last of the connection" in late["response"]["_error"]


@pytest.mark.virtual_time
def test_pipelined_requests_have_each_their_own_answer_and_size(http_server: HttpServer, archive: Archive) -> None:
    for number in range(3):
        http_server.when(f"/{number}").reply(200, body=b"x" * number)
    requests = [f"GET /{number} HTTP/1.1\r\nHost: a\r\nX: {'y' * number}\r\n\r\n".encode() for number in range(3)]
    say(http_server, b"".join(requests), timeout=20)
    entries = archive.entries()
    assert [entry["request"]["headersSize"] for entry in entries] == [len(one) for one in requests]
    assert [entry["response"]["bodySize"] for entry in entries] == [0, 1, 2]
    assert len({entry["connection"] for entry in entries}) == 1
    assert [entry["timings"]["blocked"] == -1 for entry in entries] == [False, True, True]


def test_what_came_before_an_answer_is_told_beside_it(http_server: HttpServer, archive: Archive) -> None:
    http_server.when("/").reply(200, text="x", interim=[(103, {"Link": "</a>"})])
    say(http_server, get("/"))
    entry = archive.entry()
    assert entry["response"]["status"] == 200
    (interim,) = entry["_netmocks"]["interim"]
    assert (interim["status"], interim["statusText"]) == (103, "Early Hints")
    assert interim["headers"] == [{"name": "Link", "value": "</a>"}]


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_an_answer_of_http_1_0_lasts_until_the_connection_ends(
    http_server: HttpServer, archive: Archive, method: str
) -> None:
    http_server.when("/").reply(200, stream=[b"abc", b"de"])
    say(http_server, get("/", version="1.0", method=method))
    entry = archive.entry()
    assert entry["request"]["httpVersion"] == "HTTP/1.0"
    assert entry["response"]["bodySize"] == (5 if method == "GET" else 0)
    assert "_error" not in entry["response"]


def test_what_is_no_answer_of_http_is_told_as_the_bytes_that_it_was(http_server: HttpServer, archive: Archive) -> None:
    http_server.when("/").reply(200).inject(Garbage())
    got = say(http_server, get("/"))
    response = archive.entry()["response"]
    assert response["status"] == 0
    assert base64.b64decode(response["content"]["text"]) == got
    assert response["_error"] == "what came is no answer of HTTP"


def test_an_answer_that_a_fault_made_longer_is_told_as_it_came(http_server: HttpServer, archive: Archive) -> None:
    http_server.when("/").reply(200, text="cat")
    http_server.inject(Replace(b"text/plain", b"text/something-else", direction="downstream"))
    got = say(http_server, get("/"))
    response = archive.entry()["response"]
    assert response["_transferSize"] == len(got)
    assert response["content"]["text"] == "cat"
    assert response["content"]["mimeType"].startswith("text/something-else")


@pytest.mark.virtual_time
@pytest.mark.parametrize("data", [b"\0\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n", b"\r\n\r\n", b""])
def test_whatever_a_client_says_makes_a_valid_archive(http_server: HttpServer, archive: Archive, data: bytes) -> None:
    say(http_server, data, timeout=20)
    archive.entries()


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("http://else.where/x", "http://else.where/x"),
        ("*", "http://test.example"),
        ('/a b"<>\\^`{|}'.replace(" ", "%20"), "http://test.example/a%20b%22%3C%3E%5C%5E%60%7B%7C%7D"),
    ],
)
def test_the_address_is_that_of_what_was_asked_for(
    http_server: HttpServer, archive: Archive, target: str, url: str
) -> None:
    say(http_server, get(target, method="OPTIONS"))
    assert archive.entry()["request"]["url"] == url


@pytest.mark.virtual_time
@pytest.mark.parametrize("host", ["[", "a:b", "a b", "", "[::1", "é"])
def test_an_address_that_is_none_is_that_of_the_server(http_server: HttpServer, archive: Archive, host: str) -> None:
    say(http_server, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), timeout=20)
    address = urlsplit(archive.entry()["request"]["url"])
    assert address.hostname
    assert address.port in (None, http_server.port)


def test_of_tls_the_handshake_is_the_time_to_connect(tls_archive: Archive, tls_http: HttpServer) -> None:
    tls_http.when("/").reply(200, text="x")
    context = ssl.create_default_context(cafile=str(tls_http.ca.cert_file))
    with (
        socket.create_connection(tls_http.address, timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        for _ in range(2):
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not client.recv(65536).endswith(b"x"):
                pass
    first, second = tls_archive.entries()
    assert first["timings"]["ssl"] == first["timings"]["connect"] > 0
    assert second["timings"]["ssl"] == second["timings"]["connect"] == -1
    assert first["request"]["url"].startswith("https://")


@pytest.fixture
def tls_http(netmocks: Any) -> HttpServer:
    server: HttpServer = netmocks.http(tls=True)
    return server


@pytest.fixture
def tls_archive(tls_http: HttpServer) -> Archive:
    return Archive(tls_http)


@pytest.mark.parametrize("place", ["a server of its own", "a path"])
def test_messages_of_a_websocket_are_in_the_entry_of_its_handshake(netmocks: Any, place: str) -> None:
    server: Any = netmocks.ws() if place == "a server of its own" else netmocks.http()
    rules = server if isinstance(server, WsServer) else server.when("/").websocket()
    rules.when("hi").reply(b"\xff")
    archive = Archive(server)
    with connect(f"ws://127.0.0.1:{server.port}/") as client:
        client.send("hi")
        assert client.recv(timeout=30) == b"\xff"
        client.ping(b"p").wait(5)
    entry = archive.entry()
    assert entry["response"]["status"] == 101
    assert entry["request"]["url"] == f"ws://127.0.0.1:{server.port}/"
    assert entry["_resourceType"] == "websocket"
    messages = [(one["type"], one["opcode"], one["data"]) for one in entry["_webSocketMessages"]]
    assert messages == [("send", 1, "hi"), ("receive", 2, "/w=="), ("send", 9, "cA=="), ("receive", 10, "cA==")]
    assert all(one["time"] > 1e9 for one in entry["_webSocketMessages"])


def test_bytes_that_were_not_kept_are_told_by_their_number(http_server: HttpServer) -> None:
    http_server.when("/").reply(200, body=b"x" * 1000)
    tape = Tape(http_server, Room(100))
    say(http_server, get("/"))
    http_server.stop()
    made = json.loads(har.write([recording_of([(http_server, *tape.take())])]))
    assert complaints(made) == []
    (entry,) = made["log"]["entries"]
    assert entry["response"]["status"] == 200
    assert entry["response"]["bodySize"] == 1000
    assert entry["response"]["headersSize"] == -1


def test_a_server_saves_its_archive(http_server: HttpServer, tmp_path: pathlib.Path) -> None:
    http_server.when("/").reply(200, text="é")
    say(http_server, get("/"))
    http_server.save(tmp_path / "it.har")
    made = json.loads((tmp_path / "it.har").read_text())
    assert complaints(made) == []
    assert made["log"]["entries"][0]["response"]["content"]["text"] == "é"
    assert made["log"]["pages"][0]["_netmocks"]["servers"][0]["name"] == http_server.name


def test_pages_are_tests_in_the_files_of_a_run(suite: Suite, pytester: pytest.Pytester) -> None:
    suite(
        """
        import urllib.request

        def test_it(http_server):
            http_server.when("/").reply(200, text="x")
            assert urllib.request.urlopen(http_server.url + "/").read() == b"y"
        """,
        "--netmocks-har=what",
    )
    made = json.loads((pytester.path / "what" / "test_it.py--test_it.har").read_text())
    assert complaints(made) == []
    (page,) = made["log"]["pages"]
    assert page["title"].endswith("test_it.py::test_it")
    assert page["_netmocks"]["outcome"] == "failed"
    assert [entry["pageref"] for entry in made["log"]["entries"]] == [page["id"]]


def test_of_a_server_without_http_there_are_no_entries(netmocks: Any) -> None:
    assert har.write([on_record(netmocks.tcp())])
    assert json.loads(har.write([Recording()]))["log"]["entries"] == []

"""Recordings read from files, and `netmocks report`, which shows them as a page."""

from __future__ import annotations

import json
import pathlib
import socket
from typing import Any

import pytest
from websockets.sync.client import connect

from pytest_netmocks import HttpServer, cli
from pytest_netmocks.faults import Reset
from pytest_netmocks.records.plain import data_of
from pytest_netmocks.reports import har, readers
from pytest_netmocks.reports.recording import Recording
from pytest_netmocks.reports.tape import on_record


def get(server: HttpServer, *targets: str) -> None:
    with socket.create_connection(server.address, timeout=30) as client:
        try:
            client.sendall(b"".join(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for target in targets))
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except OSError:
            pass


@pytest.fixture
def recording(http_server: HttpServer) -> Recording:
    http_server.when("/").reply(200, text="é", headers={"X": "y"})
    http_server.when("/bytes").reply(201, body=b"\x00\xff")
    http_server.when("/cut").reply(200, body=b"x" * 10).inject(Reset(after_bytes=4))
    http_server.when("/ws").websocket().when("hi").reply(b"\xff")
    get(http_server, "/?a=b", "/bytes", "/none")
    get(http_server, "/cut")
    with connect(f"ws://127.0.0.1:{http_server.port}/ws") as client:
        client.send("hi")
        client.recv(timeout=30)
    http_server.stop()
    return on_record(http_server)


def entries(recordings: list[Recording]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = json.loads(har.write(recordings))["log"]["entries"]
    return made


def test_an_archive_that_was_read_says_the_same_again(recording: Recording) -> None:
    archive = har.write([recording])
    again = har.read(archive)
    for old, new in zip(entries([recording]), entries(again), strict=True):
        assert new["connection"] == old["connection"]
        for name in ("method", "url", "httpVersion", "headers", "bodySize"):
            assert new["request"][name] == old["request"][name]
        for name in ("status", "headers", "content", "cookies"):
            assert new["response"][name] == old["response"][name]
        assert ("_error" in new["response"]) == ("_error" in old["response"])
        assert new["time"] == pytest.approx(old["time"], abs=0.1)
        assert new["timings"]["wait"] == pytest.approx(old["timings"]["wait"], abs=0.1)
        assert new["_netmocks"].get("rule") == old["_netmocks"].get("rule")
        assert new["_netmocks"].get("faults") == old["_netmocks"].get("faults")
        assert _messages(new) == _messages(old)


def _messages(entry: dict[str, Any]) -> list[Any]:
    return [(one["type"], one["opcode"], one["data"]) for one in entry.get("_webSocketMessages", [])]


CHROME: dict[str, Any] = {
    "log": {
        "version": "1.2",
        "creator": {"name": "WebInspector", "version": "537.36"},
        "pages": [
            {"startedDateTime": "2024-05-01T10:00:00.000Z", "id": "page_1", "title": "https://example.com/",
             "pageTimings": {"onContentLoad": 100.5, "onLoad": 200}},
        ],
        "entries": [
            {
                "startedDateTime": "2024-05-01T10:00:00.010+00:00", "time": 61, "pageref": "page_1",
                "connection": "443",
                "request": {"method": "POST", "url": "https://example.com/api?x=1", "httpVersion": "http/2.0",
                            "headers": [{"name": ":authority", "value": "example.com"}],
                            "queryString": [], "cookies": [],
                            "headersSize": -1, "bodySize": 2,
                            "postData": {"mimeType": "application/json", "text": "{}"}},
                "response": {"status": 200, "statusText": "", "httpVersion": "http/2.0",
                             "headers": [{"name": "content-encoding", "value": "br"}, {"name": "x", "value": "y"}],
                             "cookies": [], "content": {"size": 5, "mimeType": "text/plain", "text": "hello",
                                                        "compression": 1},
                             "redirectURL": "", "headersSize": -1, "bodySize": -1},
                "cache": {}, "serverIPAddress": "[2001:db8::1]",
                "timings": {"blocked": 10, "dns": 5, "connect": 20, "ssl": 15, "send": 1, "wait": 20, "receive": 5},
            },
            {
                "startedDateTime": "2024-05-01T10:00:01.000Z", "time": 0, "pageref": "page_1",
                "request": {"method": "GET", "url": "https://example.com/blocked", "httpVersion": "", "headers": [],
                            "queryString": [], "cookies": [], "headersSize": -1, "bodySize": 0},
                "response": {"status": 0, "statusText": "", "httpVersion": "", "headers": [], "cookies": [],
                             "content": {"size": 0, "mimeType": "x-unknown"}, "redirectURL": "", "headersSize": -1,
                             "bodySize": -1, "_error": "net::ERR_BLOCKED_BY_CLIENT"},
                "cache": {}, "timings": {"blocked": -1, "send": 0, "wait": 0, "receive": 0},
            },
        ],
    }
}  # fmt: skip


def test_the_archive_of_a_browser_is_a_recording_too() -> None:
    (recording,) = har.read(json.dumps(CHROME).encode())
    assert recording.title == "https://example.com/"
    (server,) = recording.servers
    assert (server["address"], server["tls"]) == (["2001:db8::1", 443], True)
    times = {event["event"]: event["at"] for event in reversed(recording.events)}
    assert times["opened"] == pytest.approx(0.025)
    assert times["handshake"] == pytest.approx(0.045)
    begun = [event for event in recording.events if event.get("phase") == "begun"]
    assert begun[0]["title"] == "POST /api?x=1 -> 200"
    assert begun[0]["request"]["version"] == "2.0"
    assert data_of(begun[0]["response"]["body"]) == b"hello"
    assert begun[0]["response"]["headers"] == [["x", "y"]]  # the body is told without that coding
    assert "response" not in begun[1]
    assert [event["text"] for event in recording.events if event["event"] == "note"] == ["net::ERR_BLOCKED_BY_CLIENT"]


@pytest.mark.parametrize("suffix", list(readers.READERS))
def test_the_command_makes_a_page_of_files(
    recording: Recording, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    from pytest_netmocks.reports import writers

    writers.save(tmp_path / f"it{suffix}", [recording])
    page = tmp_path / "new" / "page.html"
    assert cli.main(["report", str(tmp_path / f"it{suffix}"), "-o", str(page)]) == 0
    assert "<!doctype html>" in page.read_text().lower()
    assert "1 recording of 1 file" in capsys.readouterr().out


def test_the_command_makes_other_files_too(recording: Recording, tmp_path: pathlib.Path) -> None:
    from pytest_netmocks.reports import writers

    writers.save(tmp_path / "it.jsonl", [recording, recording])
    assert cli.main(["report", str(tmp_path / "it.jsonl"), "-o", str(tmp_path / "it.har")]) == 0
    assert len(readers.read(tmp_path / "it.har")) == 2


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("none.jsonl", None, "No such file"),
        ("it.txt", b"", "must end in one of .har, .jsonl, .pcapng"),
        ("it.jsonl", b"\xff", "codec"),
        ("it.jsonl", b"[]", "no JSON lines of a recording"),
        ("it.jsonl", b'{"netmocks": 99}', "version 99"),
        ("it.pcapng", b"GET / HTTP/1.1", "it.pcapng"),
        ("it.har", b"", "Expecting value"),
        ("it.har", b"[" * 100_000, "recursion"),
        ("it.har", b"[]", 'no "log"'),
        ("it.har", b'{"log": {}}', "KeyError"),
        ("it.har", b'{"log": {"entries": [1]}}', "AttributeError"),
        ("it.har", b'{"log": {"entries": [{"startedDateTime": "now"}]}}', "isoformat"),
        ("it.har", b'{"log": {"entries": 1, "pages": {}}}', "TypeError"),
    ],
)
def test_a_wrong_file_is_told_in_words(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, why: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert cli.main(["report", str(tmp_path / name), "-o", str(tmp_path / "page.html")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"netmocks: cannot read {tmp_path / name}: ")
    assert why in said
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("out", ["page.html", "it.har", "it.jsonl", "it.pcapng"])
@pytest.mark.parametrize(
    "lines", ['{"netmocks": 1, "servers": 5}', '{"netmocks": 1}\n{"event": 1}', '{"netmocks": 1, "began": 1e300}']
)
def test_what_only_looks_like_a_recording_ends_in_words_or_a_file(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], lines: str, out: str
) -> None:
    (tmp_path / "in.jsonl").write_text(lines)
    code = cli.main(["report", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / out)])
    said = capsys.readouterr()
    assert code == (2 if said.err else 0)
    assert (tmp_path / out).exists() is (code == 0)


@pytest.mark.parametrize(("out", "why"), [("file/page.html", "cannot write"), ("page.txt", "path must end in one of")])
def test_a_place_that_cannot_be_written_is_told_in_words(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], out: str, why: str
) -> None:
    from pytest_netmocks.reports import writers

    (tmp_path / "file").touch()
    writers.save(tmp_path / "it.jsonl", [Recording()])
    assert cli.main(["report", str(tmp_path / "it.jsonl"), "-o", str(tmp_path / out)]) == 2
    assert why in capsys.readouterr().err

"""Pictures of HTTP/2: archives, captures and the page's waterfall have its streams, each as an exchange of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from browser import CHROMIUM, browsing
from framing import speaking
from helpers import program
from tshark import Capture, recorded

from pytest_netmocks.faults import Reset
from pytest_netmocks.protocols.http.server import HttpServer, HttpsServer
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.records.events import Event, Failed, Struck
from pytest_netmocks.reports import har, page, writers
from pytest_netmocks.reports.ladder import ladder
from pytest_netmocks.reports.recording import Recording
from pytest_netmocks.reports.story import Story


def two_at_once(server: HttpServer) -> Recording:
    """A slow answer, and another on the same connection meanwhile."""
    server.when("/slow").reply(text="slow", delay=0.1)
    server.when("POST", "/up").reply(201, json={"a": 1})
    with recorded(server, title="it") as recording, speaking(server) as peer:
        slow = peer.ask("/slow")
        up = peer.ask("/up", "POST", body=b"body")
        assert peer.answer(up).body == b'{"a": 1}'
        assert peer.answer(slow).body == b"slow"
    return recording


def test_an_archive_says_http_2_and_has_what_each_stream_carried(http_server: HttpServer) -> None:
    entries = json.loads(har.write([two_at_once(http_server)]))["log"]["entries"]
    slow, up = entries
    assert [entry["request"]["httpVersion"] for entry in entries] == ["HTTP/2", "HTTP/2"]
    assert [entry["response"]["httpVersion"] for entry in entries] == ["HTTP/2", "HTTP/2"]
    assert (slow["response"]["status"], slow["response"]["content"]["text"]) == (200, "slow")
    assert (up["response"]["status"], up["response"]["content"]["text"]) == (201, '{"a": 1}')
    assert up["request"]["postData"]["text"] == "body"
    assert slow["timings"]["wait"] >= 100
    assert up["timings"]["wait"] < slow["timings"]["wait"]
    assert "_error" not in slow["response"]


def test_an_archive_says_what_a_fault_left_of_a_stream(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="0123456789").inject(Reset(after_bytes=4))
    with recorded(http_server) as recording, speaking(http_server) as peer:
        assert peer.answer(peer.ask("/x")).end == "CANCEL"
    (entry,) = json.loads(har.write([recording]))["log"]["entries"]
    assert entry["response"]["content"]["text"] == "0123"
    assert "not whole" in entry["response"]["_error"]
    assert entry["_netmocks"]["faults"] == ["Reset(after_bytes=4)"]


@program("tshark")
def test_a_capture_is_http_2_to_tshark(http_server: HttpServer, tmp_path: Path) -> None:
    recording = two_at_once(http_server)
    path = tmp_path / "it.pcapng"
    writers.save(path, [recording])
    capture = Capture(path, f"tcp.port=={http_server.port},http2")
    assert capture.complaints() == []
    assert "|".join(capture.column("http2.headers.path", "http2.headers.path")) == "/slow|/up"
    assert sorted(capture.column("http2.headers.status", "http2.headers.status")) == ["200", "201"]


@program("tshark")
def test_a_capture_over_tls_is_decrypted(https_server: HttpsServer, tmp_path: Path) -> None:
    https_server.when("/secret").reply(json={"answer": 42})
    with recorded(https_server) as recording:
        context = https_server.client_context()
        with httpx.Client(http2=True, verify=context) as client:
            assert client.get(https_server.url_for("/secret")).http_version == "HTTP/2"
    path = tmp_path / "it.pcapng"
    writers.save(path, [recording])
    capture = Capture(path)
    assert capture.complaints() == []
    assert capture.column("http2.headers.path", "http2.headers.path") == ["/secret"]
    assert capture.column("json.value.number", "json") == ["42"]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_streams_are_rows_of_the_waterfall(http_server: HttpServer, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(page.write([two_at_once(http_server)]))
    with browsing() as browser:
        browser.size(1280, 800)
        page_of_it = (tmp_path / "page.html").as_uri() + "#test=it"
        browser.open(page_of_it, "document.querySelector('.waterfall .row')")
        rows = browser.texts(".waterfall .row")
    assert [name for name in ("GET /slow", "POST /up") if any(name in row for row in rows)] == ["GET /slow", "POST /up"]


def shown(server: HttpServer, width: int = 80) -> list[str]:
    """The ladder from the column of the client on, without what fills it."""
    lines = ladder(Story(server), width)[2:]
    assert max(map(len, lines)) <= width
    return [re.sub(r" ?-{2,}>?\|$| *\|$", "", line[17:]) for line in lines]


def test_the_ladder_names_the_streams(http_server: HttpServer) -> None:
    http_server.when("/slow").reply(text="slow", delay=0.1)
    http_server.when("/x").reply(text="0123456789").inject(Reset(after_bytes=4))
    with speaking(http_server) as peer:
        slow, x = peer.ask("/slow"), peer.ask("/x")
        assert peer.answer(x).end == "CANCEL"
        assert peer.answer(slow).body == b"slow"
    http_server.wait_for(lambda server: not server.open_connections)
    told = shown(http_server, 100)
    for line in (
        "|-- #1 GET /slow",
        "|-- #3 GET /x",
        "|<-- #3 200 OK by when('/x') (4 B) X",
        "|  ! #3 Reset(after_bytes=4) strikes",
        "|    #3 6 B on the way down are swallowed by Reset(after_bytes=4)",
        "|<-- #1 200 OK by when('/slow') (4 B)",
    ):
        assert line in told
    assert "! Reset(after_bytes=4) strikes on stream 3" in str(http_server.timeline)


def test_what_a_cut_connection_had_of_an_answer_is_an_arrow_with_an_x(http_server: HttpServer) -> None:
    http_server.when("/x").reply(body=b"x" * 1000)
    http_server.when("/y").reply(body=b"y" * 1000)
    http_server.inject(Reset(after_bytes=1500))
    with speaking(http_server) as peer:
        assert peer.answer(peer.ask("/x")).end == "END_STREAM"
        peer.answer(peer.ask("/y"))
    arrows = [line for line in shown(http_server) if "200 OK" in line]
    assert arrows == ["|<-- #1 200 OK by when('/x') (1000 B)", "|<-- #3 200 OK by when('/y') (1000 B) X"]


def test_what_is_said_again_on_other_streams_is_counted(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="0123456789").inject(Reset(after_bytes=4))
    with speaking(http_server) as peer:
        for _ in range(4):
            assert peer.answer(peer.ask("/x")).end == "CANCEL"
        lines = ladder(Story(http_server), 80)
    assert any("the same" in line and "times more" in line for line in lines)
    assert not any("#5" in line for line in lines)


def test_without_http_2_there_are_no_streams(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="0123456789").inject(Reset(after_bytes=4))
    with pytest.raises(httpx.TransportError):
        httpx.get(http_server.url_for("/x"))
    told = shown(http_server)
    assert "|-- GET /x" in told
    assert not any("#" in line or "stream" in line for line in told)
    assert "stream" not in str(http_server.timeline)


def test_who_subscribes_hears_which_stream_was_struck_and_whose_handler_raised(http_server: HttpServer) -> None:
    def raising(_: HttpRequest) -> Response:
        raise KeyError

    heard: list[Event] = []
    http_server.when("/x").reply(text="0123456789").inject(Reset(after_bytes=4))
    http_server.when("/bad").reply(raising)
    with http_server.subscribe(heard.append), speaking(http_server) as peer:
        for path in ("/", "/x", "/bad"):
            peer.answer(peer.ask(path))
    assert [event.stream for event in heard if isinstance(event, Struck)] == [3]
    assert [event.stream for event in heard if isinstance(event, Failed)] == [5]
    assert isinstance(http_server.journal.take_errors()[0], KeyError)


def test_the_ladder_says_how_much_each_answer_had(http_server: HttpServer) -> None:
    http_server.when("/ten").reply(text="0123456789")
    http_server.when("/three").reply(text="012")
    with speaking(http_server) as peer:
        streams = [peer.ask("/ten"), peer.ask("/three")]
        for stream in streams:
            peer.answer(stream)
    told = str(http_server.timeline)
    assert "GET /ten -> 200 by when('/ten')" in told
    with pytest.raises(TimeoutError, match=r"200 OK by when\('/ten'\) \(10 B\)"):
        http_server.wait_for(lambda _: None, timeout=0.01)

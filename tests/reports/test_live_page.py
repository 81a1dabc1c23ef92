"""The live page: it shows what happens as it does, takes faults by hand, and lets nobody in without its token."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator

import pytest
import requests
from browser import CHROMIUM, Browser, browsing
from helpers import Suite, connect, echo

from pytest_netmocks import HttpServer, TcpServer
from pytest_netmocks.faults import Latency, Reset
from pytest_netmocks.reports.live import hub as hubs
from pytest_netmocks.reports.live import reader as readers
from pytest_netmocks.reports.live.door import BODY, Door
from pytest_netmocks.reports.live.hub import Hub
from pytest_netmocks.reports.live.reader import Reader
from pytest_netmocks.reports.recording import Recording

needs_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door(Hub())
    yield door
    door.close()


def ask(door: Door, place: str, body: object = None, *, token: str | None = None, **heads: str) -> requests.Response:
    url = f"http://127.0.0.1:{door.port}{place}?token={door.token if token is None else token}"
    return requests.request("GET" if body is None else "POST", url, json=body, headers=heads, timeout=30)


def told(reader: Reader, until: Callable[[dict[str, object]], object]) -> list[dict[str, object]]:
    """The messages up to the one that fits."""
    messages: list[dict[str, object]] = []
    while True:
        message = reader.take(30)
        assert message, messages
        messages.append(json.loads(message))
        if until(messages[-1]):
            return messages


def kinds(messages: list[dict[str, object]]) -> list[str]:
    return [event["event"] for message in messages for event in message.get("events", [])]  # type: ignore[attr-defined]


def has(kind: str) -> Callable[[dict[str, object]], object]:
    return lambda message: kind in kinds([message])


@pytest.mark.parametrize(
    ("heads", "token"),
    [
        ({}, ""),
        ({}, "wrong"),
        ({"Host": "evil.example:80"}, None),
        ({"Host": "127.0.0.1"}, None),
        ({"Origin": "http://evil.example"}, None),
        ({"Origin": "null"}, None),
    ],
)
@pytest.mark.parametrize(("place", "body"), [("/", None), ("/events", None), ("/inject", {}), ("/elsewhere", None)])
def test_who_lacks_the_token_or_comes_from_another_page_gets_nothing(
    door: Door, heads: dict[str, str], token: str | None, place: str, body: object
) -> None:
    answer = ask(door, place, body, token=token, **heads)
    assert answer.status_code == 403
    assert door.token not in answer.text


def test_it_listens_on_loopback_alone_and_its_page_is_kept_by_nobody(door: Door) -> None:
    assert door.server_address[0] == "127.0.0.1"
    answer = requests.get(door.url, timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "connect-src 'self'" in answer.text
    assert ask(door, "/elsewhere").status_code == 404


def test_what_happens_is_told_as_it_does_and_once_more_to_who_comes_later(door: Door, tcp_server: TcpServer) -> None:
    reader = door.hub.reader()
    door.hub.begin("a test")
    door.hub.watch(tcp_server)
    assert echo(tcp_server) == b"hello"
    first = told(reader, has("closed"))
    assert first[0]["head"]["title"] == "a test"  # type: ignore[index]
    assert first[1]["server"]["name"] == "tcp_server"  # type: ignore[index]
    assert [kind for kind in kinds(first) if kind in ("opened", "received", "sent")] == ["opened", "received", "sent"]
    assert kinds(told(door.hub.reader(), has("closed"))) == kinds(first)


def test_of_what_is_over_the_whole_recording_is_told(door: Door) -> None:
    reader = door.hub.reader()
    recording = Recording("a.py::test_x", outcome="failed", cause="because")
    door.hub.done(recording, recording.pack())
    (message,) = told(reader, lambda message: "done" in message)
    assert message["done"]["cause"] == "because"  # type: ignore[index]
    assert Recording.unpack(str(message["packed"])) == recording
    assert told(door.hub.reader(), lambda message: "done" in message) == [message]


def test_a_fault_is_put_in_force_and_lifted_by_hand(door: Door, tcp_server: TcpServer) -> None:
    reader = door.hub.reader()
    door.hub.begin("a test", [tcp_server])
    number = told(reader, lambda message: "server" in message)[-1]["server"]["id"]  # type: ignore[index]
    assert ask(door, "/inject", {"server": number, "fault": "Reset(), first=1"}).json() == {}
    (injection,) = tcp_server.in_force
    assert injection.fault == Reset()
    assert not injection.expected
    events = told(reader, has("in_force"))[-1]["events"]
    assert ask(door, "/lift", {"server": number, "injection": events[-1]["injection"]}).json() == {}  # type: ignore[index]
    assert tcp_server.in_force == []


def test_faults_that_were_there_before_can_be_lifted_too(door: Door, tcp_server: TcpServer) -> None:
    tcp_server.inject(Latency(0.001)).expected = False
    reader = door.hub.reader()
    door.hub.begin("a test", [tcp_server])
    messages = told(reader, has("in_force"))
    number = messages[1]["server"]["id"]  # type: ignore[index]
    assert ask(door, "/lift", {"server": number, "injection": 1}).status_code == 200
    assert tcp_server.in_force == []


@pytest.mark.parametrize(
    ("place", "body", "says"),
    [
        ("/inject", {"server": 1, "fault": "Nothing()"}, "Nothing"),
        ("/inject", {"server": 1, "fault": "__import__('os').abort()"}, ""),
        ("/inject", {"server": 9, "fault": "Reset()"}, "this server is gone"),
        ("/inject", {}, "server"),
        ("/inject", [], ""),
        ("/lift", {"server": 1, "injection": 7}, "there is no fault 7"),
        ("/inject", {"fault": "x" * BODY}, "the body may have"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(
    door: Door, tcp_server: TcpServer, place: str, body: object, says: str
) -> None:
    door.hub.begin("a test", [tcp_server])
    answer = ask(door, place, body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert tcp_server.in_force == []


def test_a_browser_that_does_not_read_loses_the_oldest_events_and_is_told_how_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readers, "ROOM", 100)
    reader = Reader(["kept"])
    reader.put("begun")  # no events: what begins and ends is never lost
    for letter in "abcd":
        reader.put(letter * 40, 7)
    assert [reader.take(0) for _ in range(4)] == ["kept", '{"lost": 14}', "begun", "c" * 40]
    reader.put("e" * 400, 7)
    reader.end()
    assert [reader.take(0) for _ in range(3)] == ['{"lost": 7}', "e" * 400, None]


def test_what_is_seen_last_is_never_lost_behind_many_bytes(
    monkeypatch: pytest.MonkeyPatch, tcp_server: TcpServer
) -> None:
    monkeypatch.setattr(hubs, "ROOM", 1000)
    monkeypatch.setattr(hubs, "PAUSE", 30.0)
    hub = Hub()
    reader = hub.reader()
    hub.begin("a test", [tcp_server])
    assert echo(tcp_server, b"x" * 5000) == b"x" * 5000
    assert echo(tcp_server, b"x" * 5000) == b"x" * 5000
    tcp_server.wait_for(lambda server: not server.open_connections)
    tcp_server.settle()  # the end is on record before it is told
    hub._closed = True  # it sends what there is
    hub._send()
    messages = told(reader, lambda message: "lost" in message)
    assert kinds(messages).count("closed") == 2
    hub._news.set()  # its thread ends when it has rested


def test_a_hub_that_is_behind_loses_events_and_the_servers_do_not_wait(
    monkeypatch: pytest.MonkeyPatch, tcp_server: TcpServer
) -> None:
    monkeypatch.setattr(hubs, "BEHIND", 5)
    monkeypatch.setattr(hubs, "PAUSE", 30.0)
    hub = Hub()
    reader = hub.reader()
    hub.begin("a test", [tcp_server])
    for _ in range(20):
        assert echo(tcp_server) == b"hello"
    assert len(hub._waiting) == 5
    assert hub._lost > 50
    hub._closed = True  # it sends what there is
    hub._send()
    assert told(reader, lambda message: "lost" in message)[-1]["lost"]
    hub._news.set()  # its thread ends when it has rested


def test_a_browser_that_stops_reading_holds_up_nobody(door: Door, tcp_server: TcpServer) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=60) as slow:
        slow.sendall(f"GET /events?token={door.token} HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\n\r\n".encode())
        assert slow.recv(12) == b"HTTP/1.0 200"
        door.hub.begin("a test", [tcp_server])
        with connect(tcp_server, timeout=60) as sock:
            sender = threading.Thread(target=sock.sendall, args=(b"x" * 40_000_000,))
            sender.start()
            size = 0
            while size < 40_000_000:
                size += len(sock.recv(1 << 20))
            sender.join()
        reader = door.hub.reader()
        told(reader, has("closed"))


def test_what_is_kept_for_who_comes_later_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "KEPT", 10)
    going_on = hubs._GoingOn("begun")
    for number in range(10):
        going_on.add(str(number), 3)
    assert [message for message, _ in going_on.events] == ["7", "8", "9"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsing() as browser:
        browser.size(1280, 800)
        yield browser


@needs_a_browser
def test_a_browser_sees_requests_come_and_puts_a_fault_in_force(
    door: Door, chromium: Browser, http_server: HttpServer
) -> None:
    chromium.complaints.clear()
    http_server.when("/x").reply(text="fine")
    door.hub.begin("what is watched", [http_server])
    chromium.open(door.url, "document.querySelector('.waterfall .row') && document.querySelector('.inject option')")
    assert requests.get(http_server.url_for("/x"), timeout=30).text == "fine"
    chromium.until("[...document.querySelectorAll('.waterfall .name')].some((e) => e.textContent.startsWith('GET /x'))")
    chromium.click(".inject input")
    chromium.type("Close(after_bytes=5)")
    chromium.press("Enter")
    http_server.wait_for(lambda server: server.in_force, timeout=30)
    with contextlib.suppress(requests.ConnectionError):
        requests.get(http_server.url_for("/x"), timeout=30)
    chromium.until("document.querySelector('.waterfall .sign.struck')")
    chromium.click(".forces button", "Lift")
    chromium.until("document.querySelectorAll('.forces li').length === 0")
    assert http_server.in_force == []
    chromium.click(".inject input")
    chromium.run("document.querySelector('.inject input').value = 'Nonsense()'")
    chromium.press("Enter")
    chromium.until("document.querySelector('.byhand .note').textContent.includes('Nonsense')")
    assert [text for text in chromium.complaints if "400" not in text] == []  # the console tells of the refusal too
    door.close()
    chromium.until("document.querySelector('.state').textContent.includes('is over')")


def drain(lines: Iterator[str]) -> None:
    """Read on: what is not read would hold the process up."""
    with contextlib.suppress(ValueError):  # the test has failed, and the pipe is closed
        list(lines)


@contextlib.contextmanager
def running(command: list[str], folder: pathlib.Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process whose output can be read, which does not outlive the test."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


SLOW = """
    import pathlib, time, requests

    def test_one(http_server):
        http_server.when("/x").reply(text="fine")
        requests.get(http_server.url_for("/x"), timeout=30)
        while not pathlib.Path("go").exists():
            time.sleep(0.02)
        assert False

    def test_two(): ...
"""


@needs_a_browser
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "by workers"])
def test_tests_are_shown_as_they_run(tmp_path: pathlib.Path, chromium: Browser, workers: tuple[str, ...]) -> None:
    (tmp_path / "test_it.py").write_text(textwrap.dedent(SLOW))
    command = [sys.executable, "-u", "-m", "pytest", "-p", "no:cacheprovider", "test_it.py", *workers]
    with running([*command, "--netmocks-inspect"], tmp_path) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        url = next(match[0] for line in lines if (match := re.search(r"http://127.0.0.1:\d+/\?token=\S+", line)))
        reading = threading.Thread(target=drain, args=(lines,))
        reading.start()
        chromium.open(url, "document.querySelector('#summary')?.textContent")
        if not workers:
            chromium.until("document.querySelector('#list .row.running')")
            chromium.until(
                "[...document.querySelectorAll('.waterfall .name')].some((e) => e.textContent.startsWith('GET'))"
            )
        (tmp_path / "go").touch()
        chromium.until("document.querySelector('#list .row.failed')")
        chromium.until("document.querySelector('.facts-line')?.textContent.startsWith('failed')")
        assert "assert False" in chromium.text("#test .error")
        assert process.wait(60) == 1
        reading.join()
    chromium.until("document.querySelector('.state').textContent.includes('is over')")


def test_the_command_line_says_where_its_server_is_shown() -> None:
    command = [sys.executable, "-u", "-m", "pytest_netmocks", "tcp", "--inspect", "--fault", "Latency(0.001)"]
    with running(command) as process:
        assert process.stdout is not None
        url = next(line.split()[-1] for line in process.stdout if "is shown at" in line)
        with requests.get(url.replace("/?", "/events?"), stream=True, timeout=30) as answer:
            lines = answer.iter_lines(1)
            assert any(b"Latency(0.001)" in line for line in lines)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_wrong_port_is_a_usage_error(suite: Suite) -> None:
    result = suite("def test_it(): ...", "--netmocks-inspect=http")
    assert "--netmocks-inspect=http: that is no port" in result.stderr.str()


def test_without_a_live_page_nothing_of_it_is_loaded(suite: Suite) -> None:
    suite("""
    import sys

    def test_it(tcp_server):
        assert echo(tcp_server) == b"hello"
        assert not [name for name in sys.modules if "reports.live" in name]
    """).assert_outcomes(passed=1)


def test_in_virtual_time_the_live_page_is_no_reason_to_wait(suite: Suite) -> None:
    suite(
        """
    import time
    import pytest

    @pytest.mark.virtual_time
    def test_it(tcp_server):
        begin = time.monotonic()
        for _ in range(100):
            time.sleep(3600)
        assert time.monotonic() - begin >= 360_000
        assert echo(tcp_server) == b"hello"
    """,
        "--netmocks-inspect",
    ).assert_outcomes(passed=1)

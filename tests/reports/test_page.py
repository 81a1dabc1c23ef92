"""The page, in a real browser: what it shows, what a click and a key do, and that nothing on it is ever executed."""

from __future__ import annotations

import json
import pathlib
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from browser import CHROMIUM, Browser, browsing
from helpers import Suite

from pytest_netmocks import Authority, HttpServer, Netmocks
from pytest_netmocks.records.plain import plain_data
from pytest_netmocks.reports import page
from pytest_netmocks.reports.page.blocks import SIZE, Blocks
from pytest_netmocks.reports.recording import Recording, unpacked

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

ROW = "#list .row"
LINES = ".waterfall .row"

Show = Callable[..., Browser]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsing() as browser:
        browser.size(1280, 800)
        yield browser


@pytest.fixture
def show(chromium: Browser, tmp_path: pathlib.Path) -> Iterator[Show]:
    """Opens the page of recordings; nobody may have complained at the end."""
    chromium.complaints.clear()
    chromium.size(1280, 800)

    def show(*recordings: Recording, at: str = "", wait: str = f"document.querySelector('{ROW}')") -> Browser:
        (tmp_path / "page.html").write_bytes(page.write(recordings))
        chromium.open((tmp_path / "page.html").as_uri() + at, wait)
        return chromium

    yield show
    assert chromium.complaints == []


def http(
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", *, got: bytes | None = None, at: float = 0.0
) -> list[dict[str, Any]]:
    """The events of one request and its answer; `got` is what arrived of it where a fault stood between."""
    asked = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
    events: list[dict[str, Any]] = [
        {"at": 0.0, "event": "opened", "client": ["127.0.0.1", 5], "address": ["127.0.0.1", 1], "text": "opened"},
        {"at": 0.01, "event": "received", "offset": 0, "size": len(asked), **plain_data(asked)},
        {"at": 0.01, "event": "exchange", "exchange": 1, "phase": "begun", "kind": "HttpRequest", "title": "GET /x"},
        {"at": 0.02, "event": "exchange", "exchange": 1, "phase": "answered", "rule": "when('/x')"},
        {"at": 0.02, "event": "sent", "offset": 0, "size": len(answer), **plain_data(answer)},
    ]
    if got is not None:
        lost = len(answer) - len(got)
        fault = {"fault": "Reset(after_bytes=5)", "text": "Reset(after_bytes=5) strikes"}
        events += [
            {"at": 0.02, "event": "struck", "received": 0, "delivered": 0, **fault},
            {"at": 0.02, "event": "delivered", "offset": 0, "size": len(got), **plain_data(got)},
            {"at": 0.02, "event": "ended", "by": "fault", "text": "cut by the fault", "sign": "RST"},
        ]
        if lost:
            gone = {"direction": "downstream", "layer": "application", "fault": fault["fault"]}
            events.append({"at": 0.021, "event": "swallowed", "offset": len(got), "size": lost, **gone})
    else:
        events.append({"at": 0.03, "event": "exchange", "exchange": 1, "phase": "delivered"})
    events.append({"at": 0.05, "event": "closed", "by": "client", "text": "closed by client"})
    return [{"server": 1, "connection": 1, **event, "at": event["at"] + at} for event in events]


def recording(title: str = "a.py::test_x", events: list[dict[str, Any]] | None = None, **facts: Any) -> Recording:
    server = {"id": 1, "name": "api", "kind": "HttpServer", "url": "http://a", "address": ["a", 1], "began": 1e9}
    facts = {"outcome": "failed", "began": 1e9, "seconds": 0.1, "servers": [server | {"tls": False}], **facts}
    return Recording(title, events=http() if events is None else events, **facts)


def names(browser: Browser) -> list[str]:
    return browser.texts(f"{ROW} b")


TESTS = """
    import socket, smtplib
    import pytest, requests
    from pytest_netmocks.faults import Reset

    def test_good(http_server):
        assert requests.get(http_server.url, timeout=30).status_code == 404

    def test_cut(http_server, smtp_server):
        with smtplib.SMTP(*smtp_server.address, timeout=30) as client:
            client.noop()
        http_server.when("/x").reply(body=b"x" * 900)
        http_server.inject(Reset(after_bytes=307))
        requests.get(http_server.url_for("/x"), timeout=30)

    @pytest.mark.skip
    def test_left_out(http_server): ...

    @pytest.mark.fault_sweep(Reset(direction="downstream"))
    def test_swept(tcp_server):
        tcp_server.when(b"a").reply(b"b")
        with socket.create_connection(tcp_server.address, timeout=30) as client:
            client.sendall(b"a")
            assert client.recv(1) == b"b"
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "by workers"])
def test_the_page_of_a_run_has_its_tests_failed_first_and_opens_what_is_clicked(
    suite: Suite, pytester: pytest.Pytester, chromium: Browser, workers: tuple[str, ...]
) -> None:
    chromium.complaints.clear()
    chromium.size(1280, 800)
    result = suite(TESTS, "--netmocks-report=out/r.html", "--netmocks-events=what", *workers, netmocks_unmatched="off")
    result.stdout.fnmatch_lines(["netmocks: report in *r.html"])
    chromium.open(pytester.path / "out" / "r.html", f"document.querySelector('{LINES}')")
    assert set(names(chromium)[:2]) == {"test_cut", "test_swept"}
    assert names(chromium)[2:] == ["test_good"]
    assert chromium.text("#summary") == "2 failed, 1 passed"

    chromium.click(ROW, "test_cut")
    chromium.until("document.querySelector('#test h2').textContent.endsWith('test_cut')")
    lines = chromium.texts(f"{LINES} .name")
    assert lines[0] == "http_server"
    assert "smtp_server" in lines
    assert any(line.startswith("NOOP") for line in lines)
    assert (
        chromium.run("document.querySelector('.files a').getAttribute('href')") == "../what/test_it.py--test_cut.jsonl"
    )
    chromium.click(LINES, "GET /x")
    assert "delivered" in chromium.text("#details .facts")
    assert "307 of 1,0" in chromium.text("#details .facts")
    assert "Reset(after_bytes=307) strikes" in chromium.text("#details .problems")

    chromium.click(ROW, "test_swept")
    chromium.until("document.querySelector('.places')")
    assert "1 of 2 places failed" in chromium.text(f"{ROW}[aria-selected=true] .cause")
    assert "fault at" in chromium.text(".facts-line")
    assert chromium.complaints == []


def test_the_list_is_filtered_by_words_outcome_server_and_fault(show: Show) -> None:
    struck = {"server": 1, "at": 0.0, "event": "in_force", "injection": 1, "fault": "Latency(0.1)", "text": "x"}
    browser = show(
        recording("a.py::test_one", cause="the client never came back"),
        recording("a.py::test_two", outcome="passed"),
        recording("b.py::test_three", [struck], outcome="skipped", servers=[]),
    )
    assert names(browser) == ["test_one", "test_two", "test_three"]
    browser.click("#search")
    browser.type("NEVER one")
    assert names(browser) == ["test_one"]
    assert browser.text("#count") == "1 of 3 tests"
    browser.press("Escape")
    assert len(names(browser)) == 3
    browser.click(".chip", "passed")
    assert names(browser) == ["test_two"]
    assert browser.run("document.querySelector('.chip.passed').ariaPressed") == "true"
    browser.click(".chip", "passed")
    for choice, value, left in (("server", "api", ["test_one", "test_two"]), ("fault", "Latency", ["test_three"])):
        browser.run(f"{choice}.value = {value!r}; {choice}.dispatchEvent(new Event('change'))")
        assert names(browser) == left
        browser.run(f"{choice}.value = ''; {choice}.dispatchEvent(new Event('change'))")


def test_all_can_be_done_with_the_keyboard(show: Show) -> None:
    browser = show(recording("a.py::test_one"), recording("a.py::test_two"), recording("a.py::test_three"))
    focus = "document.activeElement"
    browser.press("/")
    assert browser.run(f"{focus}.id") == "search"
    browser.press("ArrowDown")
    assert "test_one" in browser.run(f"{focus}.ariaLabel")
    browser.press("j", "ArrowDown", "k")
    assert "test_two" in browser.run(f"{focus}.ariaLabel")
    assert browser.run(f"getComputedStyle({focus}).outlineStyle") != "none"
    browser.press("Enter")
    browser.until("document.querySelector('#test h2')?.textContent === 'a.py::test_two'")
    browser.until(f"document.querySelector('{LINES}')")
    browser.run(f"document.querySelector('{LINES}').focus()")
    browser.press("j", "ArrowDown", "Enter")
    browser.until("!document.querySelector('#details').hidden")
    assert browser.text("#details h3") == "GET /x"
    browser.press("Escape")
    assert browser.run("document.querySelector('#details').hidden")
    browser.press("k", "ArrowLeft")
    assert browser.texts(f"{LINES} .name") == ["api", "#1"]
    browser.press("ArrowRight")
    assert browser.texts(f"{LINES} .name") == ["api", "#1", "GET /x"]
    browser.press("Escape")
    assert browser.run("document.querySelector('#test').hidden")
    assert "test_two" in browser.run(f"{focus}.ariaLabel")


def test_every_row_has_a_link_and_back_leads_back(show: Show) -> None:
    browser = show(
        recording("a.py::test_one"),
        recording("a.py::test_two[ä&b=#]"),
        at="#test=a.py%3A%3Atest_two%5B%C3%A4%26b%3D%23%5D&row=x1.1",
        wait="document.querySelector('#details h3')",
    )
    assert browser.text("#test h2") == "a.py::test_two[ä&b=#]"
    assert browser.text("#details h3") == "GET /x"
    browser.click("#details .link")
    assert browser.text("#details h3") == "api, connection 1"
    link = browser.run("document.querySelector('#details a').href")
    browser.click(ROW, "test_one")
    browser.until("document.querySelector('#test h2').textContent === 'a.py::test_one'")
    browser.run("history.back()")
    browser.until(f"location.href === {link!r} && document.querySelector('#details h3')")
    assert browser.text("#details h3") == "api, connection 1"


HELD = """
    globalThis.held = [];
    const text = Response.prototype.text;
    Response.prototype.text = async function () {
      const one = { ready: false };
      const free = new Promise((go, fail) => Object.assign(one, { go, fail }));
      held.push(one);
      const inflated = await text.call(this);
      one.ready = true;
      await free;
      return inflated;
    };
"""
"""From now on recordings are read, in the order in which they are asked for, when `held` lets each `go` or `fail`."""


def hold(browser: Browser) -> None:
    browser.until(f"document.querySelector('{LINES}')")
    browser.run(f"(() => {{ {HELD} }})()")


def test_what_is_chosen_while_a_recording_is_read_is_shown_when_that_is_through(show: Show) -> None:
    browser = show(recording("a.py::test_one"), recording("a.py::test_two"))
    hold(browser)
    for _ in range(2):
        browser.click(ROW, "test_two")
    browser.until("held.length === 1 && held[0].ready")
    followed = "new Promise((done) => addEventListener('hashchange', () => done(), { once: true }))"
    browser.run(f"(() => {{ const followed = {followed}; location.hash += '&row=x1.1'; return followed; }})()")
    browser.run("held[0].go()")
    browser.until("document.querySelector('#details h3')?.textContent === 'GET /x'")
    assert browser.text("#test h2") == "a.py::test_two"
    assert browser.run("held.length") == 1  # it was read once


def test_a_recording_that_is_read_late_does_not_take_the_place_of_a_newer_one(show: Show) -> None:
    browser = show(*(recording(f"a.py::test_{name}") for name in ("one", "two", "three", "four")))
    hold(browser)
    for name in ("two", "three", "four"):
        browser.click(ROW, f"test_{name}")
    browser.until("held.length === 3 && held.every((one) => one.ready)")
    title = "document.querySelector('#test h2')?.textContent"
    browser.run("held[2].go()")
    browser.until(f"{title} === 'a.py::test_four'")
    browser.run("held[0].go()")
    assert browser.run(title) == "a.py::test_four"
    browser.run("held[1].fail(new Error('it is broken'))")
    assert browser.run(title) == "a.py::test_four"
    (complaint,) = browser.complaints
    assert "it is broken" in complaint
    browser.complaints.clear()


def test_escape_while_a_recording_is_read_leads_out_of_it(show: Show) -> None:
    browser = show(recording("a.py::test_one"), recording("a.py::test_two"))
    hold(browser)
    browser.run("location.hash = '#test=a.py%3A%3Atest_two&row=x1.1'")
    browser.until("held.length === 1 && held[0].ready")
    browser.press("Escape", "Escape")
    assert browser.run("location.hash") == ""
    browser.run("held[0].go()")
    assert browser.run("document.querySelector('#test').hidden")


HOSTILE = "</script><script>pwned=1</script><img src=x onerror='pwned=1'>\x1b[31m\u202e\0"


def test_what_clients_send_is_text_wherever_it_stands(show: Show) -> None:
    bad = HOSTILE.encode() + b"\xff\xfe"
    events = http(b"HTTP/1.1 200 OK\r\n\r\n" + bad)
    events[2]["title"] = HOSTILE
    events[3]["rule"] = HOSTILE
    events.append({"server": 1, "at": 0.1, "event": "note", "connection": 1, "text": HOSTILE})
    events.append({"server": 1, "at": 0.1, "event": HOSTILE, "connection": 1, HOSTILE: HOSTILE})
    one = recording(HOSTILE, events, cause=HOSTILE, error=HOSTILE, notes=[HOSTILE], place=HOSTILE)
    one.servers[0] |= {"name": HOSTILE, "url": HOSTILE, "kind": HOSTILE}
    browser = show(one, wait=f"document.querySelector('{LINES}')")
    for row in ("s1", "c1.1", "x1.1"):
        browser.run(f"document.querySelector('{LINES}[data-key=\"{row}\"]').click()")
        assert "<img src=x" in browser.text("#details")
        for way in browser.texts("#details .ways [data-way]"):
            browser.click("#details .ways [data-way]", way)
    assert browser.run("typeof pwned") == "undefined"
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.run("[...document.scripts].filter((one) => one.type === '').length") == 1
    assert "<img src=x onerror='pwned=1'>\\x1b[31m\\u202e\\x00" in browser.text("#test h2")
    assert not set("\x1b\u202e\0") & set(browser.text("body"))


def test_a_policy_of_the_page_forbids_scripts_html_and_every_network(show: Show) -> None:
    browser = show(recording())
    forbidden = [
        "(document.body.innerHTML = '<b>x</b>')",
        "eval('1')",
        "new Function('return 1')()",
    ]
    for what in forbidden:
        assert (
            browser.run(f"(() => {{ try {{ {what}; return 'done' }} catch (error) {{ return 'no' }} }})()") == "no"
        ), what
    assert browser.run("fetch('data:,x').then(() => 'done', () => 'no')") == "no"
    assert browser.run("performance.getEntriesByType('resource').length") == 0
    browser.complaints.clear()  # the console says of each that it was refused


def test_what_did_not_arrive_is_marked_in_what_was_sent(show: Show) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\narrived.lost"
    browser = show(
        recording(events=http(answer, got=answer[:-4])),
        at="#test=a.py::test_x&row=x1.1",
        wait="details.hidden === false",
    )
    assert browser.texts("#details del") == ["lost"]
    assert "4 B of these did not arrive" in browser.text("#details .sides")
    browser.click("#details .sides section:last-child .bytes:last-child .way", "Hex")
    assert [text.strip() for text in browser.texts("#details .hex .undelivered")] == ["6c", "6f", "73", "74"]
    assert browser.run("document.querySelectorAll('.waterfall .bar.gone').length") > 0


def test_bytes_that_arrived_otherwise_are_shown_both_ways(show: Show) -> None:
    browser = show(
        recording(events=http(b"abcdef", got=b"abXdef")),
        at="#test=a.py::test_x&row=x1.1",
        wait="details.hidden === false",
    )
    assert [text.split("\n")[0] for text in browser.texts("#details section:last-child h4")] == [
        "as sent",
        "as delivered",
    ]
    for place in (0, 1):
        browser.run(f"document.querySelectorAll('#details section:last-child [data-way=hex]')[{place}].click()")
    assert [text.strip() for text in browser.texts("#details .differs")] == ["63", "58"]


def test_json_is_pretty_and_long_bodies_are_capped_and_say_so(show: Show) -> None:
    body = json.dumps({"a": [1, {"b": "<i>"}]}).encode()
    browser = show(
        recording(events=http(b"HTTP/1.1 200 OK\r\n\r\n" + body)),
        at="#test=a.py::test_x&row=x1.1",
        wait="details.hidden === false",
    )
    assert '    {\n      "b": "<i>"\n' in browser.text("#details section:last-child .bytes:last-child pre")
    browser = show(
        recording(events=http(b"y" * 300_000)), at="#test=a.py::test_x&row=x1.1", wait="details.hidden === false"
    )
    section = "#details section:last-child"
    assert "the first 65,536 of 300,000 B are shown" in browser.text(section)
    assert len(browser.text(f"{section} pre")) == 65_536
    browser.click(f"{section} .note .way", "Show all")
    assert len(browser.text(f"{section} pre")) == 300_000


def test_gaps_of_virtual_time_are_folded_and_say_how_long_they_are(show: Show) -> None:
    later = [event | {"connection": 2, "exchange": 2} for event in http(at=300.0)]
    browser = show(recording(events=http() + later, virtual=True), wait=f"document.querySelector('{LINES}')")
    assert browser.texts(".foldtext") == ["5 min 0 s"]
    widths = browser.run(
        "[...document.querySelectorAll('.level3 .bar.body')].map((one) => one.getBoundingClientRect().width)"
    )
    assert min(widths) > 20  # what happened is seen for all the time in between


FLOW: dict[str, Any] = {"server": "api", "connection": 1, "direction": "downstream", "layer": "application"}
SWEEP: dict[str, Any] = {
    **{"places": 4, "tried": 4, "failed": 1, "not_reached": 1, "ended_early": None, "warning": None},
    "shown": "0.Reset:2",
    "spans": [],
    "errors": ["AssertionError: 2 <= 1"],
    "texts": [FLOW | {"size": 4, "text": "wxyz"}],
    "rows": [
        FLOW
        | {"id": "0.Reset", "fault": "Reset()", "kind": "byte", "first": 0, "last": 3, "text": 0, "after": None}
        | {"at": [0, 1, 2, 3], "outcomes": "ppfn", "seconds": [0.1] * 4, "errors": [None, None, 0, None]}
    ],
}


def test_the_places_of_a_sweep_can_be_gone_to_and_opened(show: Show) -> None:
    browser = show(
        recording(outcome="", sweep=SWEEP),
        recording(place="0.Reset:2", cause="ordered twice"),
        at="#test=a.py::test_x&run=0",
        wait="document.querySelector('.places')",
    )
    assert "4 of 4 places tried, 1 failed, 1 not reached" in browser.text(".sweep")
    browser.run("document.querySelector('.places').focus()")
    browser.press("ArrowRight")
    assert "byte 1: passed" in browser.text(".told")
    assert "--netmocks-sweep-place=0.Reset:1" in browser.text(".told")
    browser.press("ArrowDown")
    assert "byte 2: failed, AssertionError: 2 <= 1" in browser.text(".told")
    assert "…wx│yz…" in browser.text(".told")
    browser.press("Enter")
    browser.until("document.querySelector('.because')?.textContent === 'ordered twice'")
    assert "run=0.Reset%3A2" in browser.run("location.hash") or "run=" not in browser.run("location.hash")
    colours = browser.run("[...document.querySelectorAll('.place.pale')].map((one) => one.className)")
    assert colours == ["place pale p", "place pale f", "place pale n"]


def test_an_error_is_seen_where_it_ends(show: Show) -> None:
    lines = [f"line {number}" for number in range(500)]
    browser = show(recording(error="\n".join([*lines, "E   ValueError: at last"])))
    browser.click(ROW)
    pane = "document.querySelector('pre.error')"
    browser.until(f"{pane} && {pane}.scrollHeight > {pane}.clientHeight")
    assert browser.run(f"Math.abs({pane}.scrollHeight - {pane}.clientHeight - {pane}.scrollTop)") <= 1


def test_a_test_that_ran_again_has_each_of_its_runs(show: Show) -> None:
    browser = show(recording(cause="the first"), recording(outcome="passed", cause="the second"))
    assert names(browser) == ["test_x"]
    browser.click(".runs button", "run 2")
    browser.until("document.querySelector('.because').textContent === 'the second'")


def test_a_page_of_nothing_says_so(show: Show) -> None:
    browser = show(wait="summary.textContent")
    assert browser.text("#summary") == "nothing was recorded"


def test_ten_thousand_tests_are_listed_at_once_and_only_what_is_in_sight_is_in_the_page(show: Show) -> None:
    many = [
        recording(f"tests/test_{n // 100}.py::test_number_{n}", outcome="failed" if n % 100 == 7 else "passed")
        for n in range(10_000)
    ]
    browser = show(*many)
    assert browser.text("#count") == "10,000 tests"
    assert browser.run(f"document.querySelectorAll('{ROW}').length") < 60
    painting = "performance.getEntriesByName('first-contentful-paint')"
    browser.until(f"{painting}.length")  # what is in the page is painted a moment later
    painted = browser.run(f"{painting}[0].startTime")
    assert painted < 10_000  # milliseconds; on a quiet machine it is a few hundred
    browser.click(ROW)
    browser.press("End")
    browser.until(f"[...document.querySelectorAll('{ROW} b')].some((one) => one.textContent === 'test_number_9999')")
    browser.press("/")
    browser.type("number_5207")
    assert names(browser) == ["test_number_5207"]
    browser.press("Enter", "Enter")
    browser.until("document.querySelector('#test h2')?.textContent.endsWith('test_number_5207')")
    browser.until(f"document.querySelector('{LINES}')")


def test_a_large_test_opens_with_only_what_is_in_sight(show: Show) -> None:
    events = [
        event | {"connection": n, **({"exchange": n} if "exchange" in event else {})}
        for n in range(1, 3_001)
        for event in http(at=n)
    ]
    browser = show(recording(events=events), wait=f"document.querySelector('{LINES}')")
    assert browser.run(f"document.querySelectorAll('{LINES}').length") < 60
    assert browser.run("document.querySelector('.waterfall [role=treegrid]').ariaRowCount") == "3001"


def test_each_recording_opens_wherever_its_block_is(show: Show) -> None:
    large = {3: b"x" * 2 * SIZE, 9: b"y" * (SIZE - 1000)}
    many = []
    for n in range(12):
        answer = b"HTTP/1.1 200 OK\r\n\r\n" + large.get(n, b"")
        events = [event | {"title": f"GET /{n}"} if "title" in event else event for event in http(answer)]
        many.append(recording(f"a.py::test_{n}", events))
    browser = show(*many)
    for n in (11, 3, 0, 9, 4, 2, 10):
        browser.click(ROW, f"test_{n}")
        browser.until(f"document.querySelector('#test h2').textContent.endsWith('test_{n}')")
        browser.until(f"document.querySelector('.waterfall').textContent.includes('GET /{n}')")


def test_short_recordings_are_in_one_block_and_a_long_one_is_alone() -> None:
    blocks = Blocks()
    made = [blocks.add(text) for text in ("a", "b", "c" * SIZE, "d", "e" * SIZE + "e", "f")] + [blocks.rest()]
    assert blocks.firsts == [0, 2, 3, 4, 5]
    texts = [unpacked(text) for text in re.findall(r">([^<]+)</script>", "".join(made))]
    assert texts == ["a\nb", "c" * SIZE, "d", "e" * SIZE + "e", "f"]
    assert blocks.rest() == ""


def test_the_page_of_a_long_run_keeps_no_more_than_the_last_recordings_in_memory(tmp_path: pathlib.Path) -> None:
    made = page.Page(tmp_path / "page.html")
    text = recording().text()
    for n in range(page.GATHERED * 20):
        made.add(Recording.of_text(text), f"{text[:-1]}{' ' * 1000}]" if n % 2 else "")
        assert len(made._gathered) < page.GATHERED
        assert made._size <= SIZE
    made.add(recording())
    assert not made._gathered  # what was read is long
    made.write()
    assert len(re.findall(r'id="r\d+"', (tmp_path / "page.html").read_text())) > 1


def test_the_page_is_hardly_larger_than_what_it_shows_compressed() -> None:
    many = [
        recording(f"tests/test_{n}.py::test_number_{n}", http(bytes(range(256)) * 4 + str(n).encode() * 99))
        for n in range(1_000)
    ]
    compressed = sum(len(zlib.compress("\n".join(one.lines()).encode())) for one in many)
    assert len(page.write(many)) <= 1.5 * compressed


def test_a_server_saves_a_page(http_server: HttpServer, chromium: Browser, tmp_path: pathlib.Path) -> None:
    http_server.when("/x").reply(json={"a": 1})
    assert requests.get(http_server.url_for("/x"), timeout=30).json() == {"a": 1}
    http_server.wait_for(lambda server: server.requests)
    http_server.save(tmp_path / "x.html")
    chromium.open(tmp_path / "x.html", f"document.querySelector('{LINES}')")
    assert any(name.startswith("GET /x") for name in chromium.texts(f"{LINES} .name"))


def test_the_certificate_that_a_client_saw_is_in_its_connection(
    netmocks: Netmocks, tls_ca: Authority, chromium: Browser, tmp_path: pathlib.Path
) -> None:
    server = netmocks.https(certificate=tls_ca.issue("old.test", expired=True, intermediates=1))
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(server.url, timeout=30)
    server.wait_for(lambda server: not server.open_connections)
    server.save(tmp_path / "page.html")
    chromium.open(tmp_path / "page.html", f"document.querySelector('{LINES}')")
    chromium.click(f"{LINES} ~ .row .name")
    text = chromium.text("#details")
    assert "Certificate of the server" in text
    for part in ("old.test", "pytest-netmocks", "Intermediate", "EC 256", "sha256"):
        assert part in text


def test_the_hashes_of_its_policy_are_those_of_its_script_and_style() -> None:
    text = page.write([]).decode()
    assert "unsafe" not in text.partition("</head>")[0].partition("<style>")[0]
    for part, end in (("<style>", "</style>"), ("<script>", "</script>")):
        assert page._hash(text.partition(part)[2].partition(end)[0]) in text

"""What the report of a failing test says."""

from __future__ import annotations

from helpers import Suite

from pytest_netmocks.faults import Reset
from pytest_netmocks.records.events import Closed, Exchange, Log, Note, Opened, Received, Struck
from pytest_netmocks.records.report import LINES, report
from pytest_netmocks.records.timeline import Timeline

GET = """
    import contextlib
    import urllib.error
    import urllib.request

    def get(server, path):
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(server.url + path, timeout=5).close()
"""


def text_of(suite: Suite, source: str, *args: str, **ini: str) -> str:
    return suite(GET + source, *args, **ini).stdout.str()


def test_it_names_what_never_struck_never_answered_and_met_no_rule_with_all_hits(suite: Suite) -> None:
    text = text_of(
        suite,
        """
    def test_it(http_server):
        from pytest_netmocks.faults import Latency, Reset

        http_server.when("/a").reply(200)
        http_server.when("/never").reply(200).inject(Reset())
        http_server.inject(Latency(0.001), first=1)
        get(http_server, "/a"), get(http_server, "/a"), get(http_server, "/c")
        assert False
    """,
    )
    for line in (
        "when('/a'): 2 hits",
        "when('/never'): never answered",
        "Latency(0.001), first=1: 1 hit",
        "Reset() on when('/never'): never struck",
        "404: no rule matches GET /c",
    ):
        assert f"\n  {line}" in text, line


def test_what_another_test_left_on_a_shared_server_is_named_with_whose_it_is(suite: Suite) -> None:
    text = text_of(
        suite,
        """
    import pytest
    import pytest_netmocks
    from pytest_netmocks.faults import Latency

    api = pytest_netmocks.server_fixture("http", scope="session", name="api")

    @pytest.fixture(scope="module")
    def stub(api):
        api.when("/stub").reply(200)

    def test_leaks(api, stub):
        api.when("/a").reply(500)
        api.inject(Latency(0.001))

    def test_it(api):
        get(api, "/a")
        assert False
    """,
        netmocks_unused="off",
    )
    assert "  when('/a'): 1 hit, left by test_it.py::test_leaks" in text
    assert "  when('/stub'): never answered, of the fixture test_it.py::stub" in text
    assert "  Latency(0.001): 1 hit, left by test_it.py::test_leaks" in text


def test_requests_are_one_line_each_and_the_same_is_said_once(suite: Suite) -> None:
    source = """
    def test_it(http_server):
        http_server.when("/a").reply(503)
        for _ in range(60):
            get(http_server, "/a?b=c")
        assert False
    """
    text = text_of(suite, source)
    assert "connection 1    GET /a?b=c -> 503 by when('/a')\n" in text
    assert "...  the same 59 times more, the last on connection 60" in text
    assert "received" not in text
    assert text_of(suite, source, "--netmocks-timeline").count("> received ") == 60


def test_commands_are_one_line_each(suite: Suite) -> None:
    text = text_of(
        suite,
        """
    import smtplib, ftplib

    def test_it(smtp_server, ftp_server):
        with smtplib.SMTP(*smtp_server.address) as client:
            client.docmd("EHLO me")
            client.docmd("MAIL FROM:<a@b>")
        with ftplib.FTP() as client:
            client.connect(*ftp_server.address)
            client.login()
        assert False
    """,
    )
    for line in ("EHLO me -> 250-localhost (and ", "MAIL FROM:<a@b> -> 250 OK", "USER anonymous -> 331 "):
        assert line in text, line


def test_the_timeline_in_the_error_of_wait_for_is_not_shown_again(suite: Suite) -> None:
    text = text_of(
        suite,
        """
    def test_it(http_server, tcp_server):
        get(http_server, "/once")
        echo(tcp_server, b"shown")
        http_server.wait_for(lambda server: False, timeout=0)
    """,
    )
    assert text.count("404: no rule matches GET /once") == 1
    assert text.count("the error shows what happened") == 1
    assert "b'shown'" in text


def test_the_lines_of_a_404_are_lines(suite: Suite) -> None:
    text = text_of(
        suite,
        """
    def test_it(http_server):
        http_server.when("/a").reply(200)
        get(http_server, "/c")
        assert False
    """,
    )
    assert "404: no rule matches GET /c\n" in text
    assert "\n" + " " * 29 + "any method /a  when('/a')" in text


def test_requests_that_met_no_rule_are_counted_too(suite: Suite) -> None:
    text = text_of(
        suite,
        """
    def test_it(http_server):
        for _ in range(60):
            get(http_server, "/c")
        assert False
    """,
    )
    assert text.count("GET /c -> 404") == 1
    assert "...  the same 59 times more" in text


def filled() -> Log:
    log = Log()
    for number in range(1, 4):
        log.add(Opened(0.0, number, ("127.0.0.1", number), None))
        log.add(Received(0.0, number, 0, 1, b"x", 0))
        log.add(Closed(0.0, number, "client"))
    return log


def test_connections_that_went_alike_are_counted() -> None:
    lines = report(Timeline(filled()))
    assert len(lines) == 5
    assert lines[-1].split("  ")[-1] == "the same 2 times more, the last on connection 3"


def test_a_connection_that_was_struck_shows_its_bytes_beside_its_exchanges() -> None:
    log = filled()
    log.add(Exchange(0.0, 1, "GET / -> 200", "message"))
    log.add(Exchange(0.0, 2, "GET / -> 200", "message"))
    log.add(Struck(0.0, 2, Reset(), 1, 0))
    text = "\n".join(report(Timeline(log)))
    assert "connection 1    > received" not in text
    assert "connection 2    > received 1 B" in text


def test_many_lines_are_cut_in_the_middle() -> None:
    log = Log()
    for number in range(100):
        log.add(Note(0.0, 1, f"event {number}"))
    lines = report(Timeline(log))
    assert len(lines) == LINES + 2
    assert sum("40 lines, --netmocks-timeline shows all" in line for line in lines) == 1

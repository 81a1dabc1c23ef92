"""What the report of a failing test says."""

from __future__ import annotations

import pytest
from helpers import Suite

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


def test_requests_are_an_arrow_each_way_and_the_same_is_said_once(suite: Suite) -> None:
    source = """
    def test_it(http_server):
        http_server.when("/a").reply(503)
        for _ in range(60):
            get(http_server, "/a?b=c")
        assert False
    """
    text = text_of(suite, source)
    assert "|-- GET /a?b=c ---" in text
    assert "|<-- 503 Service Unavailable by when('/a') (" in text
    assert "...  the same 59 times more, the last on connection 60" in text
    assert "HTTP/1.1" not in text
    for option in ("--netmocks-timeline", "-v"):
        assert text_of(suite, source, option).count("'GET /a?b=c HTTP/1.1") == 60


def test_commands_are_an_arrow_and_replies_another(suite: Suite) -> None:
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
    for line in (
        "|-- EHLO me -",
        "|<-- 250-localhost (and ",
        "|-- MAIL FROM:<a@b> -",
        "|<-- 250 OK -",
        "|-- USER anonymous -",
        "|<-- 331 ",
    ):
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
    assert text.count("|-- GET /once ---") == 1
    assert text.count("the error shows what happened") == 1
    assert "'shown'" in text


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
    assert "|  ? 404: no rule matches GET /c  " in text
    assert "|      any method /a  when('/a')  " in text


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
    assert text.count("|-- GET /c ---") == 1
    assert "...  the same 59 times more" in text


def test_what_ended_it_comes_before_what_was_captured(suite: Suite) -> None:
    text = text_of(
        suite,
        """
    def test_it(http_server):
        print("captured")
        get(http_server, "/c")
        assert False
    """,
    )
    places = [
        text.index(title) for title in (" netmocks: what ended it -", "Captured stdout call", " netmocks timeline -")
    ]
    assert places == sorted(places)


def test_a_ladder_of_a_passing_test_is_shown_where_it_is_asked_for(suite: Suite) -> None:
    source = """
    def test_it(http_server):
        http_server.when("/a").reply(204)
        get(http_server, "/a")
    """
    assert "|-- GET /a ---" in text_of(suite, source, "--netmocks-timeline")
    assert "GET /a" not in text_of(suite, source)


WIDE = """
    def test_it(http_server):
        http_server.when("/a").reply(200, text="a" * 300)
        get(http_server, "/" + "long" * 60)
        get(http_server, "/a")
        assert False
"""


@pytest.mark.parametrize("more", [(), ("-n", "1")], ids=["alone", "on a worker"])
@pytest.mark.parametrize("columns", [80, 200])
def test_no_line_of_a_ladder_is_wider_than_the_terminal(
    columns: int, more: tuple[str, ...], suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = [line for line in text_of(suite, WIDE, *more).splitlines() if line.endswith("|")]
    assert lines
    assert columns - 1 <= max(map(len, lines)) <= columns


def test_colours_are_the_terminals_alone(suite: Suite, pytester: pytest.Pytester) -> None:
    text = text_of(suite, WIDE, "--color=yes", "--junitxml=junit.xml", "-o", "junit_logging=all")
    assert "\x1b[32m" in next(line for line in text.splitlines() if "|-- GET /a ---" in line)
    assert "\x1b[31m" in text.splitlines()[[" what ended it -" in line for line in text.splitlines()].index(True) + 1]
    assert "#x1B" not in (pytester.path / "junit.xml").read_text().partition("netmocks timeline")[2]

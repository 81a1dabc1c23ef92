"""Rules that nobody met, and what came and met none: told at the end of a passing test."""

from __future__ import annotations

import pytest
from helpers import Suite

HTTP = """
    import urllib.error
    import urllib.request

    import pytest
    import pytest_netmocks

    def get(server, path):
        try:
            with urllib.request.urlopen(server.url_for(path), timeout=5) as response:
                return response.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def udp(server, *datagrams):
        import socket

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for datagram in datagrams:
                sock.sendto(datagram, server.address)
        server.wait_for(lambda server: len(server.requests) >= len(datagrams))
"""

UNMET = """
    def test_it(http_server):
        http_server.when("GET", "/a").reply(200)
        http_server.when("GET", "/b").reply(200)
        assert [get(http_server, path) for path in ("/a", "/c", "/c")] == [200, 404, 404]
"""


def test_a_rule_that_never_answered_and_a_request_that_no_rule_matched_warn(suite: Suite) -> None:
    result = suite(HTTP + UNMET)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "*NetmocksWarning: netmocks: http_server: 404: no rule matches GET /c (2 times)",
            "*netmocks: when('GET', '/b') of http_server never answered",
        ]
    )


@pytest.mark.parametrize(
    ("option", "there", "not_there"),
    [
        ("netmocks_unmatched", "http_server: 404: no rule matches GET /c", "of http_server never"),
        ("netmocks_unused", "'/b') of http_server never", "http_server: 404"),
    ],
)
def test_each_can_be_an_error_or_off_alone(suite: Suite, option: str, there: str, not_there: str) -> None:
    others = {"netmocks_unmatched": "off", "netmocks_unused": "off"}
    result = suite(HTTP + UNMET, **{**others, option: "error"})
    result.assert_outcomes(failed=1)
    assert there in result.stdout.str()
    assert not_there not in result.stdout.str()


def test_errors_and_warnings_are_told_each_in_its_way(suite: Suite) -> None:
    result = suite(HTTP + UNMET, netmocks_unmatched="error")
    result.assert_outcomes(failed=1)
    assert suite(HTTP + UNMET, netmocks_strict="off").parseoutcomes() == {"passed": 1}
    suite(HTTP + UNMET, netmocks_strict="off", netmocks_unused="warn").assert_outcomes(passed=1, warnings=1)


def errors(suite: Suite, source: str, **outcomes: int) -> str:
    result = suite(HTTP + source, netmocks_unmatched="error", netmocks_unused="error")
    result.assert_outcomes(**outcomes)
    return result.stdout.str()


def test_what_the_server_answers_by_itself_is_matched(suite: Suite) -> None:
    source = """
    import ftplib
    import smtplib

    def test_no_rules(http_server, tcp_server, ws_server):
        assert get(http_server, "/c") == 404
        assert echo(tcp_server) == b"hello"

    def test_a_mount(http_server, tmp_path):
        (tmp_path / "x").write_text("x")
        http_server.when("/a").reply(200)
        http_server.serve_files(tmp_path, at="/files")
        assert [get(http_server, path) for path in ("/a", "/files/x", "/files/y")] == [200, 200, 404]

    def test_endpoints(httpbin_server):
        assert [get(httpbin_server, "/get"), get(httpbin_server, "/nothing")] == [200, 404]

    def test_commands(smtp_server, ftp_server):
        smtp_server.when("NOOP").reply("250 fine")
        with smtplib.SMTP(*smtp_server.address) as client:
            assert client.noop()[0] == 250
            assert client.docmd("XNONSENSE")[0] == 500
        ftp_server.when("NOOP").reply("200 fine")
        with ftplib.FTP() as client:
            client.connect(*ftp_server.address)
            client.login()
            assert client.sendcmd("NOOP") == "200 fine"

    def test_faults_only(http_server, tcp_server):
        from pytest_netmocks.faults import Close
        tcp_server.when(b"x").inject(Close())
        http_server.when("/broken").inject(Close())
        http_server.when("/a").reply(200)
        assert get(http_server, "/a") == 200
        with pytest.raises(OSError):
            get(http_server, "/broken")
        assert echo(tcp_server, b"x") == b""

    def test_a_used_up_rule_leaves_an_echo_server_its_echo(tcp_server):
        tcp_server.when(b"x").reply(b"y", times=1)
        assert [echo(tcp_server, b"x"), echo(tcp_server, b"x")] == [b"y", b"x"]
    """
    errors(suite, source, passed=6)


def test_what_no_rule_matches_is_named_on_every_protocol_that_has_no_other_answer(suite: Suite) -> None:
    source = """
    from websockets.sync.client import connect

    def test_waiting(tcp_server):
        tcp_server.when(b"x").reply(b"y")
        with socket.create_connection(tcp_server.address) as sock:
            sock.sendall(b"x left over")
            assert sock.recv(10) == b"y"
            tcp_server.wait_for(lambda server: "no rule matches" in str(server.timeline))

    def test_ended(tcp_server):
        tcp_server.when(b"x").reply(b"y")
        assert echo(tcp_server, b"x at the end") == b"y"

    def test_405(http_server):
        http_server.when("POST", "/a").reply(200, times=1)
        assert get(http_server, "/a") == 405
        urllib.request.urlopen(http_server.url_for("/a"), data=b"", timeout=5).close()

    def test_used_up(http_server):
        http_server.when("/a").reply(200, times=1)
        assert [get(http_server, "/a"), get(http_server, "/a")] == [200, 404]

    def test_udp(udp_server):
        udp_server.when(b"who").reply(b"me")
        udp(udp_server, b"who", b"what")

    def test_ws(ws_server):
        ws_server.when("ping").reply("pong")
        with connect(ws_server.url) as websocket:
            for message in ("ping", "pang"):
                websocket.send(message)
                websocket.recv(5)

    def test_route(http_server):
        route = http_server.when("/ws").websocket()
        route.when("ping").reply("pong")
        with connect(http_server.url.replace("http", "ws") + "/ws") as websocket:
            for message in ("ping", "pang"):
                websocket.send(message)
                websocket.recv(5)
    """
    text = errors(suite, "    import socket\n" + source, failed=7)
    for line in (
        "no rule matched the last 10 B: b' left over'",
        "no rule matched the last 11 B: b' at the end'",
        "405: GET /a: allowed are POST",
        "404: no rule matches GET /a",
        "no rule matches the datagram: no answer to 4 B  b'what'",
        "ws_server: no rule matches 'pang': echoed",
        "http_server: no rule matches 'pang': echoed",
    ):
        assert line in text, line


def test_the_end_of_a_line_and_what_a_fault_cut_off_are_no_questions(suite: Suite) -> None:
    source = """
    def test_it(netmocks):
        from pytest_netmocks.faults import Close
        server = netmocks.tcp()
        server.when(b"x").reply(b"y")
        assert echo(server, b"x\\r\\n") == b"y"
        server.inject(Close(after_bytes=2, direction="upstream"))
        assert echo(server, b"abc") == b""
    """
    errors(suite, source, passed=1)


def test_rules_of_fixtures_need_not_answer_and_those_of_a_test_on_a_wider_server_must(suite: Suite) -> None:
    source = """
    api = pytest_netmocks.server_fixture("http", scope="session", name="api")

    @pytest.fixture
    def backend(http_server):
        http_server.when("/unused").reply(200)
        return http_server

    @pytest.fixture(scope="module")
    def wide(api):
        api.when("/also-unused").reply(200)
        return api

    def test_fixtures(backend, wide):
        pass

    def test_mine(api):
        api.when("/mine").reply(200)

    def test_other(api):
        pass
    """
    text = errors(suite, source, passed=2, failed=1)
    assert "when('/mine') of api never answered" in text
    assert "unused') of" not in text


def test_an_expectation_says_itself_what_the_rule_is_for(suite: Suite) -> None:
    source = """
    def test_it(http_server):
        http_server.when("/never").reply(200).expect(0)
    """
    errors(suite, source, passed=1)


def test_a_rule_that_a_newer_one_always_came_before_is_told_so(suite: Suite) -> None:
    result = suite("""
        import socket, urllib.request
        from pytest_netmocks import ANY_PATH

        def test_http(http_server):
            http_server.when("GET", "/notes").reply(503, times=2)
            http_server.when("GET", ANY_PATH).reply(text="all")
            assert urllib.request.urlopen(http_server.url_for("/notes")).read() == b"all"

        def test_tcp(tcp_server):
            tcp_server.when(b"HELLO\\n").reply(b"old")
            tcp_server.when(b"NOTES\\n").reply(b"no")
            tcp_server.when(b"HELLO\\n").reply(b"new")
            with socket.create_connection(tcp_server.address, timeout=30) as sock:
                sock.sendall(b"HELLO\\n")
                assert sock.recv(3) == b"new"

        def test_turns(http_server):
            http_server.when("GET", "/").reply(text="old")
            http_server.when("GET", "/").reply(503, times=1)
            for status in (503, 200):
                try:
                    assert urllib.request.urlopen(http_server.url).status == status
                except urllib.error.HTTPError as error:
                    assert error.code == status
        """)
    result.assert_outcomes(passed=3, warnings=2)
    result.stdout.fnmatch_lines_random(
        [
            "*of http_server never answered: when('GET', '/{rest:path}'), which is newer, came first",
            r"*when(b'HELLO\n') of tcp_server never answered: when(b'HELLO\n'), which is newer, came first",
            r"*when(b'NOTES\n') of tcp_server never answered",
        ]
    )


def test_a_request_of_another_test_to_a_shared_server_is_not_told_again(suite: Suite) -> None:
    source = """
    api = pytest_netmocks.server_fixture("http", scope="session", name="api")

    def test_first(api):
        api.when("/a").reply(200)
        assert [get(api, "/a"), get(api, "/c")] == [200, 404]

    def test_second(api):
        assert get(api, "/a") == 200
    """
    errors(suite, source, passed=1, failed=1)


def test_a_wrong_value_is_a_usage_error(suite: Suite) -> None:
    for name in ("netmocks_unmatched", "netmocks_unused"):
        result = suite("def test_it(): pass", **{name: "maybe"})
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*{name} is 'maybe'; accepted are error, warn, off*"])

"""Which are struck, from when on and until when: the selectors that every `inject` takes."""

from __future__ import annotations

import smtplib
import urllib.request
from typing import Any

import pytest
from helpers import Suite, connect, later, outcome, read_to_end, udp_client
from playbook import now

from pytest_netmocks import faults
from pytest_netmocks.faults import Close, Latency, Loss, Refuse, Reset
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.protocols.udp.server import UdpServer


@pytest.mark.parametrize(
    ("options", "struck"),
    [
        ({"skip": 3}, "...xxxxx"),
        ({"skip": 3, "first": 2}, "...xx..."),
        ({"skip": 3, "nth": 2}, "....x..."),
        ({"skip": 2, "every": 3}, "....x..x"),
        ({"skip": 1, "probability": 1.0}, ".xxxxxxx"),
    ],
)
def test_skip_lets_the_first_ones_through_and_the_others_count_after_them(
    tcp_server: TcpServer, options: Any, struck: str
) -> None:
    injection = tcp_server.inject(Reset(), **options)
    assert ["x."[outcome(tcp_server) == "echo"] for _ in struck] == list(struck)
    assert injection.hits == struck.count("x")


def test_skip_counts_new_connections_only(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as sock:
        sock.sendall(b"1")
        sock.recv(1)
        tcp_server.inject(Reset(), skip=1)
        assert [outcome(tcp_server), outcome(tcp_server)] == ["echo", "reset"]
        sock.sendall(b"2")
        assert sock.recv(1) == b"2"


def test_a_rule_that_works_three_times_and_then_dies(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="ok").inject(Close(), skip=3)
    for _ in range(3):
        assert urllib.request.urlopen(http_server.url_for("/x")).read() == b"ok"
    with pytest.raises(ConnectionError):
        urllib.request.urlopen(http_server.url_for("/x"))


def test_skip_counts_datagrams(udp_server: UdpServer) -> None:
    udp_server.inject(Loss(1.0), skip=2, first=1)
    with udp_client(udp_server) as sock:
        for data in (b"1", b"2", b"3", b"4"):
            sock.send(data)
        assert [sock.recv(9) for _ in range(3)] == [b"1", b"2", b"4"]


def test_where_chooses_by_the_connection_and_the_others_are_not_counted(tcp_server: TcpServer) -> None:
    tcp_server.inject(Reset(), where=lambda connection: connection.id % 2 == 0, first=2)
    assert [outcome(tcp_server) for _ in range(6)] == ["echo", "reset", "echo", "reset", "echo", "echo"]


def test_where_alone_looks_at_open_connections_too(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as one, connect(tcp_server) as two:
        tcp_server.inject(Reset(), where=lambda connection: connection.client_address == two.getsockname())
        with pytest.raises(ConnectionResetError):
            two.recv(1)
        one.sendall(b"x")
        assert one.recv(1) == b"x"


def test_where_on_a_rule_sees_what_the_connection_has_done(smtp_server: SmtpServer) -> None:
    tired = smtp_server.when("RCPT").inject(Close(), where=lambda connection: len(connection.requests) > 4)
    with smtplib.SMTP(*smtp_server.address) as client:
        client.ehlo()
        client.mail("a@example.com")
        client.rcpt("b@example.com")
        client.rcpt("c@example.com")
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.rcpt("d@example.com")
    assert tired.hits == 1


def test_where_on_datagrams_sees_the_client_they_come_from(udp_server: UdpServer) -> None:
    udp_server.inject(Loss(1.0), where=lambda connection: connection.id == 1)
    with udp_client(udp_server) as one, udp_client(udp_server) as two:
        one.send(b"lost")
        two.send(b"heard")
        assert two.recv(9) == b"heard"
        one.settimeout(0.05)
        with pytest.raises(TimeoutError):
            one.recv(9)


def test_what_where_raises_fails_the_test_and_not_the_loop(suite: Suite) -> None:
    result = suite("""
        from pytest_netmocks.faults import Reset
        import pytest

        @pytest.mark.parametrize("error", [ValueError, pytest.fail.Exception])
        def test_it(tcp_server, error):
            def where(connection):
                raise error("no idea")
            tcp_server.inject(Reset(), where=where)
            assert echo(tcp_server) == b"hello"
    """)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*no idea*"])


@pytest.mark.parametrize("where", [True, "localhost", 5])
def test_where_that_is_no_function_is_refused(tcp_server: TcpServer, where: Any) -> None:
    with pytest.raises(TypeError, match="where must be a function of the Connection"):
        tcp_server.inject(Reset(), where=where)


@pytest.mark.parametrize("options", [{"skip": 0}, {"skip": -1}, {"start": -1.0}, {"start": float("nan")}])
def test_counts_and_times_that_are_none_are_refused(tcp_server: TcpServer, options: Any) -> None:
    name = next(iter(options))
    bad: Any = {name: "soon"}
    with pytest.raises(ValueError, match=f"{name} must be"):
        tcp_server.inject(Reset(), **options)
    with pytest.raises(TypeError, match=f"{name} must be"):
        tcp_server.inject(Reset(), **bad)


@pytest.mark.in_memory
def test_a_fault_with_a_start_comes_into_force_then_and_its_duration_begins(tcp_server: TcpServer) -> None:
    down = tcp_server.inject(Refuse(), start=0.2, duration=0.2)
    assert "not in force yet" in repr(down)
    begin = now()
    times = []
    with connect(tcp_server):
        for wanted in ("refused", "echo"):
            while outcome(tcp_server) != wanted:
                later(0.01)
            times.append(now() - begin)
    assert times == pytest.approx([0.2, 0.4], abs=0.011)
    assert down.hits == 1
    assert down.lifted


def test_a_fault_that_is_lifted_before_its_start_never_strikes(tcp_server: TcpServer) -> None:
    with tcp_server.inject(Reset(), start=0.05) as injection:
        injection.expected = False
    tcp_server.inject(Latency(0.1))
    assert outcome(tcp_server) == "echo"
    assert injection.hits == 0


@pytest.mark.in_memory
def test_a_start_strikes_what_is_open_then(tcp_server: TcpServer) -> None:
    tcp_server.inject(Reset(), start=0.1)
    begin = now()
    with connect(tcp_server) as sock, pytest.raises(ConnectionResetError):
        sock.recv(1)
    assert now() - begin == pytest.approx(0.1)


@pytest.mark.in_memory
def test_a_rule_and_a_connection_know_start_too(tcp_server: TcpServer) -> None:
    tcp_server.when(b"x").reply(b"y").inject(Close(), start=0.1)
    with connect(tcp_server) as sock:
        for seconds, answer in ((0.09, b"y"), (0.02, b"")):
            later(seconds)
            sock.sendall(b"x")
            assert sock.recv(1) == answer
    assert len(tcp_server.requests) == 2
    with connect(tcp_server) as sock:
        tcp_server.connections[1].inject(Reset(), start=0.05)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_times_count_from_the_start(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as sock:
        begin = tcp_server.journal.now()
        tcp_server.inject(Close(after=0.1), start=0.1)
        read_to_end(sock)
        assert tcp_server.journal.now() - begin >= 0.2


def test_what_strikes_before_there_is_a_connection_takes_times_alone(tcp_server: TcpServer) -> None:
    for options in ({"skip": 1}, {"where": bool}):
        with pytest.raises(ValueError, match="only start= and duration= can be given"):
            tcp_server.inject(Refuse(), **options)


def test_the_text_of_the_command_line_knows_skip_and_start(tcp_server: TcpServer) -> None:
    fault, options = faults.parse("Reset(after_bytes=3), skip=2, start=0.5")
    assert (fault, options) == (Reset(after_bytes=3), {"skip": 2, "start": 0.5})
    options["where"] = bool
    injection = tcp_server.inject(fault, **options)
    injection.expected = False
    assert "Reset(after_bytes=3), skip=2, where=bool, start=0.5 on tcp_server" in repr(injection)
    with pytest.raises(ValueError, match="unknown selector 'where'"):
        faults.parse("Reset(), where=5")


def test_an_injection_of_a_server_that_is_not_started_waits_from_then_on() -> None:
    server = TcpServer()
    server.inject(Reset(), skip=1)
    with server:
        assert [outcome(server), outcome(server)] == ["echo", "reset"]

"""`expect()` on the rules of every server."""

from __future__ import annotations

import ftplib
import smtplib
from typing import Any

import pytest
import requests
from helpers import connect, echo, speak, udp_client

import pytest_netmocks
from pytest_netmocks import ws_frame
from pytest_netmocks.faults import Latency
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.rules.base import Rule


def unmet(server: Any) -> str:
    return "\n".join(server.unmet())


@pytest.mark.parametrize(
    ("arguments", "came", "said"),
    [
        ((), 0, "expected at least 1 requests and met 0"),
        ((), 3, ""),
        ((2,), 2, ""),
        ((2,), 3, "expected 2 requests and met 3"),
        ((1, 3), 0, "expected 1 to 3 requests and met 0"),
        ((1, 3), 1, ""),
        ((1, 3), 3, ""),
        ((1, 3), 4, "expected 1 to 3 requests and met 4"),
        ((None, 1), 0, ""),
        ((0,), 1, "expected 0 requests and met 1"),
    ],
)
def test_how_often_a_rule_is_to_be_met(
    http_server: HttpServer, arguments: tuple[int | None, ...], came: int, said: str
) -> None:
    http_server.when("/x").reply(200).expect(*arguments)
    for _ in range(came):
        requests.get(http_server.url_for("/x"), timeout=30)
    assert said in (lines := unmet(http_server))
    assert bool(said) == bool(lines)
    assert not unmet(http_server), "it is said once"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 1), "at_most must be a whole number of at least 3"),
        ((-1,), "times must be a whole number of at least 0"),
        ((None, -1), "at_most must be a whole number of at least 0"),
    ],
)
def test_wrong_expectations_are_named(tcp_server: TcpServer, arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tcp_server.when(b"x").expect(*arguments)


def tcp(server: Any) -> list[Rule[Any]]:
    rules = [server.when_connected().reply(b""), server.when(b"x").reply(b"y")]
    with connect(server) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"y"
    return rules


def udp(server: Any) -> list[Rule[Any]]:
    rules = [server.when(b"x").reply(b"y")]
    with udp_client(server) as sock:
        sock.send(b"x")
        sock.recv(1)
    return rules


def http(server: Any) -> list[Rule[Any]]:
    rules = [server.when_connected().reply(b""), server.when("/x").reply(200)]
    requests.get(server.url_for("/x"), timeout=30)
    return rules


def ws(server: Any) -> list[Rule[Any]]:
    rules = [server.when_connected().reply(), server.when("x").reply("y")]
    with speak(server) as sock:
        sock.sendall(ws_frame("x", mask=True))
        assert sock.recv(100)
    return rules


def smtp(server: Any) -> list[Rule[Any]]:
    rules = [server.when_connected().reply("220 hi"), server.when("RCPT").reply("250 ok"), server.when_message()]
    with smtplib.SMTP(*server.address) as client:
        client.sendmail("a@b", ["c@d"], "Subject: x\r\n\r\n")
    return rules


def ftp(server: Any) -> list[Rule[Any]]:
    rules = [server.when_connected().reply("220 hi"), server.when("PWD").reply('257 "/"')]
    with ftplib.FTP() as client:
        client.connect(server.host, server.port, timeout=30)
        client.login()
        client.pwd()
    return rules


@pytest.mark.parametrize("talk", [tcp, udp, http, ws, smtp, ftp])
def test_rules_of_all_servers_can_be_expected(netmocks: pytest_netmocks.Netmocks, talk: Any) -> None:
    server = getattr(netmocks, talk.__name__)()
    for rule in (rules := talk(server)):
        assert rule.met == 1, rule
        rule.expect(2)
    lines = unmet(server).splitlines()
    assert [line.endswith("and met 1") for line in lines[: len(rules)]] == [True] * len(rules)
    for rule in rules:
        rule.expect(1)
    assert not server.unmet()


@pytest.mark.parametrize(
    ("talk", "lines"),
    [
        (tcp, ["1 B  b'x' -> 1 B  b'y'"]),
        (udp, ["1 B  b'x' -> 1 B  b'y'"]),
        (http, ["GET /x -> 200 by when('/x')"]),
        (ws, ["> text 'x'"]),
        (smtp, ["QUIT -> 221 Bye"]),
        (ftp, ["USER anonymous -> 331 Username ok, send password.", 'PWD -> 257 "/"']),
    ],
)
def test_what_came_instead_is_one_line_each(netmocks: pytest_netmocks.Netmocks, talk: Any, lines: list[str]) -> None:
    server = getattr(netmocks, talk.__name__)()
    talk(server)[-1].expect(7)
    said = unmet(server).splitlines()
    came = said[said.index("what came:") + 1 :]
    assert len(came) == len(server.requests)
    assert {f"  {line}" for line in lines} <= set(came)


def test_a_rule_without_answers_is_met_by_what_matches_it(http_server: HttpServer) -> None:
    http_server.mount(lambda environ, start: (start("200 OK", []), [b"app"])[1])
    rule = http_server.when("/x")
    rule.inject(Latency(0.01), first=1)
    for _ in range(2):
        assert requests.get(http_server.url_for("/x"), timeout=30).text == "app"
    assert rule.met == 2


def test_a_rule_behind_a_newer_one_or_used_up_is_not_met(tcp_server: TcpServer) -> None:
    older = tcp_server.when(b"x").reply(b"1")
    newer = tcp_server.when(b"x").reply(b"2", times=1)
    assert [echo(tcp_server, b"x") for _ in range(3)] == [b"2", b"1", b"1"]
    assert (older.met, newer.met) == (2, 1)


def test_a_command_is_met_once_however_many_answers_it_has(smtp_server: SmtpServer) -> None:
    rule = smtp_server.when("AUTH")
    with smtplib.SMTP(*smtp_server.address) as client:
        client.ehlo()
        client.user, client.password = "u", "p"
        client.auth("LOGIN", client.auth_login, initial_response_ok=False)
    assert rule.met == 1

"""The live log: a line is shown when it is whole."""

from __future__ import annotations

import socket

from pytest_netmocks import HttpServer, SmtpServer
from pytest_netmocks.records.events import Event, Exchange
from pytest_netmocks.records.live import Live


def test_an_exchange_is_shown_with_its_answer(http_server: HttpServer) -> None:
    live, shown = Live(), list[tuple[str, list[str]]]()

    def hear(event: Event) -> None:
        phase = event.phase if isinstance(event, Exchange) else ""
        shown.append((phase, [line.text for line in live.lines(event) if "GET" in line.text]))

    http_server.when("/x").reply(text="x")
    with http_server.subscribe(hear), socket.create_connection(http_server.address, timeout=30) as client:
        client.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1000)
        http_server.wait_for(lambda server: any(lines for _, lines in shown))
    assert next(lines for phase, lines in shown if phase == "begun") == []
    assert [lines for _, lines in shown if lines] == [["GET /x -> 200 by when('/x')"]]


def test_one_without_an_answer_is_shown_at_the_end_of_its_connection(http_server: HttpServer) -> None:
    live, shown = Live(), list[str]()
    http_server.when("/x").reply(text="x", delay=3600)
    with http_server.subscribe(lambda event: shown.extend(line.text for line in live.lines(event))):
        with socket.create_connection(http_server.address, timeout=30) as client:
            client.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
            http_server.wait_for(lambda server: server.requests)
            assert not [text for text in shown if text.startswith("GET")]
        http_server.wait_for(lambda server: not server.open_connections)
        http_server.settle()  # the end is on record before it is told
    assert len([text for text in shown if text.startswith("GET /x")]) == 1


def test_commands_have_their_replies(smtp_server: SmtpServer) -> None:
    live, shown = Live(), list[str]()
    with smtp_server.subscribe(lambda event: shown.extend(line.text for line in live.lines(event))):
        with socket.create_connection(smtp_server.address, timeout=30) as client:
            client.sendall(b"NOOP\r\nQUIT\r\n")
            while client.recv(1000):
                pass
        smtp_server.wait_for(lambda server: not server.open_connections)
        smtp_server.settle()  # the end is on record before it is told
    assert "NOOP -> 250 OK" in shown
    assert "QUIT -> 221 Bye" in shown

"""Connections that end behind the answer to their n-th request, on every server that knows requests."""

from __future__ import annotations

import ftplib
import http.client
import imaplib
import io
import poplib
import re
import smtplib
import socket
from collections.abc import Callable

import pytest
import requests
from helpers import connect, read_exactly, read_to_end
from openings import QUERY, STREAMS, opened
from websockets.sync.client import connect as ws_connect

from pytest_netmocks import (
    DnsServer,
    FtpServer,
    HttpProxyServer,
    HttpServer,
    ImapServer,
    Netmocks,
    Pop3Server,
    SmtpServer,
    TcpServer,
)
from pytest_netmocks.faults import Latency, Reset

NONE = {"ws": "WebSocket", "wss": "WebSocket", "socks5": "tunnel", "syslog": "nobody answers"}
NONE |= {"mqtt": "packets of MQTT", "mqtts": "packets of MQTT"}


@pytest.mark.parametrize("name", STREAMS)
def test_every_server_has_it_or_says_why_not(netmocks: Netmocks, name: str) -> None:
    if name in NONE:
        with pytest.raises(ValueError, match=NONE[name]):
            opened(netmocks, name, max_requests=2)
        with pytest.raises(ValueError, match="max_requests=2"):
            opened(netmocks, name).max_requests = 2
    else:
        assert opened(netmocks, name, max_requests=2).max_requests == 2


def test_a_proxy_of_bytes_says_why_not(netmocks: Netmocks, tcp_server: TcpServer) -> None:
    with pytest.raises(ValueError, match="a proxy of bytes"):
        netmocks.tcp_proxy(tcp_server, max_requests=2)


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True])
def test_what_is_no_number_of_requests_is_refused(tcp_server: TcpServer, value: object) -> None:
    with pytest.raises((TypeError, ValueError), match="max_requests must be"):
        tcp_server.max_requests = value  # type: ignore[assignment]


def test_the_last_answer_of_http_says_that_it_is(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="hello")
    http_server.max_requests = 2
    client = http.client.HTTPConnection(*http_server.address, timeout=30)
    heads = []
    for _ in range(2):
        client.request("GET", "/")
        answer = client.getresponse()
        heads.append(answer.getheader("Connection"))
        assert answer.read() == b"hello"
    assert heads == [None, "close"]
    client.close()
    http_server.wait_for(lambda server: not server.open_connections, timeout=30)
    assert http_server.connections[0].closed_by == "server"


def test_what_is_pipelined_behind_the_last_request_is_not_answered(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="hello")
    http_server.max_requests = 2
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 5)
        assert read_to_end(sock).count(b"hello") == 2
    assert [request.response is not None for request in http_server.requests] == [True, True, False, False, False]


@pytest.mark.parametrize("kind", ["a directory", "an application", "a 404", "late", "streamed"])
def test_whatever_answers_a_request_counts(http_server: HttpServer, tmp_path: object, kind: str) -> None:
    def app(environ: object, start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "1")])
        return [b"x"]

    if kind == "a directory":
        http_server.serve_files(str(tmp_path))
    elif kind == "an application":
        http_server.mount(app)
    elif kind == "late":
        http_server.when("/").reply(200, delay=0.01)
    elif kind == "streamed":
        http_server.when("/").reply(stream=["a", "b"])
    http_server.max_requests = 2
    with requests.Session() as session:
        answers = [session.get(http_server.url, timeout=30) for _ in range(3)]
    assert [answer.headers.get("Connection") for answer in answers] == [None, "close", None]
    assert len(http_server.connections) == 2


def test_a_websocket_and_a_tunnel_go_on(http_server: HttpServer, http_proxy_server: HttpProxyServer) -> None:
    http_server.when("/ws").websocket()
    http_server.max_requests = 1
    with ws_connect(http_server.url_for("/ws").replace("http", "ws", 1)) as client:
        for _ in range(3):
            client.send("hello")
            assert client.recv(30) == "hello"
    http_proxy_server.max_requests = 1
    http_server.max_requests = None
    with socket.create_connection(http_proxy_server.address, timeout=30) as sock:
        where = f"127.0.0.1:{http_server.port}"
        sock.sendall(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
        assert b" 200 " in sock.recv(1000)
        for _ in range(2):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert sock.recv(1000).startswith(b"HTTP/1.1 404")


def test_rules_over_bytes_are_requests(tcp_server: TcpServer) -> None:
    tcp_server.when(b"a").reply(b"b")
    tcp_server.max_requests = 2
    with connect(tcp_server) as sock:
        sock.sendall(b"aaaa")
        assert read_to_end(sock) == b"bb"
    assert len(tcp_server.requests) == 2


def test_ftp_says_421_behind_a_whole_transfer(ftp_server: FtpServer) -> None:
    (ftp_server.root / "x").write_bytes(b"hello")
    ftp_server.max_requests = 5
    client = ftplib.FTP(timeout=30)
    client.connect(*ftp_server.address)
    client.login()
    got = io.BytesIO()
    assert client.retrbinary("RETR x", got.write).startswith("226")  # USER, PASS, TYPE, PASV, RETR
    assert got.getvalue() == b"hello"
    with pytest.raises(ftplib.error_temp, match="421 Too many commands"):
        client.pwd()
    client.close()


def test_smtp_says_421_behind_a_whole_message(smtp_server: SmtpServer) -> None:
    smtp_server.max_requests = 4
    client = smtplib.SMTP(*smtp_server.address, timeout=30)
    assert client.sendmail("a@b.c", ["d@e.f"], "Subject: x\r\n\r\nhi") == {}  # EHLO, MAIL, RCPT, DATA
    assert len(smtp_server.messages) == 1
    assert client.noop()[0] == 421
    client.close()


def test_imap_says_bye(imap_server: ImapServer) -> None:
    imap_server.max_requests = 3
    client = imaplib.IMAP4(*imap_server.address, timeout=30)
    client.login("u", "p")  # CAPABILITY, LOGIN
    client.select()
    with pytest.raises(imaplib.IMAP4.abort):
        client.noop()
    assert [request.command for request in imap_server.requests] == ["CAPABILITY", "LOGIN", "SELECT"]
    client.shutdown()


def test_pop3_ends_without_a_word_and_deletes_nothing(pop3_server: Pop3Server) -> None:
    pop3_server.deliver("Subject: x\r\n\r\nhi\r\n")
    pop3_server.max_requests = 3
    client = poplib.POP3(*pop3_server.address, timeout=30)
    client.user("u")
    client.pass_("p")
    client.dele(1)
    with pytest.raises((poplib.error_proto, OSError)):
        client.quit()
    client.close()
    assert len(pop3_server.messages) == 1


def test_dns_over_tcp_ends_behind_the_answer(dns_server: DnsServer) -> None:
    dns_server.max_requests = 2
    with connect(dns_server) as sock:
        sock.sendall(QUERY * 3)
        got = read_to_end(sock)
    assert got.count(got[:2]) >= 2
    assert len(dns_server.requests) == 2


PIPELINED = {
    "ftp": (b"NOOP\r\n" * 5, rb"2\d\d |421 "),
    "smtp": (b"NOOP\r\n" * 5, rb"250 |421 "),
    "pop3": (b"CAPA\r\n" * 5, rb"\+OK this|-ERR"),
    "imap": (b"a NOOP\r\n" * 5, rb"a OK|BYE"),
}


@pytest.mark.parametrize("name", PIPELINED)
def test_commands_that_are_pipelined_behind_the_last_have_no_answer(netmocks: Netmocks, name: str) -> None:
    server = opened(netmocks, name, max_requests=2)
    asks, answers = PIPELINED[name]
    with connect(server) as sock:
        greeting = read_exactly(sock, 1)
        while not greeting.endswith(b"\n"):
            greeting += read_exactly(sock, 1)
        sock.sendall(asks)
        got = read_to_end(sock)
    words = name != "pop3"
    assert len(re.findall(answers, got)) == 2 + words
    server.wait_for(lambda server: not server.open_connections, timeout=30)
    assert server.connections[0].closed_by == "server"


def test_it_can_change_while_connections_are_open(tcp_server: TcpServer) -> None:
    tcp_server.when(b"a").reply(b"b")
    with connect(tcp_server) as sock:
        for _ in range(3):
            sock.sendall(b"a")
            assert read_exactly(sock, 1) == b"b"
        tcp_server.max_requests = 5
        sock.sendall(b"a")
        assert read_exactly(sock, 1) == b"b"
        tcp_server.max_requests = None
        for _ in range(3):
            sock.sendall(b"a")
            assert read_exactly(sock, 1) == b"b"
        tcp_server.max_requests = 1
        sock.sendall(b"a")
        assert read_to_end(sock) == b"b"


def test_a_fault_is_still_a_fault(tcp_server: TcpServer) -> None:
    tcp_server.when(b"a").reply(b"bbbb").inject(Reset(after_bytes=2))
    tcp_server.max_requests = 1
    with connect(tcp_server) as sock:
        sock.sendall(b"a")
        assert read_exactly(sock, 2) == b"bb"
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


@pytest.mark.virtual_time
def test_an_answer_that_a_fault_holds_comes_before_the_end(tcp_server: TcpServer) -> None:
    tcp_server.when(b"a").reply(b"b").inject(Latency(60))
    tcp_server.max_requests = 1
    with connect(tcp_server, timeout=90) as sock:
        sock.sendall(b"a")
        assert read_to_end(sock) == b"b"


def test_a_reset_takes_it_back(tcp_server: TcpServer) -> None:
    tcp_server.max_requests = 1
    tcp_server.reset()
    assert tcp_server.max_requests is None
    tcp_server.when(b"a").reply(b"b")
    with connect(tcp_server) as sock:
        for _ in range(3):
            sock.sendall(b"a")
            assert read_exactly(sock, 1) == b"b"

"""Tests that fail, one for each cause; `test_cause.py` runs them and reads the first line of each report."""

from __future__ import annotations

import asyncio
import contextlib
import ftplib
import smtplib
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import websockets.sync.client
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from pytest_netmocks.faults import (
    Blackhole,
    Close,
    Corrupt,
    Garbage,
    Goaway,
    HandshakeFailure,
    HandshakeStall,
    Latency,
    Loss,
    Refuse,
    Reset,
    Stall,
    Unreachable,
)
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.ftp.server import FtpServer
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.mqtt.server import MqttServer
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.protocols.syslog.server import SyslogServer
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.protocols.udp.server import UdpServer
from pytest_netmocks.protocols.ws.server import WsServer

SHORT = 300.0
"""Seconds that a client waits that is to give up, in virtual time: what a busy machine takes is little beside them."""

LONG = 30.0
"""Seconds that one waits that gets an answer."""


def get(url: str, **options: Any) -> httpx.Response:
    options.setdefault("timeout", LONG)
    return httpx.get(url, trust_env=False, **options)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, and which nobody else can get meanwhile."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.mark.virtual_time
def test_late(http_server: HttpServer) -> None:
    http_server.when("/slow").reply(text="late", delay=3600)
    get(f"{http_server.url}/slow", timeout=SHORT)


@pytest.mark.virtual_time
def test_late_function(http_server: HttpServer) -> None:
    import asyncio

    async def never(request: object) -> None:
        await asyncio.Event().wait()

    http_server.when("/slow").reply(never)  # type: ignore[arg-type]  # it never comes to an answer
    get(f"{http_server.url}/slow", timeout=SHORT)


@pytest.mark.virtual_time
def test_late_stream(http_server: HttpServer) -> None:
    http_server.when("/x").reply(stream=[b"a"] * 100, interval=3000)
    get(f"{http_server.url}/x", timeout=SHORT)


def test_came_through(http_server: HttpServer) -> None:
    http_server.when("/x").reply(json=[1])
    http_server.inject(Reset(), first=1)
    with contextlib.suppress(httpx.TransportError):
        get(f"{http_server.url}/x")
    assert get(f"{http_server.url}/x").json() == [2]


def test_reset_in_head(http_server: HttpServer) -> None:
    http_server.inject(Reset(after_bytes=20))
    http_server.when("/x").reply(body=b"hello")
    get(f"{http_server.url}/x")


def test_reset_in_body(http_server: HttpServer) -> None:
    http_server.when("/x").reply(body=b"x" * 100).inject(Reset(after_bytes=40))
    get(f"{http_server.url}/x")


def test_reset_of_a_stream(http_server: HttpServer) -> None:
    http_server.when("/good").reply(text="good", delay=0.05)
    http_server.when("/x").reply(body=b"x" * 100).inject(Reset(after_bytes=40, error="INTERNAL_ERROR"))
    with httpx.Client(http1=False, http2=True, timeout=LONG) as client:
        client.get(f"{http_server.url}/good")
        client.get(f"{http_server.url}/x")


def two_at_once(server: HttpServer, first: str, second: str) -> list[httpx.Response]:
    """Two requests at a time on one connection of HTTP/2."""

    async def both() -> list[httpx.Response]:
        async with httpx.AsyncClient(http1=False, http2=True, timeout=SHORT, trust_env=False) as client:
            await client.get(f"{server.url}/warm")
            return list(await asyncio.gather(*(client.get(f"{server.url}{path}") for path in (first, second))))

    server.when("/warm").reply(204)
    return asyncio.run(both())


@pytest.mark.virtual_time
def test_reset_of_the_later_stream(http_server: HttpServer) -> None:
    http_server.when("/slow").reply(text="slow", delay=3600)
    http_server.when("/x").reply(body=b"x" * 100).inject(Reset(after_bytes=40))
    two_at_once(http_server, "/slow", "/x")


@pytest.mark.virtual_time
def test_stall_of_a_stream(http_server: HttpServer) -> None:
    http_server.when("/good").reply(text="good", delay=0.05)
    http_server.when("/x").reply(body=b"x" * 100).inject(Stall(after_bytes=40))
    two_at_once(http_server, "/x", "/good")


@pytest.mark.virtual_time
def test_late_on_a_stream(http_server: HttpServer) -> None:
    http_server.when("/good").reply(text="good", delay=0.05)
    http_server.when("/x").reply(text="late", delay=3600)
    two_at_once(http_server, "/good", "/x")


@pytest.mark.virtual_time
def test_late_behind_a_reset_stream(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="good").inject(Reset(), first=1)
    http_server.when("/slow").reply(text="late", delay=3600)
    with httpx.Client(http1=False, http2=True, timeout=SHORT, trust_env=False) as client:
        with contextlib.suppress(httpx.RemoteProtocolError):
            client.get(f"{http_server.url}/x")
        client.get(f"{http_server.url}/x")
        client.get(f"{http_server.url}/slow")


@pytest.mark.virtual_time
def test_handler_on_a_stream(http_server: HttpServer) -> None:
    def raising(_: object) -> None:
        http_server.wait_for(lambda server: len(server.requests) == 3)
        raise KeyError("a")

    http_server.when("/good").reply(text="good", delay=0.05)
    http_server.when("/x").reply(raising)  # type: ignore[arg-type]  # it never comes to an answer
    two_at_once(http_server, "/x", "/good")


@pytest.mark.virtual_time
def test_goaway(http_server: HttpServer) -> None:
    http_server.when("/slow").reply(text="slow", delay=3600)
    http_server.when("/x").reply(text="x").inject(Goaway(error="INTERNAL_ERROR"))
    two_at_once(http_server, "/slow", "/x")


@pytest.mark.virtual_time
def test_reset_under_streams(http_server: HttpServer) -> None:
    http_server.inject(Reset(after_bytes=500))
    http_server.when("/slow").reply(text="slow", delay=3600)
    http_server.when("/x").reply(body=b"x" * 1000)
    two_at_once(http_server, "/slow", "/x")


@pytest.mark.virtual_time
def test_no_on_a_stream(http_server: HttpServer) -> None:
    http_server.when("/good").reply(text="good", delay=0.05)
    http_server.when("/x").reply(503)
    for response in two_at_once(http_server, "/good", "/x"):
        response.raise_for_status()


def test_reset_then_again(http_server: HttpServer) -> None:
    http_server.when("/x").reply(body=b"x" * 100).inject(Reset(after_bytes=40))
    for _ in range(2):
        with contextlib.suppress(httpx.TransportError):
            get(f"{http_server.url}/x")
    pytest.fail("no answer")


def test_truncated(http_server: HttpServer) -> None:
    http_server.when("/x").reply(body=b"x" * 100).inject(Close(after_bytes=40))
    get(f"{http_server.url}/x")


def test_reset_upstream(tcp_server: TcpServer) -> None:
    tcp_server.inject(Reset(after_bytes=2, direction="upstream"))
    with socket.create_connection(tcp_server.address, timeout=LONG) as sock:
        sock.sendall(b"hello")
        assert sock.recv(5) == b"hello"


def test_refused(http_server: HttpServer) -> None:
    http_server.inject(Refuse())
    get(f"{http_server.url}/x")


def test_stopped(http_server: HttpServer) -> None:
    http_server.stop()
    get(f"{http_server.url}/x")


def test_wrong_port(http_server: HttpServer, closed_port: int) -> None:
    get(f"http://127.0.0.1:{closed_port}/x")


@pytest.mark.virtual_time
def test_unreachable(http_server: HttpServer) -> None:
    http_server.inject(Unreachable())
    get(f"{http_server.url}/x", timeout=SHORT)


def test_unknown_ca(netmocks: Netmocks) -> None:
    get(f"{netmocks.https().url}/x", verify=ssl.create_default_context())


def test_unknown_ca_of_urllib(netmocks: Netmocks) -> None:
    urllib.request.urlopen(f"{netmocks.https().url}/x", context=ssl.create_default_context())


def test_expired(netmocks: Netmocks, tls_ca: Any) -> None:
    server = netmocks.https(certificate=tls_ca.issue("127.0.0.1", expired=True))
    get(f"{server.url}/x", verify=server.client_context())


def test_wrong_host(netmocks: Netmocks, tls_ca: Any) -> None:
    server = netmocks.https(certificate=tls_ca.issue("api.test"))
    get(f"{server.url}/x", verify=server.client_context())


def test_handshake_refused(netmocks: Netmocks) -> None:
    server = netmocks.https()
    server.inject(HandshakeFailure())
    get(f"{server.url}/x", verify=server.client_context())


@pytest.mark.virtual_time
def test_handshake_stalled(netmocks: Netmocks) -> None:
    server = netmocks.https()
    server.inject(HandshakeStall())
    get(f"{server.url}/x", verify=server.client_context(), timeout=SHORT)


def test_plain_to_tls(netmocks: Netmocks) -> None:
    get(f"{netmocks.https().url}/x".replace("https", "http"))


def test_handler(http_server: HttpServer) -> None:
    def broken(request: object) -> Any:
        return {"a": 1}["missing"]

    http_server.when("/x").reply(broken)
    assert get(f"{http_server.url}/x").status_code == 200


def test_nearly_matched(http_server: HttpServer) -> None:
    http_server.when("POST", "/users", json={"name": "Ada"}).reply(201)
    assert (
        httpx.post(f"{http_server.url}/users", json={"name": "ada"}, timeout=LONG, trust_env=False).status_code == 201
    )


def test_no_rules(http_server: HttpServer) -> None:
    assert get(f"{http_server.url}/users").status_code == 200


def test_malformed_json(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text='{"a": 1,}', content_type="application/json")
    get(f"{http_server.url}/x").json()


def test_empty_json(http_server: HttpServer) -> None:
    http_server.when("/x").reply(204)
    get(f"{http_server.url}/x").json()


def test_wrong_json(http_server: HttpServer) -> None:
    http_server.when("/x").reply(json={"user": {"nam": "Ada"}})
    assert get(f"{http_server.url}/x").json()["user"]["name"] == "Ada"


def test_corrupted(http_server: HttpServer) -> None:
    http_server.when("/x").reply(json={"a": [1] * 50}).inject(Garbage(30))
    get(f"{http_server.url}/x").json()


def test_bits_flipped(tcp_server: TcpServer) -> None:
    tcp_server.inject(Corrupt(1.0))
    with socket.create_connection(tcp_server.address, timeout=LONG) as sock:
        sock.sendall(b"hello")
        assert sock.recv(5) == b"hello"


def test_left_open(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="a")
    clients = [httpx.Client(timeout=LONG, trust_env=False) for _ in range(3)]
    for client in clients:
        client.get(f"{http_server.url}/x")
    assert len(http_server.open_connections) == 0


@pytest.mark.virtual_time
def test_pool(http_server: HttpServer) -> None:
    http_server.when("/x").reply(stream=[b"a"] * 10)
    limits, patience = httpx.Limits(max_connections=1), httpx.Timeout(LONG, pool=SHORT)
    with (
        httpx.Client(limits=limits, timeout=patience, trust_env=False) as client,
        client.stream("GET", f"{http_server.url}/x"),
    ):
        client.get(f"{http_server.url}/x")


def test_retries(http_server: HttpServer) -> None:
    http_server.when("/x").reply(503)
    with requests.Session() as session:
        session.trust_env = False
        retry = Retry(total=3, status_forcelist=[503], backoff_factor=0)
        session.mount("http://", HTTPAdapter(max_retries=retry))
        session.get(f"{http_server.url}/x")


def test_no(http_server: HttpServer) -> None:
    http_server.when("/x").reply(500)
    assert get(f"{http_server.url}/x").status_code == 200


def test_name(http_server: HttpServer) -> None:
    get("http://api.nowhere.invalid/x")


def test_never_came(http_server: HttpServer) -> None:
    http_server.when("/x").reply(200)
    assert http_server.requests


def test_upstream_refused(netmocks: Netmocks, closed_port: int) -> None:
    proxy = netmocks.tcp_proxy(("127.0.0.1", closed_port))
    get(proxy.url.replace("tcp://", "http://"))


@pytest.mark.virtual_time
def test_stuck_proxy(netmocks: Netmocks, http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="a")
    proxy = netmocks.tcp_proxy(http_server)
    proxy.inject(Stall(after_bytes=10))
    get(f"{proxy.url}/x", timeout=SHORT)


@pytest.mark.virtual_time
def test_latency(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="a")
    http_server.inject(Latency(3000))
    get(f"{http_server.url}/x", timeout=SHORT)


@pytest.mark.virtual_time
def test_blackhole(http_server: HttpServer) -> None:
    http_server.inject(Blackhole(after_bytes=30))
    get(f"{http_server.url}/x", timeout=SHORT)


@pytest.mark.virtual_time
def test_datagram(udp_server: UdpServer) -> None:
    udp_server.inject(Loss(1.0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(SHORT)
        sock.sendto(b"who?", udp_server.address)
        sock.recv(100)


@pytest.mark.virtual_time
def test_datagram_nearly_matched(udp_server: UdpServer) -> None:
    udp_server.when(b"who are you?").reply(b"me")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(SHORT)
        sock.sendto(b"who are you", udp_server.address)
        sock.recv(100)


def test_message_nearly_matched(ws_server: WsServer) -> None:
    ws_server.when("hello").reply("hi")
    with websockets.sync.client.connect(ws_server.url, proxy=None) as websocket:
        websocket.send("Hello")
        assert websocket.recv() == "hi"


def test_mail(smtp_server: SmtpServer) -> None:
    smtp_server.when("RCPT").reply("450 4.7.1 Greylisted, try again")
    with smtplib.SMTP(*smtp_server.address) as client:
        client.sendmail("a@b.c", ["x@y.z"], "hi")


def test_published(mqtt_server: MqttServer) -> None:
    """Messages that nobody answers come before the one that is struck, and are not taken for it."""
    mqtt_server.when("PUBLISH", topic="b").inject(Reset(after_bytes=2))
    with socket.create_connection(mqtt_server.address, timeout=LONG) as sock:
        sock.sendall(b"\x10\x0d\0\4MQTT\4\2\0\0\0\1c" + b"\x30\4\0\1ax" + b"\x32\6\0\1b\0\7x")
        while sock.recv(100):
            pass


def test_logged(syslog_server: SyslogServer) -> None:
    syslog_server.when("bye").inject(Reset())
    with socket.create_connection(syslog_server.address, timeout=LONG) as sock:
        sock.sendall(b"<14>hello\n<14>bye\n")
        sock.recv(100)


def test_transfer(ftp_server: FtpServer) -> None:
    (ftp_server.root / "big.bin").write_bytes(b"x" * 5000)
    ftp_server.when("RETR", "big.bin").inject(Reset(after_bytes=1000))
    with ftplib.FTP() as client:
        client.connect(*ftp_server.address)
        client.login()
        client.retrbinary("RETR big.bin", lambda data: None)


def test_websocket(ws_server: WsServer) -> None:
    ws_server.when("bye").close(1011, "going away")
    with websockets.sync.client.connect(ws_server.url, proxy=None) as websocket:
        websocket.send("bye")
        websocket.recv()


def test_expected(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="a").expect(2)
    get(f"{http_server.url}/x")


def test_never_struck(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="a").inject(Reset(), nth=3)
    with pytest.raises(httpx.TransportError):
        get(f"{http_server.url}/x")


@pytest.mark.virtual_time
def test_forever(tcp_server: TcpServer) -> None:
    tcp_server.when(b"PING\n").reply(b"PONG\n")
    with socket.create_connection(tcp_server.address) as sock:
        sock.sendall(b"PING")
        sock.recv(5)


@pytest.mark.virtual_time
def test_forever_behind_a_fault(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="a")
    http_server.inject(Stall(after_bytes=0))
    with socket.create_connection(http_server.address) as sock:
        sock.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        sock.recv(5)


@pytest.mark.virtual_time
def test_nobody_was_let_in(tcp_server: TcpServer) -> None:
    tcp_server.inject(Refuse())
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(tcp_server.address, timeout=SHORT)
    raise AssertionError("no answer")


@pytest.mark.virtual_time
def test_cut_echo(tcp_server: TcpServer) -> None:
    tcp_server.inject(Close(after_bytes=1))
    with socket.create_connection(tcp_server.address, timeout=SHORT) as sock:
        sock.sendall(b"hello")
        assert sock.recv(5) == b"hello"


@pytest.mark.virtual_time
def test_waits_for_more(tcp_server: TcpServer) -> None:
    tcp_server.when(b"PING\n").reply(b"PONG\n")
    with socket.create_connection(tcp_server.address, timeout=SHORT) as sock:
        sock.sendall(b"PING")
        sock.recv(5)


@pytest.mark.virtual_time
def test_said_nothing(smtp_server: SmtpServer, tcp_server: TcpServer) -> None:
    with socket.create_connection(tcp_server.address, timeout=SHORT) as sock:
        sock.recv(5)


def test_hostile(smtp_server: SmtpServer) -> None:
    with socket.create_connection(smtp_server.address, timeout=LONG) as sock, sock.makefile("rb") as lines:
        assert lines.readline().startswith(b"220")
        sock.sendall("RCPT TO:<\x1b[2J\x1b]0;owned\x07\u202e\x9b31m@b.c>\r\n".encode())
        assert lines.readline().startswith(b"250")

"""A server that is reset is as at the start."""

from __future__ import annotations

import ftplib
import smtplib
import urllib.request
from typing import Any

import pytest
from helpers import connect, echo, needed, udp_client
from websockets.sync.client import connect as websocket

from pytest_netmocks.faults import Latency, Refuse
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.known import TABLE
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.protocols.udp.server import UdpServer
from pytest_netmocks.protocols.ws.server import WsServer
from pytest_netmocks.servers.server import Server


@pytest.mark.parametrize("name", TABLE)
def test_every_server_forgets_its_faults_and_records_and_goes_on(name: str, netmocks: Netmocks) -> None:
    server: Server = getattr(netmocks, name)(*needed(name))
    fault = server.inject(Latency(5.0))
    server.stop()
    port = server.port
    server.reset()
    assert (fault.lifted, server.port, server.connections, server.requests) == (True, port, [], [])
    assert str(server.timeline).endswith("nothing happened")


def test_rules_connections_and_scripts_go_and_ids_go_on(tcp_server: TcpServer) -> None:
    tcp_server.when(b"x").reply(b"y")
    tcp_server.when_connected().reply(b"hello")
    tcp_server.script([Latency(5.0)])
    with connect(tcp_server) as sock:
        tcp_server.reset()
        assert sock.recv(10) == b"hello"
        assert sock.recv(10) == b""
    assert str(tcp_server.timeline).endswith("nothing happened")
    assert echo(tcp_server, b"x") == b"x"
    assert [connection.id for connection in tcp_server.connections] == [2]
    assert tcp_server.peak_connections == 1


def test_a_server_that_refused_is_there_again(tcp_server: TcpServer) -> None:
    tcp_server.inject(Refuse())
    tcp_server.reset()
    assert echo(tcp_server) == b"hello"


def test_a_handler_goes(tcp_server: TcpServer, ws_server: WsServer, udp_server: UdpServer) -> None:
    async def silent(*_: object) -> None:
        pass

    for server in (tcp_server, ws_server, udp_server):
        server.handle(silent)
        server.reset()
    assert echo(tcp_server) == b"hello"
    with websocket(ws_server.url) as client:
        client.send("hello")
        assert client.recv(5) == "hello"
    with udp_client(udp_server) as sock:
        sock.send(b"hello")
        assert sock.recv(10) == b"hello"


def test_what_the_constructor_was_given_stays_and_what_was_set_since_goes(netmocks: Netmocks) -> None:
    server = netmocks.smtp(users={"u": "p"}, max_size=1000)
    server.users["other"] = "secret"
    server.max_size = 5
    server.reset()
    assert (server.users, server.max_size) == ({"u": "p"}, 1000)


def test_rate_limits_go(http_server: HttpServer, smtp_server: SmtpServer) -> None:
    http_server.limit(1, per=60)
    smtp_server.limit(1, per=60)
    for server in (http_server, smtp_server):
        server.reset()
    assert (http_server.limits, smtp_server.limits.limits) == ([], [])


def test_mail_goes(smtp_server: SmtpServer) -> None:
    with smtplib.SMTP(*smtp_server.address) as client:
        client.sendmail("a@b", "c@d", "hello")
    smtp_server.reset()
    assert smtp_server.messages == []


def test_files_of_an_own_directory_go_and_those_of_a_given_one_stay(netmocks: Netmocks, tmp_path: object) -> None:
    own, given = netmocks.ftp(), netmocks.ftp(root=str(tmp_path))
    for server in (own, given):
        (server.root / "x").write_text("x")
        server.reset()
    assert ([*own.root.iterdir()], [path.name for path in given.root.iterdir()]) == ([], ["x"])
    with ftplib.FTP() as client:
        client.connect(*own.address)
        client.login()
        assert client.nlst() == []


def test_mounts_go_and_rules_that_were_there_before_the_start_stay(tmp_path: object) -> None:
    server = HttpServer()
    kept = server.when("/kept").reply(200, times=1)
    with server:
        server.serve_files(str(tmp_path))
        with urllib.request.urlopen(server.url_for("/kept"), timeout=30) as response:
            assert response.status == 200
        server.reset()
        assert (server.mounts, server.rules, kept.hits, kept.answers) == ([], [kept], 0, True)


def test_a_closed_server_cannot_be_reset(netmocks: Netmocks) -> None:
    server = netmocks.tcp()
    server.close()
    with pytest.raises(RuntimeError, match="was closed"):
        server.reset()


def test_servers_of_one_class_may_have_different_options() -> None:
    class Wordy(TcpServer):
        def __init__(self, words: dict[str, str], **options: Any) -> None:
            super().__init__(**options)
            for name, word in words.items():
                setattr(self, name, word)

    for words in ({"greeting": "hello"}, {"farewell": "bye"}, {"greeting": "hi", "farewell": "so long"}):
        with Wordy(words) as server:
            for name in words:
                setattr(server, name, "another")
            server.reset()
            assert {name: getattr(server, name) for name in words} == words

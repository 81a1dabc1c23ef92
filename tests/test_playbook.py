"""The playbook itself: what a server in memory and its client do is what TCP does, in a time that costs nothing."""

from __future__ import annotations

import asyncio
import re
import socket
import time

import pytest
from helpers import abort, connect, read_exactly, read_to_end
from playbook import FIN, RST, Client, Stage, play

from pytest_netmocks import clock
from pytest_netmocks.faults import Blackhole, Close, HandshakeFailure, Latency, Refuse, Reset, Slice, Stall
from pytest_netmocks.link.memory import pair
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.ftp.server import FtpServer
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.protocols.tcp.server import TcpServer, TlsServer
from pytest_netmocks.protocols.ws.server import WsServer

pytestmark = pytest.mark.in_memory


@pytest.fixture
def client(tcp_server: TcpServer, stage: Stage) -> Client:
    return stage.connect(tcp_server)


def end_of(client: Client) -> tuple[bytes, str]:
    """What a client gets, and how it ends."""
    try:
        return read_to_end(client), "FIN"  # type: ignore[arg-type]  # a client has a socket's words
    except ConnectionResetError:
        return b"", "RST"


def test_what_is_said_is_answered_and_both_ends_are_seen(tcp_server: TcpServer, client: Client) -> None:
    client >> b"hello" << b"hello" >> FIN << FIN
    assert tcp_server.connections[0].closed_by == "client"


def test_what_is_not_expected_fails(client: Client) -> None:
    with pytest.raises(AssertionError):
        client >> b"hello" << b"help"
    client << b"hello"
    with pytest.raises(AssertionError, match="FIN expected"):
        client >> b"more" << FIN
    with pytest.raises(AssertionError):
        client >> FIN << RST


def test_a_pattern_takes_what_it_matches(client: Client) -> None:
    client >> b"220 a b\r\nrest" << re.compile(rb"220 (.*)\r\n") << b"rest"
    assert client.silent


def test_every_protocol_over_tcp_can_be_played() -> None:
    with play(SmtpServer()) as client:
        client << re.compile(rb"220 .*\r\n") >> b"NOOP\r\n" << b"250 OK\r\n" >> b"QUIT\r\n" << b"221 Bye\r\n" << FIN
    with play(HttpServer()) as client:
        client >> b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" << re.compile(rb"HTTP/1.1 404 Not Found\r\n")
    with play(FtpServer()) as client:
        client << re.compile(rb"220 .*\r\n") >> b"USER anonymous\r\n" << re.compile(rb"331 .*\r\n")
    with play(WsServer()) as client:
        client >> b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" << re.compile(rb"HTTP/1.1 4\d\d ")
    with play(TlsServer()) as client:
        client >> b"secret" << b"secret"


def test_an_hour_costs_nothing_and_is_on_record(tcp_server: TcpServer, stage: Stage) -> None:
    tcp_server.when(b"a").reply(b"b", delay=3600)
    begin, virtual = clock.now(), stage.loop.time()
    with stage.connect(tcp_server, timeout=None) as client:
        client >> b"a" << b"b"
        assert stage.loop.time() - virtual == pytest.approx(3600)
    assert clock.now() - begin < 60
    assert tcp_server.connections[0].closed_at == pytest.approx(3600, abs=1)


def test_faults_take_the_time_that_they_say(tcp_server: TcpServer, stage: Stage) -> None:
    for fault in (Latency(300), Slice(2, delay=60), Reset(after_bytes=4)):
        tcp_server.inject(fault)
    with stage.connect(tcp_server, timeout=None) as client:
        client >> b"hello"
        begin = stage.loop.time()
        times = []
        for piece in (b"he", b"ll"):
            client << piece
            times.append(stage.loop.time() - begin)
        client << RST
    assert times == pytest.approx([300, 360])


def test_a_client_that_expects_in_vain_waits_for_its_time_only(tcp_server: TcpServer, stage: Stage) -> None:
    tcp_server.inject(Blackhole())
    client = stage.connect(tcp_server, timeout=7)
    begin = stage.loop.time()
    with pytest.raises(TimeoutError):
        client.recv(1)
    assert stage.loop.time() - begin == pytest.approx(7)


def test_a_server_that_does_not_read_makes_its_client_wait(tcp_server: TcpServer, stage: Stage) -> None:
    stall = tcp_server.inject(Stall(direction="upstream"))
    client = stage.connect(tcp_server, room=1000)
    client.settimeout(1)
    with pytest.raises(TimeoutError):
        client.sendall(b"x" * 1_000_000)
    stall.lift()
    client << b"x" * 1000


def test_a_client_that_does_not_read_makes_the_server_wait(tcp_server: TcpServer, stage: Stage) -> None:
    written = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(100):
            writer.write(b"x" * 10_000)
            await writer.drain()
            written.append(number)

    tcp_server.handle(handler)
    client = stage.connect(tcp_server, room=20_000)
    stage.pass_time(60)
    assert 2 <= len(written) < 20
    assert len(read_to_end(client)) == 1_000_000  # type: ignore[arg-type]  # as above


def test_a_half_closed_client_still_gets_its_answer(tcp_server: TcpServer, client: Client) -> None:
    tcp_server.when(b"slow").reply(b"late", delay=5)
    client >> b"slow" >> FIN << b"late" << FIN


def test_a_clients_rst_is_the_end(tcp_server: TcpServer, client: Client) -> None:
    client >> b"x" >> RST
    (connection,) = tcp_server.connections
    assert (connection.is_open, connection.closed_by) == (False, "client")
    assert "Connection reset by peer" in str(tcp_server.timeline)


def test_a_close_with_unread_bytes_is_an_rst(tcp_server: TcpServer, client: Client) -> None:
    client >> b"echo"
    client.close()
    tcp_server.wait_for(lambda server: not server.open_connections)
    assert "Connection reset by peer" in str(tcp_server.timeline)


def test_a_client_that_has_gone_is_noticed_by_a_server_that_does_not_read(tcp_server: TcpServer, stage: Stage) -> None:
    tcp_server.inject(Stall(direction="upstream"))
    client = stage.connect(tcp_server)
    client >> b"x"
    client.close()
    tcp_server.wait_for(lambda server: "the client has finished" in str(server.timeline))


@pytest.mark.parametrize(("fault", "end"), [(Close(after_bytes=3), FIN), (Reset(after_bytes=3), RST)])
def test_ends_of_faults_are_told_apart(tcp_server: TcpServer, fault: Close | Reset, end: object, stage: Stage) -> None:
    tcp_server.inject(fault)
    client = stage.connect(tcp_server) >> b"hello" << b"hel"
    assert client._end() is end


def test_a_handshake_that_is_refused_is_an_alert(tls_server: TlsServer, stage: Stage) -> None:
    tls_server.inject(HandshakeFailure("unrecognized_name"))
    with pytest.raises(OSError, match="UNRECOGNIZED_NAME"):
        stage.connect(tls_server).secured(tls_server.client_context())


def test_nobody_listens_where_a_fault_refuses(tcp_server: TcpServer, stage: Stage) -> None:
    refuse = tcp_server.inject(Refuse())
    with pytest.raises(ConnectionRefusedError):
        stage.connect(tcp_server)
    refuse.lift()
    with stage.connect(tcp_server) as client:
        client >> b"x" << b"x"


def test_helpers_for_sockets_work_on_it_as_they_are(netmocks: Netmocks) -> None:
    server = netmocks.tcp()
    with connect(server) as sock, sock.makefile("rb") as lines:
        sock.sendall(b"one\ntwo\n")
        assert lines.readline() == b"one\n"
        assert lines.read(4) == b"two\n"
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    gone = connect(server)
    gone.sendall(b"x")
    assert read_exactly(gone, 1) == b"x"
    abort(gone)
    server.wait_for(lambda s: not s.open_connections)
    assert [connection.closed_by for connection in server.connections] == ["client", "client"]


def test_users_functions_in_threads_have_the_time_that_they_need(tcp_server: TcpServer, client: Client) -> None:
    def reply(request: object) -> bytes:
        time.sleep(0.05)
        return b"done"

    tcp_server.when(b"x").reply(reply)
    client >> b"x" << b"done"


def test_what_blows_up_in_the_loop_is_told() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup), play(TcpServer()) as client:
        client.stage.loop.call_soon(fail)
        client.stage.settle()


# The two ends


def test_an_end_takes_what_there_is_room_for() -> None:
    ours, theirs = pair(("s", 1), ("c", 2), room=3)
    assert ours.send(b"hello") == 3
    with pytest.raises(BlockingIOError):
        ours.send(b"lo")
    assert theirs.recv(2) == b"he"
    assert ours.sendmsg([b"l", b"o"]) == 2
    assert theirs.recv(9) == b"llo"
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


def test_an_end_of_each_side_is_one_by_itself() -> None:
    ours, theirs = pair(("s", 1), ("c", 2))
    ours.send(b"last")
    ours.shutdown(socket.SHUT_WR)
    assert (theirs.recv(9), theirs.recv(9)) == (b"last", b"")
    theirs.send(b"still")
    assert ours.recv(9) == b"still"
    with pytest.raises(BrokenPipeError):
        ours.send(b"more")


def test_an_rst_comes_behind_the_bytes_before_it_and_once() -> None:
    ours, theirs = pair(("s", 1), ("c", 2))
    ours.send(b"x")
    theirs.send(b"unread")
    ours.close()
    assert theirs.recv(9) == b"x"
    with pytest.raises(ConnectionResetError):
        theirs.recv(9)
    assert theirs.recv(9) == b""
    with pytest.raises(BrokenPipeError):
        theirs.send(b"y")


def test_who_sends_to_a_closed_end_gets_an_rst() -> None:
    ours, theirs = pair(("s", 1), ("c", 2))
    theirs.close()
    assert ours.recv(1) == b""
    assert ours.send(b"x") == 1
    with pytest.raises(ConnectionResetError):
        ours.recv(1)

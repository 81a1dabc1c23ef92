"""What a server sends unasked: `connection.send`."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from helpers import connect, masked, needed, read_exactly, read_to_end, shake, speak, udp_client

from pytest_netmocks import Response, ws_frame
from pytest_netmocks.faults import Close, Corrupt, HandshakeFailure, HandshakeStall, Latency, Reset, Stall
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.ftp.server import FtpServer
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.known import TABLE
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.protocols.tcp.server import TcpServer, TlsServer
from pytest_netmocks.protocols.udp.server import UdpServer
from pytest_netmocks.protocols.ws.records import WsConnection
from pytest_netmocks.protocols.ws.server import WsServer
from pytest_netmocks.servers.stream import StreamServer

STREAMS = [name for name, entry in TABLE.items() if entry.stream]
SECURE = [name for name in STREAMS if TABLE[name].load().always_secure]  # type: ignore[attr-defined]

UNASKED = b"* nobody asked for this\r\n"


def made(netmocks: Netmocks, name: str, **options: Any) -> StreamServer:
    arguments = {"tcp_proxy": (netmocks.tcp(),), "badssl": ("sha256",)}.get(name, needed(name))
    server: StreamServer = getattr(netmocks, name)(*arguments, **options)
    return server


def first(server: StreamServer) -> Any:
    """Its first connection, as bytes are sent on it."""
    server.wait_for(lambda _: server.connections)
    return server.connections[0]


def say(connection: Any, data: bytes) -> None:
    if isinstance(connection, WsConnection):
        connection.send(raw=data)
    else:
        connection.send(data)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("name", STREAMS)
def test_every_server_over_a_stream_can_send_bytes_unasked(netmocks: Netmocks, name: str, secure: bool) -> None:
    if not secure and name in SECURE:
        secure = True
    server = made(netmocks, name, **({"tls": True} if secure and name not in SECURE else {}))
    with shake(server) if secure else connect(server) as sock:
        connection = first(server)
        say(connection, UNASKED)
        got = b""
        while not got.endswith(UNASKED):
            got += read_exactly(sock, 1)
        assert UNASKED in connection.sent
        assert connection.bytes_sent == len(connection.sent) >= len(UNASKED)
        connection.close()
        with pytest.raises(ValueError, match="send: connection 1 has ended, closed by the server"):
            say(connection, UNASKED)


@pytest.mark.parametrize("name", STREAMS)
def test_what_is_no_bytes_is_refused(netmocks: Netmocks, name: str) -> None:
    server = made(netmocks, name)
    with connect(server), pytest.raises(TypeError, match=r"(data|raw) must be bytes, not 'text'"):
        say(first(server), "text")  # type: ignore[arg-type]


def test_a_handler_and_an_async_test_can_send_too(tcp_server: TcpServer) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"a")
        writer.get_extra_info("connection").send(b"b")
        writer.write(b"c")
        await reader.read()

    async def client() -> bytes:
        reader, writer = await asyncio.open_connection(*tcp_server.address)
        assert await reader.readexactly(3) == b"abc"
        tcp_server.connections[0].send(b"d")
        data = await reader.readexactly(1)
        writer.close()
        return data

    tcp_server.handle(handler)
    assert asyncio.run(client()) == b"d"
    assert tcp_server.connections[0].sent == b"abcd"


def test_they_stand_behind_an_answer_that_is_whole(http_server: HttpServer) -> None:
    http_server.when("/").reply(body=b"x" * 5_000_000)
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        http_server.wait_for(lambda s: s.connections and s.connections[0].bytes_sent > 5_000_000)
        http_server.connections[0].send(UNASKED)
        got = read_exactly(sock, http_server.connections[0].bytes_sent)
    assert got.endswith(b"x" * 5_000_000 + UNASKED)


def test_they_may_stand_between_the_pieces_of_an_answer(http_server: HttpServer) -> None:
    gate = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"1"
        gate.wait(10)
        yield b"2"

    http_server.when("/").reply(lambda request: Response(stream=pieces()))
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        got = b""
        while not got.endswith(b"\r\n1\r\n1\r\n"):
            got += read_exactly(sock, 1)
        http_server.connections[0].send(b"1\r\n!\r\n")
        gate.set()
        assert read_exactly(sock, 17) == b"1\r\n!\r\n" + b"1\r\n2\r\n" + b"0\r\n\r\n"


def test_a_client_of_http_gets_an_answer_that_it_did_not_ask_for(http_server: HttpServer) -> None:
    """What a pool with an idle connection has to notice."""
    http_server.when("/").reply(text="asked")
    with requests.Session() as session:
        assert session.get(http_server.url, timeout=30).text == "asked"
        http_server.connections[0].send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        assert session.get(http_server.url, timeout=30).text == "asked"
    assert len(http_server.connections) == 2
    assert "51 B are sent unasked: b'HTTP/1.1 408 Request Time" in str(http_server.timeline)


# Faults


def test_faults_strike_them_as_they_strike_answers(tcp_server: TcpServer) -> None:
    tcp_server.inject(Close(after_bytes=5))
    with connect(tcp_server) as sock:
        connection = first(tcp_server)
        connection.send(b"abc")
        connection.send(b"defg")
        assert read_to_end(sock) == b"abcde"
    assert (connection.sent, connection.delivered, connection.faults) == (b"abcdefg", b"abcde", ["Close"])


@pytest.mark.in_memory
def test_they_keep_their_place_behind_what_a_fault_holds(tcp_server: TcpServer) -> None:
    tcp_server.inject(Latency(1.0))
    with connect(tcp_server) as sock:
        sock.sendall(b"echo ")
        tcp_server.wait_for(lambda s: s.connections and s.connections[0].sent)
        tcp_server.connections[0].send(b"unasked")
        assert read_exactly(sock, 12) == b"echo unasked"


def test_a_stall_holds_them_until_it_is_lifted(tcp_server: TcpServer) -> None:
    stall = tcp_server.inject(Stall(after_bytes=0))
    with connect(tcp_server) as sock:
        first(tcp_server).send(UNASKED)
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(10)
        stall.lift()
        assert read_exactly(sock, len(UNASKED)) == UNASKED


# Ends


@pytest.mark.parametrize(
    ("end", "by"),
    [
        (lambda server, sock: sock.close(), "client"),
        (lambda server, sock: server.inject(Reset()), "fault"),
        (lambda server, sock: server.stop(), "server"),
    ],
)
def test_a_connection_that_has_ended_says_by_whom(
    tcp_server: TcpServer, end: Callable[[Any, Any], object], by: str
) -> None:
    with connect(tcp_server) as sock:
        connection = first(tcp_server)
        end(tcp_server, sock)
        tcp_server.wait_for(lambda s: not s.open_connections)
        with pytest.raises(ValueError, match=f"send: connection 1 has ended, closed by the {by}"):
            connection.send(b"x")


def test_a_server_that_has_finished_says_so_while_the_client_goes_on(tcp_server: TcpServer) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        await reader.read()

    tcp_server.handle(handler)
    with connect(tcp_server) as sock:
        assert read_to_end(sock) == b""
        with pytest.raises(ValueError, match="send: nothing can be sent on connection 1: the server has finished"):
            tcp_server.connections[0].send(b"x")


def test_a_client_that_has_finished_still_gets_them(tcp_server: TcpServer) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.get_extra_info("connection").send(b"goodbye")

    tcp_server.handle(handler)
    with connect(tcp_server) as sock:
        sock.shutdown(1)
        assert read_to_end(sock) == b"goodbye"


# TLS


@pytest.mark.parametrize("name", SECURE)
def test_before_the_handshake_s_end_they_wait_and_are_encrypted(netmocks: Netmocks, name: str) -> None:
    server = made(netmocks, name)
    with connect(server) as raw:
        connection = first(server)
        say(connection, b"one ")
        say(connection, b"two")
        assert connection.sent == b""
        with server.client_context().wrap_socket(raw, server_hostname="localhost") as sock:
            got = b""
            while b"one two" not in got:
                got += read_exactly(sock, 1)
    assert b"one two" in connection.sent


def test_of_a_handshake_that_fails_nothing_is_sent(tls_server: TlsServer) -> None:
    tls_server.inject(HandshakeFailure(), first=1)
    with connect(tls_server) as raw:
        connection = first(tls_server)
        connection.send(UNASKED)
        with pytest.raises(ssl.SSLError):
            tls_server.client_context().wrap_socket(raw, server_hostname="localhost")
    assert connection.sent == b""
    shake(tls_server).close()


def test_they_wait_for_a_handshake_that_is_stalled(tls_server: TlsServer) -> None:
    stall = tls_server.inject(HandshakeStall())
    with connect(tls_server) as raw:
        first(tls_server).send(UNASKED)
        context = tls_server.client_context()
        sock = context.wrap_socket(raw, server_hostname="localhost", do_handshake_on_connect=False)
        with sock:
            sock.settimeout(0.05)
            with pytest.raises(TimeoutError):
                sock.do_handshake()
            sock.settimeout(10)
            stall.lift()
            sock.do_handshake()
            assert read_exactly(sock, len(UNASKED)) == UNASKED


def test_faults_on_cipher_text_strike_them(tls_server: TlsServer) -> None:
    with shake(tls_server) as sock:
        tls_server.inject(Corrupt(1.0, layer="tls"))
        first(tls_server).send(UNASKED)
        with pytest.raises(ssl.SSLError):
            sock.recv(1)


# Protocols


def test_a_websocket_has_messages_and_raw_bytes(ws_server: WsServer) -> None:
    with connect(ws_server) as sock:
        connection = first(ws_server)
        with pytest.raises(ValueError, match="send: connection 1 speaks no WebSocket yet"):
            connection.send(b"a message")
        connection.send(raw=b"no HTTP")
        assert read_exactly(sock, 7) == b"no HTTP"
    with speak(ws_server) as sock:
        connection = ws_server.connections[1]
        connection.send(b"a message")
        connection.send(raw=b"\x83\x00")
        sock.sendall(masked("x"))
        assert read_exactly(sock, 16) == ws_frame(b"a message", "binary") + b"\x83\x00" + ws_frame("x")
        assert [message.data for message in connection.messages] == [b"a message", "x", "x"]
        with pytest.raises(TypeError, match="a message or raw=, not both"):
            connection.send("a", raw=b"b")
        with pytest.raises(TypeError, match="message must be text or bytes"):
            connection.send()


def test_on_udp_the_server_sends(udp_server: UdpServer) -> None:
    with udp_client(udp_server) as sock:
        sock.send(b"x")
        sock.recv(1)
        with pytest.raises(ValueError, match=r"connection 1 is no stream: a server over UDP sends with send\(data, ad"):
            udp_server.connections[0].send(b"y")


def test_smtp_takes_its_leave_unasked(smtp_server: SmtpServer) -> None:
    with connect(smtp_server) as sock:
        assert sock.recv(100).startswith(b"220 ")
        smtp_server.connections[0].send(b"421 4.3.2 going down\r\n")
        smtp_server.connections[0].close()
        assert read_to_end(sock) == b"421 4.3.2 going down\r\n"


def test_ftp_says_it_on_the_connection_that_is_meant(ftp_server: FtpServer) -> None:
    with connect(ftp_server) as control:
        assert control.recv(100).startswith(b"220 ")
        control.sendall(b"USER anonymous\r\nPASS x\r\nEPSV\r\n")
        got = b""
        while (port := re.search(rb"\|\|\|(\d+)\|\)\.?\r\n", got)) is None:
            got += control.recv(1000)
        with socket.create_connection((ftp_server.host, int(port.group(1))), timeout=10) as data:
            ftp_server.wait_for(lambda s: len(s.connections) == 2)
            ftp_server.connections[1].send(b"on data")
            ftp_server.connections[0].send(b"on control")
            assert read_exactly(data, 7) == b"on data"
            assert read_exactly(control, 10) == b"on control"

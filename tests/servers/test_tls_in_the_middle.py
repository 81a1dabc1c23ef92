"""TLS that begins in the middle of a conversation over TCP."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from typing import Any

import pytest
from helpers import connect, read_exactly, read_to_end

from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.faults import Close, HandshakeFailure, HandshakeStall, Latency, Reset, Slice
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.records import TcpRequest
from pytest_netmocks.protocols.tcp.server import TcpServer, TlsServer
from pytest_netmocks.protocols.udp.server import UdpServer
from pytest_netmocks.servers.stream import StreamServer

ASK = b"\0\0\0\x08\x04\xd2\x16\x2f"
"""Postgres' SSLRequest."""


def word_of(request: TcpRequest) -> bytes:
    assert request.match is not None
    return request.match.group(1)


def by_rule(server: TcpServer) -> None:
    server.when(ASK).reply(b"S").start_tls()
    server.when(re.compile(rb"say (\w+)\n")).reply(word_of)


def by_handler(server: TcpServer) -> None:
    context = server.context

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == ASK
        writer.write(b"S")
        await writer.start_tls(context)
        while line := await reader.readline():
            writer.write(line[4:-1])
            await writer.drain()

    server.handle(handler)


WAYS = {"rule": by_rule, "handler": by_handler}


@pytest.fixture(params=WAYS)
def server(request: Any, tcp_server: TcpServer) -> TcpServer:
    """A server that speaks TLS to who asks for it, by a rule and by a handler."""
    WAYS[request.param](tcp_server)
    return tcp_server


def shake(server: StreamServer, sock: socket.socket, name: str = "localhost") -> ssl.SSLSocket:
    return server.client_context().wrap_socket(sock, server_hostname=name, suppress_ragged_eofs=False)


def asked(sock: socket.socket) -> socket.socket:
    sock.sendall(ASK)
    assert read_exactly(sock, 1) == b"S"
    return sock


def said(sock: socket.socket, word: bytes = b"hello") -> bytes:
    sock.sendall(b"say " + word + b"\n")
    return read_exactly(sock, len(word))


def test_a_client_asks_in_plain_text_and_goes_on_with_tls(server: TcpServer) -> None:
    with connect(server) as raw, shake(server, asked(raw)) as sock:
        assert said(sock) == b"hello"
        (connection,) = server.connections
        assert (connection.received, connection.sent) == (ASK + b"say hello\n", b"Shello")
        assert connection.tls is not None
        assert (connection.tls.version, connection.tls.sni) == ("TLSv1.3", "localhost")
    assert "the handshake is complete" in str(server.timeline)
    assert server.scheme == "tcp"
    server.wait_for(lambda s: not s.open_connections)
    assert server.connections[0].closed_by == "client"


def test_one_that_does_not_ask_is_not_asked_to(tcp_server: TcpServer) -> None:
    by_rule(tcp_server)
    with connect(tcp_server) as sock:
        assert said(sock) == b"hello"
    assert tcp_server.connections[0].tls is None


def test_it_is_refused_and_then_granted(tcp_server: TcpServer) -> None:
    tcp_server.when(ASK).reply(b"N", times=2).reply(b"S").start_tls()
    with connect(tcp_server) as raw:
        for _ in range(2):
            raw.sendall(ASK)
            assert read_exactly(raw, 1) == b"N"
        shake(tcp_server, asked(raw)).close()


def test_an_answer_that_takes_its_time_is_the_last_in_plain_text_too(tcp_server: TcpServer) -> None:
    async def late(request: object) -> bytes:
        await asyncio.sleep(0)
        return b"S"

    tcp_server.when(ASK).reply(late).start_tls()
    tcp_server.when(b"?").reply(b"!", delay=0.01)
    with connect(tcp_server) as raw, shake(tcp_server, asked(raw)) as sock:
        sock.sendall(b"??")
        assert read_exactly(sock, 2) == b"!!"


@pytest.mark.parametrize("handled", [False, True])
def test_a_greeting_begins_it_too(tcp_server: TcpServer, handled: bool) -> None:
    tcp_server.when_connected().reply(b"S").start_tls()
    tcp_server.when(b"x").reply(b"y")

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(1) == b"x"
        writer.write(b"y")

    if handled:
        tcp_server.handle(handler)
    with connect(tcp_server) as raw:
        assert read_exactly(raw, 1) == b"S"
        with shake(tcp_server, raw) as sock:
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"y"


def test_a_handler_may_begin_with_a_context_of_its_own(tcp_server: TcpServer, tls_ca: Authority) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = tls_ca.issue("own.test")
    context.load_cert_chain(own.cert_file, own.key_file)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(context)
        writer.write(writer.get_extra_info("ssl_object").version().encode())

    tcp_server.handle(handler)
    with connect(tcp_server) as raw, shake(tcp_server, raw, "own.test") as sock:
        assert read_exactly(sock, 7) == b"TLSv1.3"
        assert sock.getpeercert(binary_form=True) == own.der
        assert context.sslobject_class is ssl.SSLObject


def test_the_context_of_a_server_is_its_own(netmocks: Netmocks) -> None:
    one, two = netmocks.tcp(), netmocks.tcp()
    one.context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert one.context is one.context
    assert one.context is not two.context
    assert two.context.maximum_version != ssl.TLSVersion.TLSv1_2
    for server, version in ((one, b"TLSv1.2"), (two, b"TLSv1.3")):
        by_handler(server)
        with connect(server) as raw, shake(server, asked(raw)) as sock:
            assert sock.version() == version.decode()
            said(sock)


def test_the_certificate_can_be_another_later(server: TcpServer, tls_ca: Authority) -> None:
    if server._handler is None:
        server.certificate = new = tls_ca.issue("localhost")
        with connect(server) as raw, shake(server, asked(raw)) as sock:
            assert sock.getpeercert(binary_form=True) == new.der
    before = server.context
    server.certificate = tls_ca.issue("localhost")
    assert server.context is not before


def test_names_that_lead_there_are_good_for_its_certificate(netmocks: Netmocks, tcp_server: TcpServer) -> None:
    with netmocks.names({"db.internal:5432": tcp_server}):
        by_rule(tcp_server)
        with socket.create_connection(("db.internal", 5432), timeout=10) as raw:
            shake(tcp_server, asked(raw), "db.internal").close()


# Clients that do not shake hands


def test_plain_text_behind_the_request_is_neither_executed_nor_taken_for_what_came_by_tls(server: TcpServer) -> None:
    """CVE-2011-0411, and Postgres' CVE-2021-23214."""
    with connect(server) as raw:
        raw.sendall(ASK + b"say injected\n")
        assert read_exactly(raw, 1) == b"S"
        with pytest.raises(ssl.SSLError), shake(server, raw) as sock:
            sock.recv(1)
    server.wait_for(lambda s: not s.open_connections)
    (connection,) = server.connections
    assert (connection.received, connection.sent, connection.closed_by) == (ASK, b"S", "server")
    assert "the handshake failed" in str(server.timeline)


def test_nor_is_what_a_fault_holds_back_until_then(server: TcpServer) -> None:
    server.inject(Slice(8, delay=0.2, direction="upstream"), first=1)
    with connect(server) as raw:
        raw.sendall(ASK + b"say injected\n")
        assert read_exactly(raw, 1) == b"S"
        with pytest.raises((ssl.SSLError, ConnectionError)), shake(server, raw) as sock:
            said(sock)
    server.wait_for(lambda s: not s.open_connections)
    assert b"injected" not in server.connections[0].received
    assert b"injected" not in server.connections[0].sent


def test_a_client_that_does_not_wait_for_the_answer_may_begin(server: TcpServer) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = server.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    with connect(server) as raw:
        raw.sendall(ASK + outgoing.read())
        assert read_exactly(raw, 1) == b"S"
        while session.version() is None:
            incoming.write(raw.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                session.do_handshake()
        session.write(b"say early\n")
        raw.sendall(outgoing.read())
        got = b""
        while len(got) < 5:
            with contextlib.suppress(ssl.SSLWantReadError):
                got += session.read(5 - len(got))
                continue
            incoming.write(raw.recv(65536))
        assert got == b"early"
    assert server.connections[0].received == ASK + b"say early\n"


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 100, b"\x80\x2e\x01"]
)
def test_garbage_instead_of_a_client_hello_ends_it(server: TcpServer, data: bytes) -> None:
    with connect(server) as raw:
        asked(raw).sendall(data + b"\0" * 100)
        with contextlib.suppress(ConnectionResetError):
            read_to_end(raw)
    server.wait_for(lambda s: not s.open_connections)
    assert server.connections[0].closed_by == "server"
    with connect(server) as raw, shake(server, asked(raw)) as sock:
        assert said(sock) == b"hello"


@pytest.mark.parametrize("how", ["close", "finish", "at once", "reset"])
def test_a_client_that_leaves_instead_ends_it(server: TcpServer, how: str) -> None:
    with connect(server) as raw:
        if how == "at once":
            raw.sendall(ASK)
            raw.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                assert read_to_end(raw) in (b"S", b"")
        else:
            asked(raw)
        if how == "finish":
            raw.shutdown(socket.SHUT_WR)
            assert read_to_end(raw) == b""
        if how == "reset":
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.wait_for(lambda s: s.connections and not s.open_connections)
    assert server.connections[0].closed_by == "client"
    assert server.connections[0].tls is None


def test_a_handler_hears_of_it(tcp_server: TcpServer) -> None:
    heard: list[str] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await writer.start_tls(tcp_server.context)
        except ConnectionAbortedError as error:
            heard.append(str(error))
            raise

    tcp_server.handle(handler)
    with connect(tcp_server) as raw:
        raw.sendall(b"this is no ClientHello at all")
        with contextlib.suppress(ConnectionResetError):
            read_to_end(raw)
    with connect(tcp_server) as raw:
        raw.shutdown(socket.SHUT_WR)
        read_to_end(raw)
    tcp_server.wait_for(lambda s: len(heard) == 2)
    assert re.match(r"start_tls: there was no handshake on connection 1: .*(WRONG_VERSION|HTTP|record)", heard[0], re.I)
    assert heard[1] == "start_tls: there was no handshake on connection 2: closed by the client"


def test_a_handshake_may_take_only_so_long(tcp_server: TcpServer) -> None:
    heard: list[str] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await writer.start_tls(tcp_server.context, ssl_handshake_timeout=0.05)
        except ConnectionAbortedError as error:
            heard.append(str(error))

    tcp_server.handle(handler)
    with connect(tcp_server) as raw:
        assert read_to_end(raw) == b""
    tcp_server.wait_for(lambda s: heard)
    assert heard == ["start_tls: the handshake on connection 1 takes longer than 0.05 seconds"]
    assert tcp_server.connections[0].closed_by == "server"


# Faults


def test_faults_of_the_handshake_strike_it(server: TcpServer) -> None:
    failure = server.inject(HandshakeFailure(alert="internal_error"), first=1)
    with connect(server) as raw, pytest.raises(ssl.SSLError, match=r"(?i)internal.error"):
        shake(server, asked(raw))
    assert failure.hits == 1
    (connection,) = server.connections
    assert (connection.closed_by, connection.faults, connection.sent) == ("fault", ["HandshakeFailure"], b"S")
    stall = server.inject(HandshakeStall())
    with connect(server) as raw:
        context = server.client_context()
        sock = context.wrap_socket(asked(raw), server_hostname="localhost", do_handshake_on_connect=False)
        sock.settimeout(0.05)
        with sock:
            with pytest.raises(TimeoutError):
                sock.do_handshake()
            stall.lift()
            sock.settimeout(10)
            sock.do_handshake()
            assert said(sock) == b"hello"


def test_faults_on_cipher_text_count_from_its_first_byte(server: TcpServer) -> None:
    server.inject(Reset(after_bytes=100, layer="tls"))
    with connect(server) as raw, pytest.raises((ConnectionResetError, ssl.SSLError)):
        shake(server, asked(raw))
    assert server.connections[0].sent == b"S"


@pytest.mark.parametrize("size", range(5))
def test_faults_on_plain_text_count_before_and_after(server: TcpServer, size: int) -> None:
    server.inject(Close(after_bytes=size))
    got = b""
    with connect(server) as raw:
        raw.sendall(ASK)
        got += raw.recv(1)
        if size < 2:
            got += read_to_end(raw)
        else:
            with shake(server, raw) as sock:
                sock.sendall(b"say hello\n")
                got += read_to_end(sock)
    assert got == b"Shello"[:size]
    assert server.connections[0].delivered == b"Shello"[:size]


def test_an_answer_that_a_fault_holds_is_plain_text_all_the_same(server: TcpServer) -> None:
    server.inject(Latency(0.1))
    with connect(server) as raw, shake(server, asked(raw)) as sock:
        assert said(sock) == b"hello"


def test_what_nobody_asked_for_waits_for_the_handshake(server: TcpServer) -> None:
    server.inject(Latency(0.1))
    with connect(server) as raw:
        raw.sendall(ASK)
        server.wait_for(lambda s: s.connections and s.connections[0].sent == b"S")
        server.connections[0].send(b"unasked")
        assert read_exactly(raw, 1) == b"S"
        server.connections[0].send(b"!")
        with shake(server, raw) as sock:
            assert read_exactly(sock, 8) == b"unasked!"


def test_a_rule_s_faults_strike_the_answer_before_it(tcp_server: TcpServer) -> None:
    rule = tcp_server.when(ASK).reply(b"S").start_tls()
    rule.inject(Reset(), first=1)
    with connect(tcp_server) as raw:
        raw.sendall(ASK)
        with pytest.raises(ConnectionResetError):
            raw.recv(1)
    with connect(tcp_server) as raw:
        shake(tcp_server, asked(raw)).close()


# Refusals


def test_who_has_tls_is_given_the_answer_alone(tcp_server: TcpServer) -> None:
    by_rule(tcp_server)
    with connect(tcp_server) as raw, shake(tcp_server, asked(raw)) as sock:
        assert asked(sock) is sock
        assert said(sock) == b"hello"
    assert "TLS is there already" in str(tcp_server.timeline)


@pytest.mark.parametrize(
    ("begin", "error", "match"),
    [
        (lambda writer, server: writer.start_tls(5), TypeError, "context must be server.context, or"),
        (lambda writer, server: writer.start_tls(server.client_context()), ValueError, "not of a client"),
        (lambda writer, server: writer.start_tls(server.context, server_hostname="x"), ValueError, "for clients"),
        (
            lambda writer, server: writer.start_tls(server.context, ssl_handshake_timeout=0),
            ValueError,
            "ssl_handshake_timeout must be",
        ),
    ],
)
def test_wrong_arguments_are_refused_at_the_call(tcp_server: TcpServer, begin: Any, error: Any, match: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with pytest.raises(error, match=match):
            await begin(writer, tcp_server)
        writer.write(b"plain")

    tcp_server.handle(handler)
    with connect(tcp_server) as raw:
        assert read_to_end(raw) == b"plain"


def test_it_begins_once(tcp_server: TcpServer) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(tcp_server.context)
        with pytest.raises(ValueError, match="start_tls: connection 1 speaks TLS already"):
            await writer.start_tls(tcp_server.context)

    tcp_server.handle(handler)
    with connect(tcp_server) as raw, shake(tcp_server, raw) as sock:
        assert sock.recv(1) == b""


def test_where_it_makes_no_sense_it_is_refused(
    netmocks: Netmocks, tcp_server: TcpServer, tls_server: TlsServer, udp_server: UdpServer
) -> None:
    for reply in (None, {"then_close": True}):
        rule = tcp_server.when(ASK)
        if reply is not None:
            rule.reply(b"S", **reply)
        with pytest.raises(
            ValueError, match=r"start_tls\(\) begins behind an answer, and when\(.* (gives no|closes the)"
        ):
            rule.start_tls()
    with pytest.raises(ValueError, match="start_tls: tls_server speaks TLS from the first byte on"):
        tls_server.when(ASK).reply(b"S").start_tls()
    others: list[Any] = [udp_server.when(b"x").reply(b"S"), netmocks.smtp().when("NOOP"), netmocks.http().when("/")]
    others += [netmocks.imap().when("NOOP"), netmocks.ftp().when("NOOP"), netmocks.ws().when("x")]
    for other in others:
        with pytest.raises(ValueError, match=r"start_tls: when.* is no rule over the bytes of a TCP stream"):
            other.start_tls()


def test_a_fault_of_the_handshake_is_refused_as_long_as_there_is_none(tcp_server: TcpServer) -> None:
    for fault in (HandshakeFailure(), Reset(layer="tls")):
        with pytest.raises(ValueError, match="there is no TLS on tcp_server"):
            tcp_server.inject(fault)
    assert not tcp_server.offers_tls
    tcp_server.when(ASK).reply(b"S").start_tls()
    assert tcp_server.offers_tls
    tcp_server.inject(HandshakeFailure()).lift()


# STARTTLS


STARTTLS = {
    "smtp": (b"220 ", b"EHLO c\r\nSTARTTLS\r\n", b"220 2.0.0", b"NOOP injected\r\n", "NOOP"),
    "pop3": (b"+OK", b"STLS\r\n", b"+OK", b"NOOP injected\r\n", "NOOP"),
    "imap": (b"* OK", b"a STARTTLS\r\n", b"a OK", b"b NOOP injected\r\n", "NOOP"),
    "ftps": (b"220 ", b"AUTH TLS\r\n", b"234", b"NOOP injected\r\n", "NOOP"),
}


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("name", STARTTLS)
def test_plain_text_behind_starttls_is_forgotten_though_a_fault_holds_it(
    netmocks: Netmocks, name: str, held: bool
) -> None:
    greeting, command, answer, injected, executed = STARTTLS[name]
    server = getattr(netmocks, name)()
    if held:
        server.inject(Slice(len(command), delay=0.2, direction="upstream"))
    with connect(server) as raw:
        assert raw.recv(1000).startswith(greeting)
        raw.sendall(command + injected)
        got = b""
        while answer not in got:
            got += raw.recv(1000)
        with shake(server, raw) as sock:
            server.wait_for(lambda s: s.connections[0].tls)
            sock.sendall(b"b LOGOUT\r\n" if name == "imap" else b"QUIT\r\n")
            got = read_to_end(sock)
    assert executed not in [request.command for request in server.requests]
    assert b"injected" not in got

"""`reply(..., then_close=True)`: the answer goes out whole, then the server closes in good order, on every protocol."""

from __future__ import annotations

import dataclasses
import ftplib
import socket
from collections.abc import Callable
from typing import Any

import pytest
from helpers import HANDSHAKE, connect, masked, read_exactly, read_to_end, speak

from pytest_netmocks import Netmocks, Response, ws_frame
from pytest_netmocks.faults import Close, Fault, Latency, Reset
from pytest_netmocks.protocols.web.records import CloseFrame

HELLO, BYE = ws_frame("hello"), ws_frame("", "close", code=1000)
PARTING = masked("", "close", code=1000)
MAIL = b"EHLO h\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"


def greeted(server: Any, greeting: bytes = b"220 hi\r\n") -> socket.socket:
    sock = connect(server)
    assert read_exactly(sock, len(greeting)) == greeting
    return sock


def in_data(server: Any) -> socket.socket:
    sock = greeted(server)
    sock.sendall(MAIL)
    said = b""
    while b"354 " not in said or not said.endswith(b"\r\n"):
        said += sock.recv(1000)
    return sock


@dataclasses.dataclass(frozen=True)
class Case:
    """One kind of rule: the server's, how it begins, the answer, what the client says and hears."""

    server: str
    rule: Callable[[Any], Any]
    answer: Any
    asks: bytes
    hears: bytes
    begin: Callable[[Any], socket.socket] = connect
    tail: bytes = b""
    """What the end of the connection has of its own."""
    made: Callable[[Any], Any] = lambda answer: answer
    greets: str | None = None

    def prepared(self, netmocks: Netmocks, **more: Any) -> tuple[Any, Any]:
        server = getattr(netmocks, self.server)()
        if self.greets is not None:
            server.when_connected().reply(self.greets)
        return server, self.rule(server).reply(self.made(self.answer), then_close=True, **more)


CASES = {
    "tcp": Case("tcp", lambda server: server.when(b"x"), b"hello", b"xx", b"hello"),
    "tcp greeting": Case("tcp", lambda server: server.when_connected(), b"hello", b"", b"hello"),
    "http": Case(
        "http",
        lambda server: server.when("/"),
        Response(text="hello", headers={"Date": None, "Content-Type": None}),
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 2,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    ),
    "http banner": Case("http", lambda server: server.when_connected(), b"hello", b"", b"hello"),
    "ws": Case("ws", lambda server: server.when("x"), "hello", masked("x") * 2 + PARTING, HELLO, begin=speak, tail=BYE),
    "smtp": Case(
        "smtp", lambda server: server.when("NOOP"), "250 hello", b"NOOP\r\n" * 2, b"250 hello\r\n",
        greeted, greets="220 hi",
    ),
    "smtp refusal": Case(
        "smtp", lambda server: server.when("NOOP"), "450 hello", b"NOOP\r\n" * 2, b"450 hello\r\n",
        greeted, greets="220 hi",
    ),
    "smtp greeting": Case("smtp", lambda server: server.when_connected(), "220 hello", b"NOOP\r\n", b"220 hello\r\n"),
    "smtp message": Case(
        "smtp", lambda server: server.when_message(), "250 hello", b"hi\r\n.\r\nNOOP\r\n", b"250 hello\r\n", in_data,
        greets="220 hi",
    ),
    "smtp DATA": Case(
        "smtp", lambda server: server.when("DATA"), "250 hello", b"hi\r\n.\r\nNOOP\r\n", b"250 hello\r\n", in_data,
        greets="220 hi",
    ),
    "pop3": Case(
        "pop3", lambda server: server.when("QUIT"), "+OK hello", b"QUIT\r\n" * 2, b"+OK hello\r\n",
        lambda server: greeted(server, b"+OK hi\r\n"), greets="+OK hi",
    ),
    "pop3 refusal": Case(
        "pop3", lambda server: server.when("CAPA"), "-ERR hello", b"CAPA\r\n" * 2, b"-ERR hello\r\n",
        lambda server: greeted(server, b"+OK hi\r\n"), greets="+OK hi",
    ),
    "pop3 greeting": Case("pop3", lambda server: server.when_connected(), "+OK hello", b"CAPA\r\n", b"+OK hello\r\n"),
    "ftp": Case(
        "ftp", lambda server: server.when("NOOP"), "200 hello", b"NOOP\r\n" * 2, b"200 hello\r\n",
        greeted, greets="220 hi",
    ),
    "ftp refusal": Case(
        "ftp", lambda server: server.when("NOOP"), "450 hello", b"NOOP\r\n" * 2, b"450 hello\r\n",
        greeted, greets="220 hi",
    ),
    "ftp greeting": Case("ftp", lambda server: server.when_connected(), "220 hello", b"NOOP\r\n", b"220 hello\r\n"),
}  # fmt: skip

everywhere = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def heard(case: Case, server: Any) -> bytes:
    """What the client hears until the connection ends."""
    with case.begin(server) as sock:
        sock.sendall(case.asks)
        return read_to_end(sock)


@everywhere
@pytest.mark.parametrize("later", [{}, {"delay": 0.05}])
def test_the_answer_goes_out_and_the_server_closes(netmocks: Netmocks, case: Case, later: dict[str, float]) -> None:
    server, rule = case.prepared(netmocks, **later)
    assert heard(case, server) == case.hears + case.tail
    assert rule.hits == 1, "what is pipelined behind it is not answered"
    server.wait_for(lambda server: server.connections[0].closed_by == "server")


@everywhere
def test_so_it_is_with_functions(netmocks: Netmocks, case: Case) -> None:
    server, rule = dataclasses.replace(case, made=lambda answer: lambda _: answer).prepared(netmocks)
    assert heard(case, server) == case.hears + case.tail
    assert (rule.hits, server.connections[0].closed_by) == (1, "server")


@everywhere
@pytest.mark.parametrize("fault", [Latency(0.05), Close(after_bytes=3), Reset(after_bytes=3)], ids=repr)
def test_the_faults_of_the_rule_still_strike_the_answer(netmocks: Netmocks, case: Case, fault: Fault) -> None:
    server, rule = case.prepared(netmocks)
    if rule.refusal(fault) is not None or "DATA" in rule.label:
        fault = Latency(0.05)
    injection = rule.inject(fault)
    try:
        said = heard(case, server)
    except ConnectionResetError:
        said = b""
    assert injection.hits == 1
    whole = case.hears + case.tail
    assert said == whole if isinstance(fault, Latency) else len(said) < len(whole)


def test_the_last_of_several_answers_closes(netmocks: Netmocks) -> None:
    server = netmocks.tcp()
    server.when(b"x").reply(b"1", times=2).reply(b"2", then_close=True)
    with connect(server) as sock:
        sock.sendall(b"xxxx")
        assert read_to_end(sock) == b"112"


def test_a_handshake_is_accepted_and_the_goodbye_comes_after_its_messages(netmocks: Netmocks) -> None:
    server = netmocks.ws()
    server.when_connected().reply(messages=["hello"], then_close=True)
    with speak(server) as sock:
        sock.sendall(masked("x") + PARTING)
        assert read_to_end(sock) == HELLO + BYE
    connection = server.connections[0]
    assert (connection.closed_by, connection.close_sent) == ("server", CloseFrame(1000, ""))


def test_a_handler_does_not_begin_behind_the_last_answer(netmocks: Netmocks) -> None:
    begun = []

    async def handler(reader: Any, writer: Any) -> None:
        begun.append(writer)

    server = netmocks.tcp()
    server.handle(handler)
    server.when_connected().reply(b"full\r\n", then_close=True)
    with connect(server) as sock:
        assert read_to_end(sock) == b"full\r\n"
    assert not begun


@pytest.mark.parametrize("reply", [{"reply": "226 Bye"}, {"data": b"hello"}, {"raw": b"226 Bye\r\n", "execute": True}])
def test_a_transfer_of_ftp_ends_before_its_session(netmocks: Netmocks, reply: dict[str, Any]) -> None:
    server = netmocks.ftp()
    (server.root / "f").write_bytes(b"hello")
    server.when("RETR").reply(**reply, then_close=True)
    with ftplib.FTP() as client:
        client.connect(server.host, server.port, timeout=30)
        client.login()
        pieces: list[bytes] = []
        assert client.retrbinary("RETR f", pieces.append).startswith("226")
        assert b"".join(pieces) == b"hello"
        with pytest.raises(EOFError):
            client.voidcmd("NOOP")
    assert server.connections[0].closed_by == "server"


@pytest.mark.parametrize(
    ("server", "command", "said"),
    [
        ("smtp", "STARTTLS", b"EHLO h\r\nSTARTTLS\r\nNOOP\r\n"),
        ("smtp", "DATA", MAIL + b"hi\r\n.\r\n"),
        ("ftp", "AUTH", b"AUTH TLS\r\nNOOP\r\n"),
    ],
)
def test_nothing_follows_the_usual_answer_either(netmocks: Netmocks, server: str, command: str, said: bytes) -> None:
    made = netmocks.smtp() if server == "smtp" else netmocks.ftp(tls="explicit")
    made.when_connected().reply("220 hi")
    made.when(command).reply(lambda request: request.usual, then_close=True)
    with greeted(made) as sock:
        sock.sendall(said)
        heard = read_to_end(sock)
    last = made.requests[-1]
    assert (last.command, last.reply[:1] in "23") == (command, True)
    assert heard.endswith(last.reply.encode())


def test_datagrams_have_no_connection_to_close(netmocks: Netmocks) -> None:
    with pytest.raises(ValueError, match="then_close=True has no place on UDP"):
        netmocks.udp().when(b"x").reply(b"y", then_close=True)


@everywhere
def test_it_is_true_or_false(netmocks: Netmocks, case: Case) -> None:
    server = getattr(netmocks, case.server)()
    with pytest.raises(TypeError, match="then_close must be True or False, not 'yes'"):
        case.rule(server).reply(case.answer, then_close="yes")


def test_a_websocket_of_an_http_server_ends_the_same_way(netmocks: Netmocks) -> None:
    server = netmocks.http()
    route = server.when("/ws").websocket()
    route.when("x").reply("hello", "hello", interval=0.01, then_close=True)
    with speak(server, path="/ws") as sock:
        sock.sendall(masked("x") * 2 + PARTING)
        assert read_to_end(sock) == HELLO * 2 + BYE
    route.when_connected().reply(403, headers={"Date": None}, then_close=True)
    with connect(server) as sock:
        sock.sendall((HANDSHAKE.replace("GET /", "GET /ws") + "\r\n").encode() * 2)
        said = read_to_end(sock)
    assert said.count(b"HTTP/1.1 403") == said.count(b"Connection: close") == 1
    assert [connection.closed_by for connection in server.connections] == ["server", "server"]


def test_over_tls_the_goodbye_comes_before_the_end(netmocks: Netmocks) -> None:
    server = netmocks.tls()
    server.when(b"x").reply(b"hello", then_close=True)
    with server.client_context().wrap_socket(
        connect(server), server_hostname="localhost", suppress_ragged_eofs=False
    ) as sock:
        sock.sendall(b"xx")
        assert read_to_end(sock) == b"hello"  # an end without close_notify would raise
    assert server.connections[0].closed_by == "server"

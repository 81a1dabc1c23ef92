"""POP3 with clients that misbehave, vanish, flood and crowd."""

from __future__ import annotations

import contextlib
import poplib
import re
import socket
import ssl
from collections.abc import Iterator

import pytest
from helpers import abort, connect, echo, read_exactly, read_to_end
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pytest_netmocks
from pytest_netmocks import Netmocks
from pytest_netmocks.faults import Latency, Stall
from pytest_netmocks.link import loop
from pytest_netmocks.protocols.pop3.server import Pop3Server
from pytest_netmocks.protocols.pop3.session import AUTH, LINE
from pytest_netmocks.protocols.tcp.server import TcpServer

ENTER = b"USER ada\r\nPASS secret\r\n"


def answers(server: Pop3Server, data: bytes) -> list[bytes]:
    """What is answered to that, and the client's end, without the greeting."""
    with connect(server) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return read_to_end(sock).splitlines()[1:]


@pytest.mark.parametrize(
    "line",
    [b"", b" ", b"HELO", b"\x00\xff", b"GET / HTTP/1.1", b"\x16\x03\x01\x02\x00", b"RETR\t1", b"++++", b"stat"],
)
def test_what_is_no_command_here_is_refused_and_the_session_goes_on(pop3_server: Pop3Server, line: bytes) -> None:
    first, second = answers(pop3_server, line + b"\r\nQUIT\r\n")
    assert first.startswith(b"-ERR ")
    assert second == b"+OK bye"
    assert pop3_server.requests[-1].command == "QUIT"


def test_lines_may_end_with_a_line_feed_alone_and_commands_have_any_case(pop3_server: Pop3Server) -> None:
    assert answers(pop3_server, b"user ada\npAsS x\nStat\nquit\n")[2:] == [b"+OK 0 0", b"+OK bye"]


def test_a_line_has_a_limit_and_what_is_longer_is_not_kept(pop3_server: Pop3Server) -> None:
    longest = b"USER " + b"x" * (LINE - len(b"USER \r\n")) + b"\r\n"
    for line, refused in ((longest, False), (longest.replace(b"USER", b"USERx"), True), (b"x" * 1_000_000, True)):
        first, second = answers(pop3_server, line.removesuffix(b"\r\n") + b"\r\nQUIT\r\n")
        assert first.startswith(b"-ERR the line is too long" if refused else b"+OK")
        assert second == b"+OK bye"


def test_a_line_of_auth_may_be_longer_and_has_a_limit_too(pop3_server: Pop3Server) -> None:
    long = b"A" * 8000
    assert answers(pop3_server, b"AUTH PLAIN " + long + b"\r\n") == [b"-ERR [AUTH] authentication failed"]
    assert answers(pop3_server, b"auth plain\r\n" + long + b"\r\n")[1] == b"-ERR [AUTH] authentication failed"
    first, second = answers(pop3_server, b"AUTH PLAIN\r\n" + b"A" * (AUTH + 1) + b"\r\n")
    assert (first, second) == (b"+ ", b"-ERR cancelled")


def test_what_is_pipelined_is_answered_in_order(pop3_server: Pop3Server) -> None:
    for number in range(20):
        pop3_server.deliver(f"Subject: {number}\n\nx\n")
    retrieve = b"".join(b"RETR %d\r\n" % number for number in range(1, 21))
    lines = answers(pop3_server, ENTER + retrieve + b"QUIT\r\n")
    assert [line for line in lines if line.startswith(b"Subject")] == [b"Subject: %d" % number for number in range(20)]


def test_a_flood_of_commands_keeps_nobody_else_waiting(pop3_server: Pop3Server, tcp_server: TcpServer) -> None:
    with connect(pop3_server) as sock:
        sock.sendall(ENTER + b"NOOP\r\n" * 10_000)
        assert echo(tcp_server) == b"hello"
        sock.sendall(b"QUIT\r\n")
        assert read_to_end(sock).count(b"+OK\r\n") == 10_000


def test_a_client_that_takes_no_answers_is_not_given_more(pop3_server: Pop3Server) -> None:
    pop3_server.deliver(b"Subject: x\r\n\r\n" + b"y" * 1_000_000)
    with connect(pop3_server) as sock:
        sock.sendall(ENTER + b"RETR 1\r\n" * 200)
        pop3_server.wait_for(lambda server: any(request.command == "RETR" for request in server.requests))
        loop.shared().settle()
        assert len(pop3_server.requests) < 30
        sock.sendall(b"QUIT\r\n")
        received = 0
        while data := sock.recv(1 << 20):
            received += len(data)
    assert received > 200_000_000
    assert len(pop3_server.requests) == 203


def test_a_client_that_vanishes_in_a_message_leaves_the_mailbox_free(pop3_server: Pop3Server) -> None:
    pop3_server.deliver(b"Subject: x\r\n\r\n" + b"y" * 5_000_000)
    sock = connect(pop3_server)
    sock.sendall(ENTER + b"DELE 1\r\nRSET\r\nRETR 1\r\n")
    read_exactly(sock, 100_000)
    abort(sock)
    pop3_server.wait_for(lambda server: not server.open_connections)
    assert answers(pop3_server, ENTER + b"STAT\r\n")[2].startswith(b"+OK 1 ")


def test_a_stall_holds_the_mailbox_until_its_client_has_gone(pop3_server: Pop3Server) -> None:
    pop3_server.deliver(b"Subject: x\r\n\r\n" + b"y" * 1000)
    pop3_server.when("RETR").inject(Stall(after_bytes=10))
    with connect(pop3_server) as sock:
        sock.sendall(ENTER + b"RETR 1\r\n")
        pop3_server.wait_for(lambda server: server.requests[-1:] and server.requests[-1].command == "RETR")
        assert answers(pop3_server, ENTER)[1].startswith(b"-ERR [IN-USE]")
    pop3_server.wait_for(lambda server: not server.open_connections)
    assert answers(pop3_server, ENTER)[1].startswith(b"+OK")


def test_what_is_sent_behind_stls_in_plain_text_is_no_part_of_the_session(pop3_server: Pop3Server) -> None:
    pop3_server.users["ada"] = "secret"
    with connect(pop3_server) as sock:
        sock.recv(1000)
        sock.sendall(b"STLS\r\n" + ENTER + b"DELE 1\r\n")
        assert sock.recv(1000) == b"+OK begin\r\n"
        with pop3_server.client_context().wrap_socket(sock, server_hostname="localhost") as secure:
            secure.sendall(b"STAT\r\n")
            assert secure.recv(1000) == b"-ERR STAT makes no sense before the login\r\n"
    assert [request.command for request in pop3_server.requests] == ["STLS", "STAT"]


def test_a_late_answer_to_stls_lets_tls_begin_behind_it(pop3_server: Pop3Server) -> None:
    pop3_server.when("STLS").inject(Latency(0.1))
    client = poplib.POP3("localhost", pop3_server.port, timeout=10)
    client.stls(pop3_server.client_context())
    assert client.capa()
    client.close()


def test_a_handshake_that_fails_ends_the_session(pop3_server: Pop3Server) -> None:
    with connect(pop3_server) as sock:
        sock.recv(1000)
        sock.sendall(b"STLS\r\n")
        sock.recv(1000)
        sock.sendall(b"this is no TLS\r\n")
        read_to_end(sock)
    with pytest.raises(ssl.SSLError):
        poplib.POP3_SSL("localhost", pop3_server.port, timeout=10)
    assert answers(pop3_server, b"QUIT\r\n") == [b"+OK bye"]


def test_a_crowd_is_served(pop3_server: Pop3Server) -> None:
    for number in range(300):
        pop3_server.deliver(f"Subject: {number}\n\n", user=str(number))
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(pop3_server)) for _ in range(300)]
        for sock in socks:
            assert sock.recv(100).startswith(b"+OK")
        for number, sock in enumerate(socks):
            sock.sendall(b"USER %d\r\nPASS x\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n" % number)
        for number, sock in enumerate(socks):
            assert b"Subject: %d\r\n" % number in read_to_end(sock)
    assert pop3_server.messages == []
    assert pop3_server.peak_connections == 300


def test_one_of_a_crowd_has_the_mailbox(netmocks: Netmocks) -> None:
    server = netmocks.pop3()
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(server)) for _ in range(50)]
        for sock in socks:
            sock.sendall(ENTER)
        server.wait_for(lambda s: len(s.requests) == 100 and all(request.reply for request in s.requests))
        said = [request.reply[:13] for request in server.requests if request.command == "PASS"]
    assert sorted(said) == ["+OK 0 message", *["-ERR [IN-USE]"] * 49]


# Random sessions

COMMANDS = [
    b"USER ada\r\n", b"PASS secret\r\n", b"STAT\r\n", b"LIST\r\n", b"LIST 1\r\n", b"UIDL\r\n", b"RETR 1\r\n",
    b"RETR 99\r\n", b"TOP 2 1\r\n", b"DELE 1\r\n", b"DELE 2\r\n", b"RSET\r\n", b"NOOP\r\n", b"CAPA\r\n", b"UTF8\r\n",
    b"AUTH PLAIN\r\n", b"AUTH PLAIN AGFkYQBzZWNyZXQ=\r\n", b"AUTH LOGIN\r\n", b"AUTH CRAM-MD5\r\n",
    b"AUTH XOAUTH2 !\r\n",
    b"*\r\n", b"YWRh\r\n", b"APOP ada 00\r\n", b"STLS x\r\n", b"QUIT\r\n",
]  # fmt: skip
NOISE = st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"") + b"\r\n")


@pytest.fixture(scope="module")
def filled() -> Iterator[Pop3Server]:
    with pytest_netmocks.pop3() as server:
        yield server


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(lines=st.lists(st.sampled_from(COMMANDS) | NOISE, max_size=15))
def test_random_sessions_get_an_answer_a_line_and_leave_nothing_behind(filled: Pop3Server, lines: list[bytes]) -> None:
    filled.messages.clear()
    for text in ("Subject: one\n\n.x\n", "Subject: two\n\ny\n"):
        filled.deliver(text)
    said = answers(filled, b"".join(lines))
    assert loop.take_errors() == []
    assert filled.journal.take_errors() == []
    statuses = re.findall(rb"^(?:\+OK|-ERR|\+ )", b"\n".join(said), re.MULTILINE)
    upto = next((at for at, line in enumerate(lines) if line == b"QUIT\r\n"), None)
    if upto is None:
        assert len(statuses) == len(lines)
    assert filled.messages or b"+OK bye, 2 messages deleted" in said
    assert answers(filled, b"USER ada\r\nPASS x\r\nSTAT\r\n")[2] == b"+OK %d %d" % (
        len(filled.messages),
        sum(message.size for message in filled.messages),
    )

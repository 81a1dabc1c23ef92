"""POP3 as RFC 1939 has it and its extensions, by poplib and byte by byte."""

from __future__ import annotations

import base64
import email.message
import email.policy
import hashlib
import hmac
import poplib
import re
import smtplib
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import connect, read_to_end

from pytest_netmocks import Mailbox, Netmocks
from pytest_netmocks.faults import Close, Latency, Reset
from pytest_netmocks.protocols.pop3.server import Pop3Server

ONE = "Subject: one\n\nfirst\n"
TWO = "Subject: two\n\n.second\n..and\n\n"


_clients: list[poplib.POP3] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _clients:
        _clients.pop().close()


def connected(server: Pop3Server, kind: type[poplib.POP3] = poplib.POP3, **options: Any) -> poplib.POP3:
    """A client, which is closed at the end of the test."""
    client = kind("localhost", server.port, timeout=10, **options)
    _clients.append(client)
    return client


def login(server: Pop3Server, user: str = "ada", password: str = "secret") -> poplib.POP3:
    client = connected(server)
    client.user(user)
    client.pass_(password)
    return client


@pytest.fixture
def client(pop3_server: Pop3Server) -> poplib.POP3:
    for message in (ONE, TWO):
        pop3_server.deliver(message)
    return login(pop3_server)


def say(server: Any, *lines: str) -> list[str]:
    """What is answered to these lines, sent all at once, and the end; without the greeting."""
    with connect(server) as sock:
        sock.sendall("".join(f"{line}\r\n" for line in lines).encode())
        sock.shutdown(socket.SHUT_WR)
        return read_to_end(sock).decode().splitlines()[1:]


ENTER = ("USER ada", "PASS secret")


# Messages


@pytest.mark.parametrize(
    "message",
    [
        "Subject: hi\n\nbody\n",
        "Subject: hi\r\n\r\nbody\r\n",
        b"Subject: hi\n\nbody",
        email.message_from_string("Subject: hi\n\nbody\n"),
        email.message_from_string("Subject: hi\n\nbody\n", policy=email.policy.default),
    ],
)
def test_a_message_is_text_bytes_or_a_message_and_its_lines_end_with_crlf(
    pop3_server: Pop3Server, message: Any
) -> None:
    stored = pop3_server.deliver(message)
    assert stored.content == b"Subject: hi\r\n\r\nbody\r\n"
    assert stored.message["Subject"] == "hi"
    assert login(pop3_server).retr(1)[1] == [b"Subject: hi", b"", b"body"]


def test_what_came_over_smtp_is_delivered_byte_by_byte(netmocks: Netmocks) -> None:
    smtp, pop3 = netmocks.smtp(), netmocks.pop3()
    with connect(smtp) as sock:
        sock.sendall(b"HELO h\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject:  x \r\n\r\n..y\r\n.\r\nQUIT\r\n")
        read_to_end(sock)
    assert pop3.deliver(smtp.messages[0]).content == b"Subject:  x \r\n\r\n.y\r\n"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"message": None}, TypeError),
        ({"message": "x", "user": 3}, TypeError),
        ({"message": "x", "uid": ""}, ValueError),
        ({"message": "x", "uid": "a b"}, ValueError),
        ({"message": "x", "uid": "a" * 71}, ValueError),
    ],
)
def test_a_wrong_argument_of_deliver_is_named(pop3_server: Pop3Server, arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=next(reversed(arguments))):
        pop3_server.deliver(arguments.pop("message"), **arguments)


@pytest.mark.parametrize(
    ("options", "error", "name"),
    [
        ({"users": "ada"}, TypeError, "users"),
        ({"users": {"ada": 1}}, TypeError, "users"),
        ({"hostname": "a b"}, ValueError, "hostname"),
        ({"stls": 1}, TypeError, "stls"),
        ({"utf8": None}, TypeError, "utf8"),
        ({"mailbox": []}, TypeError, "mailbox"),
    ],
)
def test_a_wrong_option_is_named(netmocks: Netmocks, options: Any, error: type[Exception], name: str) -> None:
    with pytest.raises(error, match=f"{name} must be"):
        netmocks.pop3(**options)


def test_a_session_sees_what_was_there_when_it_began(pop3_server: Pop3Server, client: poplib.POP3) -> None:
    pop3_server.deliver("Subject: three\n\n")
    assert client.stat()[0] == 2
    client.quit()
    assert login(pop3_server).stat()[0] == 3


def test_a_message_may_be_one_users_alone(pop3_server: Pop3Server) -> None:
    pop3_server.deliver(ONE, user="ada")
    pop3_server.deliver(TWO, user="bob")
    pop3_server.deliver(ONE)
    assert [login(pop3_server, user).stat()[0] for user in ("ada", "bob", "eve")] == [2, 2, 1]


def test_a_mailbox_may_be_several_servers(netmocks: Netmocks) -> None:
    box = Mailbox()
    servers = [netmocks.pop3(mailbox=box), netmocks.pop3s(mailbox=box)]
    box.deliver(ONE)
    client = login(servers[0])
    client.dele(1)
    client.quit()
    assert servers[1].messages == box.messages == []


def test_what_smtp_gets_pop3_shows(netmocks: Netmocks) -> None:
    box = netmocks.mailbox()
    smtp, pop3 = netmocks.smtp(mailbox=box), netmocks.pop3(mailbox=box)
    with smtplib.SMTP(*smtp.address, timeout=10) as sender:
        sender.sendmail("a@example.com", ["b@example.com"], "Subject: sent\n\n.hello\n")
    assert login(pop3).retr(1)[1] == [b"Subject: sent", b"", b".hello"]


# Commands


def test_stat_list_and_uidl_leave_out_what_is_marked(pop3_server: Pop3Server, client: poplib.POP3) -> None:
    sizes = [message.size for message in pop3_server.messages]
    uids = [message.uid.encode() for message in pop3_server.messages]
    assert client.stat() == (2, sum(sizes))
    assert client.list()[1] == [b"%d %d" % pair for pair in enumerate(sizes, 1)]
    assert client.uidl()[1] == [b"%d %s" % pair for pair in enumerate(uids, 1)]
    client.dele(1)
    assert client.stat() == (1, sizes[1])
    assert client.list()[1] == [b"2 %d" % sizes[1]]
    assert client.uidl(2) == b"+OK 2 " + uids[1]
    for command in (client.list, client.uidl, client.retr, client.dele):
        with pytest.raises(poplib.error_proto, match="deleted"):
            command(1)
    client.rset()
    assert client.stat() == (2, sum(sizes))


def test_lines_that_begin_with_dots_come_as_they_are(client: poplib.POP3) -> None:
    assert client.retr(2)[1] == [b"Subject: two", b"", b".second", b"..and", b""]


@pytest.mark.parametrize(
    ("lines", "body"),
    [(0, []), (1, [b".second"]), (2, [b".second", b"..and"]), (999999999, [b".second", b"..and", b""])],
)
def test_top_gives_the_header_and_as_many_lines(client: poplib.POP3, lines: int, body: list[bytes]) -> None:
    assert client.top(2, lines)[1] == [b"Subject: two", b"", *body]


@pytest.mark.parametrize("argument", ["", "0", "3", "-1", "1 2", "x", "\u0661", "1" * 50])
@pytest.mark.parametrize("command", ["RETR", "DELE", "LIST", "UIDL", "TOP"])
def test_a_number_that_is_no_messages_is_refused(pop3_server: Pop3Server, command: str, argument: str) -> None:
    for message in (ONE, TWO):
        pop3_server.deliver(message)
    answer = say(pop3_server, *ENTER, f"{command} {argument}", "NOOP")
    if command in ("LIST", "UIDL") and not argument:
        assert answer[2:] == [answer[2], answer[3], answer[4], ".", "+OK"]
    elif (command, argument) == ("TOP", "1 2"):
        assert answer[2].startswith("+OK")
    else:
        assert answer[2].startswith("-ERR ")
        assert answer[3:] == ["+OK"]


def test_what_is_marked_goes_with_quit_and_not_before(pop3_server: Pop3Server, client: poplib.POP3) -> None:
    first, second = pop3_server.messages
    client.dele(1)
    assert pop3_server.messages == [first, second]
    client.quit()
    assert pop3_server.messages == [second]


def test_what_is_marked_stays_when_the_client_vanishes(pop3_server: Pop3Server, client: poplib.POP3) -> None:
    client.dele(1)
    client.close()
    pop3_server.wait_for(lambda server: not server.open_connections)
    assert len(pop3_server.messages) == 2
    assert login(pop3_server).stat()[0] == 2


@pytest.mark.parametrize("command", ["STAT", "LIST", "RETR 1", "DELE 1", "TOP 1 1", "UIDL", "RSET", "NOOP"])
def test_before_the_login_there_is_no_mailbox(pop3_server: Pop3Server, command: str) -> None:
    assert say(pop3_server, command)[0] == f"-ERR {command.split(maxsplit=1)[0]} makes no sense before the login"


@pytest.mark.parametrize("command", ["USER x", "PASS x", "APOP x y", "AUTH PLAIN", "STLS", "UTF8"])
def test_after_the_login_nobody_logs_in(pop3_server: Pop3Server, command: str) -> None:
    assert say(pop3_server, *ENTER, command)[2] == f"-ERR {command.split(maxsplit=1)[0]} makes no sense after the login"


def test_quit_is_the_last_that_is_answered(pop3_server: Pop3Server) -> None:
    assert say(pop3_server, "QUIT", "CAPA") == ["+OK bye"]


# Who may


def test_without_users_any_credentials_pass_and_with_users_only_theirs(pop3_server: Pop3Server) -> None:
    login(pop3_server, "anybody", "any thing").quit()
    pop3_server.users["ada"] = "secret word "
    with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\]"):
        login(pop3_server)
    login(pop3_server, password="secret word ").quit()
    assert say(pop3_server, "PASS secret word ")[0].startswith("-ERR USER comes before")


def test_after_a_wrong_password_the_name_has_to_be_given_again(pop3_server: Pop3Server) -> None:
    pop3_server.users["ada"] = "secret"
    assert [line[:6] for line in say(pop3_server, "USER ada", "PASS no", "PASS secret", *ENTER)] == [
        "+OK an", "-ERR [", "-ERR U", "+OK an", "+OK 0 ",
    ]  # fmt: skip


def test_apop_signs_the_timestamp_of_the_greeting(pop3_server: Pop3Server) -> None:
    pop3_server.users["ada"] = "secret"
    clients = [connected(pop3_server) for _ in range(2)]
    stamps = {re.search(rb"<.+@.+>", client.getwelcome()) for client in clients}
    assert len(stamps) == 2
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        clients[0].apop("ada", "wrong")
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        clients[0].apop("eve", "secret")
    clients[1].apop("ada", "secret")
    assert clients[1].stat() == (0, 0)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def cram(challenge: str, user: str = "ada", password: bytes = b"secret") -> str:
    digest = hmac.new(password, base64.b64decode(challenge), hashlib.md5).hexdigest()
    return b64(f"{user} {digest}".encode())


def ask(sock: socket.socket, line: str) -> str:
    sock.sendall(f"{line}\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n"):
        answer += sock.recv(1000)
    return answer.decode().rstrip("\r\n")


CONVERSATIONS = {
    "plain": ["AUTH PLAIN", b64(b"\0ada\0secret")],
    "plain at once": [f"AUTH plain {b64(bytes(1) + b'ada' + bytes(1) + b'secret')}"],
    "plain as oneself": ["AUTH PLAIN", b64(b"ada\0ada\0secret")],
    "login": ["AUTH LOGIN", b64(b"ada"), b64(b"secret")],
    "login at once": [f"AUTH LOGIN {b64(b'ada')}", b64(b"secret")],
    "xoauth2": [f"AUTH XOAUTH2 {b64(b'user=ada' + bytes([1]) + b'auth=Bearer secret' + bytes([1, 1]))}"],
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_sasl(pop3_server: Pop3Server, name: str) -> None:
    pop3_server.users["ada"] = "secret"
    with connect(pop3_server) as sock:
        sock.recv(1000)
        *before, last = [ask(sock, line) for line in CONVERSATIONS[name]]
        assert all(line.startswith("+ ") for line in before)
        assert last == "+OK 0 messages (0 octets)"
        assert ask(sock, "STAT") == "+OK 0 0"
    assert pop3_server.requests[-1].user == "ada"


@pytest.mark.parametrize(("password", "answer"), [(b"secret", "+OK"), (b"wrong", "-ERR")])
def test_cram_md5(pop3_server: Pop3Server, password: bytes, answer: str) -> None:
    pop3_server.users["ada"] = "secret"
    with connect(pop3_server) as sock:
        sock.recv(1000)
        challenge = ask(sock, "AUTH CRAM-MD5")
        assert ask(sock, cram(challenge[2:], password=password)).startswith(answer)


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        (["AUTH PLAIN", b64(b"\0ada\0wrong")], r"-ERR \[AUTH\]"),
        (["AUTH PLAIN", b64(b"eve\0ada\0secret")], r"-ERR \[AUTH\]"),
        (["AUTH PLAIN", b64(b"ada")], r"-ERR \[AUTH\]"),
        (["AUTH PLAIN", "!!!"], "-ERR that is no base64"),
        (["AUTH PLAIN", "*"], "-ERR cancelled"),
        (["AUTH PLAIN ="], r"-ERR \[AUTH\]"),
        (["AUTH CRAM-MD5 eA=="], "-ERR CRAM-MD5 begins"),
        (["AUTH NTLM"], "-ERR mechanism 'NTLM' is none of PLAIN"),
        ([f"AUTH XOAUTH2 {b64(b'user=ada' + bytes([1]))}", ""], r"-ERR \[AUTH\]"),
    ],
)
def test_sasl_that_fails_leaves_the_client_outside(pop3_server: Pop3Server, lines: list[str], last: str) -> None:
    pop3_server.users["ada"] = "secret"
    with connect(pop3_server) as sock:
        sock.recv(1000)
        assert re.match(last, [ask(sock, line) for line in lines][-1])
        assert ask(sock, "STAT").startswith("-ERR")
        assert ask(sock, "USER ada").startswith("+OK")


def test_auth_alone_lists_the_mechanisms(pop3_server: Pop3Server) -> None:
    assert say(pop3_server, "AUTH")[1:] == ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "."]


def test_a_mailbox_is_one_sessions_at_a_time(pop3_server: Pop3Server, client: poplib.POP3) -> None:
    with pytest.raises(poplib.error_proto, match=r"-ERR \[IN-USE\]"):
        login(pop3_server)
    login(pop3_server, "bob").quit()
    client.quit()
    login(pop3_server).quit()


@pytest.mark.parametrize("fault", [Reset(), Close()])
def test_a_session_that_a_fault_has_ended_holds_no_mailbox(pop3_server: Pop3Server, fault: Any) -> None:
    pop3_server.when("STAT").inject(fault, first=1)
    client = login(pop3_server)
    with pytest.raises((poplib.error_proto, OSError)):
        client.stat()
    assert login(pop3_server).stat() == (0, 0)


# Extensions


def test_what_is_offered_depends_on_where_one_is(netmocks: Netmocks) -> None:
    server = netmocks.pop3()
    client = connected(server)
    assert {"STLS", "USER", "SASL", "TOP", "UIDL", "UTF8", "PIPELINING", "RESP-CODES"} <= set(client.capa())
    client.stls(server.client_context())
    assert "STLS" not in client.capa()
    client.user("ada")
    client.pass_("x")
    assert "USER" not in client.capa()
    bare = connected(netmocks.pop3(stls=False, utf8=False))
    assert not {"STLS", "UTF8"} & set(bare.capa())
    for command in (bare.stls, bare.utf8):
        with pytest.raises(poplib.error_proto, match=r"there is no|not supported"):
            command()


def test_over_tls(pop3s_server: Pop3Server) -> None:
    pop3s_server.deliver(ONE)
    client = connected(pop3s_server, poplib.POP3_SSL, context=pop3s_server.client_context())
    client.user("ada")
    client.pass_("x")
    assert client.retr(1)[1][0] == b"Subject: one"
    assert pop3s_server.url.startswith("pop3s://")
    with pytest.raises(poplib.error_proto):
        client.stls(pop3s_server.client_context())
    assert pop3s_server.connections[0].tls is not None


def test_nobody_logs_in_before_stls_if_so_wanted(netmocks: Netmocks) -> None:
    server = netmocks.pop3(auth_requires_tls=True)
    answers = say(server, "CAPA", "USER ada", "APOP ada 0", "AUTH PLAIN")
    assert not any(line.startswith(("USER", "SASL")) for line in answers)
    assert [line for line in answers if line.startswith("-ERR")] == ["-ERR log in after STLS"] * 3
    client = connected(server)
    client.stls(server.client_context())
    client.user("ada")
    client.pass_("x")


def test_what_was_said_before_stls_is_forgotten(pop3_server: Pop3Server) -> None:
    client = connected(pop3_server)
    client.user("ada")
    client.stls(pop3_server.client_context())
    with pytest.raises(poplib.error_proto, match="USER comes before PASS"):
        client.pass_("x")


def test_a_message_with_a_utf8_header_needs_utf8(pop3_server: Pop3Server) -> None:
    pop3_server.deliver("Subject: Grüße\n\nhallo\n")
    pop3_server.deliver("Subject: x\n\nGrüße\n")
    client = login(pop3_server)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[UTF8\]"):
        client.retr(1)
    assert client.retr(2)[1][-1] == "Grüße".encode()
    client.quit()
    client = connected(pop3_server)
    client.utf8()
    with pytest.raises(poplib.error_proto, match="STLS comes before UTF8"):
        client.stls(pop3_server.client_context())
    client.encoding = "utf-8"
    client.user("büro")
    client.pass_("x")
    assert client.retr(1)[1][0] == "Subject: Grüße".encode()
    assert pop3_server.requests[-1].user == "büro"


# Rules


def test_a_refusal_stands_in_place_of_the_command(pop3_server: Pop3Server, client: poplib.POP3) -> None:
    rule = pop3_server.when("DELE").reply("-ERR locked", times=1)
    with pytest.raises(poplib.error_proto, match="locked"):
        client.dele(1)
    assert client.stat()[0] == 2
    client.dele(1)
    assert client.stat()[0] == 1
    assert rule.hits == 1


def test_another_reply_stands_in_place_of_the_usual_one_after_executing(
    pop3_server: Pop3Server, client: poplib.POP3
) -> None:
    pop3_server.when("DELE").reply("+OK gone")
    pop3_server.when("LIST").reply("+OK other\n1 5\n.2 6")
    pop3_server.when("RETR").reply("+OK here it comes")
    assert client.dele(1) == b"+OK gone"
    assert client.stat()[0] == 1
    assert client.list()[:2] == (b"+OK other", [b"1 5", b".2 6"])
    assert client.retr(2)[:2] == (b"+OK here it comes", [b"Subject: two", b"", b".second", b"..and", b""])


def test_a_scripted_reply_comes_before_the_servers_own_checks(pop3_server: Pop3Server) -> None:
    pop3_server.when("STAT").reply("-ERR [SYS/PERM] no")
    assert say(pop3_server, "STAT") == ["-ERR [SYS/PERM] no"]


def test_a_rule_may_be_for_one_message(pop3_server: Pop3Server, client: poplib.POP3) -> None:
    pop3_server.when("RETR", "1").reply("-ERR corrupt")
    with pytest.raises(poplib.error_proto, match="corrupt"):
        client.retr(1)
    assert client.retr(2)[0].startswith(b"+OK")
    with pytest.raises(ValueError, match=r"RETRIEVE.*RETR"):
        pop3_server.when("RETRIEVE")
    with pytest.raises(ValueError, match=r"\+OK, -ERR"):
        pop3_server.when("RETR").reply("550 no")


def test_the_greeting_may_refuse(pop3_server: Pop3Server) -> None:
    pop3_server.when_connected().reply("-ERR [SYS/TEMP] too many", times=1)
    with connect(pop3_server) as sock:
        assert read_to_end(sock) == b"-ERR [SYS/TEMP] too many\r\n"
    login(pop3_server)


def test_a_function_may_build_on_the_usual_answer(pop3_server: Pop3Server, client: poplib.POP3) -> None:
    pop3_server.when("CAPA").reply(lambda request: request.usual.replace("UTF8 USER\n", ""))
    pop3_server.when("RETR").reply(lambda request: request.usual.replace("second", "changed"))
    pop3_server.when("LIST").reply(lambda request: request.usual.split("\n")[0])
    assert "UTF8" not in client.capa()
    assert client.retr(2)[1][:4] == [b"Subject: two", b"", b".changed", b"..and"]
    assert client.list()[1] == []
    assert client.noop() == b"+OK"


def test_a_function_that_refuses_what_was_begun_ends_it(pop3_server: Pop3Server) -> None:
    pop3_server.when("STLS").reply(lambda request: request.usual.replace("+OK", "-ERR not"), times=1)
    pop3_server.when("AUTH").reply(lambda request: f"-ERR {request.usual}")
    client = connected(pop3_server)
    with pytest.raises(poplib.error_proto, match="not begin"):
        client.stls(pop3_server.client_context())
    with pytest.raises(poplib.error_proto, match=r"-ERR \+ "):
        client._shortcmd("AUTH PLAIN")  # type: ignore[attr-defined]
    assert client.capa()
    client.stls(pop3_server.client_context())


def test_a_rule_may_speak_in_an_auth(pop3_server: Pop3Server) -> None:
    pop3_server.when("AUTH").reply("+ VXNlcm5hbWU6").reply("-ERR [SYS/TEMP] not now").reply("+OK welcome")
    with connect(pop3_server) as sock:
        sock.recv(1000)
        assert ask(sock, "AUTH PLAIN") == "+ VXNlcm5hbWU6"
        assert ask(sock, b64(b"\0a\0b")) == "-ERR [SYS/TEMP] not now"
        assert ask(sock, "STAT").startswith("-ERR")
        assert ask(sock, "AUTH PLAIN") == "+ "
        assert ask(sock, b64(b"\0a\0b")) == "+OK welcome"
        assert ask(sock, "STAT") == "+OK 0 0"


def test_raw_bytes_delays_and_the_last_answer(pop3_server: Pop3Server) -> None:
    pop3_server.when("NOOP").reply(raw=b"no reply\xff\r\n").reply(raw=b"executed\r\n", execute=True)
    pop3_server.when("STAT").reply("+OK 9 9", delay=0.05)
    pop3_server.when("UIDL").reply("+OK bye", then_close=True)
    assert say_bytes(pop3_server, *ENTER, "NOOP", "NOOP", "STAT", "UIDL 1", "STAT")[2:] == [
        b"no reply\xff", b"executed", b"+OK 9 9", b"+OK bye",
    ]  # fmt: skip


def say_bytes(server: Any, *lines: str) -> list[bytes]:
    with connect(server) as sock:
        sock.sendall("".join(f"{line}\r\n" for line in lines).encode())
        return read_to_end(sock).splitlines()[1:]


def test_limits(pop3_server: Pop3Server) -> None:
    pop3_server.limit(3, per=60)
    pop3_server.when("NOOP").limit(1, per=60)
    client = login(pop3_server)
    client.noop()
    with pytest.raises(poplib.error_proto, match=r"SYS/TEMP"):
        client.noop()
    client.quit()
    login(pop3_server).quit()
    login(pop3_server).quit()
    with connect(pop3_server) as sock:
        assert read_to_end(sock) == b"-ERR [SYS/TEMP] too many connections, try again later\r\n"


# Faults and records


def test_after_bytes_counts_from_the_answers_first_byte(pop3_server: Pop3Server) -> None:
    pop3_server.deliver("Subject: x\n\n" + "y" * 1000)
    pop3_server.when("RETR", "1").inject(Close(after_bytes=100))
    with connect(pop3_server) as sock:
        sock.sendall(b"USER a\r\nPASS b\r\nRETR 1\r\n")
        answer = read_to_end(sock)
    begin = answer.index(b"+OK 1016 octets\r\n")
    assert len(answer) - begin == 100
    assert pop3_server.requests[-1].reply == answer[begin:].decode()


def test_a_fault_strikes_in_place_of_an_answer(pop3_server: Pop3Server, client: poplib.POP3) -> None:
    pop3_server.when("STAT").inject(Reset())
    with pytest.raises(ConnectionResetError):
        client.stat()
    assert pop3_server.requests[-1].reply == ""
    assert pop3_server.connections[0].closed_by == "fault"


def test_an_upstream_fault_on_a_rule_is_refused(pop3_server: Pop3Server) -> None:
    with pytest.raises(ValueError, match="strikes the answer"):
        pop3_server.when("STAT").inject(Latency(1, direction="upstream"))


def test_commands_are_on_record(pop3_server: Pop3Server, client: poplib.POP3) -> None:
    client.list(1)
    client.quit()
    assert [(one.command, one.argument, one.user) for one in pop3_server.requests] == [
        ("USER", "ada", None), ("PASS", "secret", None), ("LIST", "1", "ada"), ("QUIT", None, "ada"),
    ]  # fmt: skip
    assert [one.number for one in pop3_server.requests] == [1, 2, 3, 4]
    assert pop3_server.requests[2].reply == "+OK 1 23\r\n"
    assert pop3_server.requests == pop3_server.connections[0].requests


def test_of_a_long_answer_the_record_keeps_the_beginning(pop3_server: Pop3Server) -> None:
    pop3_server.deliver("Subject: x\n\n" + ("y" * 99 + "\n") * 10_000)
    client = login(pop3_server)
    assert len(client.retr(1)[1]) == 10_002
    assert len(pop3_server.requests[-1].reply) == 64 << 10


# reset()


def test_reset_leaves_what_the_mailbox_had_at_the_start() -> None:
    server = Pop3Server()
    server.deliver(ONE)
    with server:
        server.deliver(TWO)
        client = login(server)
        client.dele(1)
        client.quit()
        server.reset()
        assert [message.message["Subject"] for message in server.messages] == ["one"]
        login(server).quit()

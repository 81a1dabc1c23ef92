"""Faults of answers on whole servers, on connections and on rules: what they count, and what they stand in place of."""

from __future__ import annotations

import ftplib
import pathlib
import poplib
import smtplib
import socket
from typing import Any

import pytest
import requests
import websockets.sync.client
from helpers import Suite, connect, echo, read_exactly, read_to_end, udp_client

import pytest_netmocks
from pytest_netmocks import Response, faults
from pytest_netmocks.faults import Answer, Close, Garbage, Latency, MalformedChunk, Reset
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.protocols.udp.server import UdpServer
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.ws.server import WsServer
from pytest_netmocks.records.events import Event, Struck
from pytest_netmocks.servers.server import Server

BUSY = Answer(503, headers={"Retry-After": "1"})


def status(server: HttpServer, path: str = "/", **options: Any) -> int:
    return requests.get(server.url_for(path), timeout=10, **options).status_code


def application(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]


async def reader(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that says how much it was sent."""
    size = 0
    while (message := await receive()).get("more_body"):
        size += len(message["body"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % (size + len(message.get("body", b"")))})


# What it counts, and what it stands in place of


def test_it_strikes_rules_applications_directories_and_what_nothing_matches(
    http_server: HttpServer, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "file").touch()
    http_server.when("/rule").reply(200)
    http_server.mount(application, at="/wsgi")
    http_server.mount(reader, at="/asgi")
    http_server.serve_files(tmp_path, at="/files")
    paths = ["/rule", "/wsgi", "/asgi", "/files/file", "/nowhere"]
    assert [status(http_server, path) for path in paths] == [200, 200, 200, 200, 404]
    with http_server.inject(BUSY) as injection:
        assert [status(http_server, path) for path in paths] == [503] * 5
    assert injection.hits == 5
    assert [status(http_server, path) for path in paths] == [200, 200, 200, 200, 404]


@pytest.mark.parametrize(
    ("selectors", "struck"),
    [
        ({"nth": 2}, [2]),
        ({"first": 2}, [1, 2]),
        ({"every": 3}, [3, 6]),
        ({"skip": 4}, [5, 6]),
        ({}, [1, 2, 3, 4, 5, 6]),
    ],
    ids=repr,
)
def test_selectors_count_requests_over_all_connections(
    http_server: HttpServer, selectors: Any, struck: list[int]
) -> None:
    http_server.when("/").reply(200)
    requests.get(http_server.url, timeout=10)  # what was before is not counted
    injection = http_server.inject(BUSY, **selectors)
    with requests.Session() as session:
        seen = [session.get(http_server.url, timeout=10).status_code for _ in range(3)]
    seen += [status(http_server) for _ in range(3)]
    assert [number for number, code in enumerate(seen, 1) if code == 503] == struck
    assert injection.hits == len(struck)


def test_chance_is_drawn_for_each_request(http_server: HttpServer) -> None:
    http_server.when("/").reply(200)
    http_server.inject(BUSY, probability=0.5)
    with requests.Session() as session:
        seen = {session.get(http_server.url, timeout=10).status_code for _ in range(40)}
    assert seen == {200, 503}
    assert len(http_server.connections) == 1


def test_no_function_runs_and_no_answer_of_a_sequence_is_used_up(http_server: HttpServer) -> None:
    called = []

    def answer(request: HttpRequest) -> Response:
        called.append(request)
        return Response(202)

    rule = http_server.when("/").reply(201).reply(answer)
    http_server.inject(BUSY, first=2)
    assert [status(http_server) for _ in range(4)] == [503, 503, 201, 202]
    assert len(called) == 1
    assert (rule.hits, rule.met) == (2, 2)


def test_of_several_the_newest_answers_and_all_count(http_server: HttpServer) -> None:
    first = http_server.inject(Answer(500), nth=1)
    second = http_server.inject(Answer(502), first=1)
    third = http_server.inject(Answer(504), nth=2)
    assert [status(http_server) for _ in range(3)] == [502, 504, 404]
    assert [first.hits, second.hits, third.hits] == [0, 1, 1]


def test_a_function_gets_the_request(http_server: HttpServer) -> None:
    http_server.inject(Answer(lambda request: Response(200, text=request.path)))
    assert requests.get(http_server.url_for("/path"), timeout=10).text == "/path"


def test_the_answer_is_struck_by_the_rules_faults_as_any(http_server: HttpServer) -> None:
    http_server.when("/").reply(200).inject(Close(after_bytes=3))
    http_server.inject(Answer(200, text="instead"))
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_to_end(sock).endswith(b"\r\n\r\nins")


def test_a_rate_limit_comes_before_it(http_server: HttpServer) -> None:
    http_server.limit(1, 60)
    injection = http_server.inject(BUSY)
    assert [status(http_server), status(http_server)] == [503, 429]
    assert injection.hits == 1


def test_on_a_rule_it_counts_the_rules_exchanges(http_server: HttpServer) -> None:
    older = http_server.when("/").reply(201).reply(200)
    rule = http_server.when("/")
    injection = rule.inject(Answer(503), nth=2)
    other = http_server.when("/other").reply(200)
    assert [status(http_server, path) for path in ("/other", "/", "/", "/")] == [200, 201, 503, 200]
    assert (injection.hits, rule.hits, older.hits, other.hits) == (1, 1, 2, 1)
    assert [request.response.status for request in rule.requests if request.response] == [503]


def test_the_servers_stands_in_place_of_the_rules(http_server: HttpServer) -> None:
    of_the_rule = http_server.when("/").reply(200).inject(Answer(500))
    of_the_server = http_server.inject(Answer(503), nth=1)
    assert [status(http_server), status(http_server)] == [503, 500]
    assert (of_the_rule.hits, of_the_server.hits) == (1, 1)


def test_a_connection_and_a_script_have_theirs(http_server: HttpServer) -> None:
    http_server.when("/").reply(200)
    http_server.script([Answer(503)], [Latency(0.0)], [Answer(500), Close(after_bytes=200)])
    seen = []
    for number in range(3):
        with requests.Session() as session:
            seen.append([session.get(http_server.url, timeout=10).status_code for _ in range(2)])
            if number == 1:
                http_server.connections[1].inject(Answer(418))
                seen.append([session.get(http_server.url, timeout=10).status_code])
    assert seen == [[503, 503], [200, 200], [418], [500, 500]]


def test_after_its_duration_the_server_is_as_before(http_server: HttpServer) -> None:
    http_server.when("/").reply(200)
    injection = http_server.inject(BUSY, duration=0.05)
    http_server.wait_for(lambda _: injection.lifted)
    assert status(http_server) == 200


def test_it_is_on_record(http_server: HttpServer) -> None:
    http_server.when("/").reply(200)
    events: list[Event] = []
    http_server.subscribe(events.append)
    injection = http_server.inject(BUSY, nth=1)
    assert status(http_server) == 503
    assert http_server.connections[0].faults == ["Answer"]
    assert http_server.requests[0].answered_by == repr(BUSY)
    assert [event.fault for event in events if isinstance(event, Struck)] == [injection.fault]
    assert f"{BUSY!r} strikes" in str(http_server.timeline)
    assert http_server.requests[0].response is not None
    assert http_server.requests[0].response.status == 503


# With a body


def upload(server: HttpServer, path: str = "/", *, expects: bool = False) -> tuple[bytes, bytes]:
    """What a client gets before it sends its body, and after, until the server has no more to say."""
    with connect(server) as sock:
        expect = b"Expect: 100-continue\r\n" if expects else b""
        sock.sendall(b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n%s\r\n" % (path.encode(), expect))
        before = sock.recv(1000) if expects else b""
        sock.sendall(b"body")
        sock.shutdown(socket.SHUT_WR)
        return before, read_to_end(sock)


@pytest.mark.parametrize("place", ["a rule", "an application", "nothing"])
def test_a_client_that_waits_is_asked_for_its_body_or_not_as_the_answer_says(
    http_server: HttpServer, place: str
) -> None:
    if place == "a rule":
        http_server.when("/").reply(200)
    elif place == "an application":
        http_server.mount(reader)
    http_server.inject(Answer(401, before_body=True), nth=1)
    http_server.inject(Answer(503), nth=2)
    assert upload(http_server, expects=True)[0].startswith(b"HTTP/1.1 401")
    asked, answer = upload(http_server, expects=True)
    assert asked == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 503")
    assert [request.body for request in http_server.requests][1] == b"body"


def test_an_application_that_reads_as_the_body_comes_is_not_asked(http_server: HttpServer) -> None:
    http_server.mount(reader)
    http_server.inject(BUSY, nth=1)
    assert upload(http_server)[1].startswith(b"HTTP/1.1 503")
    assert upload(http_server)[1].endswith(b"\r\n\r\n4")
    assert http_server.requests[0].body == b"body"


# Other protocols


def test_commands_of_smtp(smtp_server: SmtpServer) -> None:
    injection = smtp_server.inject(Answer("451 4.3.0 try later"), nth=4)
    with smtplib.SMTP(*smtp_server.address) as client:
        client.ehlo("me")
        client.mail("a@example.com")
        assert client.rcpt("b@example.com")[0] == 250
        assert client.docmd("NONSENSE")[0] == 451
        assert client.docmd("NONSENSE")[0] == 500
        client.data(b"text")
    assert [request.command for request in smtp_server.requests][3:5] == ["NONSENSE", "NONSENSE"]
    assert injection.hits == 1
    assert len(smtp_server.messages) == 1


def test_a_421_ends_an_smtp_session(smtp_server: SmtpServer) -> None:
    smtp_server.inject(Answer("421 4.3.2 closing"), nth=2)
    client = smtplib.SMTP(*smtp_server.address)
    client.ehlo("me")
    assert client.docmd("NOOP")[0] == 421
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.docmd("NOOP")
    client.close()


def test_a_message_is_refused_where_its_rule_says_so(smtp_server: SmtpServer) -> None:
    smtp_server.when_message().inject(Answer("451 4.3.0 try later"), nth=1)
    with smtplib.SMTP(*smtp_server.address) as client:
        with pytest.raises(smtplib.SMTPDataError, match="try later"):
            client.sendmail("a@example.com", "b@example.com", "text")
        client.sendmail("a@example.com", "b@example.com", "text")
    assert len(smtp_server.messages) == 1


def test_commands_of_ftp(netmocks: Netmocks) -> None:
    server = netmocks.ftp()
    (server.root / "file").write_bytes(b"content")
    with ftplib.FTP() as client:
        client.connect(*server.address)
        client.login()
        with server.inject(Answer("450 later")), pytest.raises(ftplib.error_temp, match="450 later"):
            client.retrbinary("RETR file", lambda _: None)
        with server.inject(Answer("502 no"), first=1), pytest.raises(ftplib.error_perm, match="502 no"):
            client.sendcmd("NONSENSE")
        got: list[bytes] = []
        client.retrbinary("RETR file", got.append)
    assert got == [b"content"]


def test_commands_of_pop3(netmocks: Netmocks) -> None:
    server = netmocks.pop3()
    server.inject(Answer("-ERR [SYS/TEMP] later"), nth=3)
    client = poplib.POP3(*server.address)
    client.user("me")
    client.pass_("word")
    with pytest.raises(poplib.error_proto, match="later"):
        client.stat()
    assert client.stat() == (0, 0)
    client.quit()


def test_messages_of_a_websocket_with_and_without_rules(ws_server: WsServer) -> None:
    ws_server.inject(Answer("echo"), nth=2)
    with websockets.sync.client.connect(ws_server.url) as client:
        heard = []
        for word in ("a", "b", "c"):
            client.send(word)
            heard.append(client.recv())
        ws_server.when("d").reply("rule")
        ws_server.inject(Answer(json={"busy": True}), nth=1)
        for _ in range(2):
            client.send("d")
            heard.append(client.recv())
    assert heard == ["a", "echo", "c", '{"busy": true}', "rule"]


def test_matches_of_a_tcp_servers_rules(tcp_server: TcpServer) -> None:
    tcp_server.when(b"PING\r\n").reply(b"PONG\r\n")
    tcp_server.inject(Answer(b"BUSY\r\n", then_close=True), nth=2)
    with connect(tcp_server) as sock:
        sock.sendall(b"PING\r\nPING\r\nPING\r\n")
        assert read_to_end(sock) == b"PONG\r\nBUSY\r\n"


@pytest.mark.parametrize("way", ["echo", "rule", "handler"])
def test_datagrams(udp_server: UdpServer, way: str) -> None:
    async def handler(datagram: Any, send: Any) -> None:
        send(datagram.data)

    if way == "rule":
        udp_server.when(b"x").reply(b"x")
    elif way == "handler":
        udp_server.handle(handler)
    udp_server.inject(Answer(b"busy"), nth=2)
    with udp_client(udp_server) as sock:
        heard = []
        for _ in range(3):
            sock.send(b"x")
            heard.append(sock.recv(100))
    assert heard == [b"x", b"busy", b"x"]
    assert udp_server.connections[0].faults == ["Answer"]


def test_no_answer_is_an_answer_to_a_datagram_and_a_script_goes_datagram_by_datagram(udp_server: UdpServer) -> None:
    udp_server.script([Answer(None)], [], [Answer(b"third")])
    with udp_client(udp_server) as sock:
        for word in (b"1", b"2", b"3"):
            sock.send(word)
        assert [sock.recv(100), sock.recv(100)] == [b"2", b"third"]
        udp_server.connections[0].inject(Answer(b"mine"))
        sock.send(b"4")
        assert sock.recv(100) == b"mine"


# What spoils the answer that was due


@pytest.mark.parametrize("path", ["/rule", "/wsgi", "/asgi", "/nowhere"])
@pytest.mark.parametrize("fault", [Garbage(30), MalformedChunk()], ids=repr)
def test_an_answer_of_the_server_is_spoilt_whoever_gives_it(
    http_server: HttpServer, fault: faults.Fault, path: str
) -> None:
    http_server.when("/rule").reply(text="rule")
    http_server.mount(application, at="/wsgi")
    http_server.mount(reader, at="/asgi")
    injection = http_server.inject(fault, nth=2)
    requests.get(http_server.url_for(path), timeout=10)
    with pytest.raises(requests.RequestException):
        requests.get(http_server.url_for(path), timeout=10)
    requests.get(http_server.url_for(path), timeout=10)
    assert injection.hits == 1
    assert [connection.faults for connection in http_server.connections] == [[], [fault.name], []]


@pytest.mark.parametrize(
    ("kind", "said", "usual"),
    [
        ("smtp", b"NOOP\r\n", b"250"),
        ("smtp", b"NONSENSE\r\n", b"500"),
        ("ftp", b"USER anonymous\r\n", b"331"),
        ("ftp", b"LIST\r\n", b"530"),
        ("pop3", b"CAPA\r\n", b"+OK"),
    ],
)
def test_a_command_gets_garbage_and_the_end(netmocks: Netmocks, kind: str, said: bytes, usual: bytes) -> None:
    server = getattr(netmocks, kind)()
    server.inject(Garbage(50), nth=2)
    with connect(server) as sock:
        greeting = sock.makefile("rb").readline()
        sock.sendall(said)
        answer = sock.recv(1000)
        assert answer.startswith(usual)
        sock.sendall(said)
        assert len(read_to_end(sock)) == 50
    assert greeting
    assert server.connections[0].closed_by == "fault"


def test_a_transfer_of_ftp_begins_with_garbage(netmocks: Netmocks) -> None:
    server = netmocks.ftp()
    server.when("LIST").inject(Garbage(50))
    with ftplib.FTP() as client:
        client.connect(*server.address)
        client.login()
        with pytest.raises((EOFError, ftplib.Error, UnicodeDecodeError)):
            client.retrlines("LIST", lambda _: None)


def test_a_message_and_a_match_get_garbage(ws_server: WsServer, tcp_server: TcpServer) -> None:
    ws_server.inject(Garbage(50))
    tcp_server.when(b"x").reply(b"y")
    tcp_server.inject(Garbage(50), nth=2)
    with websockets.sync.client.connect(ws_server.url) as client, pytest.raises(websockets.ConnectionClosed):
        client.send("a")
        client.recv()
    with connect(tcp_server) as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"y"
        sock.sendall(b"x")
        assert len(read_to_end(sock)) == 50


# Where it makes no sense


@pytest.mark.parametrize(
    ("kind", "fault", "error", "words"),
    [
        ("http", Answer("text"), TypeError, "write text='text'"),
        ("http", Answer(99), ValueError, "status must be a whole number from 100"),
        ("http", Answer(200, heders={}), TypeError, "reply.. takes no 'heders'.*headers"),
        ("smtp", Answer("try later"), ValueError, "code of three digits"),
        ("smtp", Answer(503), TypeError, "reply must be a reply such as"),
        ("ftp", Answer("450 no", headers={}), TypeError, "headers"),
        ("pop3", Answer("450 no"), ValueError, r"\+OK, -ERR"),
        ("ws", Answer({"a": 1}), TypeError, "give json="),
        ("tcp", Answer("text"), TypeError, "reply must be bytes"),
        ("tcp", Answer(), TypeError, "needs what to answer"),
        ("udp", Answer(b"x" * 70000), ValueError, "fit into a datagram"),
        ("udp", Garbage(), ValueError, "only datagrams"),
        ("smtp", MalformedChunk(), ValueError, "answers of http, https, and .* speaks smtp"),
    ],
    ids=repr,
)
def test_what_the_protocol_cannot_say_fails_at_the_call(
    netmocks: Netmocks, kind: str, fault: faults.Fault, error: type[Exception], words: str
) -> None:
    server: Server = getattr(netmocks, kind)()
    for call in (server.inject, lambda one: server.script([one])):
        with pytest.raises(error, match=words):
            call(fault)
    assert server.in_force == []


def test_a_rule_refuses_what_it_cannot_say(http_server: HttpServer) -> None:
    rule = http_server.when("/")
    with pytest.raises(TypeError, match="write text="):
        rule.inject(Answer("text"))
    assert rule.injections == []


def test_a_proxy_has_no_answers_of_its_own(netmocks: Netmocks) -> None:
    proxies: list[Server] = [netmocks.tcp_proxy(netmocks.tcp()), netmocks.udp_proxy(netmocks.udp())]
    for proxy in proxies:
        with pytest.raises(ValueError, match="passes on those of others: inject it into the server that answers"):
            proxy.inject(Answer(b"x"))


def test_without_rules_a_tcp_server_has_no_exchange_to_strike(tcp_server: TcpServer) -> None:
    injection = tcp_server.inject(Answer(b"x"))
    assert echo(tcp_server) == b"hello"
    assert injection.hits == 0
    injection.lift()


# On every server, in markers, profiles and on the command line


def test_everywhere_it_leaves_out_servers_that_have_no_such_answer(netmocks: Netmocks, http_server: HttpServer) -> None:
    smtp = netmocks.smtp()
    proxy = netmocks.tcp_proxy(http_server)
    everywhere = netmocks.inject(BUSY, nth=1)
    later = netmocks.http()
    assert [status(http_server), status(later), status(http_server)] == [503, 503, 404]
    assert everywhere.hits == 2
    assert smtp.in_force == proxy.in_force == []


def test_markers_and_profiles_have_it(suite: Suite) -> None:
    source = """
        import pytest, urllib.error, urllib.request
        from pytest_netmocks.faults import Answer, Garbage, Profile, profiles

        def status(server):
            try:
                return urllib.request.urlopen(server.url).status
            except urllib.error.HTTPError as error:
                return error.code

        @pytest.mark.faults(Answer(503))
        def test_marked(http_server):
            assert status(http_server) == 503

        def test_as_the_profile_says(http_server, smtp_server):
            assert status(http_server) == EXPECTED
    """
    plain = suite(source.replace("EXPECTED", "404"))
    plain.assert_outcomes(passed=2)
    wrong = suite(source.replace("Answer(503))", "Answer('x'))").replace("EXPECTED", "404"))
    wrong.assert_outcomes(passed=1, errors=1)
    assert "write text='x'" in wrong.stdout.str()


def test_a_profile_leaves_it_out_where_it_makes_no_sense(netmocks: Netmocks, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_netmocks import scope
    from pytest_netmocks.faults.profile import Part

    monkeypatch.setattr(scope.current, "run_faults", (Part(Answer(503)), Part(Reset(after_bytes=100000))))
    assert status(netmocks.http()) == 503
    assert [injection.fault for injection in netmocks.smtp().in_force] == [Reset(after_bytes=100000)]


def test_the_command_line_has_it() -> None:
    fault, selectors = faults.parse('Answer(503, headers={"Retry-After": "1"}), probability=0.3')
    assert (fault, selectors) == (BUSY, {"probability": 0.3})
    with pytest_netmocks.http() as server:
        server.inject(faults.parse("Answer(418)")[0])
        assert status(server) == 418

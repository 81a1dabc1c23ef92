"""Every kind of fault has its places on every kind of server that speaks what it strikes."""

from __future__ import annotations

import contextlib
import ftplib
import http.client
import inspect
import io
import poplib
import smtplib
import socket
import ssl
from collections.abc import Callable

import dns.exception
import dns.message
import dns.query
import pytest
from helpers import shake, udp_client
from websockets.sync.client import connect

import pytest_netmocks
from pytest_netmocks.faults import (
    Answer,
    Blackhole,
    Close,
    Corrupt,
    Duplicate,
    Garbage,
    HandshakeFailure,
    HandshakeStall,
    Latency,
    Loss,
    MalformedChunk,
    Reorder,
    Reset,
)
from pytest_netmocks.faults.base import Fault

# poplib drops the socket of a client whose greeting does not come; wrap_socket() one that was reset before it looks.
CARELESS = pytest.mark.filterwarnings("ignore:.*(socket.socket|SSLSocket):pytest.PytestUnraisableExceptionWarning")


def broken(conversation: Callable[[], object], *errors: type[Exception]) -> Callable[[], None]:
    """What may break in these ways where a fault strikes, and not otherwise."""

    def run() -> None:
        try:
            conversation()
        except Exception as error:
            if pytest_netmocks.place() is None or not isinstance(error, (OSError, EOFError, *errors)):
                raise

    return run


def get_two() -> None:
    with pytest_netmocks.http() as server:
        server.when("/{name}").reply(lambda request: pytest_netmocks.Response(200, text=request.path))
        client = http.client.HTTPConnection(*server.address, timeout=5)
        with contextlib.closing(client):
            for name in ("/a", "/b"):
                client.request("GET", name)
                answer = client.getresponse()
                body = answer.read()
                assert answer.status != 200 or body == name.encode()


def mail() -> None:
    with pytest_netmocks.smtp() as server, smtplib.SMTP(*server.address, timeout=5) as client:
        client.sendmail("a@example.com", ["b@example.com"], "Subject: hi\r\n\r\nhello\r\n")


def fetch_mail() -> None:
    with pytest_netmocks.pop3() as server:
        server.deliver("Subject: hi\r\n\r\nhello\r\n")
        client = poplib.POP3(*server.address, timeout=5)
        with contextlib.closing(client):
            client.user("u")
            client.pass_("p")
            client.retr(1)
            client.quit()


def log_in_to_send() -> None:
    with pytest_netmocks.smtp() as server, smtplib.SMTP(*server.address, timeout=5) as client:
        client.ehlo()
        client.user, client.password = "u", "p"
        client.auth("LOGIN", client.auth_login, initial_response_ok=False)


def log_in_to_fetch() -> None:
    with pytest_netmocks.pop3() as server, socket.create_connection(server.address, timeout=5) as client:
        lines = client.makefile("rb")
        lines.readline()
        for line in (b"AUTH LOGIN", b"dQ==", b"cA==", b"NOOP"):
            client.sendall(line + b"\r\n")
            lines.readline()


def upload() -> None:
    with pytest_netmocks.ftp() as server, ftplib.FTP() as client:
        client.connect(*server.address, timeout=5)
        client.login()
        client.storbinary("STOR a", io.BytesIO(b"one\n"))


def chat() -> None:
    with pytest_netmocks.ws() as server, connect(server.url, open_timeout=5, close_timeout=1) as client:
        client.send("hello")
        assert client.recv(timeout=5) == "hello"


def secret() -> None:
    with pytest_netmocks.tls() as server, shake(server) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"


def question(data: bytes = b"x") -> None:
    with pytest_netmocks.udp() as server, udp_client(server, timeout=0.05) as client:
        for number in range(3):
            client.send(data + b"%d" % number)
            with contextlib.suppress(TimeoutError):
                client.recv(100)


@CARELESS
@pytest.mark.parametrize(
    ("conversation", "fault", "places"),
    [
        (get_two, Answer(503), 2),
        (get_two, Garbage(), 2),
        (get_two, MalformedChunk(after_bytes=1), 2),
        (mail, Answer("451 4.3.0 try later"), 6),  # EHLO, MAIL, RCPT, DATA, the message, QUIT
        (fetch_mail, Answer("-ERR busy"), 4),
        (log_in_to_send, Answer("451 4.3.0 try later"), 5),  # EHLO, AUTH, the name, the password, QUIT
        (log_in_to_fetch, Answer("-ERR busy"), 4),
        (log_in_to_fetch, Answer("+OK"), 4),
        (upload, Answer("451 try later"), 7),  # USER, PASS, TYPE, PASV, STOR, the file, QUIT
        (secret, HandshakeFailure(), 1),
        (question, Loss(), 6),
        (question, Duplicate(), 6),
        (question, Reorder(direction="upstream"), 3),
        (question, Latency(0.001), 6),
        (question, Corrupt(), 6),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_each_exchange_handshake_and_datagram_is_a_place_that_is_struck(
    conversation: Callable[[], None], fault: Fault, places: int
) -> None:
    errors = smtplib.SMTPException, poplib.error_proto, http.client.HTTPException, ftplib.Error
    report = pytest_netmocks.sweep(broken(conversation, *errors), fault)
    numbers = [place.number for place in report.places]
    assert len(numbers) == places
    assert all(place.struck == 1 for place in report.places)
    assert not report.failures, report


def test_an_answer_is_given_at_its_number_whatever_rule_would_have_answered() -> None:
    seen: list[list[int]] = []

    def run() -> None:
        with pytest_netmocks.http() as server:
            server.when("/{name}").reply(200)
            client = http.client.HTTPConnection(*server.address, timeout=5)
            with contextlib.closing(client):
                for name in ("/a", "/b", "/c"):
                    client.request("GET", name)
                    client.getresponse().read()
            seen.append([request.response.status for request in server.requests if request.response])

    report = pytest_netmocks.sweep(run, Answer(503))
    assert seen == [[200, 200, 200], [503, 200, 200], [200, 503, 200], [200, 200, 503]]
    assert str(report.places[1]) == "Answer(503) on HttpServer #1, connection 1, answer 2"
    seen.clear()
    pytest_netmocks.sweep(run, Answer(503), repeat=2)
    assert seen[1:] == [[503, 503, 200], [200, 503, 503], [200, 200, 503]]


@CARELESS
@pytest.mark.parametrize(
    ("conversation", "connections"), [(mail, 1), (fetch_mail, 1), (upload, 2), (chat, 1), (secret, 1)]
)
def test_the_bytes_of_every_protocol_have_places_both_ways(conversation: Callable[[], None], connections: int) -> None:
    """Of FTP those of the data connection too."""
    errors: list[type[Exception]] = [ftplib.Error, poplib.error_proto, smtplib.SMTPException, TimeoutError, ValueError]
    errors += [AssertionError, *pytest.importorskip("websockets.exceptions").WebSocketException.__subclasses__()]
    report = pytest_netmocks.sweep(broken(conversation, *errors), Reset(), limit=40)
    assert {place.connection for place in report.places} == set(range(1, connections + 1))
    assert {place.direction for place in report.places} == {"upstream", "downstream"}
    assert report.not_reached <= 4, report
    assert not report.failures, report


def test_a_proxy_has_places_and_so_has_the_server_behind_it() -> None:
    def run() -> None:
        with pytest_netmocks.tcp(name="server") as server, pytest_netmocks.tcp_proxy(server, name="proxy") as proxy:
            for _ in range(2):
                with contextlib.suppress(OSError), socket.create_connection(proxy.address, timeout=5) as client:
                    client.sendall(b"ping")
                    if client.recv(4) == b"ping":
                        break

    report = pytest_netmocks.sweep(run, Close(direction="downstream"))
    assert {(place.server, place.connection) for place in report.places} == {("server", 1), ("proxy", 1)}


def test_silence_is_in_the_places_direction_alone() -> None:
    """What the server has to say still comes when what the client says does not."""

    def run() -> None:
        with pytest_netmocks.tcp() as server:
            server.when_connected().reply(b"hi")
            with socket.create_connection(server.address, timeout=5) as client:
                assert client.recv(2) == b"hi"
                client.sendall(b"x")
                server.wait_for(lambda server: pytest_netmocks.place() or server.connections[0].bytes_received)

    report = pytest_netmocks.sweep(run, Blackhole(direction="upstream"))
    assert len(report.places) == 2
    assert not report.failures


def test_a_handshake_that_stalls_goes_on_after_its_duration() -> None:
    report = pytest_netmocks.sweep(secret, HandshakeStall(), duration=0.01)
    assert [place.number for place in report.places] == [1]
    assert not report.failures
    failing = pytest_netmocks.sweep(secret, HandshakeFailure("internal_error"))
    assert isinstance(failing.failures[0].error, ssl.SSLError)


def test_a_message_is_kept_unless_the_answer_to_it_is_a_refusal() -> None:
    kept: list[int] = []

    def run() -> None:
        with pytest_netmocks.smtp() as server, smtplib.SMTP(*server.address, timeout=5) as client:
            with contextlib.suppress(smtplib.SMTPException):
                client.sendmail("a@example.com", ["b@example.com"], "Subject: hi\r\n\r\nhello\r\n")
            kept.append(len(server.messages))

    pytest_netmocks.sweep(run, Answer("451 4.3.0 try later"))
    assert kept == [1, 1, 0, 0, 0, 0, 1]  # EHLO that fails is followed by HELO
    kept.clear()
    pytest_netmocks.sweep(run, Answer("250 so be it"))
    assert kept == [1] * 7


def test_a_file_is_kept_though_the_answer_to_it_is_a_refusal() -> None:
    kept: list[int] = []

    def run() -> None:
        with pytest_netmocks.ftp() as server, ftplib.FTP() as client, contextlib.suppress(ftplib.Error):
            client.connect(*server.address, timeout=5)
            client.login()
            try:
                client.storbinary("STOR a", io.BytesIO(b"one\n"))
            finally:
                kept.append(len(list(server.root.iterdir())))

    report = pytest_netmocks.sweep(run, Answer("451 try later"))
    assert [place.number for place in report.places][-2:] == [6, 7]
    assert kept[-3:] == [0, 1, 1]  # STOR, the file, QUIT


def test_a_later_answer_counts_for_a_sweep_alone() -> None:
    with pytest_netmocks.smtp() as server, smtplib.SMTP(*server.address, timeout=5) as client:
        injection = server.inject(Answer("451 4.3.0 try later"), nth=5)
        client.sendmail("a@example.com", ["b@example.com"], "Subject: hi\r\n\r\nhello\r\n")
        assert (client.noop()[0], injection.hits) == (451, 1)


def test_handshakes_are_counted_and_not_connections() -> None:
    """Every other connection has none."""
    secured: list[list[int]] = []

    def run() -> None:
        with pytest_netmocks.smtp() as server:
            context, done = server.client_context(), []
            for number in range(6):
                with contextlib.closing(smtplib.SMTP(*server.address, timeout=5)) as client:
                    client.ehlo()
                    with contextlib.suppress(OSError):
                        if number % 2:
                            client.starttls(context=context)
                            done.append(number)
            secured.append(done)

    report = pytest_netmocks.sweep(run, HandshakeFailure())
    assert [(place.number, place.connection) for place in report.places] == [(1, 2), (2, 4), (3, 6)]
    assert secured == [[1, 3, 5], [3, 5], [1, 5], [1, 3]]
    secured.clear()
    pytest_netmocks.sweep(run, HandshakeFailure(), repeat=2)
    assert secured == [[1, 3, 5], [5], [1], [1, 3]]


def test_a_place_among_answers_says_what_was_asked_and_what_was_due() -> None:
    def order() -> None:
        with pytest_netmocks.http(name="api") as server:
            server.when("POST", "/a").reply(json=1)
            server.when("/b").reply(json=2)
            client = http.client.HTTPConnection(*server.address, timeout=5)
            with contextlib.closing(client):
                for method, path, body in (("POST", "/a", b"x\ny"), ("GET", "/b", None)):
                    client.request(method, path, body)
                    response = client.getresponse()
                    response.read()
                    assert response.status == 200

    report = pytest_netmocks.sweep(order, Answer(503))
    assert str(report).splitlines()[1:3] == [
        f"  Answer(503) on api, connection 1, answers 1 to 2: AssertionError, line {_line_of(order, 'status')}: "
        "assert 503 == 200",
        "    'POST /a HTTP/1.1' | 'HTTP/1.1 200 OK'",
    ]


def _line_of(function: Callable[[], object], word: str) -> int:
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if word in line)


def test_places_on_several_connections_name_none_and_one_alone_names_its_own() -> None:
    def ask() -> None:
        with pytest_netmocks.http(name="api") as server:
            for _ in range(2):
                client = http.client.HTTPConnection(*server.address, timeout=5)
                with contextlib.closing(client):
                    client.request("GET", "/")
                    assert client.getresponse().status == 404

    report = pytest_netmocks.sweep(ask, Answer(503))
    assert "Answer(503) on api, answers 1 to 2: " in str(report)
    assert [str(place) for place in report.places] == [
        "Answer(503) on api, connection 1, answer 1",
        "Answer(503) on api, connection 2, answer 2",
    ]
    assert repr(report.places[0]) == "<Place Answer(503) on api, connection 1, answer 1>"


@pytest.mark.virtual_time
def test_a_place_among_datagrams_shows_the_datagram() -> None:
    def ask() -> None:
        with pytest_netmocks.udp(name="api") as server, udp_client(server, timeout=60) as client:
            for question in (b"one", b"two"):
                client.send(question)
                assert client.recv(9) == question

    report = pytest_netmocks.sweep(ask, Loss(direction="upstream"))
    assert "Loss() on api, upstream, datagrams 1 to 2: TimeoutError" in str(report)
    assert "    '' | 'one'" in str(report).splitlines()


def ask_over_both() -> None:
    """A truncated answer, which is asked for again over TCP: two clients of one server, by datagram and by stream."""
    with pytest_netmocks.dns() as server:
        server.when("a.test").reply("10.0.0.1", truncated=True)
        question = dns.message.make_query("a.test", "A")
        for _ in range(2):
            with contextlib.suppress(OSError, EOFError, dns.exception.DNSException):
                dns.query.udp_with_fallback(question, server.host, 5, server.port)


@pytest.mark.virtual_time
def test_of_a_server_with_datagrams_and_streams_each_fault_has_its_places_on_what_it_strikes() -> None:
    lost = pytest_netmocks.sweep(ask_over_both, Loss())
    assert [(place.kind, place.direction, place.number) for place in lost.places] == [
        ("datagram", "upstream", 1), ("datagram", "upstream", 2),
        ("datagram", "downstream", 1), ("datagram", "downstream", 2),
    ]  # fmt: skip
    reset = pytest_netmocks.sweep(ask_over_both, Reset(), limit=20)
    assert {place.kind for place in reset.places} == {"byte"}
    assert {place.connection for place in reset.places} == {2, 4}  # 1 and 3 are the datagrams'
    assert all(place.struck for place in (*lost.places, *reset.places))
    assert not reset.not_reached
    late = pytest_netmocks.sweep(ask_over_both, Latency(1), limit=200)
    assert {place.kind for place in late.places} == {"byte", "datagram"}

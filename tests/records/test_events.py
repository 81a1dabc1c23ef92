"""Events: each piece by itself, what was delivered and when, who is told, and what it costs nobody."""

from __future__ import annotations

import gc
import socket
import threading
from typing import Any, TypeVar

import pytest
from helpers import abort, connect, echo, read_exactly

from pytest_netmocks.faults import Blackhole, Close, Corrupt, Latency, Loss, Reset, Slice, Stall
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.tcp.server import TcpServer, TlsServer
from pytest_netmocks.protocols.udp.server import UdpServer
from pytest_netmocks.records import events
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import (
    Arrived,
    Closed,
    Delivered,
    Ended,
    Event,
    Exchange,
    Failed,
    Handshake,
    Held,
    InForce,
    Lifted,
    Log,
    Lost,
    Note,
    Opened,
    Piece,
    Received,
    Sent,
    Struck,
    Swallowed,
)
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.records.recorder import Recorder
from pytest_netmocks.servers.server import Server

E = TypeVar("E")


def of(server: Server, kind: type[E]) -> list[E]:
    return [event for event in server.journal.log if isinstance(event, kind)]


def data(server: Server, kind: type[Piece]) -> list[tuple[int, bytes]]:
    return [(event.offset, event.data) for event in server.journal.log if isinstance(event, kind)]


def until_closed(server: TcpServer) -> None:
    server.wait_for(lambda server: server.connections and not server.open_connections)


def test_what_is_on_record_of_bytes_costs_the_garbage_collector_nothing(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as sock:
        sock.sendall(b"one")
        read_exactly(sock, 3)
    until_closed(tcp_server)
    tcp_server.settle()
    for _ in range(2):  # addresses are let go before what holds them
        gc.collect()
    followed = [event for event in tcp_server.journal.log.kept if gc.is_tracked(event)]
    assert not [event for event in followed if type(event) is tuple], "a tuple with an object in it"
    assert {type(event) for event in tcp_server.journal.log} >= {Opened, Received, Sent, Ended, Closed}


def test_pieces_are_never_merged_and_have_their_place_in_the_stream(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as sock:
        for piece in (b"one", b"two"):
            sock.sendall(piece)
            read_exactly(sock, 3)
    assert data(tcp_server, Received) == [(0, b"one"), (3, b"two")]
    assert data(tcp_server, Sent) == [(0, b"one"), (3, b"two")]


def test_times_go_on_and_have_an_anchor_in_the_calendar(tcp_server: TcpServer) -> None:
    echo(tcp_server)
    until_closed(tcp_server)
    times = [event.at for event in tcp_server.journal.log]
    assert times == sorted(times)
    assert tcp_server.journal.began_wall > 1_600_000_000


def test_without_a_fault_all_that_is_sent_is_delivered(tcp_server: TcpServer) -> None:
    echo(tcp_server, b"hello")
    connection = tcp_server.connections[0]
    assert (connection.delivered, connection.bytes_delivered) == (b"hello", 5)
    assert not of(tcp_server, Delivered) + of(tcp_server, Arrived) + of(tcp_server, Held)


def test_what_was_delivered_and_when(tcp_server: TcpServer) -> None:
    tcp_server.inject(Latency(0.1, direction="downstream"))
    tcp_server.inject(Slice(2, delay=0.02, direction="downstream"))
    tcp_server.inject(Reset(after_bytes=4))
    with connect(tcp_server) as sock:
        sock.sendall(b"hello")
        until_closed(tcp_server)
    (connection,) = tcp_server.connections
    assert (connection.sent, connection.delivered, connection.bytes_delivered) == (b"hello", b"hell", 4)
    pieces = of(tcp_server, Delivered)
    assert [(piece.offset, piece.data) for piece in pieces] == [(0, b"he"), (2, b"ll")]
    (sent,) = of(tcp_server, Sent)
    assert pieces[0].at >= sent.at + 0.1
    assert pieces[1].at >= sent.at + 0.12
    (held,) = of(tcp_server, Held)
    assert (held.direction, held.offset, held.size, held.layer) == ("downstream", 0, 5, "application")
    assert Latency(0.1, direction="downstream") in held.faults


def test_delivered_is_what_the_client_got_not_what_was_meant(tcp_server: TcpServer) -> None:
    tcp_server.inject(Corrupt(1.0, direction="downstream"))
    with connect(tcp_server) as sock:
        sock.sendall(b"hello")
        got = read_exactly(sock, 5)
    (connection,) = tcp_server.connections
    assert connection.sent == b"hello"
    assert connection.delivered == got != b"hello"


def test_after_a_fault_is_lifted_delivery_goes_on_where_it_was(tcp_server: TcpServer) -> None:
    injection = tcp_server.inject(Blackhole(after_bytes=2, direction="downstream"))
    with connect(tcp_server) as sock:
        sock.sendall(b"abcd")
        assert read_exactly(sock, 2) == b"ab"
        tcp_server.wait_for(lambda server: of(server, Swallowed))
        injection.lift()
        sock.sendall(b"ef")
        sock.settimeout(30)
        tcp_server.wait_for(lambda server: server.connections[0].bytes_sent == 6)
    (connection,) = tcp_server.connections
    assert connection.sent == b"abcdef"
    (gone, *_) = of(tcp_server, Swallowed)
    assert (gone.direction, gone.offset, gone.size) == ("downstream", 2, 2)
    assert gone.fault == Blackhole(after_bytes=2, direction="downstream")


def test_what_comes_is_on_record_before_and_behind_the_faults(tcp_server: TcpServer) -> None:
    tcp_server.inject(Stall(after_bytes=3, direction="upstream"))
    with connect(tcp_server) as sock:
        sock.sendall(b"hello")
        tcp_server.wait_for(lambda server: of(server, Held))
    assert data(tcp_server, Arrived) == [(0, b"hello")]
    assert data(tcp_server, Received) == [(0, b"hel")]
    (held,) = of(tcp_server, Held)
    assert (held.direction, held.offset, held.size) == ("upstream", 3, 2)


@pytest.mark.parametrize(
    ("fault", "sign"), [(Close(after_bytes=2), "FIN"), (Reset(after_bytes=2), "RST")], ids=["FIN", "RST"]
)
def test_a_fault_signs_the_end_it_makes(tcp_server: TcpServer, fault: Close | Reset, sign: str) -> None:
    tcp_server.inject(fault)
    with connect(tcp_server) as sock:
        sock.sendall(b"hello")
        until_closed(tcp_server)
    ends = [(event.by, event.sign) for event in tcp_server.journal.log if isinstance(event, Ended)]
    assert ends[0] == ("fault", sign)
    (struck,) = of(tcp_server, Struck)
    assert (struck.fault, struck.received) == (fault, 5)


def test_clients_sign_their_ends(tcp_server: TcpServer) -> None:
    connect(tcp_server).close()
    tcp_server.wait_for(lambda server: len(server.connections) == 1 and not server.open_connections)
    abort(connect(tcp_server))
    tcp_server.wait_for(lambda server: len(server.connections) == 2 and not server.open_connections)
    signs = [event.sign for event in tcp_server.journal.log if isinstance(event, Ended) and event.by == "client"]
    assert signs == ["FIN", "RST"]


def test_faults_come_into_force_and_are_lifted(tcp_server: TcpServer) -> None:
    with tcp_server.inject(Latency(0.0)) as injection:
        pass
    known = [event for event in tcp_server.journal.log if isinstance(event, InForce | Lifted)]
    assert [type(event) for event in known] == [InForce, Lifted]
    assert all(event.injection is injection for event in known)


def test_a_connection_opens_with_the_addresses_of_both_ends(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as sock:
        tcp_server.wait_for(lambda server: server.connections)
        ends = sock.getsockname(), sock.getpeername()
    (opened,) = of(tcp_server, Opened)
    assert (opened.client, opened.server) == ends


def test_steps_of_a_handshake(tls_server: TlsServer) -> None:
    with socket.create_connection(tls_server.address) as sock:
        tls_server.client_context().wrap_socket(sock, server_hostname="localhost").close()
    until_closed(tls_server)
    steps = [event.step for event in tls_server.journal.log if isinstance(event, Handshake)]
    assert steps[:2] == ["answered", "complete"]


def test_lost_datagrams_and_each_answer_are_on_record(udp_server: UdpServer) -> None:
    udp_server.when(b"twice").reply(b"aa", b"bb")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"twice", udp_server.address)
        assert {sock.recv(10), sock.recv(10)} == {b"aa", b"bb"}
        udp_server.inject(Loss(1.0, direction="upstream"))
        sock.sendto(b"gone", udp_server.address)
        lost = udp_server.wait_for(lambda server: of(server, Lost))[0]
    assert data(udp_server, Sent) == [(0, b"aa"), (2, b"bb")]
    assert isinstance(lost, Lost)
    assert (lost.direction, lost.data) == ("upstream", b"gone")


def test_a_subscriber_hears_every_event_in_the_loops_thread(tcp_server: TcpServer) -> None:
    heard: list[Event] = []
    threads = set()

    def hear(event: Event) -> None:
        heard.append(event)
        threads.add(threading.current_thread().name)

    with tcp_server.subscribe(hear):
        echo(tcp_server)
        until_closed(tcp_server)
        tcp_server.settle()  # the end is on record before it is told
    assert [type(event) for event in heard] == [Opened, Received, Sent, Ended, Ended, Closed]
    assert threads == {tcp_server.run_in_loop(lambda: threading.current_thread().name)}
    echo(tcp_server)
    assert len(heard) == 6


def test_the_end_of_a_connection_is_on_record_before_it_is_seen_and_is_seen_before_it_is_told() -> None:
    seen: list[tuple[str, list[type[Event]]]] = []
    journal = Journal(100)

    class Open(dict[int, Connection]):
        def pop(self, *arguments: Any) -> Any:
            seen.append(("gone", [type(event) for event in journal.log]))
            return super().pop(*arguments)

    class Watched(Connection):
        __slots__ = ()

        def __setattr__(self, name: str, value: Any) -> None:
            if name == "closed_at" and value is not None:
                seen.append(("over", [type(event) for event in journal.log]))
            super().__setattr__(name, value)

    journal.open = Open()
    connection = Watched(journal.next_number(), ("127.0.0.1", 5), 0.0)
    journal.opened(connection)
    told: list[tuple[type[Event], bool, dict[int, Connection]]] = []
    journal.subscribe(lambda event: told.append((type(event), connection.is_open, dict(journal.open))))
    Recorder(journal, connection).closed("client")
    assert seen == [("over", [Opened, Closed]), ("gone", [Opened, Closed])]
    assert told == [(Closed, False, {})]


def test_a_subscriber_gets_all_the_bytes_whatever_the_limit(netmocks: Netmocks) -> None:
    server = netmocks.tcp(record_limit=2)
    heard: list[bytes] = []
    with server.subscribe(lambda event: heard.append(event.data) if isinstance(event, Received) else None):
        echo(server, b"x" * 100)
    assert b"".join(heard) == b"x" * 100
    assert sum(event.size for event in server.journal.log if isinstance(event, Received)) == 100
    assert server.connections[0].delivered == b"xx"


def test_a_subscriber_that_raises_fails_the_test_and_hears_no_more(tcp_server: TcpServer) -> None:
    def raises(event: Event) -> None:
        raise RuntimeError("no")

    tcp_server.subscribe(raises)
    assert echo(tcp_server) == b"hello"
    (error,) = tcp_server.journal.take_errors()
    assert str(error) == "no"
    assert len(of(tcp_server, Failed)) == 1


def test_a_function_that_subscribes_twice_is_lifted_once(tcp_server: TcpServer) -> None:
    heard: list[Event] = []
    first, _second = tcp_server.subscribe(heard.append), tcp_server.subscribe(heard.append)
    first.lift()
    first.lift()
    echo(tcp_server)
    assert len([event for event in heard if isinstance(event, Opened)]) == 1


def test_who_subscribes_while_another_is_lifted_hears(tcp_server: TcpServer) -> None:
    heard: list[Event] = []
    other = threading.Thread(target=lambda: tcp_server.subscribe(heard.append))

    class Compared:
        def __call__(self, event: Event) -> None:
            """Hear nothing."""

        def __ne__(self, one: object) -> bool:
            if other.ident is None:
                other.start()
                other.join(0.2)  # whose turn it may be only when the lifting is over
            return self is not one

    tcp_server.journal.subscribe(Compared())
    tcp_server.journal.unsubscribe(print)
    other.join(30)
    echo(tcp_server)
    assert heard


@pytest.mark.parametrize("wrong", [None, 5, "f"])
def test_what_cannot_be_called_cannot_subscribe(tcp_server: TcpServer, wrong: object) -> None:
    with pytest.raises(TypeError, match="subscriber must be a plain function"):
        tcp_server.subscribe(wrong)  # type: ignore[arg-type]


def test_exchanges_begin_with_their_record(http_server: HttpServer) -> None:
    with socket.create_connection(http_server.address) as sock:
        sock.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        sock.recv(1000)
    begun = of(http_server, Exchange)
    assert begun[0].exchange is http_server.requests[0]
    assert (begun[0].phase, begun[0].connection) == ("begun", 1)


def test_a_body_that_comes_with_its_head_has_no_event_of_its_own(http_server: HttpServer) -> None:
    with socket.create_connection(http_server.address) as sock:
        sock.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        sock.recv(1000)
        http_server.wait_for(lambda server: of(server, Exchange)[-1].phase == "delivered")
    assert [event.phase for event in of(http_server, Exchange)] == ["begun", "answered", "delivered"]
    assert (http_server.requests[0].body, http_server.requests[0].received_at) == (b"body", None)


@pytest.mark.parametrize("body", [b"", b"x" * 10], ids=["without a body", "with one"])
def test_the_phases_of_an_exchange(http_server: HttpServer, body: bytes) -> None:
    rule = http_server.when("POST", "/x").reply(text="hello")
    with socket.create_connection(http_server.address) as sock:
        sock.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
        if body:
            http_server.wait_for(lambda server: server.connections and server.connections[0].bytes_received)
            sock.sendall(body)
        assert sock.recv(1000).endswith(b"hello")
        http_server.wait_for(lambda server: of(server, Exchange)[-1].phase == "delivered")
    phases = of(http_server, Exchange)
    expected = ["begun", *(["body"] if body else []), "answered", "delivered"]
    assert [(event.phase, event.rule) for event in phases] == [
        (phase, rule if phase == "answered" else None) for phase in expected
    ]
    times = [event.at for event in phases]
    assert times == sorted(times)


def test_an_answer_is_delivered_when_the_last_of_it_has_left(http_server: HttpServer) -> None:
    http_server.inject(Latency(0.1, direction="downstream"))
    with socket.create_connection(http_server.address) as sock:
        sock.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        sock.recv(1000)
        http_server.wait_for(lambda server: of(server, Exchange)[-1].phase == "delivered")
    answered, delivered = of(http_server, Exchange)[-2:]
    assert delivered.at - answered.at >= 0.1


def test_an_answer_that_was_cut_is_never_delivered(http_server: HttpServer) -> None:
    http_server.when("GET", "/x").reply(text="hello").inject(Close(after_bytes=2))
    with socket.create_connection(http_server.address) as sock:
        sock.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        while sock.recv(1000):
            pass
    http_server.wait_for(lambda server: not server.open_connections)
    assert [event.phase for event in of(http_server, Exchange)] == ["begun", "answered"]


def test_streamed_answers_have_the_same_phases(http_server: HttpServer) -> None:
    http_server.when("GET", "/x").reply(stream=[b"a", b"b"])
    with socket.create_connection(http_server.address) as sock:
        sock.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        http_server.wait_for(lambda server: of(server, Exchange) and of(server, Exchange)[-1].phase == "delivered")
    assert [event.phase for event in of(http_server, Exchange)] == ["begun", "answered", "delivered"]


def test_the_log_is_bounded_and_counts_on() -> None:
    log = Log()
    for number in range(events.LIMIT + 7):
        log.add(Note(number / 1000, None, ""))
    assert (log.count, log.dropped, len(list(log))) == (events.LIMIT + 7, 7, events.LIMIT)
    assert len(log.since(events.LIMIT)) == 7
    log.clear()
    assert (log.count, log.dropped, list(log)) == (events.LIMIT + 7, 0, [])


def test_events_are_values_that_show_themselves() -> None:
    piece = Received(0.5, 1, 3, 2, b"ab", 0)
    assert repr(piece) == "Received(at=0.5, connection=1, offset=3, size=2)"
    assert (piece.data, piece.direction) == (b"ab", "upstream")
    with pytest.raises(AttributeError):
        piece.wrong = 1  # type: ignore[attr-defined]

"""The timeline and the records: complete, bounded, readable."""

from __future__ import annotations

import pytest
from helpers import abort, connect, echo, read_exactly

from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.records import events
from pytest_netmocks.records import timeline as timelines
from pytest_netmocks.records.events import Event, Log, Note, Received, Sent
from pytest_netmocks.records.timeline import Timeline


def filled(count: int) -> Timeline:
    log = Log()
    for number in range(count):
        log.add(Note(number / 1000, number, f"event {number}"))
    return Timeline(log)


def timeline_of(*events: Event) -> Timeline:
    log = Log()
    for event in events:
        log.add(event)
    return Timeline(log)


def test_data_of_one_flow_in_a_row_is_one_line() -> None:
    timeline = timeline_of(
        Received(0.0, 1, 0, 2, b"ab", 0),
        Received(0.1, 1, 2, 2, b"cd", 0),
        Received(0.2, 2, 0, 5, b"other", 0),
        Sent(0.3, 1, 0, 100, b"e" * 100, 0),
    )
    assert [(line.connection, line.kind, line.size, line.pieces) for line in timeline] == [
        (1, "received", 4, 2),
        (2, "received", 5, 1),
        (1, "sent", 100, 1),
    ]
    text = str(timeline)
    assert "connection 1    > received 4 B in 2 pieces  b'abcd'" in text
    assert "..." in text.splitlines()[-1]


def test_lines_since_a_count_begin_anew() -> None:
    timeline = timeline_of(Received(0.0, 1, 0, 2, b"ab", 0), Received(0.0, 1, 2, 2, b"cd", 0))
    assert [line.size for line in timeline.since(0)] == [4]
    assert [line.size for line in timeline.since(1)] == [2]


def test_the_oldest_events_go_and_the_text_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = filled(events.LIMIT + 5)
    assert len(timeline) == events.LIMIT
    assert timeline.dropped == 5
    assert timeline[0].text == "event 5"
    assert "5 earlier events are not kept" in str(timeline)
    assert len(timeline.since(events.LIMIT)) == 5


def test_a_long_text_shows_the_beginning_and_the_end() -> None:
    lines = filled(1000).lines()
    assert len(lines) == timelines.SHOWN + 2
    assert "event 0" in lines[1]
    assert "event 999" in lines[-1]
    assert sum("800 events are not shown" in line for line in lines) == 1


def test_a_server_on_which_nothing_happened_says_so(tcp_server: TcpServer) -> None:
    assert str(tcp_server.timeline).splitlines() == [f"tcp_server  {tcp_server.url}", f"{'-':>9}  nothing happened"]


def test_transcripts_are_capped_and_counts_are_not(netmocks: Netmocks) -> None:
    server = netmocks.tcp(record_limit=10)
    with connect(server) as sock:
        for _ in range(4):
            sock.sendall(b"abcdef")
            read_exactly(sock, 6)
    (connection,) = server.connections
    assert (connection.received, connection.sent) == (b"abcdefabcd", b"abcdefabcd")
    assert (connection.bytes_received, connection.bytes_sent, connection.truncated) == (24, 24, True)


def test_exactly_the_limit_is_not_truncated(netmocks: Netmocks) -> None:
    server = netmocks.tcp(record_limit=5)
    echo(server)
    assert server.connections[0].received == b"hello"
    assert not server.connections[0].truncated


def test_what_a_client_can_see_is_on_record(tcp_server: TcpServer) -> None:
    for number in range(1, 50):
        with connect(tcp_server) as sock:
            assert len(tcp_server.connections) == number
            assert tcp_server.connections[-1].is_open
            sock.sendall(b"x")
            read_exactly(sock, 1)
            assert tcp_server.connections[-1].sent == b"x"


def test_who_ended_it(tcp_server: TcpServer) -> None:
    connect(tcp_server).close()
    abort(connect(tcp_server))
    tcp_server.wait_for(lambda server: len(server.connections) == 2 and not server.open_connections)
    with connect(tcp_server) as sock:
        tcp_server.wait_for(lambda server: len(server.connections) == 3)
        tcp_server.connections[-1].close()
        assert sock.recv(1) == b""
    with connect(tcp_server) as sock:
        tcp_server.stop()
        assert sock.recv(1) == b""
    assert [connection.closed_by for connection in tcp_server.connections] == ["client", "client", "server", "server"]
    assert "closed by client" in repr(tcp_server.connections[0])


def test_ids_and_the_clock_go_on_over_a_stop(tcp_server: TcpServer) -> None:
    echo(tcp_server)
    tcp_server.stop()
    tcp_server.start()
    echo(tcp_server)
    first, second = tcp_server.connections
    assert (first.id, second.id) == (1, 2)
    assert first.opened_at < second.opened_at

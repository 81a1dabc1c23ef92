"""The TCP server beyond the echo: rules, faults on rules, handlers, ends."""

# mypy: disable-error-code=arg-type
# Wrong arguments are what some of these tests give.

from __future__ import annotations

import asyncio
import contextlib
import re
import socket

import pytest
from helpers import abort, connect, echo, elapsed, in_thread, outcome, read_exactly, read_to_end

from pytest_netmocks.faults import (
    Bandwidth,
    Blackhole,
    Close,
    Latency,
    Loss,
    Refuse,
    Reset,
    SlowClose,
    Stall,
    Unreachable,
)
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.records import TcpRequest
from pytest_netmocks.protocols.tcp.server import TcpServer

pytestmark = pytest.mark.in_memory


def ask(sock: socket.socket, question: bytes, size: int) -> bytes:
    sock.sendall(question)
    return read_exactly(sock, size)


# Rules


def test_the_earliest_match_is_taken_then_the_newest_rule(tcp_server: TcpServer) -> None:
    tcp_server.when(b"b").reply(b"[b]")
    tcp_server.when(b"a").reply(b"[old a]")
    tcp_server.when(re.compile(rb"a+")).reply(b"[a+]")
    with connect(tcp_server) as sock:
        assert ask(sock, b"aab", 7) == b"[a+][b]"


def test_bytes_that_match_nothing_wait_and_the_timeline_says_so(tcp_server: TcpServer) -> None:
    tcp_server.when(b"END").reply(b"done")
    with connect(tcp_server) as sock:
        sock.sendall(b"noise")
        tcp_server.wait_for(lambda server: "no rule matches b'noise'" in str(server.timeline))
        assert ask(sock, b"END", 4) == b"done"
    assert "5 B before the match are skipped" in str(tcp_server.timeline)


def test_bytes_of_a_used_up_rule_fall_to_the_echo(tcp_server: TcpServer) -> None:
    tcp_server.when(b"x").reply(b"[1]", times=1)
    with connect(tcp_server) as sock:
        assert ask(sock, b"x", 3) == b"[1]"
        assert ask(sock, b"x", 1) == b"x"


def test_each_answer_is_given_its_times_and_the_last_for_ever(tcp_server: TcpServer) -> None:
    rule = tcp_server.when(b"n").reply(b"1", times=2).reply(b"2").reply(b"3")
    with connect(tcp_server) as sock:
        assert ask(sock, b"n" * 6, 6) == b"112333"
    assert rule.hits == 6


def test_a_rule_with_faults_only_hides_no_older_reply(tcp_server: TcpServer) -> None:
    tcp_server.when(b"x").reply(b"old")
    striking = tcp_server.when(b"x")
    injection = striking.inject(Latency(0.1))
    with connect(tcp_server) as sock:
        assert elapsed(lambda: ask(sock, b"x", 3)) >= 0.1
    assert (injection.hits, striking.hits) == (1, 1)


def test_faults_of_a_used_up_rule_strike_no_more(tcp_server: TcpServer) -> None:
    rule = tcp_server.when(b"x").reply(b"one", times=1)
    rule.inject(Reset(after_bytes=1))
    with connect(tcp_server) as sock, pytest.raises(ConnectionResetError):
        ask(sock, b"x", 3)
    assert tcp_server.connections[0].faults == ["Reset"]
    assert outcome(tcp_server, b"x") == "echo"


def test_a_fault_on_a_rule_counts_the_answers_bytes(tcp_server: TcpServer) -> None:
    tcp_server.when(b"a").reply(b"fine")
    tcp_server.when(b"b").reply(b"0123456789").inject(Reset(after_bytes=4))
    with connect(tcp_server) as sock:
        assert ask(sock, b"a", 4) == b"fine"
        assert ask(sock, b"b", 4) == b"0123"
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_fault_on_a_rule_without_bytes_strikes_in_place_of_the_answer(tcp_server: TcpServer) -> None:
    tcp_server.when(b"a").reply(b"fine")
    tcp_server.when(b"b").reply(b"never").inject(Close())
    with connect(tcp_server) as sock:
        assert ask(sock, b"a", 4) == b"fine"
        sock.sendall(b"b")
        assert sock.recv(10) == b""


def test_an_answer_too_short_for_the_fault_is_not_struck_nor_the_next(tcp_server: TcpServer) -> None:
    injection = tcp_server.when(b"a").reply(b"tiny").inject(Reset(after_bytes=10))
    with connect(tcp_server) as sock:
        for _ in range(5):
            assert ask(sock, b"a", 4) == b"tiny"
    assert injection.hits == 0
    injection.lift()


def test_latency_on_a_rule_lasts_for_its_answer(tcp_server: TcpServer) -> None:
    tcp_server.when(b"slow").reply(b"s")
    tcp_server.when(b"slow").inject(Latency(0.2))
    tcp_server.when(b"fast").reply(b"f")
    with connect(tcp_server) as sock:
        assert elapsed(lambda: ask(sock, b"slow", 1)) >= 0.2
        assert elapsed(lambda: ask(sock, b"fast", 1)) < 0.2


def test_selectors_on_a_rule_count_its_exchanges(tcp_server: TcpServer) -> None:
    injection = tcp_server.when(b"x").reply(b"y").inject(Reset(), nth=3)
    with connect(tcp_server) as sock:
        assert ask(sock, b"x", 1) + ask(sock, b"x", 1) == b"yy"
        sock.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert injection.hits == 1


def test_a_stall_on_a_rule_holds_the_answer_until_it_is_lifted(tcp_server: TcpServer) -> None:
    stall = tcp_server.when(b"x").reply(b"held").inject(Stall())
    with connect(tcp_server) as sock:
        sock.sendall(b"x")
        tcp_server.wait_for(lambda server: stall.hits == 1)
        stall.lift()
        assert read_exactly(sock, 4) == b"held"


def test_replies_may_be_functions_and_late(tcp_server: TcpServer) -> None:
    async def later(request: TcpRequest) -> bytes:
        await asyncio.sleep(0)
        assert request.match is not None
        return request.match[1][::-1]

    tcp_server.when(re.compile(rb"rev (\w+)\n")).reply(later)
    tcp_server.when(b"up\n").reply(lambda request: request.data.upper(), b"!", delay=0.05)
    with connect(tcp_server) as sock:
        assert ask(sock, b"rev abc\nup\nrev de\n", 9) == b"cbaUP\n!ed"
    assert [request.reply for request in tcp_server.requests] == [b"cba", b"UP\n!", b"ed"]
    assert tcp_server.connections[0].requests == tcp_server.requests


def test_a_delayed_answer_is_given_after_the_clients_half_close(tcp_server: TcpServer) -> None:
    tcp_server.when(b"x").reply(b"late", delay=0.05)
    with connect(tcp_server) as sock:
        sock.sendall(b"x")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b"late"


def test_a_greeting_sequence_and_its_faults(tcp_server: TcpServer) -> None:
    greeting = tcp_server.when_connected().reply(b"busy", times=1).reply(b"ready")
    injection = greeting.inject(Reset(after_bytes=2), nth=3)
    for expected in (b"busy", b"ready"):
        with connect(tcp_server) as sock:
            assert read_exactly(sock, len(expected)) == expected
    with pytest.raises(ConnectionResetError), connect(tcp_server) as sock:  # connect() itself may see it
        assert read_exactly(sock, 5) == b"re"
    assert injection.hits == 1


def test_a_rule_made_after_the_connect_greets_no_open_connection(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as sock:
        tcp_server.when_connected().reply(b"too late")
        tcp_server.when(b"x").reply(b"y")
        assert ask(sock, b"x", 1) == b"y"


def test_a_broken_reply_function_closes_the_connection_and_is_kept(tcp_server: TcpServer) -> None:
    tcp_server.when(b"x").reply(lambda request: 1 / 0)  # type: ignore[return-value]
    with connect(tcp_server) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b""
    (error,) = tcp_server.journal.take_errors()
    assert isinstance(error, ZeroDivisionError)


# Handlers


def test_a_handler_knows_its_connection_and_can_strike_it(tcp_server: TcpServer) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("connection")
        assert writer.get_extra_info("peername") == connection.client_address
        writer.write(b"%d" % connection.id)
        await reader.readexactly(1)
        connection.inject(Reset())

    tcp_server.handle(handler)
    for number in (1, 2):
        with connect(tcp_server) as sock:
            assert read_exactly(sock, 1) == b"%d" % number
            sock.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                sock.recv(1)


def test_a_greeting_comes_before_the_handler(tcp_server: TcpServer) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"handled")

    tcp_server.when_connected().reply(b"hello, ")
    tcp_server.handle(handler)
    with connect(tcp_server) as sock:
        assert read_to_end(sock) == b"hello, handled"
    tcp_server.handle(None)
    with connect(tcp_server) as sock:
        assert read_exactly(sock, 7) == b"hello, "


@pytest.mark.on_sockets
def test_a_client_that_goes_is_no_failure_of_the_handler(tcp_server: TcpServer) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(100)

    tcp_server.handle(handler)
    for leave in (socket.socket.close, abort):
        sock = connect(tcp_server)
        sock.sendall(b"only this")
        tcp_server.wait_for(lambda server: server.connections[-1].bytes_received == 9)
        leave(sock)
        tcp_server.wait_for(lambda server: not server.open_connections)
    assert tcp_server.journal.errors == []
    assert [connection.closed_by for connection in tcp_server.connections] == ["client", "client"]


def test_a_writer_that_never_stops_is_stopped_by_the_cut(tcp_server: TcpServer) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 1000)
            await writer.drain()

    tcp_server.handle(flood)
    tcp_server.inject(Close(after_bytes=10), first=1)
    with connect(tcp_server) as sock:
        assert read_to_end(sock) == b"x" * 10
    tcp_server.handle(None)
    assert echo(tcp_server) == b"hello"


# Faults


def test_a_fault_strikes_each_connection_once_though_it_was_open_or_new(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as open_one:
        latency = tcp_server.inject(Latency(0.05))
        assert elapsed(lambda: ask(open_one, b"x", 1)) >= 0.05
        echo(tcp_server)
        ask(open_one, b"x", 1)
    assert latency.hits == 2
    assert [connection.faults for connection in tcp_server.connections] == [["Latency"], ["Latency"]]


def test_a_connect_that_returned_is_open_and_not_counted_as_new(tcp_server: TcpServer) -> None:
    for _ in range(20):
        with connect(tcp_server) as sock:
            reset = tcp_server.inject(Reset(), first=1)
            assert ask(sock, b"x", 1) == b"x"
        assert outcome(tcp_server) == "reset"
        assert reset.hits == 1


def test_after_counts_from_the_injection_on_an_open_connection(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as sock:
        ask(sock, b"warm", 4)
        tcp_server.inject(Reset(after_bytes=2))
        sock.sendall(b"again")
        with pytest.raises(ConnectionResetError):
            assert read_exactly(sock, 3) == b"ag"


def test_after_bytes_and_after_deliver_then_fall_silent_then_strike(tcp_server: TcpServer) -> None:
    tcp_server.inject(Reset(after_bytes=2, after=0.2))
    with connect(tcp_server) as sock:
        sock.sendall(b"hello")
        assert read_exactly(sock, 2) == b"he"

        def wait() -> None:
            with pytest.raises(ConnectionResetError):
                sock.recv(1)

        assert elapsed(wait) >= 0.15


def test_duration_lifts_by_itself(tcp_server: TcpServer) -> None:
    injection = tcp_server.inject(Reset(), duration=0.1)
    assert outcome(tcp_server) == "reset"
    tcp_server.wait_for(lambda server: injection.lifted)
    assert outcome(tcp_server) == "echo"


def test_a_script_composes_with_injections_and_a_second_replaces_the_first(tcp_server: TcpServer) -> None:
    tcp_server.script([Reset()], [Reset()], [Reset()])
    latency = tcp_server.inject(Latency(0.05))
    assert outcome(tcp_server) == "reset"
    tcp_server.script([], [Close(after_bytes=1)])
    assert [outcome(tcp_server) for _ in range(3)] == ["echo", "cut b'h'", "echo"]
    assert latency.hits == 3


def test_direction_both_cuts_where_either_side_gets_first(tcp_server: TcpServer) -> None:
    tcp_server.when(b"flood").reply(b"x" * 100)
    tcp_server.when(re.compile(rb"u+")).reply(b".")
    tcp_server.inject(Reset(after_bytes=20, direction="both"))
    with connect(tcp_server) as sock:
        sock.sendall(b"flood")
        with pytest.raises(ConnectionResetError):
            assert read_exactly(sock, 21) == b"x" * 20
    with connect(tcp_server) as sock, pytest.raises(ConnectionResetError):
        sock.sendall(b"u" * 30)
        read_to_end(sock)
    assert tcp_server.connections[1].bytes_received == 20


def test_a_blackhole_that_was_lifted_leaves_struck_connections_silent_and_idle_ones_alive(
    tcp_server: TcpServer,
) -> None:
    with connect(tcp_server, timeout=0.2) as struck, connect(tcp_server) as idle:
        tcp_server.wait_for(lambda server: len(server.open_connections) == 2)
        blackhole = tcp_server.inject(Blackhole())
        struck.sendall(b"lost")
        tcp_server.wait_for(lambda server: blackhole.hits == 1)
        blackhole.lift()
        struck.sendall(b"still lost")
        with pytest.raises(TimeoutError):
            struck.recv(1)
        assert ask(idle, b"alive", 5) == b"alive"


def test_a_stalled_server_reads_nothing_and_what_was_held_is_released(tcp_server: TcpServer) -> None:
    stall = tcp_server.inject(Stall(after_bytes=3))
    with connect(tcp_server) as sock:
        sock.sendall(b"hello")
        assert read_exactly(sock, 3) == b"hel"
        assert stall.hits == 1
        stall.lift()
        assert read_exactly(sock, 2) == b"lo"


def test_connection_close_and_inject_concern_that_one(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as one, connect(tcp_server) as two:
        first, second = tcp_server.connections
        first.close()
        assert one.recv(1) == b""
        assert first.closed_by == "server"
        first.close()
        with pytest.raises(ValueError, match="connection 1 has ended, closed by the server"):
            first.inject(Reset())
        injection = second.inject(Latency(0.05), duration=10)
        assert elapsed(lambda: ask(two, b"x", 1)) >= 0.05
        injection.lift()
        assert injection.hits == 1
    assert echo(tcp_server) == b"hello"


def test_slow_close_and_bandwidth_change_no_closer(tcp_server: TcpServer) -> None:
    tcp_server.inject(SlowClose(0.05))
    tcp_server.inject(Bandwidth(1e6))
    echo(tcp_server)
    tcp_server.wait_for(lambda server: not server.open_connections)
    assert tcp_server.connections[0].closed_by == "client"


def test_refuse_and_unreachable_in_turn(tcp_server: TcpServer) -> None:
    with tcp_server.inject(Unreachable()):
        with tcp_server.inject(Refuse()) as refuse:
            assert outcome(tcp_server) == "refused"
            assert refuse.hits == 1
        with pytest.raises(TimeoutError):
            connect(tcp_server, timeout=0.1)
    assert outcome(tcp_server) == "echo"


def test_open_connections_live_on_while_new_ones_are_refused(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as sock:
        with tcp_server.inject(Refuse()):
            assert outcome(tcp_server) == "refused"
            assert ask(sock, b"x", 1) == b"x"
        assert ask(sock, b"x", 1) == b"x"


# Going down


def flood(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for _ in range(10_000):
            sock.send(b"z" * 65536)


def test_a_greeting_that_takes_time_comes_before_the_handler(tcp_server: TcpServer) -> None:
    tcp_server.when_connected().reply(b"220 hi\r\n", delay=0.05)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HELLO " + await reader.readline())

    tcp_server.handle(handler)
    with connect(tcp_server) as sock:
        sock.sendall(b"early\n")
        assert read_to_end(sock) == b"220 hi\r\nHELLO early\n"


def test_a_greeting_that_nobody_waits_for_starts_no_handler(tcp_server: TcpServer) -> None:
    begun = []
    tcp_server.when_connected().reply(b"220 hi\r\n", delay=60)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.append(reader)

    tcp_server.handle(handler)
    with connect(tcp_server) as sock:
        tcp_server.wait_for(lambda s: s.connections)
        abort(sock)
    tcp_server.wait_for(lambda s: not s.open_connections)
    tcp_server.wait_for(lambda s: not s.tasks)
    assert not begun


def test_a_fault_that_another_keeps_from_coming_into_force_is_no_hit(tcp_server: TcpServer) -> None:
    refuse = tcp_server.inject(Refuse())
    unreachable = tcp_server.inject(Unreachable())
    assert (refuse.hits, unreachable.hits) == (1, 0)
    refuse.lift()
    assert unreachable.hits == 1
    assert "Unreachable() strikes: new connections are unreachable" in str(tcp_server.timeline)
    unreachable.lift()


@pytest.mark.parametrize("error", [ConnectionResetError("mine"), asyncio.IncompleteReadError(b"", 3)], ids=repr)
def test_what_a_handler_raises_while_its_connection_goes_on_is_its_own(tcp_server: TcpServer, error: Exception) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        raise error

    tcp_server.handle(handler)
    with connect(tcp_server) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b""
    tcp_server.settle()
    assert tcp_server.journal.take_errors() == [error]


@pytest.mark.parametrize("fault", [None, Reset(), Close()], ids=str)
def test_a_handler_whose_connection_has_ended_under_it_is_excused(
    tcp_server: TcpServer, fault: Reset | Close | None
) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(await reader.readexactly(10))
            await writer.drain()

    tcp_server.handle(handler)
    with connect(tcp_server) as sock:
        sock.sendall(b"half")
        tcp_server.wait_for(lambda s: s.connections[0].bytes_received == 4)
        if fault is None:
            sock.shutdown(socket.SHUT_WR)
        else:
            tcp_server.inject(fault)
        with contextlib.suppress(ConnectionResetError):
            sock.recv(1)
    tcp_server.wait_for(lambda s: not s.open_connections)
    tcp_server.settle()
    assert tcp_server.journal.take_errors() == []


@pytest.mark.on_sockets
@pytest.mark.parametrize("to", ["::1", "127.0.0.1"])
def test_everywhere_means_ipv4_too(netmocks: Netmocks, to: str) -> None:
    server = netmocks.tcp(host="::")

    def echoes() -> bool:
        with socket.create_connection((to, server.port), timeout=10) as sock:
            sock.sendall(b"x")
            return sock.recv(1) == b"x"

    assert echoes()
    with server.inject(Refuse()), pytest.raises(ConnectionRefusedError):
        echoes()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        echoes()
    server.start()
    assert echoes()
    assert len(server.connections) == 2


def test_stop_keeps_everything_but_the_connections(tcp_server: TcpServer) -> None:
    tcp_server.when(b"x").reply(b"y")
    latency = tcp_server.inject(Latency(0.01))
    with connect(tcp_server) as sock:
        assert ask(sock, b"x", 1) == b"y"
    tcp_server.stop()
    tcp_server.stop()
    assert outcome(tcp_server) == "refused"
    tcp_server.start()
    tcp_server.start()
    with connect(tcp_server) as sock:
        assert ask(sock, b"x", 1) == b"y"
    assert [connection.id for connection in tcp_server.connections] == [1, 2]
    assert latency.hits == 2


@pytest.mark.on_sockets
def test_close_gives_the_port_back_and_ends_for_good(netmocks: Netmocks) -> None:
    server = netmocks.tcp()
    echo(server)
    server.close()
    again = netmocks.tcp(port=server.port)
    assert echo(again) == b"hello"
    assert server.connections[0].bytes_received == 5
    with pytest.raises(RuntimeError, match="was closed"):
        server.start()


@pytest.mark.on_sockets
@pytest.mark.parametrize("state", ["silent", "half a request", "gone", "flooding", "not reading"])
def test_stop_is_immediate_whatever_clients_do(tcp_server: TcpServer, state: str) -> None:
    tcp_server.when(b"request\n").reply(b"answer")
    tcp_server.when(b"much").reply(b"x" * 20_000_000)
    sock = connect(tcp_server)
    if state == "half a request":
        sock.sendall(b"requ")
    elif state == "gone":
        abort(sock)
    elif state == "flooding":
        in_thread(flood, sock)
    elif state == "not reading":
        sock.sendall(b"much")
    tcp_server.wait_for(lambda server: server.connections)
    assert elapsed(tcp_server.stop) < 10
    assert tcp_server.open_connections == []
    sock.close()


# Bad input


async def of_three(one: object, two: object, three: object) -> None: ...


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: s.inject(Loss(0.5)), ValueError, r"Loss\(0.5\) strikes datagrams.*Blackhole"),
        (lambda s: s.inject("Reset"), TypeError, "fault must be a fault .* not 'Reset'"),
        (lambda s: s.inject(Reset(layer="tls")), ValueError, "no TLS on tcp_server: leave layer= out"),
        (lambda s: s.inject(Refuse(), first=2), ValueError, r"only start= and duration= can be given, not first=2"),
        (lambda s: s.inject(Reset(), first=1, nth=2), ValueError, "only one of first, nth.* not first=1, nth=2"),
        (lambda s: s.inject(Reset(), duration=0), ValueError, r"duration must be a number above 0 \(seconds\), not 0"),
        (lambda s: s.inject(Reset(), frist=1), TypeError, "inject.* takes no 'frist'"),
        (lambda s: s.script(Reset()), TypeError, r"script takes lists of faults; number 1 is Reset\(\)"),
        (lambda s: s.script([Refuse()]), ValueError, "only start= and duration="),
        (lambda s: s.script([Reset()], [Loss(1.0)]), ValueError, "strikes datagrams"),
        (lambda s: s.when("text"), TypeError, "pattern must be bytes or a compiled pattern of bytes, not 'text'"),
        (lambda s: s.when(re.compile("text")), TypeError, "pattern must be bytes"),
        (lambda s: s.when(b""), ValueError, "pattern must have at least one byte"),
        (lambda s: s.when(b"x").reply("text"), TypeError, "reply must be bytes or a function .* not 'text'"),
        (lambda s: s.when(b"x").reply(), TypeError, r"reply\(\) needs what to answer"),
        (lambda s: s.when(b"x").reply(b"", times=0), ValueError, "times must be a whole number of at least 1"),
        (lambda s: s.when(b"x").reply(b"", delay=-1), ValueError, "delay must be a number of at least 0"),
        (lambda s: s.when(b"x").inject(Refuse()), ValueError, "inject it into the server"),
        (lambda s: s.when(b"x").inject(Loss(1.0)), ValueError, "strikes datagrams"),
        (lambda s: s.handle("handler"), TypeError, "handler must be an async function .* not 'handler'"),
        (lambda s: s.handle(of_three), TypeError, r"async function of reader and writer, not of \(one, two, three\)"),
        (lambda s: s.handle(lambda reader, writer: None), TypeError, "of reader and writer, not the plain function .*"),
        (lambda s: s.wait_for("predicate"), TypeError, "predicate must be a function"),
        (lambda s: s.wait_for(lambda server: True, timeout=-1), ValueError, "timeout must be a number"),
        (lambda s: TcpServer(port=-1), ValueError, "port must be a whole number from 0 to 65535 .*not -1"),
        (lambda s: TcpServer(port="80"), TypeError, "port .* not '80'"),
        (lambda s: TcpServer(host=None), TypeError, "host must be a host name or address, not None"),
        (lambda s: TcpServer(record_limit=-1), ValueError, r"record_limit .* \(bytes\), not -1"),
        (lambda s: TcpServer(name=3), TypeError, "name must be a string or None, not 3"),
    ],
)
def test_bad_input_is_named_with_what_is_accepted(tcp_server, call, error, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=message):
        call(tcp_server)
    assert not tcp_server._injections


@pytest.mark.on_sockets
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": "203.0.113.1"}, r"cannot listen on 203.0.113.1 port 0"),
        ({"host": "no.such.host.invalid"}, "host 'no.such.host.invalid' has no address"),
    ],
)
def test_an_address_that_cannot_be_had_is_an_oserror_that_names_it(options: dict[str, str], message: str) -> None:
    with pytest.raises(OSError, match=message):
        TcpServer(host=options["host"]).start()

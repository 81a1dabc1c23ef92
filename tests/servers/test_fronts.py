"""A server with two fronts: connections and datagrams on one port, with the same faults, records and ends."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Iterator

import pytest
from helpers import abort, connect, read_exactly, read_to_end, udp_client

from pytest_netmocks.faults import Close, Fault, Latency, Loss, Refuse, Reset, Slice
from pytest_netmocks.link import loop as loops
from pytest_netmocks.link.link import Link
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.datagram_front import Asked, Datagram, DatagramFront, Peer
from pytest_netmocks.servers.front import Front
from pytest_netmocks.servers.stream import StreamServer
from pytest_netmocks.servers.stream_front import StreamFront

ELSEWHERE = "127.88.0.1"  # loopback as well; no other program takes a port there between two lines of a test


class Session(asyncio.Protocol):
    """Says on a connection in capitals what is said on it."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def data_received(self, data: bytes) -> None:
        self._link.write(data.upper())


class UpperServer(StreamServer):
    """Answers in capitals, over TCP and UDP."""

    scheme = "upper"

    def _prepare(self) -> None:
        super()._prepare()
        self.left: list[Peer] = []

    @functools.cached_property
    def datagrams(self) -> DatagramFront:
        return DatagramFront(self, self._injections, self._deliver, self._leave)

    @property
    def fronts(self) -> tuple[Front, ...]:
        return self.front, self.datagrams

    def _protocol(self, link: Link, connection: Connection) -> asyncio.BaseProtocol:
        return Session(link)

    def _deliver(self, asked: Asked, datagram: Datagram) -> None:
        self.datagrams.answer(asked, datagram.data.upper())

    def _leave(self, peer: Peer) -> None:
        self.left.append(peer)


@pytest.fixture
def server() -> Iterator[UpperServer]:
    with UpperServer() as server:
        yield server


@pytest.fixture
def stream(server: UpperServer) -> Iterator[socket.socket]:
    with connect(server) as sock:
        yield sock


@pytest.fixture
def datagrams(server: UpperServer) -> Iterator[socket.socket]:
    with udp_client(server) as sock:
        yield sock


def ask(sock: socket.socket, text: bytes = b"hello") -> bytes:
    sock.sendall(text)
    return sock.recv(100)


def is_silent(sock: socket.socket, server: UpperServer) -> bool:
    """Whether nothing has come when all that was sent has been dealt with."""
    server.catch_up()
    sock.setblocking(False)
    try:
        sock.recv(100)
    except BlockingIOError:
        return True
    finally:
        sock.settimeout(30)
    return False


def test_both_are_on_one_port_and_on_one_record(
    server: UpperServer, stream: socket.socket, datagrams: socket.socket
) -> None:
    assert ask(stream) == ask(datagrams) == b"HELLO"
    assert stream.getpeername() == datagrams.getpeername() == server.address
    assert [(c.client_address, bytes(c.sent)) for c in server.connections] == [
        (stream.getsockname(), b"HELLO"),
        (datagrams.getsockname(), b"HELLO"),
    ]


def test_a_port_that_may_be_any_is_free_on_both(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((ELSEWHERE, 0))
        offered = [taken.getsockname()[1]]
        bind = StreamFront.bind

        def bind_there(front: StreamFront, thread: loops.LoopThread, host: str, port: int) -> int:
            return bind(front, thread, host, port or (offered.pop() if offered else 0))

        monkeypatch.setattr(StreamFront, "bind", bind_there)
        with UpperServer(host=ELSEWHERE) as server, udp_client(server) as datagrams, connect(server) as stream:
            assert not offered
            assert server.port != taken.getsockname()[1]
            assert ask(stream) == ask(datagrams) == b"HELLO"


def test_a_port_that_is_asked_for_is_taken_on_both_or_on_none() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((ELSEWHERE, 0))
        port = taken.getsockname()[1]
        server = UpperServer(host=ELSEWHERE, port=port)
        with pytest.raises(OSError, match=f"cannot bind UDP {ELSEWHERE} port {port}"):
            server.start()
        with socket.create_server((ELSEWHERE, port)):
            pass  # the other's is free again
    with server:
        assert server.port == port


@pytest.mark.parametrize(
    ("fault", "over_tcp", "over_udp"),
    [(Loss(1), True, False), (Reset(), False, True), (Close(after_bytes=0), False, True), (Refuse(), False, True)],
    ids=lambda value: type(value).__name__,
)
def test_a_fault_strikes_where_it_makes_sense(
    server: UpperServer, datagrams: socket.socket, fault: Fault, over_tcp: bool, over_udp: bool
) -> None:
    injection = server.inject(fault)
    try:
        with connect(server) as sock:
            got = ask(sock)
    except ConnectionError:
        got = b""
    assert (got == b"HELLO") is over_tcp
    datagrams.send(b"hello")
    if over_udp:
        assert datagrams.recv(100) == b"HELLO"
    else:
        assert is_silent(datagrams, server)
    assert injection.hits == 1
    injection.lift()
    assert ask(datagrams) == b"HELLO"


def test_a_fault_of_both_strikes_both(server: UpperServer, stream: socket.socket, datagrams: socket.socket) -> None:
    begin = server.journal.now()
    with server.inject(Latency(0.05)) as latency:
        assert ask(stream) == ask(datagrams) == b"HELLO"
    assert server.journal.now() - begin >= 0.1
    assert latency.hits == 2


def test_what_counts_connections_does_not_count_datagrams_that_it_cannot_strike(
    server: UpperServer, datagrams: socket.socket
) -> None:
    reset = server.inject(Reset(), first=1)
    assert ask(datagrams) == b"HELLO"
    with pytest.raises(ConnectionResetError), connect(server) as sock:
        ask(sock)
    assert reset.hits == 1


def test_what_makes_no_sense_on_either_is_refused(server: UpperServer) -> None:
    with pytest.raises(ValueError, match="counts WebSocket messages"):
        server.inject(Reset(after_messages=1))


def test_a_connection_takes_what_strikes_its_own_front(
    server: UpperServer, stream: socket.socket, datagrams: socket.socket
) -> None:
    ask(stream)
    ask(datagrams)
    over_tcp, over_udp = server.connections
    with pytest.raises(ValueError, match="strikes datagrams"):
        over_tcp.inject(Loss(1))
    with pytest.raises(ValueError, match="strikes a byte stream"):
        over_udp.inject(Reset())
    over_udp.inject(Loss(1))
    over_tcp.inject(Reset())
    datagrams.send(b"hello")
    assert is_silent(datagrams, server)
    with pytest.raises(ConnectionResetError):
        ask(stream)


def test_both_stop_and_come_back_together(server: UpperServer, datagrams: socket.socket) -> None:
    with connect(server) as sock:
        ask(sock)
        ask(datagrams)
        server.stop()
        assert read_to_end(sock) == b""
    assert len(server.left) == 1
    with pytest.raises(ConnectionRefusedError):
        connect(server)
    with pytest.raises(ConnectionRefusedError):
        ask(datagrams)
    server.start()
    with connect(server) as sock:
        assert ask(sock) == ask(datagrams) == b"HELLO"


def test_a_reset_ends_both_and_forgets_both(
    server: UpperServer, stream: socket.socket, datagrams: socket.socket
) -> None:
    ask(stream)
    ask(datagrams)
    server.reset()
    assert read_to_end(stream) == b""
    assert server.connections == []
    assert ask(datagrams) == b"HELLO"


def test_a_close_gives_both_ports_back(server: UpperServer, stream: socket.socket, datagrams: socket.socket) -> None:
    ask(stream)
    ask(datagrams)
    server.close()
    assert read_to_end(stream) == b""
    assert {c.closed_by for c in server.connections} == {"server"}
    with socket.create_server(server.address), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(server.address)


def test_limits_hold_on_both() -> None:
    with UpperServer(record_limit=3, max_records=2) as server:
        with udp_client(server) as datagrams:
            for _ in range(3):
                with connect(server) as sock:
                    sock.sendall(b"hello")
                    assert read_exactly(sock, 5) == b"HELLO"
                    abort(sock)
                server.wait_for(lambda s: not any(c.is_open for c in s.connections if c.sent))
            ask(datagrams)
        assert len(server.connections) == 3
        assert {bytes(connection.received) for connection in server.connections} == {b"hel"}
        assert server.dropped.connections == 1


class Slow(Session):
    """Reads no further than the first piece."""

    def data_received(self, data: bytes) -> None:
        self._link.pause_reading()


class SlowServer(UpperServer):
    """Never reads all."""

    def _protocol(self, link: Link, connection: Connection) -> asyncio.BaseProtocol:
        return Slow(link)


def test_a_lost_connection_that_is_still_being_read_ends_with_its_server() -> None:
    with SlowServer() as server:
        server.inject(Slice(1, direction="upstream"))
        with connect(server) as sock:
            sock.sendall(b"abc")
            server.settle()
            abort(sock)
        server.settle()
        assert not server.front.wires
        assert server.open_connections
    assert not server.open_connections
    assert not server.front.links

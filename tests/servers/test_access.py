"""Who may connect, and how many at once: the rules hold on every server over TCP."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from typing import Any

import pytest
from helpers import connect, in_thread, needed, no_descriptors, outcome, read_exactly
from openings import secured, speaks

from pytest_netmocks.faults import Refuse, Reset, Unreachable
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.known import TABLE
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.servers.access import Access, networks

STREAMS = [name for name, entry in TABLE.items() if entry.stream]
everywhere = pytest.mark.parametrize("name", STREAMS)


def made(netmocks: Netmocks, name: str, **options: Any) -> Any:
    arguments = (netmocks.tcp(),) if name == "tcp_proxy" else needed(name)
    return getattr(netmocks, name)(*arguments, **options)


def end(sock: socket.socket) -> str:
    """How a connection ends on which nothing is said: by an RST, or a FIN."""
    try:
        return "FIN" if not sock.recv(1) else "bytes"
    except ConnectionResetError:
        return "RST"


def turned_away(server: Any) -> str:
    """How the server ends a new connection; the RST may overtake the news that it is there."""
    try:
        with connect(server) as sock:
            return end(sock)
    except ConnectionResetError:
        return "RST"


# Addresses


@everywhere
@pytest.mark.parametrize("options", [{"deny": ["127.0.0.0/8"]}, {"allow": ["10.0.0.0/8"]}], ids=str)
def test_a_refused_client_is_accepted_and_reset_and_on_record(
    netmocks: Netmocks, name: str, options: dict[str, Any]
) -> None:
    server = made(netmocks, name, **options)
    assert turned_away(server) == "RST"
    (connection,) = server.connections
    assert (connection.closed_by, connection.bytes_sent, server.peak_connections) == ("server", 0, 0)
    assert "refused: " in str(server.timeline)


@everywhere
def test_lists_can_be_set_while_it_runs_and_taken_back(netmocks: Netmocks, name: str) -> None:
    server = made(netmocks, name)
    server.deny = ["127.0.0.1"]
    assert turned_away(server) == "RST"
    server.deny = None
    with connect(server):
        server.wait_for(lambda server: server.open_connections)
    server.reset()
    assert server.deny == ()


class Told:
    """What a server may be told."""

    def __init__(self, allow: Any = None, deny: Any = (), ban_after: int | None = None) -> None:
        self.allow = None if allow is None else networks("allow", allow)
        self.deny = networks("deny", deny)
        self.ban_after = ban_after


@pytest.mark.parametrize(
    ("allow", "deny", "let_in", "refused"),
    [
        (None, [], ["10.0.0.1", "::1"], []),
        ([], [], [], ["10.0.0.1", "::1"]),
        (["10.0.0.0/8"], ["10.0.0.2"], ["10.0.0.1"], ["10.0.0.2", "11.0.0.1", "::1"]),
        (None, ["10.0.0.0/8"], ["11.0.0.1", "::1"], ["10.0.0.1", "::ffff:10.0.0.1"]),
        (["::1", "fe80::/10"], [], ["::1", "fe80::1%eth0"], ["::2", "127.0.0.1"]),
        (["::ffff:10.0.0.0/104"], [], ["10.0.0.1", "::ffff:10.0.0.1"], ["11.0.0.1"]),
        ([ipaddress.ip_address("10.0.0.1"), ipaddress.ip_network("11.0.0.0/8")], [], ["10.0.0.1", "11.1.1.1"], ["::1"]),
    ],
)
def test_deny_wins_over_allow_and_mapped_ipv4_is_ipv4(
    allow: Any, deny: Any, let_in: list[str], refused: list[str]
) -> None:
    access = Access(Told(allow, deny))
    assert [access.refusal((host, 1)) for host in let_in] == [None] * len(let_in)
    assert None not in [access.refusal((host, 1)) for host in refused]


def test_what_has_no_ip_address_is_no_business_of_the_lists() -> None:
    access = Access(Told(allow=[]))
    assert [access.refusal(address) for address in ((), ("",), ("/tmp/socket", 0))] == [None] * 3


@pytest.mark.parametrize("option", ["allow", "deny"])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("127.0.0.1", "a list of addresses and networks such as .* not '127.0.0.1'"),
        (["localhost"], "not one with 'localhost'"),
        (["127.0.0.1/8"], "not one with '127.0.0.1/8': 127.0.0.1/8 has host bits set"),
        ([5], "not one with 5"),
        (5, "not 5"),
    ],
)
def test_what_is_no_network_is_refused_at_the_call(netmocks: Netmocks, option: str, wrong: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"{option} must be .*{message}"):
        netmocks.tcp(**{option: wrong})
    server: Any = netmocks.tcp()
    with pytest.raises((TypeError, ValueError), match=f"{option} must be .*{message}"):
        setattr(server, option, wrong)


def test_faults_hear_only_of_who_is_let_in(tcp_server: TcpServer) -> None:
    reset = tcp_server.inject(Reset(), first=1)
    tcp_server.deny = ["127.0.0.0/8"]
    assert outcome(tcp_server) == "reset"
    assert (reset.hits, tcp_server.connections[0].closed_by) == (0, "server")
    tcp_server.deny = []
    assert [outcome(tcp_server) for _ in range(2)] == ["reset", "echo"]
    assert (reset.hits, tcp_server.connections[1].closed_by) == (1, "fault")


@pytest.mark.on_sockets
def test_on_every_address_clients_of_ipv4_are_known_by_their_own(netmocks: Netmocks) -> None:
    server = netmocks.tcp(host="::", deny=["127.0.0.2"])
    came = []
    for host, source in (("127.0.0.1", "127.0.0.2"), ("127.0.0.1", "127.0.0.3"), ("::1", "::1")):
        at, by = (host, server.port), (source, 0)
        with (
            contextlib.suppress(ConnectionResetError),
            socket.create_connection(at, source_address=by, timeout=10) as sock,
        ):
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
            came.append(source)
    assert came == ["127.0.0.3", "::1"]


@pytest.mark.parametrize("tls", [False, True])
def test_behind_a_proxy_it_is_the_header_s_address_that_counts(netmocks: Netmocks, tls: bool) -> None:
    server = netmocks.tcp(tls=tls, proxy_protocol=True, allow=["10.0.0.0/8"], deny=["10.0.0.2"])
    for source, let_in in (("10.0.0.1", True), ("10.0.0.2", False), ("192.0.2.1", False)):
        with connect(server) as sock:
            sock.sendall(f"PROXY TCP4 {source} 10.0.0.9 1 2\r\n".encode())
            if let_in:
                with secured(server, sock) as secure:
                    speaks(server, "tcp", secure)
                continue
            assert end(sock) == "RST"
        assert (server.connections[-1].closed_by, server.connections[-1].client_address[0]) == ("server", source)


# How many


@everywhere
def test_one_too_many_waits_and_is_served_when_one_ends(netmocks: Netmocks, name: str) -> None:
    server = made(netmocks, name, max_connections=1)
    with connect(server) as first:
        server.wait_for(lambda server: server.connections)
        with connect(server):
            assert len(server.connections) == 1
            first.close()
            server.wait_for(lambda server: len(server.connections) == 2)
            assert [connection.is_open for connection in server.connections] == [False, True]
    assert server.peak_connections == 1


@everywhere
@pytest.mark.parametrize(("how", "sign"), [("reset", "RST"), ("close", "FIN")])
def test_one_too_many_is_turned_away_where_it_is_said_so(netmocks: Netmocks, name: str, how: Any, sign: str) -> None:
    server = made(netmocks, name, max_connections=1, over_limit=how)
    with connect(server) as first:
        server.wait_for(lambda server: server.connections)
        assert turned_away(server) == sign
        server.wait_for(lambda server: len(server.connections) == 2)
        assert (server.connections[1].closed_by, server.connections[0].is_open) == ("server", True)
        assert "one too many: 1 are connected" in str(server.timeline)
        first.close()
        server.wait_for(lambda server: not server.open_connections)
        with connect(server):
            server.wait_for(lambda server: server.open_connections)
    assert server.peak_connections == 1


@everywhere
def test_raised_it_serves_who_waits_before_the_call_returns(netmocks: Netmocks, name: str) -> None:
    server = made(netmocks, name, max_connections=1)
    socks = [connect(server) for _ in range(4)]
    server.wait_for(lambda server: server.connections)
    server.max_connections = 3
    assert len(server.journal.open) == 3
    server.max_connections = None
    assert len(server.journal.open) == 4
    for sock in socks:
        sock.close()


def test_lowered_it_ends_nobody(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as one, connect(tcp_server) as two:
        tcp_server.max_connections = 1
        with connect(tcp_server) as three:
            for sock in (one, two):
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
            one.close()
            three.sendall(b"y")
            tcp_server.wait_for(lambda server: len(server.open_connections) == 1)
            two.close()
            assert three.recv(1) == b"y"
    assert tcp_server.peak_connections == 2


def test_who_waits_is_turned_away_when_that_is_set(tcp_server: TcpServer) -> None:
    tcp_server.max_connections = 1
    with connect(tcp_server) as one, connect(tcp_server) as two:
        one.sendall(b"x")
        assert one.recv(1) == b"x"
        tcp_server.over_limit = "reset"
        assert end(two) == "RST"
        tcp_server.over_limit = None
        assert tcp_server.over_limit == "wait"


@everywhere
def test_one_that_is_stopped_and_comes_back_has_all_its_places(netmocks: Netmocks, name: str) -> None:
    server = made(netmocks, name, max_connections=1)
    with connect(server), connect(server) as waits:
        server.wait_for(lambda server: server.connections)
        server.stop()
        assert end(waits) == "RST"
    server.start()
    with connect(server):
        server.wait_for(lambda server: len(server.open_connections) == 1)


@everywhere
def test_a_reset_ends_those_who_wait_too(netmocks: Netmocks, name: str) -> None:
    server = made(netmocks, name, max_connections=1)
    with connect(server) as first, connect(server), connect(server):
        server.wait_for(lambda server: server.connections)
        server.max_connections = 2
        server.reset()
        assert (server.connections, server.max_connections) == ([], 1)
        first.close()
    with connect(server):
        server.wait_for(lambda server: server.open_connections)


@pytest.mark.on_sockets
@pytest.mark.parametrize("fault", [Refuse(), Unreachable()], ids=repr)
def test_the_port_s_faults_and_the_limit_do_not_disturb_each_other(tcp_server: TcpServer, fault: Any) -> None:
    tcp_server.max_connections = 1
    for _ in range(2):
        with connect(tcp_server) as first:
            first.sendall(b"x")
            assert first.recv(1) == b"x"
            with tcp_server.inject(fault), pytest.raises((ConnectionRefusedError, TimeoutError)):
                connect(tcp_server, timeout=0.1)
            with connect(tcp_server) as second:
                second.sendall(b"y")
                assert len(tcp_server.open_connections) == 1
                first.close()
                assert second.recv(1) == b"y"
        with tcp_server.inject(fault), pytest.raises((ConnectionRefusedError, TimeoutError)):
            connect(tcp_server, timeout=0.1)
    assert tcp_server.peak_connections == 1


def test_a_limit_that_is_set_before_the_header_comes_holds_for_it(netmocks: Netmocks) -> None:
    server = netmocks.tcp(proxy_protocol=True)
    with connect(server) as sock:
        server.wait_for(lambda server: server.open_connections)
        server.deny = ["10.0.0.0/8"]
        sock.sendall(b"PROXY TCP4 10.0.0.1 10.0.0.9 1 2\r\n")
        assert end(sock) == "RST"


@pytest.mark.on_sockets
def test_a_port_hangs_again_though_a_client_waited_in_its_queue(tcp_server: TcpServer) -> None:
    tcp_server.max_connections = 1
    with connect(tcp_server) as first:
        first.sendall(b"x")
        assert first.recv(1) == b"x"
        with connect(tcp_server) as second:
            with tcp_server.inject(Unreachable()):
                pass
            first.close()
            second.sendall(b"y")
            assert second.recv(1) == b"y"
    with tcp_server.inject(Unreachable()), pytest.raises(TimeoutError):
        connect(tcp_server, timeout=0.1)


@pytest.mark.on_sockets
def test_hundreds_at_once_are_all_served_and_never_more_than_the_limit(netmocks: Netmocks) -> None:
    server = netmocks.tcp(max_connections=7)
    # Nobody leaves before seven were served at once: whether that happens by itself is the scheduler's choice.
    together = threading.Barrier(7)

    def stay(number: int) -> None:
        with connect(server, timeout=60) as sock:
            sock.sendall(b"%d" % number)
            read_exactly(sock, len(str(number)))
            together.wait(60)

    clients = [in_thread(stay, number) for number in range(7 * 43)]
    for client in clients:
        client.join(60)
    assert not together.broken
    assert len(server.connections) == 7 * 43
    assert server.peak_connections == 7


@pytest.mark.on_sockets
def test_a_machine_without_descriptors_is_asked_again_when_there_is_a_place(netmocks: Netmocks) -> None:
    server = netmocks.tcp(max_connections=1)
    first, second = connect(server), connect(server)
    first.sendall(b"x")
    assert first.recv(1) == b"x"
    with no_descriptors():
        server.max_connections = 2
        assert len(server.journal.open) == 1
        server.max_connections = 1
        server.max_connections = 2
    second.sendall(b"y")
    assert second.recv(1) == b"y"
    first.close()
    second.close()


def test_data_connections_of_ftp_take_no_place(netmocks: Netmocks) -> None:
    import ftplib

    server = netmocks.ftp(max_connections=1)
    (server.root / "f").write_bytes(b"hello")
    with ftplib.FTP() as client:
        client.connect(server.host, server.port, timeout=10)
        client.login()
        got: list[bytes] = []
        client.retrbinary("RETR f", got.append)
        assert b"".join(got) == b"hello"


@pytest.mark.parametrize(
    ("option", "wrong"),
    [("max_connections", 0), ("max_connections", "3"), ("over_limit", "drop"), ("idle_timeout", 0)],
)
def test_what_makes_no_sense_is_refused_at_the_call(netmocks: Netmocks, option: str, wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=f"{option} must be"):
        netmocks.tcp(**{option: wrong})

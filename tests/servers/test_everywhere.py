"""Faults on the bytes of any stream, on a line that all share, and on all servers of a test at once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from helpers import Suite, connect, echo, elapsed, outcome, read_exactly

from pytest_netmocks.faults import Bandwidth, Latency, Loss, MalformedChunk, Refuse, Replace, Reset
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.protocols.udp.server import UdpServer


def test_a_proxy_replaces_bytes_across_chunks_both_ways(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    proxy = netmocks.tcp_proxy(upstream)
    replace = proxy.inject(Replace(b"secret", b"***", direction="upstream"))
    with connect(proxy) as sock:
        sock.sendall(b"a sec")
        upstream.wait_for(lambda server: server.requests == [] and server.connections)
        sock.sendall(b"ret b")
        assert read_exactly(sock, 7) == b"a *** b"
    assert replace.hits == 1
    assert upstream.connections[0].received == b"a *** b"


def test_what_is_replaced_counts_as_it_arrives(tcp_server: TcpServer) -> None:
    tcp_server.inject(Replace("hello", "HI"))
    tcp_server.when(b"?").reply(b"hello hello").inject(Reset(after_bytes=3))
    with connect(tcp_server) as sock:
        sock.sendall(b"?")
        assert read_exactly(sock, 3) == b"HI "
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_connections_share_one_line(tcp_server: TcpServer) -> None:
    tcp_server.inject(Bandwidth(100_000, shared=True))

    def transfer() -> None:
        assert echo(tcp_server, b"x" * 10_000) == b"x" * 10_000

    def all_at_once() -> None:
        threads = [threading.Thread(target=transfer) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert elapsed(all_at_once) >= 0.4


def test_the_network_is_down_for_all_servers_before_and_after(netmocks: Netmocks, tcp_server: TcpServer) -> None:
    before = netmocks.tcp()
    with netmocks.inject(Refuse()) as down:
        after = netmocks.tcp()
        assert [outcome(server) for server in (tcp_server, before, after)] == ["refused"] * 3
        assert down.hits == 3
    assert [outcome(server) for server in (tcp_server, before, after, netmocks.tcp())] == ["echo"] * 4
    assert down.lifted


def test_servers_on_which_it_makes_no_sense_are_left_out(netmocks: Netmocks, udp_server: UdpServer) -> None:
    tcp = netmocks.tcp()
    everywhere = netmocks.inject(Reset(), first=1)
    assert [outcome(tcp), outcome(tcp)] == ["reset", "echo"]
    assert everywhere.hits == 1
    assert udp_server.connections == []


def test_a_fault_that_makes_sense_on_no_server_is_refused(netmocks: Netmocks, tcp_server: TcpServer) -> None:
    for fault in (Loss(1.0), MalformedChunk()):
        with pytest.raises(ValueError, match="tcp_server"):
            netmocks.inject(fault)
    with pytest.raises(TypeError, match="fault must be a fault"):
        netmocks.inject("Reset")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="only start= and duration= can be given"):
        netmocks.inject(Refuse(), nth=1)
    assert outcome(tcp_server) == "echo"


@pytest.mark.parametrize("server", ["", "netmocks.tcp()", "netmocks.udp()"])
def test_a_network_wide_fault_that_never_struck_is_told(suite: Suite, server: str) -> None:
    result = suite(
        f"""
        from pytest_netmocks.faults import Reset

        def test_it(netmocks):
            netmocks.inject(Reset(), first=2)
            {server}
        """,
        netmocks_strict="error",
    )
    result.stdout.fnmatch_lines(["*Reset(), first=2*never struck*"])


def test_a_shared_server_that_the_test_uses_is_struck_for_the_test(suite: Suite) -> None:
    result = suite("""
        import pytest
        import pytest_netmocks
        from pytest_netmocks.faults import Refuse

        api = pytest_netmocks.server_fixture("tcp", scope="module", name="api")

        def test_down(netmocks, api):
            netmocks.inject(Refuse())
            with pytest.raises(ConnectionRefusedError):
                echo(api)

        def test_up(api):
            assert echo(api) == b"hello"
    """)
    result.assert_outcomes(passed=2)


def test_it_comes_into_force_and_ends_by_time(netmocks: Netmocks, tcp_server: TcpServer) -> None:
    everywhere: Any = netmocks.inject(Latency(30), duration=0.1)
    assert "Latency(30), duration=0.1" in repr(everywhere)
    tcp_server.wait_for(lambda server: "is lifted" in str(server.timeline))
    assert elapsed(lambda: echo(tcp_server)) < 30
    everywhere.lift()

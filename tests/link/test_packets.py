"""What a fault really is on the wire, seen by a packet capture."""

from __future__ import annotations

import socket

import pytest
from helpers import abort, connect, echo, in_thread, read_exactly, read_to_end, shake
from packets import FIN, RST, SYN, Capture, Packet

from pytest_netmocks.faults import Blackhole, Close, Latency, Refuse, Reset, Slice, SlowClose, Unreachable
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.server import TcpServer


def payload(packets: list[Packet]) -> int:
    return sum(packet.payload for packet in packets)


def any_from(port: int, flag: int):  # type: ignore[no-untyped-def]
    return lambda packets: any(packet.source == port and packet.has(flag) for packet in packets)


def test_a_reset_is_an_rst_after_exactly_the_bytes_and_no_fin(tcp_server: TcpServer) -> None:
    tcp_server.inject(Reset(after_bytes=3))
    with Capture(tcp_server.port) as capture:
        with connect(tcp_server) as sock:
            sock.sendall(b"hello")
            with pytest.raises(ConnectionResetError):
                read_to_end(sock)
        capture.wait_for(any_from(tcp_server.port, RST))
        packets = capture.from_server()
    assert payload(packets) == 3
    assert not any(packet.has(FIN) for packet in packets)
    assert packets[-1].has(RST)


def test_three_megabytes_arrive_before_the_rst_at_a_slow_reader(tcp_server: TcpServer) -> None:
    size = 3_000_000

    async def flood(reader, writer):  # type: ignore[no-untyped-def]
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    tcp_server.handle(flood)
    tcp_server.inject(Reset(after_bytes=size))
    with Capture(tcp_server.port) as capture:
        with connect(tcp_server) as sock:
            # The kernel's buffers are full of what nobody reads, and no RST may cut them off.
            tcp_server.wait_for(lambda server: server.connections[0].bytes_sent > 200_000)
            assert read_exactly(sock, size) == b"x" * size
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        capture.wait_for(any_from(tcp_server.port, RST))
    assert tcp_server.connections[0].closed_by == "fault"


def test_a_close_is_a_fin_and_only_a_fin_while_the_client_is_sending(tcp_server: TcpServer) -> None:
    tcp_server.inject(Close(after_bytes=4))
    with Capture(tcp_server.port) as capture:
        with connect(tcp_server) as sock:
            sender = in_thread(sock.sendall, b"x" * 2_000_000)
            assert read_to_end(sock) == b"xxxx"
            sender.join()
        capture.wait_for(lambda packets: any(p.target == tcp_server.port and p.has(FIN) for p in packets))
        packets = capture.from_server()
    assert payload(packets) == 4
    assert not any(packet.has(RST) for packet in packets)
    assert sum(packet.has(FIN) for packet in packets) == 1


def test_a_refused_syn_is_answered_by_an_rst(tcp_server: TcpServer) -> None:
    with Capture(tcp_server.port) as capture, tcp_server.inject(Refuse()):
        with pytest.raises(ConnectionRefusedError):
            connect(tcp_server)
        capture.wait_for(any_from(tcp_server.port, RST))
        assert not any(packet.has(SYN) for packet in capture.from_server())


def test_an_unreachable_server_answers_no_syn(tcp_server: TcpServer) -> None:
    with tcp_server.inject(Unreachable()), Capture(tcp_server.port) as capture:
        with pytest.raises(TimeoutError):
            connect(tcp_server, timeout=0.1)
        capture.wait_for(lambda packets: any(packet.has(SYN) for packet in packets))
        assert capture.from_server() == []


def test_a_blackhole_sends_neither_bytes_nor_an_end_even_to_a_client_that_ends(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        tcp_server.inject(Blackhole())
        with Capture(tcp_server.port) as capture:
            sock.sendall(b"anyone?")
            sock.shutdown(socket.SHUT_WR)
            tcp_server.wait_for(lambda server: not server.open_connections)
            assert tcp_server.connections[0].closed_by == "client"
            tcp_server.stop()  # the FIN of the end comes after anything that was sent before it
            capture.wait_for(any_from(tcp_server.port, FIN))
            *silent, _ = capture.from_server()
    assert payload(silent) == 0
    assert not any(packet.has(FIN) or packet.has(RST) for packet in silent)


def test_slices_are_segments_of_their_own(tcp_server: TcpServer) -> None:
    tcp_server.inject(Slice(10, delay=0.005))
    with Capture(tcp_server.port) as capture:
        assert echo(tcp_server, b"0123456789" * 5) == b"0123456789" * 5
        capture.wait_for(lambda packets: payload([p for p in packets if p.source == tcp_server.port]) == 50)
        sizes = [packet.payload for packet in capture.from_server() if packet.payload]
    assert sizes == [10] * 5


def test_a_slow_close_sends_the_bytes_at_once_and_the_fin_later(tcp_server: TcpServer) -> None:
    tcp_server.inject(SlowClose(0.2))
    with Capture(tcp_server.port) as capture:
        with connect(tcp_server) as sock:
            sock.sendall(b"bye")
            sock.shutdown(socket.SHUT_WR)
            assert read_to_end(sock) == b"bye"
        capture.wait_for(any_from(tcp_server.port, FIN))
        packets = capture.from_server()
    data = next(packet.at for packet in packets if packet.payload)
    fin = next(packet.at for packet in packets if packet.has(FIN))
    assert fin - data >= 0.19


def test_latency_does_not_delay_the_handshake_but_the_bytes(tcp_server: TcpServer) -> None:
    tcp_server.inject(Latency(0.2))
    with Capture(tcp_server.port) as capture:
        echo(tcp_server)
        packets = capture.wait_for(lambda packets: any(p.source == tcp_server.port and p.payload for p in packets))
    question = next(packet.at for packet in packets if packet.target == tcp_server.port and packet.payload)
    answer = next(packet.at for packet in packets if packet.source == tcp_server.port and packet.payload)
    assert answer - question >= 0.19


def test_stop_is_a_fin_even_with_unread_bytes(tcp_server: TcpServer) -> None:
    async def deaf(reader, writer):  # type: ignore[no-untyped-def]
        await tcp_server.async_wait_for(lambda server: False, timeout=60)

    tcp_server.handle(deaf)
    with Capture(tcp_server.port) as capture, connect(tcp_server) as sock:
        sock.sendall(b"x" * 50_000)
        tcp_server.wait_for(lambda server: server.connections)
        tcp_server.stop()
        assert read_to_end(sock) == b""
        capture.wait_for(any_from(tcp_server.port, FIN))
        packets = capture.from_server()
    assert not any(packet.has(RST) for packet in packets)


def test_a_half_close_goes_through_the_proxy_as_a_fin(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    proxy = netmocks.tcp_proxy(upstream)

    async def count(reader, writer):  # type: ignore[no-untyped-def]
        writer.write(b"%d" % len(await reader.read()))

    upstream.handle(count)
    with Capture(upstream.port) as capture:
        with connect(proxy) as sock:
            sock.sendall(b"x" * 100_000)
            sock.shutdown(socket.SHUT_WR)
            assert read_to_end(sock) == b"100000"
        packets = capture.wait_for(any_from(upstream.port, FIN))
    fin = next(n for n, packet in enumerate(packets) if packet.target == upstream.port and packet.has(FIN))
    answer = next(n for n, packet in enumerate(packets) if packet.source == upstream.port and packet.payload)
    assert fin < answer
    assert not any(packet.has(RST) for packet in packets)


def test_a_client_that_resets_is_an_rst_at_the_upstream_too(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    proxy = netmocks.tcp_proxy(upstream)
    with Capture(upstream.port) as capture:
        sock = connect(proxy)
        sock.sendall(b"x")
        read_exactly(sock, 1)
        abort(sock)
        capture.wait_for(lambda packets: any(p.target == upstream.port and p.has(RST) for p in packets))


def sizes_from(capture: Capture, source: int, total: int, *, to: bool = False) -> list[int]:
    """The sizes of all segments from the port (or to it), once there are so many bytes."""

    def segments(packets: list[Packet]) -> list[int]:
        return [
            packet.payload
            for packet in packets
            if packet.payload and (packet.target if to else packet.source) == source
        ]

    return segments(capture.wait_for(lambda packets: sum(segments(packets)) >= total))


@pytest.mark.parametrize("size", [1, 7])
def test_slices_without_a_delay_are_segments_of_their_own_too(tcp_server: TcpServer, size: int) -> None:
    tcp_server.inject(Slice(size))
    with Capture(tcp_server.port) as capture:
        assert echo(tcp_server, b"x" * 700) == b"x" * 700
        assert sizes_from(capture, tcp_server.port, 700) == [size] * (700 // size)


def test_slices_that_wait_for_a_client_are_segments_of_their_own_too(tcp_server: TcpServer) -> None:
    tcp_server.inject(Slice(1000))
    with Capture(tcp_server.port) as capture, socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(tcp_server.address)
        sender = in_thread(sock.sendall, b"x" * 100_000)
        assert read_exactly(sock, 100_000) == b"x" * 100_000
        sender.join()
        assert max(sizes_from(capture, tcp_server.port, 100_000)) <= 1000


def test_slices_of_plain_text_are_records_in_segments_of_their_own(netmocks: Netmocks) -> None:
    tls_server = netmocks.tls(tickets=False)  # they come when the client believes to be done
    with shake(tls_server) as sock, Capture(tls_server.port) as capture:
        tls_server.inject(Slice(10))
        sock.sendall(b"x" * 500)
        assert read_exactly(sock, 500) == b"x" * 500
        assert sizes_from(capture, tls_server.port, 50 * 32) == [32] * 50  # header, tag and type: 22 bytes


def test_slices_upstream_reach_what_is_behind_a_proxy_in_pieces(tcp_server: TcpServer, netmocks: Netmocks) -> None:
    proxy = netmocks.tcp_proxy(tcp_server)
    proxy.inject(Slice(3, direction="upstream"))
    with Capture(tcp_server.port) as capture:
        assert echo(proxy, b"x" * 300) == b"x" * 300
        assert sizes_from(capture, tcp_server.port, 300, to=True) == [3] * 100


def test_a_connection_without_slices_sends_in_large_pieces_again(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as sock, Capture(tcp_server.port) as capture:
        with tcp_server.inject(Slice(1)):
            sock.sendall(b"xx")
            read_exactly(sock, 2)
        sock.sendall(b"x" * 1000)
        read_exactly(sock, 1000)
        assert sizes_from(capture, tcp_server.port, 1002) == [1, 1, 1000]

"""One client, one promise, a matrix of faults: whatever happens, `fetch` gives the whole answer or raises in time."""

from __future__ import annotations

import socket

import pytest

from pytest_netmocks import TcpServer
from pytest_netmocks.faults import Bandwidth, Blackhole, Close, Latency, Reset, Slice

ANSWER = b"0123456789" * 10


def fetch(address: tuple[str, int], timeout: float) -> bytes:
    with socket.create_connection(address, timeout) as sock:
        sock.sendall(b"GET\n")
        answer = b""
        while len(answer) < len(ANSWER):
            piece = sock.recv(1000)
            if not piece:
                raise ConnectionError(f"closed after {len(answer)} bytes")
            answer += piece
        return answer


@pytest.fixture
def server(tcp_server: TcpServer) -> TcpServer:
    tcp_server.when(b"GET\n").reply(ANSWER)
    return tcp_server


@pytest.mark.faults(Reset(), Reset(after_bytes=50), Close(after_bytes=50), Blackhole(after_bytes=50))
def test_a_broken_answer_is_an_error_and_never_half_an_answer(server: TcpServer) -> None:
    with pytest.raises(OSError):  # any of its kind
        fetch(server.address, timeout=1.0)


@pytest.mark.faults(
    Latency(0.1, jitter=0.05), Slice(7, delay=0.001), [Latency(0.05), Bandwidth(1000)], "4g", "satellite"
)
def test_a_slow_answer_is_a_whole_answer(server: TcpServer) -> None:
    for attempt in range(5):  # under a flaky profile a connection may be lost as well
        try:
            assert fetch(server.address, timeout=30) == ANSWER
            break
        except ConnectionError:
            assert attempt < 4

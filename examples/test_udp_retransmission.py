"""A UDP client that sends again what got lost, over a link that loses 30 % of the datagrams each way."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator

import pytest

from pytest_netmocks import UdpServer
from pytest_netmocks.faults import Corrupt, Duplicate, Loss, Reorder


class Client:
    """Numbers its questions, sends them again until the answer with that number comes, and drops all other answers."""

    def __init__(self, address: tuple[str, int], timeout: float = 0.1) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.connect(address)
        self._timeout = timeout
        self._numbers = itertools.count(1)
        self.sent = 0

    def ask(self, question: bytes, attempts: int = 12) -> bytes:
        message = b"%d %s" % (next(self._numbers), question)
        for attempt in range(attempts):
            self._sock.send(message)
            self.sent += 1
            # Twice as long each time: on a slow link the first answers are only late, not lost.
            self._sock.settimeout(min(self._timeout * 2**attempt, 1.0))
            try:
                while True:
                    answer = self._sock.recv(1000)
                    if answer == message:
                        return answer.partition(b" ")[2]
            except TimeoutError:
                continue
        raise TimeoutError(f"no answer after {attempts} attempts")

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def client(udp_server: UdpServer) -> Iterator[Client]:
    client = Client(udp_server.address)
    yield client
    client.close()


@pytest.mark.virtual_time
def test_everything_arrives_over_a_lossy_link(udp_server: UdpServer, client: Client) -> None:
    loss = udp_server.inject(Loss(0.3, direction="both"))
    for number in range(20):
        assert client.ask(b"question %d" % number, attempts=30) == b"question %d" % number
    assert loss.hits > 0
    assert client.sent > 20


def test_duplicates_and_late_ones_confuse_nobody(udp_server: UdpServer, client: Client) -> None:
    udp_server.inject(Duplicate(0.5))
    udp_server.inject(Reorder(0.5, delay=0.02))
    answers = [client.ask(b"question %d" % number) for number in range(20)]
    assert answers == [b"question %d" % number for number in range(20)]


def test_a_damaged_answer_is_asked_for_again(udp_server: UdpServer, client: Client) -> None:
    udp_server.inject(Corrupt(1.0), first=1)
    assert client.ask(b"precious") == b"precious"
    assert client.sent >= 2

"""Where the parts of each protocol are, which a sweep tries first."""

from __future__ import annotations

import contextlib
import ftplib
import io
import random
import socket
from typing import Any

import pytest
from helpers import read_to_end, shake

import pytest_netmocks
from pytest_netmocks import ws_frame
from pytest_netmocks.encryption.hello import record_ends
from pytest_netmocks.faults import Reset
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.stream import StreamServer
from pytest_netmocks.sweeps.choose import Choice
from pytest_netmocks.sweeps.place import Group

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize(
    ("kind", "pieces"),
    [
        ("smtp", [b"220 ready\r\n", b"250-one\r\n", b"250 two\r\n"]),
        ("pop3", [b"+OK\r\n", b"+OK 2\r\n"]),
        ("tcp", [b"a\n", b"b\n"]),
        ("http", [b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n", GET[:16], GET[16:25], b"\r\n"]),
        ("http", [POST[:17], POST[17:36], b"\r\n", b"abc", POST[:17], POST[17:36], b"\r\n", b"def"]),
        ("http", [CHUNKED[:17], CHUNKED[17:45], b"\r\n", b"3\r\n", b"abc", b"\r\n", b"0\r\n", b"\r\n"]),
        ("http", [b"HTTP/1.1 200 OK\r\n", b"Content-Length: 9\r\n", b"\r\n", b"HTTP/1.1 200 OK\r\n", b"\r\n"]),
        ("ws", [UPGRADE[:16], UPGRADE[16:36], b"\r\n", ws_frame("hi", mask=True)[:2], b"mask", b"hi"]),
        ("http", [UPGRADE[:16], UPGRADE[16:36], b"\r\n", ws_frame(b"x" * 200)[:4], b"x" * 200, b"\x89\x00"]),
    ],
)
def test_a_protocol_says_where_its_parts_end(netmocks: Netmocks, kind: str, pieces: list[bytes]) -> None:
    server: StreamServer = getattr(netmocks, kind)()
    ends = list(server.parts(Connection(1, ("127.0.0.1", 1), 0.0), "upstream", b"".join(pieces)))
    wanted, size = [], 0
    for piece in pieces:
        size += len(piece)
        wanted.append(size)
    assert sorted(set(ends)) == wanted


@pytest.mark.parametrize("kind", ["http", "ws", "smtp", "tcp", "ftp", "pop3"])
def test_whatever_passes_has_parts_or_none_but_no_error(netmocks: Netmocks, kind: str) -> None:
    server: StreamServer = getattr(netmocks, kind)()
    connection = server._connection(1, ("127.0.0.1", 1))
    generator = random.Random(1)
    seeds = [GET, POST, CHUNKED + b"fffff\r\n", UPGRADE + ws_frame("x") * 3, b"\r\n\r\n"]
    for _ in range(300):
        data = bytearray(generator.choice(seeds) + generator.choice(seeds))
        for _ in range(generator.randrange(6)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        list(server.parts(connection, "downstream", bytes(data[: generator.randrange(len(data))])))


def test_a_file_of_ftp_has_no_lines(netmocks: Netmocks) -> None:
    server = netmocks.ftp()
    with ftplib.FTP() as client:
        client.connect(*server.address)
        client.login()
        client.storbinary("STOR a", io.BytesIO(b"one\ntwo\n"))
    control, data = server.connections
    assert not list(server.parts(data, "upstream", data.received))
    assert list(server.parts(control, "upstream", b"NOOP\r\n")) == [6]


def test_a_proxy_has_the_parts_of_the_server_behind_it(netmocks: Netmocks) -> None:
    proxy = netmocks.tcp_proxy(netmocks.http())
    assert 3 + len(POST) in proxy.parts(Connection(1, ("127.0.0.1", 1), 0.0), "upstream", POST + b"abc")


def test_the_parts_of_cipher_text_are_its_records() -> None:
    data = b"\x16\x03\x01\x00\x02ab" + b"\x17\x03\x03\x00\x01c" + b"\x17\x03\x03\x00\x09d"
    assert record_ends(data) == [5, 7, 12, 13, 18]


def test_cipher_text_is_counted_from_the_client_hello_on() -> None:
    sizes = []

    def run() -> None:
        with pytest_netmocks.tls() as server:
            try:
                with shake(server) as client:
                    client.sendall(b"ping")
                    client.unwrap()
            except OSError:
                sizes.append(pytest_netmocks.place())

    report = pytest_netmocks.sweep(run, Reset(layer="tls"), limit=40)
    assert report.total > 1000  # the certificate alone is that long
    assert {place.direction for place in report.places} == {"upstream", "downstream"}
    assert any(place.offset == 0 for place in report.places)
    assert report.not_reached <= 3


def test_turns_and_pieces_come_before_parts_and_both_sides_of_each_are_tried() -> None:
    """A question and an answer of a thousand lines, twice."""
    lines = b"line\n" * 200

    def run() -> None:
        with pytest_netmocks.tcp() as server:
            server.when(b"?").reply(lines)
            with socket.create_connection(server.address, timeout=5) as client:
                for _ in range(2):
                    client.sendall(b"?")
                    got = b""
                    while len(got) < len(lines) and (piece := client.recv(9999)):
                        got += piece
                client.shutdown(socket.SHUT_WR)
                read_to_end(client)

    def quietly() -> None:
        with contextlib.suppress(OSError):
            run()

    report = pytest_netmocks.sweep(quietly, Reset(direction="downstream"), limit=30)
    tried = {place.offset for place in report.places}
    assert {0, 1, 999, 1000, 1001, 1999, 2000} <= tried
    assert len(tried) == len(report.places) == 30


def choice(size: int, limit: int | None, outcome: Any, edges: Any = None) -> list[int]:
    """The places that are tried of a group whose outcomes are known."""
    group = Group(0, Reset(), "server", 1, "downstream", range(size))
    chosen = Choice([group], limit, edges or (lambda group: [{0, 1, size - 2, size - 1}]), random.Random(7))
    tried = []
    for _, at in chosen:
        tried.append(at)
        chosen.came_to(outcome(at))
    return tried


def test_all_places_are_tried_where_the_limit_allows_it() -> None:
    assert choice(10, 10, lambda at: "passed") == choice(10, None, lambda at: "passed") == list(range(10))


def test_a_million_places_cost_nothing_but_those_that_are_tried() -> None:
    tried = choice(10**12, 100, lambda at: 4 * 10**11 <= at < 6 * 10**11)
    assert len(tried) == len(set(tried)) == 100
    assert {4 * 10**11 - 1, 4 * 10**11} <= set(tried)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 17, 40, 99])
def test_the_limit_is_used_up_and_nothing_is_tried_twice(limit: int) -> None:
    tried = choice(100, limit, lambda at: at % 7 == 0)
    assert len(tried) == len(set(tried)) == limit


def test_parts_that_are_too_many_leave_half_of_the_limit_to_halving_and_to_the_lot() -> None:
    tried = choice(10_000, 100, lambda at: at < 5_001, lambda group: [{0, 9_999}, set(range(0, 10_000, 10))])
    assert {5_000, 5_001} <= set(tried)
    assert 40 <= sum(at % 10 == 0 for at in tried) < 75


def test_shards_share_the_places_and_neighbours_stay_together() -> None:
    group = Group(0, Reset(), "server", 1, "downstream", range(11))
    shards = [group.shard(number, 4).at for number in range(4)]
    assert [at for shard in shards for at in shard] == list(range(11))


def test_the_id_of_a_place_needs_no_quotes_in_a_shell() -> None:
    group = Group(0, Reset(), "my server (it's #1; $HOME)", 1, "downstream", range(11))
    assert group.place(3).id == "0.Reset:my-server-it-s-1-HOME:1:downstream:3"

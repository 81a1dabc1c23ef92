"""What a server keeps is bounded, and says what it let go."""

# mypy: disable-error-code=arg-type
# Wrong arguments are what some of these tests give.

from __future__ import annotations

import urllib.error
import urllib.request

import pytest
from helpers import connect, echo, read_exactly, udp_client
from websockets.sync.client import connect as websocket

from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.records.events import Log
from pytest_netmocks.records.journal import Dropped
from pytest_netmocks.records.shelf import LEAST, PARTS, SHARE, Shelf, keep, part_of


def test_the_newest_connections_are_kept_and_counting_goes_on(netmocks: Netmocks) -> None:
    server = netmocks.tcp(max_records=3)
    for _ in range(5):
        echo(server)
    server.wait_for(lambda server: not server.open_connections)
    assert [connection.id for connection in server.connections] == [3, 4, 5]
    assert server.dropped == Dropped(2, 0)


def test_open_connections_are_never_let_go(netmocks: Netmocks) -> None:
    server = netmocks.tcp(max_records=1)
    with connect(server) as sock:
        for _ in range(4):
            echo(server)
        server.wait_for(lambda server: len(server.open_connections) == 1)
        sock.sendall(b"still")
        assert read_exactly(sock, 5) == b"still"
        assert [connection.id for connection in server.connections] == [1, 5]


def test_requests_are_bounded_on_the_server_and_on_the_connection(netmocks: Netmocks) -> None:
    server = netmocks.tcp(max_records=8)
    rule = server.when(b"x").reply(b"y")
    with connect(server) as sock:
        sock.sendall(b"x" * 20)
        assert read_exactly(sock, 20) == b"y" * 20
        (connection,) = server.connections
    assert (len(server.requests), server.dropped.requests, rule.hits) == (8, 12, 20)
    assert 1 <= len(connection.requests) <= 8
    assert connection.requests[-1] is server.requests[-1]


def test_websocket_messages_are_bounded_too(netmocks: Netmocks) -> None:
    server = netmocks.ws(max_records=4)
    with websocket(server.url) as client:
        for number in range(10):
            client.send(str(number))
            client.recv(5)
    (connection,) = server.connections
    assert connection.messages[-1].data == "9"
    assert max(len(connection.messages), len(server.requests)) <= 4


def test_clients_of_a_udp_server_are_bounded(netmocks: Netmocks) -> None:
    server = netmocks.udp(max_records=2)
    for _ in range(5):
        with udp_client(server) as sock:
            sock.send(b"x")
            sock.recv(10)
    assert len(server.open_connections) == 2
    assert [connection.id for connection in server.connections] == [2, 3, 4, 5]


def test_bodies_are_bounded_by_what_passed_and_the_newest_is_kept_whatever_its_size(
    netmocks: Netmocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_netmocks.records.shelf.SHARE", 1)
    server = netmocks.http(record_limit=10)
    body = bytes(LEAST - 1000)
    for _ in range(5):
        post(server.url, body)
    assert 1 <= len(server.requests) <= 2
    assert server.requests[-1].body == body
    assert server.dropped.requests >= 3
    assert len(server.timeline) < 20


def post(url: str, body: bytes) -> None:
    try:
        urllib.request.urlopen(url, body, timeout=30).close()
    except urllib.error.HTTPError as error:
        error.close()


def test_the_share_is_of_the_limit_and_never_too_small() -> None:
    assert PARTS * part_of(1 << 20) == SHARE << 20
    assert PARTS * part_of(0) == SHARE * LEAST


def test_a_shelf_gives_what_has_to_go() -> None:
    log = Log()
    part = part_of(0)
    shelf: Shelf[str] = Shelf(2, log, part)
    assert [list(shelf.put(letter)) for letter in "abc"] == [[], [], ["a"]]
    log.passed += PARTS * part + 1
    assert shelf.put("d") == ["b", "c"]
    assert (list(shelf), shelf.dropped) == (["d"], 3)


def test_a_full_list_loses_its_oldest() -> None:
    kept = list(range(16))
    keep(kept, 16, 16)
    assert kept == list(range(2, 17))


def test_bad_input_is_named(netmocks: Netmocks) -> None:
    with pytest.raises(ValueError, match="max_records must be a whole number of at least 1"):
        netmocks.tcp(max_records=0)
    with pytest.raises(TypeError, match="max_records"):
        netmocks.udp(max_records="many")

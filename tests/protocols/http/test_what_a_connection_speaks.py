"""A connection is on record as what it speaks."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from helpers import HANDSHAKE, connect, read_to_end, speak

from pytest_netmocks import WsConnection
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Event, Sent
from pytest_netmocks.records.shelf import Shelf


def test_plain_http_is_no_websocket(http_server: HttpServer) -> None:
    requests.get(http_server.url, timeout=30)
    (connection,) = http_server.connections
    assert repr(connection).startswith("<HttpConnection 1 of ")
    assert not isinstance(connection, WsConnection)
    more = {word for word in vars(WsConnection) if word[0] != "_" and word not in vars(Connection)}
    for word in {"ping", "messages", "pings"} | more:
        with pytest.raises(AttributeError, match=f"{word}: connection 1 speaks HTTP; it is there once a WebSocket"):
            getattr(connection, word)
    with pytest.raises(AttributeError, match="'HttpConnection' object has no attribute 'sned'"):
        connection.sned  # type: ignore[attr-defined]  # noqa: B018
    connection.close()


def test_one_that_is_upgraded_becomes_a_websocket_and_stays_the_same(http_server: HttpServer) -> None:
    route = http_server.when("/ws").websocket()
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        http_server.wait_for(lambda server: server.requests, timeout=30)
        (connection,) = http_server.connections
        assert not isinstance(connection, WsConnection)
        with pytest.raises(TypeError, match="data must be bytes, not 'hello'"):
            connection.send("hello")  # type: ignore[arg-type]  # it is no WebSocket yet
        sock.sendall(HANDSHAKE.replace("GET /", "GET /ws").encode() + b"\r\n")
        http_server.wait_for(lambda server: route.connections, timeout=30)
        assert route.connections == [connection]
        assert isinstance(connection, WsConnection)
        connection.send("hello")
        while not sock.recv(1000).endswith(b"\x81\x05hello"):
            pass
    assert [message.data for message in connection.messages] == ["hello"]


@pytest.mark.in_memory
def test_whoever_finds_it_on_the_shelf_can_send_and_finds_it_before_the_101(
    http_server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    route = http_server.when("/ws").websocket()
    route.when_connected().reply(interim=[103])
    put = Shelf.put
    shelved, found = [], {}

    def put_seen(shelf: Shelf[Any], item: Any) -> Any:
        if isinstance(item, WsConnection):
            shelved.append(item.upgraded)
        return put(shelf, item)

    def hear(event: Event) -> None:
        if isinstance(event, Sent):
            found[event.data.split()[1]] = [connection.upgraded for connection in route.connections]

    monkeypatch.setattr(Shelf, "put", put_seen)
    with http_server.subscribe(hear), connect(http_server) as sock:
        sock.sendall(HANDSHAKE.replace("GET /", "GET /ws").encode() + b"\r\n")
        http_server.settle()
        assert shelved == [True]
        assert found.keys() == {b"103", b"101"}
        assert (found[b"101"], all(found[b"103"])) == ([True], True)


def test_a_handshake_that_is_refused_leaves_it_http(http_server: HttpServer) -> None:
    route = http_server.when("/ws").websocket()
    route.when_connected().reply(403, times=1)
    with connect(http_server) as sock:
        head = HANDSHAKE.replace("GET /", "GET /ws").replace("Connection: ", "Connection: close, ")
        sock.sendall(head.encode() + b"\r\n")
        assert read_to_end(sock).startswith(b"HTTP/1.1 403 ")
    (connection,) = http_server.connections
    assert repr(connection).startswith("<HttpConnection ")
    assert connection.upgrade_request is http_server.requests[0]  # type: ignore[attr-defined]
    speak(http_server, path="/ws").close()
    assert len(route.connections) == 1

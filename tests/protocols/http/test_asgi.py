"""ASGI applications: what they are told, the order of what they send, and what goes wrong."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import connect, read_to_end

from pytest_netmocks.protocols.http.server import HttpServer

pytestmark = pytest.mark.in_memory

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"ok"}
MORE = {"type": "http.response.body", "body": b"ok", "more_body": True}


class Says:
    """An application that sends these messages."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = messages
        self.scope: dict[str, Any] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        self.scope = scope
        for message in self.messages:
            await send(message)


def ask(server: HttpServer, app: Any, line: str = "GET / HTTP/1.1", *fields: str, at: str = "/") -> bytes:
    server.mount(app, at=at)
    with connect(server) as sock:
        head = "".join(f"{field}\r\n" for field in (line, "Host: h", "Connection: close", *fields))
        sock.sendall(f"{head}\r\n".encode())
        return read_to_end(sock)


def test_the_scope_says_what_was_asked(http_server: HttpServer) -> None:
    app = Says(START, BODY)
    ask(http_server, app, "GET /api/a%2Fb%C3%BC?q=%20 HTTP/1.1", "X-A: 1", "X-A: 2", at="/api")
    (connection,) = http_server.connections
    assert app.scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/api/a/b\xfc",
        "raw_path": b"/api/a%2Fb%C3%BC",
        "query_string": b"q=%20",
        "root_path": "/api",
        "headers": [(b"host", b"h"), (b"connection", b"close"), (b"x-a", b"1"), (b"x-a", b"2")],
        "client": connection.client_address,
        "server": http_server.address,
        "state": {},
        "extensions": {"http.response.early_hint": {}},
    }


def test_the_server_as_a_whole_is_asked_of_the_application_at_its_root(http_server: HttpServer) -> None:
    app = Says(START, BODY)
    ask(http_server, app, "OPTIONS * HTTP/1.1")
    assert (app.scope["path"], app.scope["raw_path"]) == ("*", b"*")


def test_nothing_is_offered_that_the_client_cannot_take(http_server: HttpServer) -> None:
    app = Says(START, BODY)
    ask(http_server, app, "GET / HTTP/1.0", "TE: trailers")
    assert app.scope["extensions"] == {}


def test_early_hints_come_before_the_answer(http_server: HttpServer) -> None:
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]}
    hinted, _, answer = ask(http_server, Says(hint, START, BODY)).partition(b"\r\n\r\n")
    assert hinted.split(b"\r\n") == [
        b"HTTP/1.1 103 Early Hints",
        b"Link: </a.css>; rel=preload",
        b"Link: </b.js>; rel=preload",
    ]
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_trailers_come_after_the_body_where_they_are_wanted(http_server: HttpServer) -> None:
    trailers = {"type": "http.response.trailers", "headers": [(b"x-sum", b"2")]}
    app = Says(START | {"trailers": True}, MORE, BODY, trailers | {"more_trailers": True}, trailers)
    answer = ask(http_server, app, "GET / HTTP/1.1", "TE: gzip, trailers;q=1")
    assert app.scope["extensions"]["http.response.trailers"] == {}
    assert answer.endswith(b"2\r\nok\r\n2\r\nok\r\n0\r\nx-sum: 2\r\nx-sum: 2\r\n\r\n")


@pytest.mark.parametrize(
    "messages",
    [
        [BODY],
        [START, START],
        [{"type": "http.response.trailers", "headers": []}],
        [{"type": "websocket.accept"}],
        [START | {"status": "200"}, BODY],
        [START | {"status": 103}, BODY],
        [START | {"headers": [("x", "y")]}, BODY],
        [START | {"headers": [(b"x", b"a\r\nb")]}, BODY],
        [START, BODY | {"body": "text"}],
        [START, BODY | {"body": 5}],
        [START],
        [],
    ],
    ids=str,
)
def test_what_has_no_place_before_the_answer_is_a_500_and_fails_the_test(
    http_server: HttpServer, messages: list[dict[str, Any]]
) -> None:
    assert ask(http_server, Says(*messages)).startswith(b"HTTP/1.1 500 ")
    assert len(http_server.journal.take_errors()) == 1
    assert http_server.requests[0].response is not None
    assert http_server.requests[0].response.status == 500


@pytest.mark.parametrize(
    "messages", [[START, MORE], [START, MORE, START], [START, MORE, BODY | {"body": None}]], ids=str
)
def test_what_has_no_place_in_the_answer_cuts_it_and_fails_the_test(
    http_server: HttpServer, messages: list[dict[str, Any]]
) -> None:
    assert ask(http_server, Says(*messages)).endswith(b"\r\n\r\n2\r\nok\r\n")
    assert len(http_server.journal.take_errors()) == 1


@pytest.mark.parametrize("message", [START, BODY, {"type": "http.response.early_hint", "links": []}], ids=str)
def test_what_comes_after_a_complete_answer_fails_the_test(http_server: HttpServer, message: dict[str, Any]) -> None:
    assert ask(http_server, Says(START, BODY, message)).endswith(b"\r\n\r\nok")
    http_server.settle()
    (error,) = http_server.journal.take_errors()
    assert str(error).endswith("expected was nothing more, since the answer is complete")


def test_who_sends_to_a_client_that_has_gone_gets_an_os_error(http_server: HttpServer) -> None:
    raised: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send(START)
        try:
            while True:
                await send(BODY | {"body": bytes(100_000), "more_body": True})
        except OSError as error:
            raised.append(error)
            raise

    http_server.mount(app)
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        sock.recv(1000)
    http_server.wait_for(lambda server: raised)
    http_server.settle()
    assert http_server.journal.take_errors() == []


def test_what_a_start_up_left_in_the_state_is_each_requests_own(http_server: HttpServer) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["n"] = 1
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        scope["state"]["n"] += 1
        await send(START)
        await send(BODY | {"body": b"%d" % scope["state"]["n"]})

    assert ask(http_server, app).endswith(b"\r\n\r\n2")
    assert ask(http_server, app).endswith(b"\r\n\r\n2")

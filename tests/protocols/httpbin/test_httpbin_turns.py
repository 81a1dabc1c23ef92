"""No request to httpbin's endpoints, however long, has the servers' loop to itself."""

from __future__ import annotations

from typing import Any

import pytest
from canary import ALLOWED, metered
from helpers import connect, read_to_end

from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.httpbin.server import HttpbinServer

NAMES = "&".join(f"{number:x}" for number in range(12_000))
FEW = "&".join(f"{number:x}" for number in range(1001))


def ask(server: HttpServer, path: str, more: str = "") -> bytes:
    with connect(server) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n{more}Connection: close\r\n\r\n".encode())
        return read_to_end(sock)


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        (f"/response-headers?{NAMES}", "", 400),
        (f"/cookies/set?{NAMES}", "", 400),
        (f"/cookies/delete?{NAMES}", "", 400),
        ("/cookies", f"Cookie: {NAMES.replace('&', ';')}\r\n", 200),
        (f"/get?{NAMES}", "", 200),
        (f"/gzip?{NAMES}", "", 200),
        (f"/stream/20?{NAMES}", "", 200),
        ("/bytes/102400?seed=1", "", 200),
        ("/stream-bytes/102400?chunk_size=1", "", 200),
    ],
)
def test_a_long_request_and_a_long_answer_leave_others_their_turn(
    httpbin_server: HttpbinServer, path: str, more: str, status: int
) -> None:
    with metered() as meter:
        answer = ask(httpbin_server, path, more)
        httpbin_server.settle()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert meter.worst < ALLOWED


@pytest.mark.parametrize("path", ["/response-headers", "/cookies/set", "/cookies/delete"])
def test_an_answer_has_as_many_fields_as_a_request_may_have(httpbin_server: HttpbinServer, path: str) -> None:
    assert ask(httpbin_server, f"{path}?{FEW}").startswith(b"HTTP/1.1 400 ")
    fewer = FEW.rpartition("&")[0]
    assert not ask(httpbin_server, f"{path}?{fewer}").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("kind", ["stream", "asgi"])
def test_an_answer_in_many_pieces_leaves_others_their_turn(http_server: HttpServer, kind: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        for _ in range(50_000):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send({"type": "http.response.body"})

    if kind == "asgi":
        http_server.mount(app)
    else:
        http_server.when("/").reply(stream=[b"x"] * 50_000)
    with metered() as meter:
        assert ask(http_server, "/").count(b"x") >= 50_000
    assert meter.worst < ALLOWED

"""Text that a reply function makes of a client's words goes out in some form, and fails no test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
import websockets.sync.client

from pytest_netmocks import Response
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.ws.server import WsServer

SAYS = {b"caf\xe9".decode("utf-8", "surrogateescape"): b"caf\xe9", "a\ud800b": "a\ufffdb".encode(), "é": "é".encode()}


@pytest.mark.parametrize(("text", "sent"), SAYS.items(), ids=map(ascii, SAYS))
@pytest.mark.parametrize(
    "make",
    [
        lambda text: Response(text=text),
        lambda text: Response(html=text),
        lambda text: Response(stream=[text]),
        lambda text: Response(stream=lambda: iter([text])),
    ],
    ids=["text", "html", "stream", "generator"],
)
def test_a_body_has_its_bytes(http_server: HttpServer, text: str, sent: bytes, make: Callable[[str], Response]) -> None:
    http_server.when("/").reply(lambda request: make(text))
    assert requests.get(http_server.url_for("/"), timeout=30).content == sent


@pytest.mark.parametrize(("text", "sent"), SAYS.items(), ids=map(ascii, SAYS))
def test_fields_and_events_have_them_too(http_server: HttpServer, text: str, sent: bytes) -> None:
    http_server.when("/event").reply(lambda request: Response(sse=[{"data": text}]))
    http_server.when("/field").reply(lambda request: Response(204, headers={"X-A": text + "\u20ac"}))
    http_server.when("/away").reply(lambda request: Response(redirect=f"/{text}"))
    http_server.when("/cookie").reply(lambda request: Response(204, cookies={"a": text}, reason=text))
    assert requests.get(http_server.url_for("/event"), timeout=30).content == b"data: " + sent + b"\n\n"
    field = requests.get(http_server.url_for("/field"), timeout=30).headers["X-A"]
    assert field.encode("latin-1") == sent + "\u20ac".encode()
    away = requests.get(http_server.url_for("/away"), timeout=30, allow_redirects=False).headers["Location"]
    assert away == "/" + "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in sent)
    assert requests.get(http_server.url_for("/cookie"), timeout=30).status_code == 204


@pytest.mark.parametrize("body", [b'{"a": "x\\ud800"}', b'{"a": "x\\udc80"}', b'{"a": "\\ud83d\\ude00"}'])
def test_json_may_say_what_utf8_cannot(http_server: HttpServer, body: bytes) -> None:
    http_server.when("POST", "/").reply(lambda request: Response(text=request.json()["a"]))
    assert requests.post(http_server.url_for("/"), data=body, timeout=30).status_code == 200


def test_what_raises_with_such_a_text_still_answers(http_server: HttpServer) -> None:
    def raises(request: HttpRequest) -> Response:
        raise ValueError(request.json())

    http_server.when("POST", "/").reply(raises)
    answer = requests.post(http_server.url_for("/"), data=b'"\\ud800"', timeout=30)
    assert (answer.status_code, answer.text) == (500, "ValueError: \ufffd\n")
    assert [type(error) for error in http_server.journal.take_errors()] == [ValueError]


@pytest.mark.parametrize("reply", [lambda message: message.json(), lambda message: [message.json(), "b"]])
def test_a_websocket_gets_text_that_is_utf8(ws_server: WsServer, reply: Any) -> None:
    ws_server.when(json={"a": "\ud800"}).reply("never")
    ws_server.when(json="x\ud800").reply(reply)
    with websockets.sync.client.connect(ws_server.url, open_timeout=30) as client:
        client.send('"x\\ud800"')
        assert client.recv(timeout=30) in ("x\ufffd", "x\ufffdb")

"""Real clients of WebSocket against the server, and a browser."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import logging
import pathlib
import subprocess
import warnings
from typing import Any

import aiohttp
import pytest
import requests
import trio
import websockets
from browser import CHROMIUM
from websockets.sync.client import connect as ws_connect

from pytest_netmocks import ws_frame
from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.faults import Blackhole, Close, Reset
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.ws.server import WsServer, WssServer

websocket_client: Any = importlib.import_module("websocket")  # typed by its name it would be our benchmark


async def test_websockets_on_asyncio(ws_server: WsServer) -> None:
    async with websockets.connect(ws_server.url, ping_interval=0.05) as client:
        await client.send(["a", "b"])
        assert await client.recv() == "ab"
        latency = await (await client.ping())
        assert latency >= 0
        await client.close(3001, "done")
    await ws_server.async_wait_for(lambda s: not s.open_connections)
    (connection,) = ws_server.connections
    assert (connection.close_code, connection.close_reason) == (3001, "done")


@pytest.mark.skipif(
    importlib.util.find_spec("websockets.trio") is None, reason="websockets has a client for trio since version 17"
)
def test_websockets_on_trio(ws_server: WsServer) -> None:
    import websockets.trio.client

    async def main() -> Any:
        async with websockets.trio.client.connect(ws_server.url) as client:
            await client.send("hello from trio")
            return await client.recv()

    assert trio.run(main) == "hello from trio"


async def test_aiohttp(ws_server: WsServer, wss_server: WssServer) -> None:
    ws_server.when("bye").close(1011, "why")
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(ws_server.url, compress=15, protocols=["x"]) as client:
            await client.send_str("text" * 1000)
            assert (await client.receive_str()) == "text" * 1000
            await client.send_bytes(b"\x00" * 100_000)
            assert (await client.receive_bytes()) == b"\x00" * 100_000
            await client.ping()
            await client.send_str("bye")
            message = await client.receive()
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1011)
        assert ws_server.connections[0].compressed
        assert ws_server.connections[0].pings[0].opcode == "ping"
        url = f"wss://localhost:{wss_server.port}"
        async with session.ws_connect(url, ssl=wss_server.client_context()) as client:
            await client.send_json({"a": 1})
            assert await client.receive_json() == {"a": 1}


def test_websocket_client(ws_server: WsServer, wss_server: WssServer, tls_ca: Authority) -> None:
    ws_server.when("bye").close(4321, "why")
    client = websocket_client.create_connection(ws_server.url, timeout=30)
    client.send("hello")
    assert client.recv() == "hello"
    client.send_binary(b"\xff\x00")
    assert client.recv() == b"\xff\x00"
    client.send("bye")
    opcode, data = client.recv_data()
    assert (opcode, data) == (0x8, (4321).to_bytes(2, "big") + b"why")
    client.shutdown()  # close() leaves the socket open after a close frame of the server's
    options = {"ca_certs": tls_ca.cert_file}
    secure = websocket_client.create_connection(f"wss://localhost:{wss_server.port}", timeout=30, sslopt=options)
    secure.send("safe")
    assert secure.recv() == "safe"
    secure.close()
    secure.shutdown()


def test_websocket_app_reconnects(ws_server: WsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest keeps what it logs, and with it the frames that hold its socket.
    monkeypatch.setattr(logging.getLogger("websocket"), "disabled", True)
    ws_server.when("first").reply("one")
    ws_server.when("first").inject(Reset(), nth=1)
    seen: list[str] = []

    def on_message(app: Any, data: str) -> None:
        seen.append(data)
        app.close()

    app = websocket_client.WebSocketApp(
        ws_server.url, on_open=lambda app: app.send("first"), on_message=on_message, on_error=lambda app, error: None
    )
    for _ in range(2):
        app.run_forever()
    del app
    with warnings.catch_warnings():  # of a connection that was reset it forgets to close the socket
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    assert seen == ["one"]
    ws_server.wait_for(lambda s: len(s.connections) == 2 and not s.open_connections)
    assert [connection.closed_by for connection in ws_server.connections] == ["fault", "client"]


async def test_a_reconnecting_client_with_back_off(ws_server: WsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own infinite iterator: three connections die in three ways, the fourth lasts."""
    monkeypatch.setenv("WEBSOCKETS_BACKOFF_INITIAL_DELAY", "0.01")
    monkeypatch.setattr("websockets.asyncio.client.backoff", lambda: iter([0.01] * 20), raising=False)
    ws_server.when_connected().reply(503, times=1).reply()
    ws_server.script([], [Reset(after_bytes=10)], [Close(direction="upstream")], [])
    answers = []
    async with asyncio.timeout(30):
        async for client in websockets.connect(ws_server.url):
            try:
                await client.send("hello")
                answers.append(await client.recv())
                break
            except websockets.ConnectionClosed:
                continue
    assert answers == ["hello"]
    assert len(ws_server.connections) == 4


async def test_a_silent_server_fails_the_keepalive(ws_server: WsServer) -> None:
    async with websockets.connect(ws_server.url, ping_interval=0.05, ping_timeout=0.1, close_timeout=0.1) as client:
        ws_server.inject(Blackhole(direction="downstream"))
        async with asyncio.timeout(20):
            with pytest.raises(websockets.ConnectionClosedError) as closed:
                await client.recv()
    assert closed.value.sent is not None
    assert closed.value.sent.code == 1011


PAGE = """<!doctype html><title>wait</title><pre id="log"></pre><script>
const log = [], url = location.href.replace("http", "ws").replace("/page", "/chat");
const socket = new WebSocket(url, ["chat"]);
socket.binaryType = "arraybuffer";
socket.onopen = () => { log.push("open " + socket.protocol + " " + socket.extensions); socket.send("hello"); };
socket.onmessage = event => {
  if (event.data instanceof ArrayBuffer) { log.push("bytes " + event.data.byteLength); socket.send("break"); }
  else { log.push("text " + event.data); socket.send(new Uint8Array([1, 2, 3])); }
};
socket.onclose = event => {
  log.push("close " + event.code + " " + event.reason + " " + event.wasClean);
  fetch("/done", {method: "POST", body: JSON.stringify(log)});
};
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
@pytest.mark.parametrize(
    ("answer", "last"),
    [
        (lambda rule: rule.close(4000, "over"), "close 4000 over true"),
        (lambda rule: rule.reply(raw=ws_frame("x", 0x3)), "close 1006  false"),
        (lambda rule: rule.inject(Reset()), "close 1006  false"),
    ],
)
def test_a_browser(http_server: HttpServer, tmp_path: pathlib.Path, answer: Any, last: str) -> None:
    http_server.when("GET", "/page").reply(html=PAGE)
    http_server.when("POST", "/done").reply(204)
    chat = http_server.when("/chat").websocket(subprotocols=["chat"])
    answer(chat.when("break"))
    command = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    browser = subprocess.Popen(
        [*command, "--remote-debugging-port=0", http_server.url_for("/page")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        http_server.wait_for(lambda s: any(request.path == "/done" for request in s.requests), timeout=60)
    finally:
        browser.kill()
        browser.wait()
    done = http_server.assert_requested("POST", "/done")
    log = json.loads(done.text)
    assert log == ["open chat permessage-deflate", "text hello", "bytes 3", last] or (
        log[0].startswith("open chat permessage-deflate") and log[1:] == ["text hello", "bytes 3", last]
    )
    assert [message.data for message in chat.requests] == ["hello", b"\x01\x02\x03", "break"]
    assert chat.connections[0].compressed


def test_plain_http_clients_are_told(ws_server: WsServer) -> None:
    answer = requests.get(ws_server.url.replace("ws", "http"), timeout=30)
    assert (answer.status_code, answer.headers["Upgrade"]) == (426, "websocket")
    with ws_connect(ws_server.url) as client:
        client.send("next")
        assert client.recv(5) == "next"

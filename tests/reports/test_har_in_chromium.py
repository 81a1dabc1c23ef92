"""Archives as Chromium's own network panel imports them."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any

import pytest
from browser import CHROMIUM, browsing
from websockets.sync.client import connect

from pytest_netmocks import HttpServer
from pytest_netmocks.faults import Latency, Reset
from pytest_netmocks.reports import har
from pytest_netmocks.reports.tape import on_record

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

PANEL = "devtools://devtools/bundled/inspector.html"
IMPORT = """
(async () => {
    const {HARFormat, Importer} = await import("devtools://devtools/bundled/models/har/har.js");
    const requests = Importer.Importer.requestsFromHARLog(new HARFormat.HARRoot(ARCHIVE).log);
    return await Promise.all(requests.map(async (request) => ({
        url: request.url(), status: request.statusCode, kind: request.resourceType().name(),
        took: request.duration, ip: request.remoteAddress(), transferred: request.transferSize,
        content: (await request.requestContentData()).text,
        frames: request.frames().map((frame) => [frame.type, frame.text, frame.opCode]),
    })));
})()
"""


def imported(archive: bytes) -> list[dict[str, Any]]:
    """What the panel has of its requests."""
    with browsing() as browser:
        browser.open(PANEL)
        requests: list[dict[str, Any]] = browser.run(IMPORT.replace("ARCHIVE", archive.decode()))
        return requests


def get(server: HttpServer, target: str) -> None:
    with socket.create_connection(server.address, timeout=30) as client, contextlib.suppress(ConnectionError):
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        while client.recv(65536):
            pass


def test_the_network_panel_of_chromium_shows_what_the_client_got(http_server: HttpServer) -> None:
    http_server.when("/slow").reply(200, text="é</script>\u2028").inject(Latency(0.1))
    http_server.when("/cut").reply(200, body=b"x" * 10).inject(Reset(after_bytes=4))
    http_server.when("/ws").websocket().when("hi").reply(b"\xff")
    get(http_server, "/slow")
    get(http_server, "/cut")
    with connect(f"ws://127.0.0.1:{http_server.port}/ws") as client:
        client.send("hi")
        client.recv(timeout=30)
    http_server.stop()
    archive = har.write([on_record(http_server)])
    slow, cut, handshake = imported(archive)
    entries = json.loads(archive)["log"]["entries"]
    for one, entry in zip((slow, cut, handshake), entries, strict=True):
        assert one["url"] == entry["request"]["url"]
        assert one["status"] == entry["response"]["status"]
        assert one["took"] == pytest.approx(entry["time"] / 1000, abs=1e-4)
        assert one["transferred"] == entry["response"]["_transferSize"]
        assert one["ip"].startswith("127.0.0.1")
    assert slow["took"] >= 0.095
    assert slow["content"] == "é</script>\u2028"
    assert slow["kind"] == "fetch"
    assert cut["content"] == "xxxx"
    assert handshake["kind"] == "websocket"
    assert handshake["frames"] == [["send", "hi", 1], ["receive", "/w==", 2]]

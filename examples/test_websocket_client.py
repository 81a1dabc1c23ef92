"""A client that follows a feed and reconnects with a growing pause, against a server that drops it in several ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets

from pytest_netmocks import WsServer, ws_frame
from pytest_netmocks.faults import Blackhole, Close, Reset

TIMES: Any = {"open_timeout": 10, "ping_interval": 0.2, "ping_timeout": 20, "close_timeout": 0.2}


async def follow(url: str, last: int = 0) -> AsyncIterator[int]:
    """What an application would use: it asks for what comes after the last number that it has."""
    pause = 0.01
    while True:
        try:
            async with websockets.connect(url, **TIMES) as feed:
                await feed.send(json.dumps({"after": last}))
                async for message in feed:
                    last = json.loads(message)["n"]
                    pause = 0.01
                    yield last
        except (OSError, TimeoutError, websockets.WebSocketException):
            await asyncio.sleep(pause)
            pause = min(1.0, pause * 2)


async def feed(websocket: websockets.ServerConnection) -> None:
    """The service: numbers without end."""
    last = json.loads(await websocket.recv())["after"]
    while True:
        last += 1
        await websocket.send(json.dumps({"n": last}))
        await asyncio.sleep(0.1)


@pytest.mark.asyncio
@pytest.mark.virtual_time
async def test_it_misses_nothing(ws_server: WsServer) -> None:
    ws_server.handle(feed)
    ws_server.when_connected().reply(503, times=1).reply()
    ws_server.script([], [Reset(after_bytes=300)], [Close(after_bytes=300)], [Blackhole(after_bytes=300)], [])
    got = []
    async with asyncio.timeout(120):
        async for number in follow(ws_server.url):
            got.append(number)
            if len(ws_server.connections) >= 5 and len(got) > 50:
                break
    assert got == list(range(1, len(got) + 1))
    assert [connection.close_code for connection in ws_server.connections[:3]] == [None, 1006, 1006]


@pytest.mark.asyncio
async def test_it_survives_a_server_that_breaks_the_protocol(ws_server: WsServer) -> None:
    ws_server.when(json={"after": 0}).reply(raw=ws_frame("?", 0x3), times=1).reply(json={"n": 1})
    async with asyncio.timeout(120):
        assert await anext(follow(ws_server.url)) == 1
    assert [message.json() for message in ws_server.requests] == [{"after": 0}, {"after": 0}]

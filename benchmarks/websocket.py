"""What the WebSocket server costs, beside its peers measured in the same run: `python benchmarks/websocket.py`.

The same load generator (a socket and frames made beforehand) talks to each server, which runs in a process of its own,
in interleaved rounds. Every server echoes; permessage-deflate is offered by none of the clients.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import sys
import threading
import time
from typing import Any

from peers import announce_when_up, compare, free_port, fresh, heading, ready

from pytest_netmocks import ws_frame

PEERS = ("ours", "websockets", "aiohttp")
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SMALL = ws_frame("hello", mask=True)
MASK = 4
"""Bytes that a client's frame has more than a server's."""
BIG = ws_frame(bytes(1 << 20), "binary", mask=True)


def serve(kind: str) -> None:
    """Run one server until the process is killed."""
    port = free_port()
    if kind == "ours":
        import pytest_netmocks

        pytest_netmocks.ws(port=port).start()
        ready(port)
        time.sleep(600)
    elif kind == "websockets":
        import websockets

        async def echo(websocket: Any) -> None:
            async for message in websocket:
                await websocket.send(message)

        async def main() -> None:
            async with websockets.serve(echo, "127.0.0.1", port):
                ready(port)
                await asyncio.Future()

        asyncio.run(main())
    else:
        from aiohttp import web

        async def handler(request: web.Request) -> web.WebSocketResponse:
            websocket = web.WebSocketResponse()
            await websocket.prepare(request)
            async for message in websocket:
                if message.type == web.WSMsgType.TEXT:
                    await websocket.send_str(message.data)
                else:
                    await websocket.send_bytes(message.data)
            return websocket

        application = web.Application()
        application.add_routes([web.get("/", handler)])
        announce_when_up(port)
        web.run_app(application, host="127.0.0.1", port=port, print=None, access_log=None)


def speak(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(HANDSHAKE)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += sock.recv(4096)
    return sock


def echoed(port: int, frame: bytes, count: int) -> float:
    """Messages a second, sent without waiting for the answers."""
    expected = (len(frame) - MASK) * count
    with speak(port) as sock:
        begin = time.perf_counter()
        threading.Thread(target=sock.sendall, args=(frame * count,), daemon=True).start()
        buffer = bytearray(1 << 20)
        while expected > 0:
            expected -= sock.recv_into(buffer)
        return count / (time.perf_counter() - begin)


def one_at_a_time(port: int, count: int = 3000) -> float:
    with speak(port) as sock:
        begin = time.perf_counter()
        for _ in range(count):
            sock.sendall(SMALL)
            sock.recv(64)
        return count / (time.perf_counter() - begin)


def connects(port: int, count: int = 300) -> float:
    begin = time.perf_counter()
    for _ in range(count):
        speak(port).close()
    return count / (time.perf_counter() - begin)


def stops() -> None:
    """How long a stop takes with clients in the way."""
    import pytest_netmocks

    for state, sent in (("idle", b""), ("silent in the closing", b""), ("in a frame", SMALL[:4])):
        times = []
        for _ in range(5):
            server = pytest_netmocks.ws().start()
            socks = [speak(server.port) for _ in range(100)]
            for sock in socks:
                sock.sendall(sent)
            if state.startswith("silent"):
                for connection in server.connections:
                    connection.close(1001)
            begin = time.perf_counter()
            server.stop()
            times.append(time.perf_counter() - begin)
            server.close()
            for sock in socks:
                sock.close()
        title = f"stop, 100 clients {state}"
        print(f"{title:<38} ours {statistics.median(times) * 1e3:.1f} ms   goal: < 10", flush=True)


def main() -> None:
    heading()
    compare(__file__, "small messages/s, pipelined", lambda port: echoed(port, SMALL, 20_000), "1.5x websockets", PEERS)
    compare(__file__, "small messages/s, in turn", one_at_a_time, "-", PEERS)
    compare(__file__, "1 MiB messages, MiB/s", lambda port: echoed(port, BIG, 60), ">= websockets", PEERS)
    compare(__file__, "connects/s", connects, ">= websockets", PEERS)
    stops()
    fresh("fresh server", "ws_server", "-")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    else:
        main()

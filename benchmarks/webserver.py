"""What the HTTP server costs, beside its peers measured in the same run: `python benchmarks/webserver.py`.

The same load generator (asyncio, pipelining nothing) asks each server, which
runs in a process of its own, in interleaved rounds.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import sys
import time
from typing import Any

from peers import announce_when_up, compare, free_port, fresh, heading, ready

BIG = 64 << 20
REQUEST = b"GET /hello HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n"
PEERS = ("ours", "uvicorn", "aiohttp")


def serve(kind: str) -> None:
    """Run one server until the process is killed."""
    port = free_port()
    if kind == "ours":
        import pytest_netmocks

        server = pytest_netmocks.http(port=port).start()
        server.when("GET", "/other").reply(text="other")
        server.when("GET", "/hello").reply(text="hello")
        server.when("GET", "/big").reply(body=bytes(BIG))
        ready(port)
        time.sleep(600)
    elif kind == "uvicorn":
        import uvicorn

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                return
            body = bytes(BIG) if scope["path"] == "/big" else b"hello"
            fields = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": fields})
            await send({"type": "http.response.body", "body": body})

        config = uvicorn.Config(app, port=port, log_level="warning", http="httptools", loop="asyncio", access_log=False)
        announce_when_up(port)
        uvicorn.Server(config).run()
    elif kind == "hypercorn":
        announce_when_up(port)
        serve_hypercorn(port)
    elif kind == "aiohttp":
        from aiohttp import web

        async def hello(request: web.Request) -> web.Response:
            return web.Response(text="hello")

        async def big(request: web.Request) -> web.Response:
            return web.Response(body=bytes(BIG))

        application = web.Application()
        application.add_routes([web.get("/hello", hello), web.get("/big", big)])
        announce_when_up(port)
        web.run_app(application, host="127.0.0.1", port=port, print=None, access_log=None)
    else:
        from pytest_httpserver import HTTPServer

        peer = HTTPServer(host="127.0.0.1", port=port, threaded=True)
        peer.expect_request("/hello").respond_with_data("hello")
        peer.expect_request("/big").respond_with_data(bytes(BIG))
        peer.start()
        ready(port)
        time.sleep(600)


def serve_hypercorn(port: int) -> None:
    from hypercorn.asyncio import serve as hypercorn
    from hypercorn.config import Config

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            fields = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
            await send({"type": "http.response.start", "status": 200, "headers": fields})
            await send({"type": "http.response.body", "body": b"hello"})

    settings = Config()
    settings.bind = [f"127.0.0.1:{port}"]
    settings.loglevel = "critical"
    settings.keep_alive_max_requests = 1 << 40
    asyncio.run(hypercorn(app, settings))


class Load(asyncio.Protocol):
    """One connection that asks again as soon as it has its answer."""

    def __init__(self, count: int, done: asyncio.Future[None]) -> None:
        self.left = count
        self.done = done
        self.buffer = b""
        self.size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.write(REQUEST)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0 or not self.buffer.endswith(b"hello"):
            return
        self.buffer = b""
        self.left -= 1
        if self.left > 0:
            self.transport.write(REQUEST)
        elif not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            # A server that closes after each answer is asked on a new connection.
            self.done.set_result(None)


def requests_per_second(port: int, connections: int, count: int) -> float:
    async def one(number: int) -> None:
        loop = asyncio.get_running_loop()
        left = number
        while left > 0:
            done = loop.create_future()
            transport, load = await loop.create_connection(lambda: Load(left, done), "127.0.0.1", port)  # noqa: B023
            await done
            transport.close()
            left = load.left

    async def main() -> float:
        begin = time.perf_counter()
        await asyncio.gather(*(one(count // connections) for _ in range(connections)))
        return count / (time.perf_counter() - begin)

    return asyncio.run(main())


def one_by_one(port: int, count: int = 300) -> float:
    """Requests a second, each on a connection of its own: pytest-httpserver keeps none."""
    begin = time.perf_counter()
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            sock.sendall(REQUEST)
            answer = b""
            while not answer.endswith(b"hello"):
                answer += sock.recv(4096)
    return count / (time.perf_counter() - begin)


def at_best(port: int) -> float:
    """Requests a second of one client: on one connection if the server keeps any, else each on its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=0.3) as sock:
        try:
            for _ in range(2):
                sock.sendall(REQUEST)
                answer = b""
                while not answer.endswith(b"hello"):
                    answer += sock.recv(4096) or b"it is closed: hello"
            kept = b"closed" not in answer
        except OSError:
            kept = False
    return requests_per_second(port, 1, 2000) if kept else one_by_one(port)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


GET = b"\x82\x86\x04\x06/hello\x01\x09localhost"
"""GET /hello of localhost for HPACK, by the static table and in plain text."""


def in_frames(port: int, at_once: int, count: int = 2000) -> float:
    """Requests a second over HTTP/2 on one connection, so many of them under way."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(8, 0, 0, (1 << 30).to_bytes(4))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin = time.perf_counter()
        asked = min(at_once, count)
        sock.sendall(preface + b"".join(frame(1, 5, 2 * number + 1, GET) for number in range(asked)))
        answered, came, acknowledged = 0, b"", False
        while answered < count:
            piece = sock.recv(65536)
            assert piece, f"it ended the connection after {answered} answers"
            came += piece
            at, ended = 0, 0
            while len(came) - at >= 9 and len(came) - at >= 9 + int.from_bytes(came[at : at + 3]):
                kind, flags = came[at + 3], came[at + 4]
                ended += kind in (0, 1) and flags & 1
                if kind == 4 and not flags & 1 and not acknowledged:
                    acknowledged = True
                    sock.sendall(frame(4, 1, 0, b""))
                at += 9 + int.from_bytes(came[at : at + 3])
            came = came[at:]
            answered += ended
            more = min(ended, count - asked)
            if more:
                sock.sendall(b"".join(frame(1, 5, 2 * number + 1, GET) for number in range(asked, asked + more)))
                asked += more
        return count / (time.perf_counter() - begin)


def megabytes(port: int) -> float:
    buffer = bytearray(1 << 20)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        begin = time.perf_counter()
        sock.sendall(REQUEST.replace(b"/hello", b"/big"))
        got = 0
        while got < BIG:
            got += sock.recv_into(buffer)
        return BIG / 1e6 / (time.perf_counter() - begin)


def in_one_process() -> None:
    import pytest_netmocks

    with pytest_netmocks.http() as server, socket.create_connection(server.address) as sock:
        server.when("GET", "/hello").reply(text="hello")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        times = []
        for _ in range(3000):
            begin = time.perf_counter()
            sock.sendall(REQUEST)
            while not sock.recv(4096).endswith(b"hello"):
                pass
            times.append(time.perf_counter() - begin)
    print(f"{'one process, us (p50)':<28} ours {statistics.median(times) * 1e6:.0f}   goal: <= 100", flush=True)


ASK = r"""
import socket
def ask(server):
    with socket.create_connection(server.address) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        while sock.recv(65536):
            pass
"""


def main() -> None:
    heading()
    compare(__file__, "requests/s, 1 connection", lambda port: requests_per_second(port, 1, 2000), ">= uvicorn", PEERS)
    compare(
        __file__, "requests/s, 32 connections", lambda port: requests_per_second(port, 32, 6400), ">= uvicorn", PEERS
    )
    pair = ("ours", "pytest-httpserver")
    compare(__file__, "requests/s, as each can", at_best, "4x httpserver", pair)
    compare(__file__, "requests/s, each connected", one_by_one, "-", pair)
    pair = ("ours", "hypercorn")
    compare(__file__, "HTTP/2 requests/s, one by one", lambda port: in_frames(port, 1), ">= hypercorn", pair)
    compare(__file__, "HTTP/2 requests/s, 50 at once", lambda port: in_frames(port, 50), ">= hypercorn", pair)
    compare(__file__, "64 MiB answers, MB/s", megabytes, ">= 0.8 of uvicorn", PEERS)
    in_one_process()
    body = "http_server.when('/').reply(text='ok'); ask(http_server)"
    fresh("fresh server and a request", "http_server", "<= 0.9", count=4000, before=ASK, body=body)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    else:
        main()

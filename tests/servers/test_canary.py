"""The loop belongs to all: whatever one client does, no turn of the loop takes long enough for others to notice."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from canary import ALLOWED, metered
from helpers import HANDSHAKE, abort, connect, in_thread, masked, read_to_end, shake, speak, udp_client

from pytest_netmocks.faults import Latency, Slice
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.known import TABLE
from pytest_netmocks.protocols.ws.server import WsServer
from pytest_netmocks.servers.stream import StreamServer

Say = Callable[[Any], None]


def send(data: bytes, *, size: int | None = None) -> Say:
    """Send that, in pieces of that size, then finish, and read what comes."""

    def flood(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for start in range(0, len(data), size or len(data)):
                sock.sendall(data[start : start + (size or len(data))])
            sock.shutdown(socket.SHUT_WR)

    def say(server: Any) -> None:
        with connect(server, timeout=20) as sock:
            thread = in_thread(flood, sock)
            with contextlib.suppress(OSError):
                read_to_end(sock)
            abort(sock)
            thread.join()

    return say


def come_and_go(server: Any) -> None:
    """Connect, say half a word, and finish or vanish, two hundred times."""
    for number in range(200):
        with connect(server) as sock, contextlib.suppress(OSError):
            sock.sendall(b"GET"[: number % 4])
            if number % 2:
                abort(sock)
            else:
                sock.shutdown(socket.SHUT_WR)


def crowd(server: Any) -> None:
    """Connect a thousand times while the loop is busy."""
    gate = threading.Event()
    busy = in_thread(server.run_in_loop, gate.wait, 20)
    for _ in range(1000):
        connect(server).close()
    gate.set()
    busy.join()


RECORD = b"\x16\x03\x01"
INPUTS: dict[str, Say] = {
    "a long line": send(b"x" * 2_000_000),
    "short lines": send(b"\r\n" * 20_000),
    "line feeds": send(b"\n" * 20_000),
    "commands": send(b"NOOP\r\n" * 1000),
    "nuls": send(bytes(200_000)),
    "single bytes": send(b"x\r\n" * 300, size=1),
    "requests": send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 300),
    "half a request": send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 500_000),
    "small chunks": send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20_000),
    "many fields": send(b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a: b\r\n" * 20_000),
    "pings": send(HANDSHAKE.encode() + b"\r\n" + masked(b"", "ping") * 500),
    "half a ClientHello": send(RECORD + b"\x40\x00\x01\x00\x3f\xfc\x03\x03" + b"x" * 9000, size=10),
    "empty records": send((RECORD + b"\x00\x00") * 50_000),
    "comings and goings": come_and_go,
    "a crowd": crowd,
}


def talk_over_tls(sock: ssl.SSLSocket, data: bytes, *, times: int) -> None:
    """Send that so many times, finish, and read all the while: in one thread, since OpenSSL has no lock for two."""
    deadline = time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            readable, writable, _ = select.select([sock], [sock], [], 1)
            if writable and times:
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    sock.send(data)
                    times -= 1
            elif not times:
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    sock.unwrap()
                    return
            if readable:
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    if not sock.recv(65536):
                        return
    except OSError:
        return  # the server has had enough
    pytest.fail("neither end has finished")


STREAMS = [name for name, entry in TABLE.items() if entry.stream and entry.takes is None]


def made(netmocks: Netmocks, name: str) -> StreamServer:
    server: StreamServer = getattr(netmocks, name)()
    return server


@pytest.mark.parametrize("say", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("name", [*STREAMS, "tcp_proxy"])
def test_no_client_has_the_loop_to_itself(netmocks: Netmocks, name: str, say: Say) -> None:
    server = netmocks.tcp_proxy(netmocks.tcp()) if name == "tcp_proxy" else made(netmocks, name)
    with metered() as meter:
        say(server)
        server.settle()
    assert meter.turns > 1
    assert meter.worst < ALLOWED


@pytest.mark.parametrize("name", [name for name in STREAMS if TABLE[name].load().always_secure])  # type: ignore[attr-defined]
@pytest.mark.parametrize("data", [b"x", b"x" * 16_000, b"\r\n" * 20], ids=["small", "large", "lines"])
def test_no_client_over_tls_has_the_loop_to_itself(netmocks: Netmocks, name: str, data: bytes) -> None:
    server = made(netmocks, name)

    with shake(server) as sock, metered() as meter:
        sock.setblocking(False)
        talk_over_tls(sock, data, times=500)
        server.connections[0].close()
    assert meter.worst < ALLOWED


@pytest.mark.parametrize("fault", [Latency(0.01, direction="both"), Slice(10), Slice(1, delay=0.0001)])
def test_faults_take_no_longer_for_much_than_for_little_at_a_time(netmocks: Netmocks, fault: Any) -> None:
    server = netmocks.tcp()
    server.inject(fault)
    with metered() as meter:
        send(b"x" * (1_000_000 if isinstance(fault, Latency) else 3000))(server)
    assert meter.worst < ALLOWED


@pytest.mark.parametrize("name", ["udp", "udp_proxy"])
@pytest.mark.parametrize("size", [0, 1, 60_000])
def test_no_sender_of_datagrams_has_the_loop_to_itself(netmocks: Netmocks, name: str, size: int) -> None:
    server = netmocks.udp() if name == "udp" else netmocks.udp_proxy(netmocks.udp())
    with metered() as meter:
        with udp_client(server) as sock, contextlib.suppress(ConnectionError):
            for _ in range(2000):
                sock.send(bytes(size))
        for _ in range(100):
            with udp_client(server) as sock:
                sock.send(bytes(size))
        server.settle()
    assert meter.worst < ALLOWED


FRAMES = {
    "messages": masked(b"") * 12_000,
    "pings": masked(b"", "ping") * 12_000,
    "fragments": masked(b"x", fin=False) * 12_000,
}


@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("handled", [False, True])
def test_no_websocket_has_the_loop_to_itself(ws_server: WsServer, frames: bytes, *, handled: bool) -> None:
    async def listen(websocket: Any) -> None:
        async for _ in websocket:
            pass

    ws_server.handle(listen if handled else None)
    with metered() as meter, speak(ws_server) as sock:
        thread = in_thread(sock.sendall, frames + masked(code=1000, opcode="close"))
        with contextlib.suppress(OSError):
            read_to_end(sock)
        thread.join(5)
    assert meter.worst < ALLOWED

"""Floods of frames: whatever a client sends, the others have their turns, and what it costs to remember has a bound."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
from canary import ALLOWED, metered
from framing import PREFACE, Peer, speaking
from helpers import connect, in_thread, read_to_end
from hyperframe.frame import PingFrame, SettingsFrame, WindowUpdateFrame

from pytest_netmocks.protocols.http.server import HttpServer

BEGIN = PREFACE + SettingsFrame(0).serialize()


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


GET = b"\x82\x86\x84\x41\x01h"
"""GET / of h, by the static table."""

FLOODS = {
    "rapid reset": b"".join(frame(1, 5, 2 * n + 1, GET) + frame(3, 0, 2 * n + 1, bytes(4)) for n in range(5000)),
    "endless continuation": frame(1, 1, 1, GET) + frame(9, 0, 1) * 50_000,
    "continuation of a byte": frame(1, 1, 1, GET) + frame(9, 0, 1, b"\x82") * 50_000,
    "settings": frame(4, 0, 0) * 20_000,
    "pings": frame(6, 0, 0, bytes(8)) * 20_000,
    "empty data": frame(1, 4, 1, b"\x83\x86\x84\x41\x01h") + frame(0, 0, 1) * 20_000,
    "data of a byte": frame(1, 4, 1, b"\x83\x86\x84\x41\x01h") + frame(0, 0, 1, b"x") * 20_000,
    "windows": frame(8, 0, 0, b"\0\0\0\x01") * 20_000,
    "priorities": frame(2, 0, 1, b"\0\0\0\0\x01") * 20_000,
    "unknown frames": frame(0x16, 0, 0, b"x") * 50_000,
    "requests": b"".join(frame(1, 5, 2 * n + 1, GET) for n in range(2000)),
    "streams that stay open": b"".join(frame(1, 4, 2 * n + 1, GET) for n in range(5000)),
    "no frames": bytes(200_000),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_leaves_the_others_their_turns(http_server: HttpServer, name: str) -> None:
    http_server.when("/").reply(text="x")

    def flood(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock.sendall(BEGIN + FLOODS[name])
            sock.shutdown(socket.SHUT_WR)

    with metered() as meter:
        with connect(http_server, timeout=30) as sock:
            thread = in_thread(flood, sock)
            with contextlib.suppress(OSError):
                read_to_end(sock)
            thread.join()
        with speaking(http_server) as peer:
            assert peer.answer(peer.ask()).body == b"x"
    assert meter.worst < ALLOWED


@pytest.mark.in_memory
def test_who_opens_streams_and_takes_them_back_is_told_to_calm_down(http_server: HttpServer) -> None:
    """CVE-2023-44487; those whose answers it reads may take back as many as they like now and then."""
    http_server.when("/").reply(text="x", delay=1000)
    with speaking(http_server) as peer:
        peer.until(SettingsFrame, ack=True)
        peer.say(FLOODS["rapid reset"][:20_000])
        list(peer.until_over())
    assert peer.goaway is not None
    assert peer.goaway[0] == "ENHANCE_YOUR_CALM"
    assert len(http_server.requests) < 300
    assert all(request.response is None for request in http_server.requests)


@pytest.mark.in_memory
def test_who_takes_back_what_it_asked_for_too_much_goes_on(http_server: HttpServer) -> None:
    http_server.when("/slow").reply(text="slow", delay=1000)
    http_server.when("/").reply(text="x")
    with speaking(http_server) as peer:
        for _ in range(300):
            stream = peer.ask("/slow")
            peer.say(frame(3, 0, stream, b"\0\0\0\x08"))
            assert peer.answer(peer.ask()).body == b"x"
            peer.said.pop(stream, None)
        assert peer.quiet()


@pytest.mark.in_memory
def test_a_stream_that_is_taken_back_costs_no_more(http_server: HttpServer) -> None:
    http_server.when("/slow").reply(text="slow", delay=1000)
    with speaking(http_server) as peer:
        stream = peer.ask("/slow")
        peer.ping()
        assert http_server.tasks
        peer.say(frame(3, 0, stream, b"\0\0\0\x08"))
        peer.ping()
        peer.ping()
        assert not http_server.tasks


def test_who_does_not_read_costs_no_more_than_what_was_asked_for(http_server: HttpServer) -> None:
    """A hundred answers of a megabyte: no more of them goes out than the kernels and a little more take."""
    http_server.when("/").reply(body=bytes(1_000_000))
    with connect(http_server) as sock:
        peer = Peer(sock, {SettingsFrame.INITIAL_WINDOW_SIZE: (1 << 31) - 1})
        peer.window(0, (1 << 30))
        streams = [peer.ask() for _ in range(100)]
        with speaking(http_server) as other:
            assert other.answer(other.ask("/other")).status == 404
        assert http_server.connections[0].bytes_sent < 20_000_000
        assert sum(len(peer.answer(stream).body) for stream in streams) == 100_000_000


def test_a_client_that_asks_for_signs_of_life_and_reads_none_is_read_no_more(http_server: HttpServer) -> None:
    with connect(http_server, timeout=0.5) as sock:
        Peer(sock)
        with pytest.raises(TimeoutError):
            for _ in range(10_000):
                sock.sendall(PingFrame(0, bytes(8)).serialize() * 1000)
        assert http_server.connections[0].bytes_sent < 50_000_000


@pytest.mark.in_memory
def test_an_upload_that_nobody_reads_closes_its_window_and_no_others(http_server: HttpServer) -> None:
    read = []

    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        read.append(scope.get("path"))
        if scope["type"] == "http":
            await asyncio.Event().wait()

    http_server.mount(app, at="/app")
    http_server.when("/up").reply(204)
    with speaking(http_server) as peer:
        stuck = peer.ask("/app", "POST", end=False)
        peer.say(*Peer.data(stuck, bytes(65_535), end=False))
        peer.ping()
        opened = [frame.stream_id for frame in peer.frames if isinstance(frame, WindowUpdateFrame)]
        other = peer.ask("/up", "POST", body=bytes(60_000))
        assert peer.answer(other).status == 204
        assert opened.count(stuck) <= 2  # of what waits for the application
        assert opened.count(0) >= 1

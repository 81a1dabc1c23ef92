"""The frames of RFC 6455 and RFC 7692: the examples of the RFCs, and wsproto as a judge of random ones."""

from __future__ import annotations

import socket
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import wsproto.connection
import wsproto.events
from helpers import HANDSHAKE, connect, masked, read_exactly, read_to_end, speak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import CloseReason

import pytest_netmocks
from pytest_netmocks import ws_frame
from pytest_netmocks.link import loop
from pytest_netmocks.protocols.ws.server import WsServer

pytestmark = pytest.mark.in_memory

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
HELLO = bytes.fromhex("f2 48 cd c9 c9 07 00")
"""RFC 7692, section 7.2.3.1."""


# The examples of RFC 6455, section 5.7


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ws_frame("Hello"), "81 05 48 65 6c 6c 6f"),
        (ws_frame("Hel", fin=False), "01 03 48 65 6c"),
        (ws_frame("lo", "continuation"), "80 02 6c 6f"),
        (ws_frame(b"Hello", "ping"), "89 05 48 65 6c 6c 6f"),
        (ws_frame(bytes(256), "binary")[:4], "82 7e 01 00"),
        (ws_frame(bytes(65536), "binary")[:10], "82 7f 00 00 00 00 00 01 00 00"),
    ],
)
def test_the_examples_of_the_rfc(ours: bytes, theirs: str) -> None:
    assert ours == bytes.fromhex(theirs)


def test_masked_examples_of_the_rfc(ws_server: WsServer) -> None:
    with speak(ws_server) as sock:
        sock.sendall(bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58"))
        assert read_exactly(sock, 7) == ws_frame("Hello")
        sock.sendall(bytes.fromhex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"))  # a pong that nobody asked for
        sock.sendall(bytes.fromhex("89 85 37 fa 21 3d 7f 9f 4d 51 58"))
        assert read_exactly(sock, 7) == ws_frame(b"Hello", "pong")
    assert [message.opcode for message in ws_server.connections[0].pings] == ["pong", "ping", "pong"]


def test_the_accept_key_of_the_rfc(ws_server: WsServer) -> None:
    with connect(ws_server) as sock:
        key = "dGhlIHNhbXBsZSBub25jZQ=="  # section 1.3
        head = HANDSHAKE.split("Sec-WebSocket-Key")[0] + f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        sock.sendall((head + "\r\n").encode())
        answer = sock.recv(4096)
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer


# RFC 7692, section 7.2.3


def inflated(frames: bytes) -> bytes:
    """The payload of one small compressed frame."""
    assert frames[0] & 0x40
    return zlib.decompressobj(wbits=-15).decompress(frames[2:] + b"\x00\x00\xff\xff")


@pytest.mark.parametrize(
    "frames",
    [
        masked(HELLO, "text", rsv=4),
        masked(HELLO[:3], "text", rsv=4, fin=False) + masked(HELLO[3:], "continuation"),
        masked(bytes.fromhex("00 05 00 fa ff 48 65 6c 6c 6f 00"), "text", rsv=4),  # 7.2.3.3: no compression
        masked(bytes.fromhex("f3 48 cd c9 c9 07 00 00"), "text", rsv=4),  # 7.2.3.4: BFINAL
        masked(bytes.fromhex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00"), "text", rsv=4),  # 7.2.3.5: two blocks
        masked("Hello"),  # a message may go uncompressed
    ],
)
def test_compressed_examples_of_the_rfc(ws_server: WsServer, frames: bytes) -> None:
    with speak(ws_server, DEFLATE) as sock:
        sock.sendall(frames)
        head = read_exactly(sock, 2)
        assert inflated(head + read_exactly(sock, head[1])) == b"Hello"
    assert ws_server.requests[0].data == "Hello"


def test_the_window_is_shared_between_messages(ws_server: WsServer) -> None:
    with speak(ws_server, DEFLATE) as sock:
        sock.sendall(masked(HELLO, "text", rsv=4) + masked(bytes.fromhex("f2 00 11 00 00"), "text", rsv=4))
        decoder = zlib.decompressobj(wbits=-15)
        for _ in range(2):
            head = read_exactly(sock, 2)
            assert decoder.decompress(read_exactly(sock, head[1]) + b"\x00\x00\xff\xff") == b"Hello"


@pytest.mark.parametrize(
    "frames",
    [
        masked(b"\xff\xff\xff\xff", "text", rsv=4),
        masked(HELLO, "ping", rsv=4),
        masked("a", "text", fin=False) + masked("b", "continuation", rsv=4),
        masked(HELLO, "text", rsv=6),
    ],
)
def test_broken_compression_is_1002(ws_server: WsServer, frames: bytes) -> None:
    with speak(ws_server, DEFLATE) as sock:
        sock.sendall(frames)
        assert int.from_bytes(read_to_end(sock)[2:4], "big") == 1002


def test_a_bomb_is_1009(netmocks: pytest_netmocks.Netmocks) -> None:
    server = netmocks.ws(max_size=1000)
    packer = zlib.compressobj(wbits=-15)
    bomb = (packer.compress(bytes(50_000_000)) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    with speak(server, DEFLATE) as sock:
        sock.sendall(masked(bomb[:1000], "binary", rsv=4, fin=False))
        assert int.from_bytes(read_to_end(sock)[2:4], "big") == 1009


# Random frames, and what wsproto says of them


frames = st.builds(
    ws_frame,
    st.one_of(st.binary(max_size=130), st.text(max_size=20)),
    st.sampled_from([0, 0, 1, 1, 1, 2, 2, 3, 8, 9, 10, 11]),
    fin=st.sampled_from([True, True, False]),
    rsv=st.sampled_from([0] * 9 + [1, 2, 4]),
    mask=st.sampled_from([True] * 9 + [False]),
    code=st.sampled_from([None] * 6 + [1000, 1001, 1005, 999, 3000, 5000]),
)


def judged(data: bytes) -> tuple[list[str | bytes], bool, int | None]:
    """What an independent implementation makes of a client's frames: messages, whether it closes, with which code."""
    judge = wsproto.connection.Connection(wsproto.ConnectionType.SERVER)
    messages: list[str | bytes] = []
    parts: list[Any] = []
    try:
        judge.receive_data(data)
        for event in judge.events():
            if isinstance(event, wsproto.events.Message):
                parts.append(event.data)
                if event.message_finished:
                    messages.append("".join(parts) if isinstance(parts[0], str) else b"".join(parts))
                    parts = []
            elif isinstance(event, wsproto.events.CloseConnection):
                return messages, True, None if event.code == CloseReason.NO_STATUS_RCVD else int(event.code)
    except wsproto.utilities.RemoteProtocolError as error:
        code = error.event_hint.code if isinstance(error.event_hint, wsproto.events.CloseConnection) else 1002
        return messages, True, int(code)
    return messages, False, None


def parsed(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The server's frames."""
    while data:
        size, at = data[1] & 0x7F, 2
        if size == 126:
            size, at = struct.unpack("!H", data[2:4])[0], 4
        yield data[0], data[at : at + size]
        data = data[at + size :]


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(frames, min_size=1, max_size=6), st.lists(st.integers(1, 300), max_size=4))
def test_random_frames_end_as_wsproto_says(sent: list[bytes], cuts: list[int]) -> None:
    data = b"".join(sent)
    messages, closes, code = judged(data)
    with shared() as server, speak(server) as sock:
        start = 0
        for cut in [*cuts, len(data)]:
            sock.sendall(data[start : start + cut])
            start += cut
        if not closes:
            sock.shutdown(socket.SHUT_WR)
            got = [payload for first, payload in parsed(read_to_end(sock)) if first & 0x0F in (1, 2)]
            assert got == [data.encode() if isinstance(data, str) else data for data in messages]
        else:
            frames_back = list(parsed(read_to_end(sock)))
            first, payload = frames_back[-1]
            assert first == 0x88
            said = struct.unpack("!H", payload[:2])[0] if payload else None
            # A close frame can be wrong in two ways at once.
            assert said == code or {said, code} == {1002, 1007}
        assert server.journal.take_errors() == []
        assert loop.take_errors() == []


class Shared:
    """One server for all examples: the next client has to be served whatever the last one did."""

    server: WsServer | None = None

    def __enter__(self) -> WsServer:
        if self.server is None or self.server.closed:
            Shared.server = pytest_netmocks.ws().start()
        assert self.server is not None
        return self.server

    def __exit__(self, *error: object) -> None:
        """It goes on."""


shared = Shared


@pytest.fixture(autouse=True, scope="module")
def end() -> Iterator[None]:
    yield
    if Shared.server is not None:
        Shared.server.close()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_random_bytes_hurt_nobody(data: bytes, after: bool) -> None:
    with shared() as server:
        sock = speak(server) if after else connect(server)
        with sock:
            sock.sendall(data)
        with speak(server) as next_one:
            next_one.sendall(masked("next"))
            assert read_exactly(next_one, 6) == ws_frame("next")
        assert server.journal.take_errors() == []
        assert loop.take_errors() == []

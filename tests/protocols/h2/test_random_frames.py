"""Frames by chance: nothing that a client says fails a test, and what h2 says as a client is answered right.

What goes past the library's frames comes to the same as it would by them.
"""

from __future__ import annotations

import functools
import random
import socket
from collections.abc import Callable, Iterable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import pytest
from framing import PREFACE, Peer
from helpers import connect
from hyperframe.frame import SettingsFrame
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pytest_netmocks
from pytest_netmocks import Response
from pytest_netmocks.protocols.h2.library import Engine

pytestmark = pytest.mark.in_memory

HEAD = b"\x82\x86\x84\x41\x01h"
POST = b"\x83\x86\x84\x41\x01h"

payloads = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"", HEAD, POST, HEAD[:3], bytes(4), bytes(5), bytes(6), bytes(8), b"\0\0\0\x01", b"\x00\x04\0\0\0\x01"]
    ),
    st.sampled_from([b"\x82", b"\x20", b"\x80", b"\xbe", b"\x3f\xe1\xff\x03"]).map(lambda more: HEAD + more),
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """One that is likely to mean something, or to be nearly right."""
    kind = draw(st.one_of(st.integers(0, 10), st.integers(0, 255)))
    flags = draw(st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x25, 0xFF]))
    stream = draw(st.sampled_from([0, 1, 3, 3, 5, 2, 0x7FFFFFFF, 0x80000001]))
    payload = draw(payloads)
    size = len(payload) if draw(st.integers(0, 30)) else draw(st.integers(0, (1 << 24) - 1))
    return size.to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


@settings(max_examples=100)
@given(st.lists(frames(), max_size=12), st.booleans(), st.integers(1, 50))
def test_whatever_a_client_says_it_is_answered_or_told_why_not(said: list[bytes], greets: bool, cut: int) -> None:
    with pytest_netmocks.http() as server:
        server.when("/").reply(text="x" * 20, interim=[103])
        with connect(server) as sock:
            peer = Peer(sock, greets=False)
            data = b"".join([PREFACE + (SettingsFrame(0).serialize() if greets else b""), *said])
            for at in range(0, len(data), max(cut, 1 + len(data) // 10)):
                peer.say(data[at : at + max(cut, 1 + len(data) // 10)])
            sock.shutdown(socket.SHUT_WR)
            list(peer.until_over())
        assert peer.over == "FIN"
        assert server.journal.take_errors() == []
        with connect(server) as sock:
            other = Peer(sock)
            assert other.answer(other.ask()).status == 200


SIZED = POST + b"\x0f\x0d\x0220"  # content-length: 20


def framed(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


streams = st.sampled_from([1, 1, 3, 3, 5, 7, 9, 2])
likely = st.one_of(
    st.builds(framed, st.just(0), st.sampled_from([0, 0, 0, 1, 8]), streams, st.binary(max_size=40)),
    st.builds(
        framed, st.just(1), st.sampled_from([4, 4, 5, 5, 0, 0x24]), streams, st.sampled_from([HEAD, POST, SIZED])
    ),
    st.builds(
        framed,
        st.just(8),
        st.just(0),
        st.sampled_from([0, 1, 3, 5, 0x80000001]),
        st.sampled_from([b"\0\0\0\x01", b"\0\0\1\0", b"\x7f\xff\xff\xff", b"\x7f\xff\0\0", bytes(4), bytes(3)]),
    ),
    st.builds(framed, st.just(3), st.just(0), streams, st.just(bytes(4))),
)
OPENED = [framed(1, 4, 1, POST), framed(1, 4, 3, SIZED)]
FIELDS = [(b":status", b"200"), (b"x-long", b"long" * 9000)]
answers = st.tuples(st.sampled_from([1, 3, 5, 7]), st.booleans(), st.sampled_from([FIELDS[:1], FIELDS, b"", b"x" * 50]))


def outcome(engine: Engine, do: Callable[..., Iterable[Any] | None], *given: Any) -> list[str]:
    """What comes of it, what the engine says then, and how its streams are."""
    try:
        happened = [repr(event) for event in do(*given) or () if not isinstance(event, h2.events.WindowUpdated)]
    except h2.exceptions.ProtocolError as error:
        happened = [f"{error!r} {error.error_code}"]
    streams = [
        (number, one.state_machine.state, one.outbound_flow_control_window, one.inbound_flow_control_window)
        for number, one in engine.streams.items()
        if not one.closed
    ]
    windows = engine.outbound_flow_control_window, engine.inbound_flow_control_window
    return [*happened, repr(engine.data_to_send()), repr(streams), repr(windows)]


def take(engine: Engine, frame: bytes) -> Iterable[Any]:
    return () if engine.take_windows(frame, 0) else engine.take(frame)


@settings(max_examples=200)
@example([framed(1, 0, 5, POST), framed(0, 0, 1, b"in the middle of a head")], [])
@example(
    [(1, False, FIELDS[:1]), (1, False, b"x" * 50), framed(4, 0, 0, b"\0\4\0\0\0\0"), framed(8, 0, 1, b"\x80\0\0\1")],
    [],
)
@given(st.lists(likely | answers, max_size=15), st.lists(frames(), max_size=2))
def test_the_short_way_past_the_library_comes_to_the_same(talk: list[Any], broken: list[bytes]) -> None:
    ours, plain = Engine(100), Engine(100)
    for engine in (ours, plain):
        engine.begin(100)
        engine.receive_data(PREFACE + SettingsFrame(0).serialize())
        engine.receive_data(SettingsFrame(0, flags=["ACK"]).serialize())
    for said in [*OPENED, *talk, *broken]:
        if isinstance(said, bytes):
            frame = (len(said) - 9).to_bytes(3) + said[3:]
            mine, theirs = (
                outcome(ours, functools.partial(take, ours), frame),
                outcome(plain, plain.receive_data, frame),
            )
        else:
            number, ended, what = said
            stream = ours.streams.get(number)
            if stream is None or not stream.open or ours.local_flow_control_window(number) < len(what):
                continue
            head = isinstance(what, list)
            if head and not ended and stream.state_machine.headers_sent:
                continue  # a second head is trailers, which are the last of their stream
            say, send = (ours.say_head, plain.send_headers) if head else (ours.say_data, plain.send_data)
            mine = outcome(ours, functools.partial(say, ended=ended), number, what)
            theirs = outcome(plain, send, number, what, ended)
        assert mine == theirs
        if "Error" in mine[0]:
            return


def turned(request: pytest_netmocks.HttpRequest) -> Response:
    return Response(body=request.body[::-1], headers={"X-Length": str(len(request.body))})


bodies = st.lists(st.tuples(st.binary(max_size=300), st.one_of(st.none(), st.integers(0, 100))), max_size=6)


@settings(max_examples=40)
@given(st.lists(bodies, min_size=1, max_size=8), st.randoms(use_true_random=False), st.integers(1, 2000))
def test_what_h2_asks_as_a_client_is_answered_right(
    asked: list[list[tuple[bytes, int | None]]], chance: random.Random, window: int
) -> None:
    """Bodies in padded pieces, mixed up among streams, and answers through windows of that size."""
    with pytest_netmocks.http() as server:
        server.when("POST", "/").reply(turned)
        client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        client.local_settings[h2.settings.SettingCodes.INITIAL_WINDOW_SIZE] = window
        client.local_settings.acknowledge()
        client.initiate_connection()
        left = {2 * number + 1: list(pieces) for number, pieces in enumerate(asked)}
        for stream in left:
            fields = [(":method", "POST"), (":scheme", "http"), (":authority", "h"), (":path", "/")]
            client.send_headers(stream, fields)
        waiting = [stream for stream, pieces in left.items() for _ in [*pieces, None]]
        chance.shuffle(waiting)
        for stream in waiting:
            if left[stream]:
                data, padding = left[stream].pop(0)
                client.send_data(stream, data, pad_length=padding)
            else:
                client.end_stream(stream)
        got = dict.fromkeys(left, b"")
        ended: set[int] = set()
        with connect(server) as sock:
            sock.sendall(client.data_to_send())
            while len(ended) < len(got):
                for event in client.receive_data(sock.recv(65536)):
                    if isinstance(event, h2.events.DataReceived):
                        got[event.stream_id] += event.data
                        client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, h2.events.StreamEnded):
                        ended.add(event.stream_id)
                    else:
                        assert not isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated))
                sock.sendall(client.data_to_send())
        assert got == {
            2 * number + 1: b"".join(data for data, _ in pieces)[::-1] for number, pieces in enumerate(asked)
        }
        assert all(request.complete for request in server.requests)

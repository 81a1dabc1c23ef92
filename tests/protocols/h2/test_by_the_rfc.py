"""HTTP/2 by RFC 9113, sections 3.4 to 8.4, and HPACK by RFC 7541: the cases of h2spec, one by one.

Each says a few frames on a connection that has begun, and what comes of them: an error of the connection (GOAWAY and
the end) or of the stream (RST_STREAM), or that all goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from framing import PREFACE, Peer, speaking
from helpers import connect
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from pytest_netmocks.protocols.http.server import HttpServer

pytestmark = pytest.mark.in_memory

Say = Callable[[Peer], Sequence[Frame | bytes]]

FINE = "all goes on"


def raw(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame as bytes: what no library lets one say."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def fields(*given: tuple[str, str]) -> Say:
    """A request of these fields."""
    return lambda peer: [peer.head(1, instead=given)]


def request(*more: tuple[str, str], method: str = "GET") -> Say:
    return lambda peer: [peer.head(1, method=method, fields=more)]


def open_stream(*more: Frame | bytes) -> Say:
    """A request whose body is to come, and this behind its head."""
    return lambda peer: [peer.head(1, "/up", "POST", end=False), *more]


def half_closed(*more: Frame | bytes) -> Say:
    """A request that has come as a whole and waits for its answer, and this behind it."""
    return lambda peer: [peer.head(1, "/slow"), *more]


def closed_by_reset(*more: Frame | bytes) -> Say:
    return lambda peer: [peer.head(1, "/up", "POST", end=False), RstStreamFrame(1, 8), *more]


def broken_head(*more: Frame | bytes) -> Say:
    """A field block that is not at its end, and this behind it."""

    def say(peer: Peer) -> Sequence[Frame | bytes]:
        head = peer.head(1)
        head.flags.discard("END_HEADERS")
        return [head, *more]

    return say


def block(data: bytes) -> Say:
    """A field block of these bytes."""
    return lambda _: [raw(1, 0x5, 1, data)]


def settings(code: int, value: int) -> Say:
    return lambda _: [raw(4, 0, 0, code.to_bytes(2) + value.to_bytes(4))]


def goaway(code: str) -> str:
    return f"GOAWAY {code}"


def reset(code: str) -> str:
    return f"RST_STREAM {code}"


USUAL = ((":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/"))

PROTOCOL = goaway("PROTOCOL_ERROR")
SIZE = goaway("FRAME_SIZE_ERROR")
MALFORMED = reset("PROTOCOL_ERROR")
COMPRESSION = goaway("COMPRESSION_ERROR")


def only(*frames: Frame | bytes) -> Say:
    return lambda _: frames


CASES: list[tuple[str, str, Say, str]] = [
    ("4.1", "a frame of an unknown type", only(raw(0x16, 0, 0, b"abc")), FINE),
    ("4.1", "a frame with unknown flags", only(raw(6, 0xFE & ~1, 0, b"12345678")), FINE),
    ("4.1", "the reserved bit of a stream's number", only(raw(6, 0, 1 << 31, b"12345678")), FINE),
    ("4.2", "DATA of 16,384 bytes", open_stream(*Peer.data(1, bytes(16_384))), FINE),
    ("4.2", "DATA of 16,385 bytes", open_stream(raw(0, 1, 1, bytes(16_385))), SIZE),
    ("4.2", "HEADERS of 16,385 bytes", only(raw(1, 5, 1, bytes(16_385))), SIZE),
    ("4.2", "a frame said to have 16 MiB", only(b"\xff\xff\xff" + bytes([0, 0, 0, 0, 0, 1])), SIZE),
    ("4.3", "PRIORITY within a field block", broken_head(PriorityFrame(1, stream_weight=255)), PROTOCOL),
    ("4.3", "HEADERS of another stream within a field block", broken_head(raw(1, 5, 3, b"\x82")), PROTOCOL),
    ("5.1", "DATA on an idle stream", only(DataFrame(1, b"x")), PROTOCOL),
    ("5.1", "RST_STREAM on an idle stream", only(RstStreamFrame(1, 8)), PROTOCOL),
    ("5.1", "WINDOW_UPDATE on an idle stream", only(WindowUpdateFrame(1, 100)), PROTOCOL),
    ("5.1", "CONTINUATION on an idle stream", only(ContinuationFrame(1, b"", flags=["END_HEADERS"])), PROTOCOL),
    ("5.1", "DATA behind END_STREAM", half_closed(DataFrame(1, b"x", flags=["END_STREAM"])), reset("STREAM_CLOSED")),
    ("5.1", "HEADERS behind END_STREAM", half_closed(raw(1, 5, 1, b"\x82")), reset("STREAM_CLOSED")),
    ("5.1", "CONTINUATION behind END_STREAM", half_closed(raw(9, 4, 1, b"\x82")), PROTOCOL),
    ("5.1", "DATA behind RST_STREAM", closed_by_reset(DataFrame(1, b"x")), reset("STREAM_CLOSED")),
    ("5.1", "HEADERS behind RST_STREAM", closed_by_reset(raw(1, 5, 1, b"\x82")), reset("STREAM_CLOSED")),
    ("5.1", "CONTINUATION behind RST_STREAM", closed_by_reset(raw(9, 4, 1, b"\x82")), PROTOCOL),
    ("5.1", "WINDOW_UPDATE behind RST_STREAM", closed_by_reset(WindowUpdateFrame(1, 100)), FINE),
    ("5.1", "RST_STREAM behind RST_STREAM", closed_by_reset(RstStreamFrame(1, 8)), FINE),
    ("5.1.1", "a stream with an even number", lambda peer: [peer.head(2)], PROTOCOL),
    ("5.1.1", "a stream with a lower number", lambda peer: [peer.head(5, "/slow"), peer.head(3)], PROTOCOL),
    ("5.4.1", "a GOAWAY of the client's", only(GoAwayFrame(0, 0, 0)), "FIN"),
    ("5.5", "an unknown frame within a field block", broken_head(raw(0x16, 0, 0, b"abc")), PROTOCOL),
    ("6.1", "DATA on stream 0", only(raw(0, 0, 0, b"x")), PROTOCOL),
    ("6.1", "DATA with too much padding", open_stream(raw(0, 0x9, 1, b"\x06hello")), PROTOCOL),
    ("6.2", "HEADERS on stream 0", only(raw(1, 5, 0, b"\x82")), PROTOCOL),
    ("6.2", "HEADERS with too much padding", only(raw(1, 0xD, 1, b"\x10\x82")), PROTOCOL),
    ("6.3", "PRIORITY on stream 0", only(raw(2, 0, 0, bytes(5))), PROTOCOL),
    ("6.3", "PRIORITY of 4 bytes", half_closed(raw(2, 0, 1, bytes(4))), SIZE),
    ("6.4", "RST_STREAM on stream 0", only(raw(3, 0, 0, bytes(4))), PROTOCOL),
    ("6.4", "RST_STREAM of 3 bytes", half_closed(raw(3, 0, 1, bytes(3))), SIZE),
    ("6.5", "SETTINGS acknowledged with a payload", only(raw(4, 1, 0, bytes(6))), SIZE),
    ("6.5", "SETTINGS on a stream", only(raw(4, 0, 1, bytes(6))), PROTOCOL),
    ("6.5", "SETTINGS of 3 bytes", only(raw(4, 0, 0, bytes(3))), SIZE),
    ("6.5.2", "ENABLE_PUSH of 2", settings(2, 2), PROTOCOL),
    ("6.5.2", "INITIAL_WINDOW_SIZE of 2 GiB", settings(4, 1 << 31), goaway("FLOW_CONTROL_ERROR")),
    ("6.5.2", "MAX_FRAME_SIZE of 16,383", settings(5, 16_383), PROTOCOL),
    ("6.5.2", "MAX_FRAME_SIZE of 16 MiB", settings(5, 1 << 24), PROTOCOL),
    ("6.5.2", "an unknown setting", settings(0xFF, 1), FINE),
    ("6.7", "a PING that is an answer", only(PingFrame(0, b"notasked", flags=["ACK"])), FINE),
    ("6.7", "PING on a stream", only(raw(6, 0, 1, bytes(8))), PROTOCOL),
    ("6.7", "PING of 6 bytes", only(raw(6, 0, 0, bytes(6))), SIZE),
    ("6.8", "GOAWAY on a stream", only(raw(7, 0, 1, bytes(8))), PROTOCOL),
    ("6.9", "WINDOW_UPDATE of 0 for the connection", only(raw(8, 0, 0, bytes(4))), PROTOCOL),
    ("6.9", "WINDOW_UPDATE of 0 for a stream", half_closed(raw(8, 0, 1, bytes(4))), PROTOCOL),
    ("6.9", "WINDOW_UPDATE of 3 bytes", only(raw(8, 0, 0, bytes(3))), SIZE),
    (
        "6.9.1",
        "a window of the connection above 2 GiB",
        only(*[WindowUpdateFrame(0, (1 << 31) - 1)] * 2),
        goaway("FLOW_CONTROL_ERROR"),
    ),
    (
        "6.9.1",
        "a window of a stream above 2 GiB",
        half_closed(*[WindowUpdateFrame(1, (1 << 31) - 1)] * 2),
        reset("FLOW_CONTROL_ERROR"),
    ),
    ("6.9.1", "more DATA than the window takes", open_stream(*[DataFrame(1, bytes(16_384))] * 5), FINE),
    ("6.10", "CONTINUATION on stream 0", broken_head(raw(9, 4, 0, b"")), PROTOCOL),
    ("6.10", "DATA within a field block", broken_head(DataFrame(1, b"x")), PROTOCOL),
    ("6.10", "CONTINUATION behind the end of a field block", half_closed(raw(9, 4, 1, b"")), PROTOCOL),
    ("6.10", "CONTINUATION behind DATA", open_stream(DataFrame(1, b"x"), raw(9, 4, 1, b"")), PROTOCOL),
    ("6.10", "CONTINUATION without end", broken_head(*[raw(9, 0, 1, b"")] * 100), PROTOCOL),
    ("7", "RST_STREAM with an unknown error", half_closed(RstStreamFrame(1, 0xFF)), FINE),
    ("8.1", "a second HEADERS without END_STREAM", open_stream(raw(1, 4, 1, b"\x0f\x0d\x010")), PROTOCOL),
    ("8.2.1", "a field's name in upper case", request(("X-Test", "x")), MALFORMED),
    ("8.2.1", "a field's name with a blank", request(("x test", "x")), MALFORMED),
    ("8.2.1", "a field without a name", request(("", "x")), MALFORMED),
    ("8.2.1", "a value with a line break", request(("x", "a\r\nb: c")), MALFORMED),
    ("8.2.1", "a value with a NUL", request(("x", "a\0b")), MALFORMED),
    ("8.2.1", "a value with blanks around it", request(("x", " a")), MALFORMED),
    ("8.2.2", "a field of the connection", request(("connection", "keep-alive")), MALFORMED),
    ("8.2.2", "Transfer-Encoding", request(("transfer-encoding", "chunked")), MALFORMED),
    ("8.2.2", "TE with anything but trailers", request(("te", "trailers, deflate")), MALFORMED),
    ("8.2.2", "TE with trailers", request(("te", "trailers")), FINE),
    ("8.3", "an unknown field of the request's line", request((":test", "x")), MALFORMED),
    ("8.3", "a field of the request's line that is unknown", fields(*USUAL, (":test", "x")), MALFORMED),
    ("8.3", ":status in a request", fields((":status", "200"), *USUAL), MALFORMED),
    ("8.3", "the request's line behind other fields", fields(*USUAL[:3], ("x", "y"), USUAL[3]), MALFORMED),
    (
        "8.3",
        "the request's line behind the body",
        open_stream(raw(1, 5, 1, b"\x82")),
        MALFORMED,
    ),
    ("8.3.1", "no :method", fields(*USUAL[1:]), MALFORMED),
    ("8.3.1", "no :scheme", fields(USUAL[0], *USUAL[2:]), MALFORMED),
    ("8.3.1", "no :path", fields(*USUAL[:3]), MALFORMED),
    ("8.3.1", "an empty :path", fields(*USUAL[:3], (":path", "")), MALFORMED),
    ("8.3.1", "a :path without a slash", fields(*USUAL[:3], (":path", "x")), MALFORMED),
    ("8.3.1", "two :method", fields(USUAL[0], *USUAL), MALFORMED),
    ("8.3.1", "two :scheme", fields(USUAL[1], *USUAL), MALFORMED),
    ("8.3.1", "two :path", fields(USUAL[3], *USUAL), MALFORMED),
    ("8.3.1", "a host that is not :authority", request(("host", "other")), MALFORMED),
    ("8.3.1", "a host that is :authority", request(("host", "h")), FINE),
    ("8.3.1", "a host and no :authority", fields(*USUAL[:2], USUAL[3], ("host", "h")), FINE),
    ("8.5", "CONNECT with a :path", fields((":method", "CONNECT"), *USUAL[2:]), MALFORMED),
    (
        "8.1.1",
        "a body that is shorter than its Content-Length",
        lambda peer: [peer.head(1, "/up", "POST", fields=[("content-length", "2")], end=False), *Peer.data(1, b"x")],
        PROTOCOL,
    ),
    (
        "8.1.1",
        "a body that is longer than its Content-Length",
        lambda peer: [peer.head(1, "/up", "POST", fields=[("content-length", "1")], end=False), *Peer.data(1, b"xx")],
        PROTOCOL,
    ),
    ("8.4", "PUSH_PROMISE of a client", open_stream(PushPromiseFrame(1, 2, b"\x82", flags=["END_HEADERS"])), PROTOCOL),
    ("HPACK 2.3.3", "an index that no table has", block(b"\xff\x80\x01"), COMPRESSION),
    ("HPACK 4.2", "a table's size behind fields", block(b"\x82\x86\x84\x20"), COMPRESSION),
    (
        "HPACK 5.2",
        "a string padded by a byte",
        block(b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"),
        COMPRESSION,
    ),
    ("HPACK 5.2", "a string padded by zeros", block(b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90"), COMPRESSION),
    ("HPACK 6.1", "index 0", block(b"\x80"), COMPRESSION),
    ("HPACK 6.3", "a table larger than was agreed on", block(b"\x3f\xe1\xff\x03\x82\x86\x84"), COMPRESSION),
    ("HPACK", "a field block that breaks off", block(b"\x00\x05ab"), COMPRESSION),
]


def outcome(peer: Peer) -> str:
    """What comes of what was said: the first error, or that a PING is answered."""
    peer.say(PingFrame(0, b"theanswe"))
    while (frame := peer.next()) is not None:
        if isinstance(frame, RstStreamFrame):
            return reset(peer.said[frame.stream_id].end)
        if isinstance(frame, GoAwayFrame):
            list(peer.until_over())
            assert peer.over == "FIN"
            assert peer.goaway is not None
            return goaway(peer.goaway[0])
        if isinstance(frame, PingFrame) and frame.opaque_data == b"theanswe":
            return FINE
    return peer.over or ""


@pytest.mark.parametrize(("section", "name", "say", "expected"), CASES, ids=[f"{one[0]} {one[1]}" for one in CASES])
def test_each_case_has_the_error_that_it_has_to(
    http_server: HttpServer, section: str, name: str, say: Say, expected: str
) -> None:
    http_server.when("/slow").reply(text="slow", delay=1000)
    http_server.when("/up").reply(204)
    http_server.when("/").reply(text="x")
    with speaking(http_server) as peer:
        peer.until(SettingsFrame, ack=True)
        peer.say(*say(peer))
        assert outcome(peer) == expected


@pytest.mark.parametrize(
    ("begins", "expected"),
    [
        (PREFACE + raw(4, 0, 0), FINE),
        (PREFACE + raw(6, 0, 0, bytes(8)), PROTOCOL),
        (PREFACE + raw(4, 1, 0), PROTOCOL),
        (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + raw(4, 0, 0), PROTOCOL),
    ],
)
def test_a_connection_begins_with_the_preface_and_settings(
    http_server: HttpServer, begins: bytes, expected: str
) -> None:
    """Section 3.4."""
    with connect(http_server) as sock:
        peer = Peer(sock, greets=False)
        peer.say(begins)
        assert outcome(peer) == expected


def test_a_reset_of_one_stream_leaves_the_others_as_they_are(http_server: HttpServer) -> None:
    """Section 5.4.2."""
    http_server.when("/").reply(text="x")
    with speaking(http_server) as peer:
        peer.say(peer.head(1, fields=[("X", "y")]), peer.head(3))
        assert peer.answer(1).end == "PROTOCOL_ERROR"
        assert peer.answer(3).body == b"x"


def test_nothing_is_lost_of_what_came_before_a_broken_frame(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="x")
    with speaking(http_server) as peer:
        peer.say(peer.head(1), peer.head(3), raw(0, 0, 0, b"x"))
        list(peer.until_over())
    assert peer.goaway == ("PROTOCOL_ERROR", 3)
    assert [request.stream for request in http_server.requests] == [1, 3]
    assert "GOAWAY" in str(http_server.timeline)


def test_a_field_block_may_come_in_many_frames(http_server: HttpServer) -> None:
    """Section 6.10."""
    http_server.when("/").reply(text="x")
    with speaking(http_server) as peer:
        head = peer.head(1, fields=[("x", "y" * 100)])
        data = head.data
        parts: list[Frame] = [HeadersFrame(1, data[:1], flags=["END_STREAM"])]
        parts += [ContinuationFrame(1, data[at : at + 10]) for at in range(1, len(data), 10)]
        parts[-1].flags.add("END_HEADERS")
        peer.say(*parts)
        assert peer.answer(1).body == b"x"


@pytest.mark.parametrize("window", [0, 1, 100])
def test_data_is_sent_as_windows_allow(http_server: HttpServer, window: int) -> None:
    """Sections 6.9.1 and 6.9.2: settings change the windows of open streams, which may come to be negative."""
    http_server.when("/").reply(body=bytes(200))
    with speaking(http_server, {SettingsFrame.INITIAL_WINDOW_SIZE: window}) as peer:
        stream = peer.ask()
        peer.ping()
        assert len(peer.said[stream].body) == window
        peer.say(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: window + 10}))
        peer.ping()
        assert len(peer.said[stream].body) == window + 10
        peer.say(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0}))
        peer.window(stream, window + 9)
        peer.ping()
        assert len(peer.said[stream].body) == window + 10
        peer.window(stream, 200)
        assert peer.answer(stream).body == bytes(200)


def test_a_stream_too_many_is_refused_and_one_more_comes_when_there_is_room(http_server: HttpServer) -> None:
    """Section 5.1.2."""
    http_server.max_concurrent_streams = 2
    http_server.when("/slow").reply(text="slow", delay=1)
    with speaking(http_server) as peer:
        said = peer.until(SettingsFrame, ack=False)
        assert isinstance(said, SettingsFrame)
        assert said.settings[SettingsFrame.MAX_CONCURRENT_STREAMS] == 2
        first, second, third = (peer.ask("/slow") for _ in range(3))
        assert peer.answer(third).end == "REFUSED_STREAM"
        assert peer.answer(first).body == peer.answer(second).body == b"slow"
        assert peer.answer(peer.ask("/slow")).body == b"slow"


@pytest.mark.parametrize("fields", [[("x", "y" * 66_000)], [(f"x{number}", "") for number in range(1001)]])
def test_a_head_that_is_too_large_is_refused_in_words(http_server: HttpServer, fields: list[tuple[str, str]]) -> None:
    with speaking(http_server) as peer:
        head = peer.head(1, fields=fields)
        pieces = [head.data[at : at + 16_000] for at in range(0, len(head.data), 16_000)]
        frames: list[Frame] = [HeadersFrame(1, pieces[0], flags=["END_STREAM"])]
        frames += [ContinuationFrame(1, piece) for piece in pieces[1:]]
        frames[-1].flags.add("END_HEADERS")
        peer.say(*frames)
        assert peer.answer(1).status == 431
        peer.ping()


def test_a_head_that_only_unpacks_to_much_ends_the_connection(http_server: HttpServer) -> None:
    """CVE-2016-6581: a field in the table is one byte each time."""
    with speaking(http_server) as peer:
        peer.say(raw(1, 5, 1, peer.encoder.encode([("x", "y" * 4000)]) + b"\xbe" * 10_000))
        list(peer.until_over())
    assert peer.goaway == ("ENHANCE_YOUR_CALM", 0)

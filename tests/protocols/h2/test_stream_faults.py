"""Faults on HTTP/2: on a rule they strike the stream of an exchange, on a server the connection; exact to the byte."""

from __future__ import annotations

import math

import pytest
from framing import Peer, speaking
from helpers import say
from hyperframe.frame import DataFrame, PingFrame, SettingsFrame, WindowUpdateFrame
from playbook import now

from pytest_netmocks import Netmocks
from pytest_netmocks.faults import (
    Answer,
    Bandwidth,
    Blackhole,
    Close,
    Fault,
    Garbage,
    Goaway,
    Latency,
    MalformedChunk,
    NoPingAck,
    NoSettingsAck,
    Refused,
    Reset,
    Slice,
    SmallWindow,
    Stall,
)
from pytest_netmocks.protocols.http.server import HttpServer

pytestmark = pytest.mark.in_memory

BODY = bytes(range(256)) * 400


def struck(server: HttpServer, fault: Fault) -> Peer:
    """What comes of a request whose rule injects the fault, and of another on the same connection."""
    server.when("/x").reply(body=BODY).inject(fault)
    server.when("/y").reply(text="y")
    with speaking(server) as peer:
        for number in (1, 3):
            peer.ask("/x" if number == 1 else "/y")
            peer.window(0, 1 << 20)
            peer.window(number, 1 << 20)
            if peer.answer(number).end == "":
                break
    return peer


@pytest.mark.parametrize("size", [0, 1, 1000, 16_384, 65_535, 65_536, 102_399])
def test_a_reset_of_an_exchange_is_rst_stream_behind_exactly_so_many_bytes(http_server: HttpServer, size: int) -> None:
    peer = struck(http_server, Reset(after_bytes=size))
    assert (peer.said[1].status, peer.said[1].body, peer.said[1].end) == (200, BODY[:size], "CANCEL")
    assert peer.said[3].body == b"y"
    request = http_server.requests[0]
    assert request.response is not None
    assert request.response.body == BODY[:size]
    assert http_server.connections[0].faults == ["Reset"]


def test_without_a_place_it_strikes_instead_of_the_answer(http_server: HttpServer) -> None:
    peer = struck(http_server, Reset())
    assert (peer.said[1].heads, peer.said[1].end) == ([], "CANCEL")
    assert peer.said[3].body == b"y"
    assert http_server.requests[0].response is None


def test_a_reset_says_the_error_that_is_named(http_server: HttpServer) -> None:
    peer = struck(http_server, Reset(after_bytes=5, error="ENHANCE_YOUR_CALM"))
    assert (peer.said[1].body, peer.said[1].end) == (BODY[:5], "ENHANCE_YOUR_CALM")


@pytest.mark.parametrize("size", [0, 1, 65_536])
def test_a_close_of_an_exchange_ends_its_stream_early(http_server: HttpServer, size: int) -> None:
    peer = struck(http_server, Close(after_bytes=size))
    assert (peer.said[1].status, peer.said[1].body, peer.said[1].end) == (200, BODY[:size], "END_STREAM")
    assert peer.said[3].body == b"y"


def test_a_close_instead_of_the_answer_is_an_end_without_an_error(http_server: HttpServer) -> None:
    peer = struck(http_server, Close())
    assert (peer.said[1].heads, peer.said[1].end) == ([], "NO_ERROR")


def test_a_stall_holds_its_stream_alone_and_lifting_it_lets_the_rest_go(http_server: HttpServer) -> None:
    http_server.when("/y").reply(text="y")
    injection = http_server.when("/x").reply(body=BODY).inject(Stall(after_bytes=10))
    with speaking(http_server) as peer:
        peer.ask("/x")
        peer.window(0, 1 << 20)
        peer.window(1, 1 << 20)
        peer.ask("/y")
        assert peer.answer(3).body == b"y"
        assert peer.quiet()
        assert (peer.said[1].body, peer.said[1].end) == (BODY[:10], "")
        injection.lift()
        assert peer.answer(1).body == BODY
        assert peer.said[1].end == "END_STREAM"


def test_a_blackhole_swallows_what_is_behind_its_place(http_server: HttpServer) -> None:
    http_server.when("/x").reply(body=BODY).inject(Blackhole(after_bytes=10))
    with speaking(http_server) as peer:
        peer.ask("/x")
        peer.ping()
        assert peer.quiet()
        assert (peer.said[1].body, peer.said[1].end) == (BODY[:10], "")


def test_latency_delays_the_payload_of_its_stream_alone(http_server: HttpServer) -> None:
    http_server.when("/y").reply(text="y")
    http_server.when("/x").reply(text="late").inject(Latency(0.5))
    with speaking(http_server) as peer:
        began = now()
        peer.ask("/x")
        peer.ask("/y")
        assert peer.answer(3).body == b"y"
        assert now() - began < 0.5
        assert peer.answer(1).body == b"late"
        assert now() - began >= 0.5


def test_bandwidth_and_slices_shape_the_frames_of_data(http_server: HttpServer) -> None:
    http_server.when("/x").reply(body=b"x" * 95).inject(Slice(10))
    http_server.when("/y").reply(body=b"y" * 2000).inject(Bandwidth(1000))
    with speaking(http_server) as peer:
        peer.ask("/x")
        said = peer.answer(1)
        assert said.body == b"x" * 95
        assert said.sizes[:10] == [10] * 9 + [5]
        began = now()
        peer.ask("/y")
        assert peer.answer(3).body == b"y" * 2000
        assert math.isclose(now() - began, 2.0, rel_tol=0.05)


def test_an_answer_fault_answers_instead(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="x").inject(Answer(503, headers={"Retry-After": "1"}), first=1)
    http_server.inject(Answer(500), nth=3)
    with speaking(http_server) as peer:
        statuses = [peer.answer(peer.ask("/x")).status for _ in range(4)]
    assert statuses == [503, 200, 500, 200]


def test_messages_are_pieces_of_a_stream(http_server: HttpServer) -> None:
    http_server.when("/x").reply(stream=[b"one", b"two", b"three"]).inject(Reset(after_messages=2))
    with speaking(http_server) as peer:
        said = peer.answer(peer.ask("/x"))
    assert (said.body, said.end) == (b"onetwo", "CANCEL")


def test_garbage_is_none_of_the_frames_and_the_end_of_the_connection(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="x").inject(Garbage(20))
    with speaking(http_server) as peer:
        peer.ask("/x")
        data = b""
        while piece := peer.sock.recv(1000):
            data += piece
    assert len(data) > 20
    assert b":status" not in data
    assert http_server.connections[0].closed_by == "server"


def test_a_fault_of_chunks_passes_by_what_has_none(http_server: HttpServer) -> None:
    injection = http_server.when("/x").reply(text="x").inject(MalformedChunk())
    with speaking(http_server) as peer:
        assert peer.answer(peer.ask("/x")).body == b"x"
    assert injection.hits == 0


# On what the client sends


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_a_reset_upstream_counts_the_bytes_of_the_body(http_server: HttpServer, size: int) -> None:
    http_server.when("POST", "/x").reply(204).inject(Reset(after_bytes=size, direction="upstream"))
    with speaking(http_server) as peer:
        stream = peer.ask("/x", "POST", body=BODY[:60_000], end=False)
        if size > 60_000:
            peer.until(WindowUpdateFrame)
            peer.say(*peer.data(stream, BODY[60_000:]))
        assert peer.answer(stream).end == "CANCEL"
        peer.ping()
    request = http_server.requests[0]
    assert (request.complete, request.body) == (False, BODY[:size])
    assert request.broken_off is not None
    assert "fault" in request.broken_off


def test_a_stall_upstream_opens_no_window(http_server: HttpServer) -> None:
    injection = http_server.when("POST", "/x").reply(204).inject(Stall(after_bytes=10, direction="upstream"))
    with speaking(http_server) as peer:
        stream = peer.ask("/x", "POST", body=BODY[:65_535], end=False)
        peer.ping()
        opened = [frame for frame in peer.frames if isinstance(frame, WindowUpdateFrame)]
        assert not [frame for frame in opened if frame.stream_id == stream]
        injection.lift()
        assert peer.until(WindowUpdateFrame).stream_id == stream
        peer.say(*peer.data(stream, BODY[65_535:]))
        assert peer.answer(stream).status == 204
    assert http_server.requests[0].body == BODY


# On the connection


def test_on_a_server_faults_count_the_bytes_of_the_connection(http_server: HttpServer) -> None:
    http_server.when("/x").reply(body=BODY)
    http_server.inject(Reset(after_bytes=100))
    with speaking(http_server) as peer:
        peer.ask("/x")
        came = b""
        with pytest.raises(ConnectionResetError):
            while piece := peer.sock.recv(1000):
                came += piece
    assert len(came) == 100


@pytest.mark.parametrize("error", ["NO_ERROR", "INTERNAL_ERROR"])
def test_goaway_says_the_error_and_the_last_stream(http_server: HttpServer, error: str) -> None:
    http_server.when("/x").reply(text="x").inject(Goaway(error), first=1)
    with speaking(http_server) as peer:
        peer.ask("/x")
        list(peer.until_over())
    assert peer.goaway == (error, 1)
    assert peer.over == "FIN"
    assert peer.said[1].body == (b"x" if error == "NO_ERROR" else b"") if 1 in peer.said else error != "NO_ERROR"


def test_what_goaway_leaves_out_is_not_answered_and_the_others_are(http_server: HttpServer) -> None:
    http_server.when("/slow").reply(text="slow", delay=1)
    http_server.when("/x").reply(text="x").inject(Goaway(last_stream=1))
    with speaking(http_server) as peer:
        peer.ask("/slow")
        peer.ask("/x")
        peer.ask("/slow")
        list(peer.until_over())
    assert peer.goaway == ("NO_ERROR", 1)
    assert peer.said[1].body == b"slow"
    assert 3 not in peer.said
    assert 5 not in peer.said


def test_refused_says_that_nothing_was_done(http_server: HttpServer) -> None:
    injection = http_server.inject(Refused(), every=2)
    http_server.when("/x").reply(text="x")
    with speaking(http_server) as peer:
        ends = [peer.answer(peer.ask("/x")).end for _ in range(4)]
    assert ends == ["END_STREAM", "REFUSED_STREAM"] * 2
    assert injection.hits == 2


def test_settings_are_not_acknowledged_until_it_is_lifted(http_server: HttpServer) -> None:
    injection = http_server.inject(NoSettingsAck())
    http_server.when("/x").reply(text="x")
    with speaking(http_server) as peer:
        assert peer.answer(peer.ask("/x")).body == b"x"
        assert not [frame for frame in peer.frames if isinstance(frame, SettingsFrame) and "ACK" in frame.flags]
        assert injection.hits == 1
        injection.lift()
        peer.until(SettingsFrame, ack=True)


def test_pings_are_not_answered_until_it_is_lifted(http_server: HttpServer) -> None:
    injection = http_server.inject(NoPingAck())
    http_server.when("/x").reply(text="x")
    with speaking(http_server) as peer:
        peer.say(PingFrame(0, b"12345678"))
        assert peer.answer(peer.ask("/x")).body == b"x"
        assert not [frame for frame in peer.frames if isinstance(frame, PingFrame)]
        injection.lift()
        assert isinstance(frame := peer.until(PingFrame), PingFrame)
        assert frame.opaque_data == b"12345678"


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_a_small_window_is_said_at_once_and_opened_as_bytes_are_taken(http_server: HttpServer, size: int) -> None:
    http_server.inject(SmallWindow(size))
    http_server.when("POST", "/x").reply(204)
    with speaking(http_server) as peer:
        said = peer.until(SettingsFrame, ack=False)
        assert isinstance(said, SettingsFrame)
        assert said.settings[SettingsFrame.INITIAL_WINDOW_SIZE] == size
        peer.say(SettingsFrame(0, flags=["ACK"]))
        stream = peer.ask("/x", "POST", end=False)
        peer.ping()
        if size:
            for _ in range(3):
                peer.say(DataFrame(stream, b"x" * size))
                opened = peer.until(WindowUpdateFrame)
                assert isinstance(opened, WindowUpdateFrame)
                assert (opened.stream_id, opened.window_increment) == (stream, size)
        else:
            assert peer.quiet()
            peer.say(DataFrame(stream, b"x"))
            list(peer.until_over())
            assert peer.goaway == ("FLOW_CONTROL_ERROR", stream)


def test_a_window_can_be_made_small_and_large_again_in_the_middle(http_server: HttpServer) -> None:
    with speaking(http_server) as peer:
        peer.until(SettingsFrame, ack=True)
        injection = http_server.inject(SmallWindow(5))
        for expected in (5, 65_535):
            said = peer.until(SettingsFrame, ack=False)
            assert isinstance(said, SettingsFrame)
            assert said.settings == {SettingsFrame.INITIAL_WINDOW_SIZE: expected}
            injection.lift()


# Where they make no sense

OF_HTTP2 = [Refused(), Goaway(), NoSettingsAck(), NoPingAck(), SmallWindow(5)]


@pytest.mark.on_sockets
@pytest.mark.parametrize("fault", OF_HTTP2, ids=lambda fault: fault.name)
def test_who_speaks_no_http2_refuses_its_faults_at_the_call(netmocks: Netmocks, fault: Fault) -> None:
    for server in (netmocks.http(http_version="1.1"), netmocks.tcp(), netmocks.smtp(), netmocks.http_proxy()):
        with pytest.raises(ValueError, match=r"fault of HTTP/2, which .* does not speak"):
            server.inject(fault)
    with pytest.raises(ValueError, match="datagrams"):
        netmocks.udp().inject(fault)


@pytest.mark.parametrize("fault", OF_HTTP2[2:], ids=lambda fault: fault.name)
def test_a_rule_refuses_what_strikes_the_connection_as_a_whole(http_server: HttpServer, fault: Fault) -> None:
    with pytest.raises(ValueError, match="inject it into the server"):
        http_server.when("/").inject(fault)


def test_a_code_is_for_streams_alone(netmocks: Netmocks, http_server: HttpServer) -> None:
    with pytest.raises(ValueError, match="whose RST has no code"):
        http_server.inject(Reset(error="CANCEL"))
    with pytest.raises(ValueError, match="does not speak"):
        netmocks.http(http_version="1.1").when("/").inject(Reset(error="CANCEL"))
    with pytest.raises(ValueError, match="error must be"):
        Reset(error="SORRY")


def test_an_exchange_of_http_1_passes_by_a_fault_of_frames(http_server: HttpServer) -> None:
    injection = http_server.when("/x").reply(text="x").inject(Refused())
    assert say(http_server, b"GET /x HTTP/1.0\r\n\r\n", finish=False).endswith(b"\r\n\r\nx")
    assert injection.hits == 0

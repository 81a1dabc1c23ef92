"""Faults on rules: which exchange they strike, how often, and which make no sense there."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from typing import Any

import pytest
from helpers import CUT_OFF, connect, elapsed, masked, noticing, read_exactly, read_to_end, shake, speak

from pytest_netmocks.faults import (
    Bandwidth,
    Blackhole,
    Close,
    Corrupt,
    HandshakeFailure,
    Latency,
    Loss,
    Reset,
    SlowClose,
    Stall,
)
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.protocols.udp.server import UdpServer
from pytest_netmocks.protocols.ws.server import WsServer
from pytest_netmocks.servers import timeslice


@pytest.mark.in_memory
def test_a_slow_close_does_not_add_up_with_every_exchange(tcp_server: TcpServer) -> None:
    slow = tcp_server.when(b"A").reply(b"a").inject(SlowClose(0.2))
    with connect(tcp_server) as sock:
        for _ in range(20):
            sock.sendall(b"A")
            assert read_exactly(sock, 1) == b"a"

        def end() -> None:
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1)

        assert elapsed(end) == pytest.approx(0.2)
    assert slow.hits == 1


def test_a_rule_that_only_strikes_hides_no_reply(tcp_server: TcpServer) -> None:
    tcp_server.when(b"b").reply(b"B!")
    late = tcp_server.when(b"ab").inject(Latency(0.1))
    with connect(tcp_server) as sock:

        def answered() -> None:
            sock.sendall(b"ab")
            assert read_exactly(sock, 2) == b"B!"

        assert elapsed(answered) >= 0.1
        sock.sendall(b"xb")
        assert read_exactly(sock, 2) == b"B!"
    assert late.hits == 1


def test_a_pattern_may_also_match_nothing(tcp_server: TcpServer) -> None:
    tcp_server.when(re.compile(rb"x*")).reply(b"X")
    with connect(tcp_server) as sock:
        sock.sendall(b"abxx")
        assert read_exactly(sock, 1) == b"X"
    with pytest.raises(ValueError, match=r"pattern must have at least one byte, not re\.compile\(b''\)"):
        tcp_server.when(re.compile(b""))


@pytest.mark.parametrize("fault", [Latency(0.1, layer="tls"), Corrupt(1.0, layer="tls")])
def test_no_rule_knows_cipher_text(netmocks: Netmocks, fault: Any) -> None:
    rules: list[Any] = [netmocks.tls().when(b"x"), netmocks.https().when("/"), netmocks.smtp().when("NOOP")]
    for rule in rules:
        with pytest.raises(ValueError, match="acts on cipher text, where nobody knows one answer from the next"):
            rule.inject(fault)


@pytest.mark.parametrize("fault", [Latency(0.1, direction="upstream"), Reset(direction="upstream")])
def test_what_has_come_as_a_whole_when_a_rule_knows_it_cannot_be_struck(netmocks: Netmocks, fault: Any) -> None:
    http, ftp = netmocks.http(), netmocks.ftp()
    rules: list[Any] = [http.when_connected(), ftp.when("NOOP"), ftp.when("RETR")]
    for rule in [*rules, http.when("POST", "/", json={})]:
        with pytest.raises(ValueError, match=r"acts on (what the client sends|the request's body), and"):
            rule.inject(fault)


def test_what_udp_clients_send_is_before_any_rule(udp_server: UdpServer) -> None:
    with pytest.raises(ValueError, match="acts on what the client sends, and"):
        udp_server.when(b"x").inject(Loss(1.0, direction="upstream"))


def test_a_handshake_that_is_over_cannot_fail(netmocks: Netmocks) -> None:
    server = netmocks.tls()
    with shake(server) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        with pytest.raises(ValueError, match="strikes a TLS handshake, and this connection's is over"):
            server.connections[0].inject(HandshakeFailure())


# Upstream: what comes after the rule has matched


def put(server: HttpServer, body: bytes, *, chunked: bool = False, length: int | None = None) -> socket.socket:
    sock = connect(server)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {length or len(body)}"
    pieces = [body[index : index + 100] for index in range(0, len(body), 100)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    sock.sendall(f"PUT /u HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode() + (chunks if chunked else body))
    return sock


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 250, 1000])
def test_a_reset_upstream_counts_the_request_s_body_without_its_framing(
    http_server: HttpServer, size: int, *, chunked: bool
) -> None:
    rule = http_server.when("PUT", "/u").reply(201)
    reset = rule.inject(Reset(after_bytes=size, direction="upstream"))
    with put(http_server, b"x" * 1000, chunked=chunked) as sock, pytest.raises(ConnectionResetError):
        sock.recv(100)
    assert http_server.connections[0].closed_by == "fault"
    assert (reset.hits, rule.hits) == (1, 1)
    assert all(len(request.body) == size for request in http_server.requests)


def test_a_body_that_is_shorter_is_not_struck(http_server: HttpServer) -> None:
    http_server.when("PUT", "/u").reply(201).inject(Reset(after_bytes=11, direction="upstream")).expected = False
    with put(http_server, b"x" * 10) as sock:
        assert sock.recv(100).startswith(b"HTTP/1.1 201")
        sock.sendall(b"PUT /other HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n" + b"x" * 20)
        assert sock.recv(100).startswith(b"HTTP/1.1 404")


def test_a_close_upstream_is_the_end_of_the_stream_in_the_middle_of_a_body(http_server: HttpServer) -> None:
    http_server.when("PUT", "/u").reply(201).inject(Close(after_bytes=5, direction="upstream"), first=1)
    with put(http_server, b"x" * 10) as sock:
        assert b"201" not in read_to_end(sock)
    with put(http_server, b"x" * 10) as sock:
        assert sock.recv(100).startswith(b"HTTP/1.1 201")


def test_a_blackhole_upstream_swallows_the_rest_of_a_body(http_server: HttpServer) -> None:
    hole = http_server.when("PUT", "/u").reply(201).inject(Blackhole(after_bytes=5, direction="upstream"))
    with put(http_server, b"x" * 10) as sock:
        http_server.wait_for(lambda _: hole.hits)
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert hole.hits == 1


def test_an_upload_trickles(http_server: HttpServer) -> None:
    http_server.when("PUT", "/u").reply(201).inject(Bandwidth(100_000, direction="upstream"))
    begin = time.monotonic()
    with put(http_server, b"x" * 30_000) as sock:
        assert sock.recv(100).startswith(b"HTTP/1.1 201")
        assert time.monotonic() - begin > 0.25
        assert len(http_server.requests[0].body) == 30_000


def test_selectors_count_uploads_once(http_server: HttpServer) -> None:
    reset = http_server.when("PUT", "/u").reply(201).inject(Reset(after_bytes=1, direction="upstream"), nth=2)
    for struck in (False, True, False):
        with put(http_server, b"xx") as sock:
            if struck:
                with pytest.raises(ConnectionResetError):
                    sock.recv(1)
            else:
                assert sock.recv(100).startswith(b"HTTP/1.1 201")
    assert reset.hits == 1


@pytest.mark.parametrize("early", [b"", b"12", b"12345", b"1234567"])
def test_on_tcp_a_fault_upstream_counts_what_comes_after_the_match(tcp_server: TcpServer, early: bytes) -> None:
    tcp_server.when(b"DATA").reply(b"go on").inject(Reset(after_bytes=5, direction="upstream"))
    tcp_server.when(re.compile(rb"\d")).reply(b".")
    with connect(tcp_server) as sock:
        sock.sendall(b"DATA" + early)
        assert read_exactly(sock, 5) == b"go on"
        if len(early) < 5:
            sock.sendall(b"1234567"[len(early) :])
        with pytest.raises(ConnectionResetError):
            while sock.recv(100):
                pass
    digits = [request.data for request in tcp_server.requests if request.data != b"DATA"]
    assert digits == [b"1", b"2", b"3", b"4", b"5"][: len(digits)]
    assert tcp_server.connections[0].closed_by == "fault"


def test_a_transfer_goes_one_way_and_a_fault_that_says_the_other_is_refused(netmocks: Netmocks) -> None:
    ftp, smtp = netmocks.ftp(), netmocks.smtp()
    down = Blackhole(direction="downstream", after_bytes=3)
    wrong: list[Any] = [(ftp.when("STOR"), down), (smtp.when("DATA"), down)]
    wrong += [(ftp.when("RETR"), Reset(direction="upstream")), (smtp.when("RCPT"), Latency(1.0, direction="upstream"))]
    for rule, fault in wrong:
        with pytest.raises(ValueError, match=r"acts on what the (server|client) sends, and when\("):
            rule.inject(fault)
    for rule, fault in [(ftp.when("STOR"), Blackhole()), (ftp.when("STOR"), Reset(direction="upstream"))]:
        rule.inject(fault).expected = False


def test_a_late_message_is_one_that_arrives_late(smtp_server: SmtpServer) -> None:
    smtp_server.when("DATA").inject(Latency(0.2, direction="upstream"))
    with smtplib.SMTP(*smtp_server.address) as client:
        assert elapsed(lambda: client.sendmail("a@b.c", ["d@e.f"], "hello")) > 0.2
    assert len(smtp_server.messages) == 1


# Below the plain text


@pytest.mark.parametrize("layer", ["tls", "application"])
def test_a_rule_can_cut_a_tls_answer_with_and_without_close_notify(https_server: HttpServer, layer: Any) -> None:
    https_server.when("/x").reply(text="x" * 100).inject(Close(after_bytes=40, layer=layer))
    with shake(https_server, noticing(https_server.client_context())) as sock:
        vars(sock)["suppress_ragged_eofs"] = False
        sock.sendall(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
        got = b""
        try:
            while data := sock.recv(1000):
                got += data
            ending = "application"
        except CUT_OFF:
            ending = "tls"
    assert ending == layer
    assert got.partition(b"\r\n\r\n")[2] == b"x" * 40


@pytest.mark.parametrize("fault", [Reset(after_bytes=4, layer="tls"), Blackhole(after_bytes=4, layer="tls")])
def test_other_ends_of_an_answer_over_tls_count_its_plain_text(tls_server: TcpServer, fault: Any) -> None:
    injection = tls_server.when(b"x").reply(b"12345678").inject(fault)
    with shake(tls_server) as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 4) == b"1234"
        sock.settimeout(1)
        with pytest.raises((ConnectionResetError, TimeoutError, EOFError, ssl.SSLError)):
            read_exactly(sock, 1)
    assert injection.hits == 1


# Whole messages


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_an_end_can_count_chunks_and_events(http_server: HttpServer, count: int) -> None:
    http_server.when("/chunks").reply(stream=[b"one", b"two", b"three"]).inject(Close(after_messages=count))
    http_server.when("/events").reply(sse=["one", "two", "three"], interval=0.01).inject(Reset(after_messages=count))
    bodies = [b"3\r\none\r\n", b"3\r\ntwo\r\n", b"5\r\nthree\r\n"]
    with connect(http_server) as sock:
        sock.sendall(b"GET /chunks HTTP/1.1\r\nHost: h\r\n\r\n")
        assert read_to_end(sock).partition(b"\r\n\r\n")[2] == b"".join(bodies[:count])
    with connect(http_server) as sock, pytest.raises(ConnectionResetError):
        sock.sendall(b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n")
        got = b""
        while True:
            got += sock.recv(1000)
            assert got.count(b"data: ") <= count


@pytest.mark.parametrize(("count", "left"), [(0, b""), (1, b"\x81\x03one"), (2, b"\x81\x03one\x01\x01t\x80\x02wo")])
def test_an_end_can_count_websocket_messages(ws_server: WsServer, count: int, left: bytes) -> None:
    ws_server.when("go").reply("one", ["t", "wo"], "three").inject(Close(after_messages=count))
    with speak(ws_server) as sock:
        sock.sendall(masked("go"))
        assert read_to_end(sock) == left


def test_an_answer_that_is_whole_is_one_message(http_server: HttpServer) -> None:
    http_server.when("/x").reply(text="whole").inject(Reset(after_messages=1))
    http_server.when("/y").reply(text="whole").inject(Reset(after_messages=2)).expected = False
    with connect(http_server) as sock:
        sock.sendall(b"GET /y HTTP/1.1\r\nHost: h\r\n\r\n")
        assert sock.recv(1000).endswith(b"whole")
        sock.sendall(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
        assert sock.recv(1000).endswith(b"whole")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_messages_are_counted_where_there_are_any(netmocks: Netmocks) -> None:
    fault = Reset(after_messages=1)
    mail, ftp = netmocks.smtp(), netmocks.ftp()
    targets: list[Any] = [netmocks.tcp(), netmocks.tls(), mail, ftp, netmocks.tcp_proxy(mail)]
    targets += [netmocks.tcp().when(b"x"), mail.when("DATA"), ftp.when("RETR"), netmocks.ws().when_connected()]
    for target in targets:
        with pytest.raises(ValueError, match="after_bytes= counts its bytes"):
            target.inject(fault)
    with pytest.raises(ValueError, match="strikes a byte stream"):
        netmocks.udp().inject(fault)
    for server in (netmocks.ws(), netmocks.http()):
        with pytest.raises(ValueError, match="counts the messages that the server sends, which go downstream"):
            server.inject(Reset(after_messages=1, direction="upstream"))
    with pytest.raises(ValueError, match="only one of after_bytes and after_messages"):
        Reset(after_bytes=1, after_messages=1)


@pytest.mark.parametrize("time_slice", [timeslice.SLICE, 0.0])
def test_on_tcp_a_reset_comes_behind_what_is_before_its_place(
    tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch, time_slice: float
) -> None:
    """However often others have their turn between the answers."""
    monkeypatch.setattr(timeslice, "SLICE", time_slice)
    tcp_server.when(b"x").reply(b"!").inject(Reset(after_bytes=3, direction="upstream"))
    tcp_server.when(b"y").reply(b"?")
    with connect(tcp_server) as sock:
        sock.sendall(b"xyyyyyy")
        with pytest.raises(ConnectionResetError):
            while sock.recv(9):
                pass
    assert [request.data for request in tcp_server.requests] == [b"x", b"y", b"y", b"y"]


@pytest.mark.parametrize("apart", [False, True])
def test_on_tcp_what_came_with_the_match_is_struck_as_what_comes_later(tcp_server: TcpServer, *, apart: bool) -> None:
    """The answers to what comes before the fault are out, what a stall held comes when it is lifted."""
    data = [b"HOLE", b"123456"]
    tcp_server.when(re.compile(rb"\d")).reply(lambda request: request.data)
    closing = tcp_server.when(b"HOLE").reply(b"!").inject(Close(after_bytes=3, direction="upstream"), nth=1)
    hole = tcp_server.when(b"GONE").reply(b"!").inject(Blackhole(direction="upstream"), nth=1)
    with connect(tcp_server) as sock:
        for piece in data if apart else [b"".join(data)]:
            sock.sendall(piece)
            if piece == b"HOLE":
                assert read_exactly(sock, 1) == b"!"
        assert read_to_end(sock) == (b"123" if apart else b"!123")
    with connect(tcp_server) as sock:
        sock.sendall(b"GONE12")
        assert sock.recv(1) == b"!"
        tcp_server.wait_for(lambda _: hole.hits)
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert (closing.hits, hole.hits) == (1, 1)


def test_on_tcp_what_a_stall_of_a_rule_held_comes_when_it_is_lifted(tcp_server: TcpServer) -> None:
    tcp_server.when(re.compile(rb"\d")).reply(b".")
    stall = tcp_server.when(b"x").reply(b"!").inject(Stall(after_bytes=2, direction="upstream"))
    with connect(tcp_server) as sock:
        sock.sendall(b"x12345")
        assert read_exactly(sock, 3) == b"!.."
        assert [request.data for request in tcp_server.requests] == [b"x", b"1", b"2"]
        stall.lift()
        assert read_exactly(sock, 3) == b"..."
    assert stall.hits == 1

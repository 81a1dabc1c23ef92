"""What is on record as answered is what goes out: nothing where a fault strikes instead, a part where one cuts it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

import pytest
from helpers import connect, masked, read_to_end, speak

from pytest_netmocks.faults import Blackhole, Close, Corrupt, Garbage, Latency, Reset, Stall
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.plugin.factory import Netmocks

ANSWER = b"250 hello\r\n"
ENVELOPE = b"EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\n"


def ask(server: Any, data: bytes, requests: int = 1) -> None:
    with connect(server) as sock, contextlib.suppress(OSError):
        sock.sendall(data)
        server.wait_for(lambda s: len(s.requests) == requests)
        sock.settimeout(0.2)
        read_to_end(sock)
    server.settle()


def tcp(netmocks: Netmocks, *faults: Fault) -> bytes:
    server = netmocks.tcp()
    rule = server.when(b"x").reply(ANSWER)
    for fault in faults:
        rule.inject(fault)
    ask(server, b"x")
    return bytes(server.requests[-1].reply)


def smtp(netmocks: Netmocks, *faults: Fault) -> bytes:
    server = netmocks.smtp()
    rule = server.when("NOOP").reply(ANSWER.decode())
    for fault in faults:
        rule.inject(fault)
    ask(server, b"NOOP\r\n")
    return os.fsencode(server.requests[-1].reply)


def ftp(netmocks: Netmocks, *faults: Fault) -> bytes:
    server = netmocks.ftp()
    rule = server.when("NOOP").reply(ANSWER.decode())
    for fault in faults:
        rule.inject(fault)
    ask(server, b"NOOP\r\n")
    return os.fsencode(server.requests[-1].reply)


def http(netmocks: Netmocks, *faults: Fault) -> bytes:
    server = netmocks.http()
    rule = server.when("/").reply(body=ANSWER)
    for fault in faults:
        rule.inject(fault)
    ask(server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    response = server.requests[-1].response
    assert (server.requests[-1].answered_at is None) == (response is None)
    return b"" if response is None else bytes(response.body)


EACH = pytest.mark.parametrize("answered", [tcp, smtp, ftp, http])
Answered = Callable[..., bytes]


@EACH
@pytest.mark.parametrize("fault", [Reset(), Close(), Blackhole(), Close(after=0.05)])
def test_where_a_fault_strikes_in_its_place_no_answer_is_on_record(
    netmocks: Netmocks, answered: Answered, fault: Fault
) -> None:
    assert answered(netmocks, fault) == b""


@EACH
@pytest.mark.parametrize("fault", [Reset(after_bytes=3), Close(after_bytes=3), Blackhole(after_bytes=3)])
@pytest.mark.parametrize("also", [(), (Latency(0.01),)])
def test_of_an_answer_that_is_cut_the_part_that_goes_out_is_on_record(
    netmocks: Netmocks, answered: Answered, fault: Fault, also: tuple[Fault, ...]
) -> None:
    assert answered(netmocks, fault, *also) == ANSWER[:3]


@EACH
@pytest.mark.parametrize("fault", [Stall(), Latency(0.01), Corrupt(1.0), Close(after_bytes=500)])
def test_what_is_held_late_or_changed_on_its_way_was_answered(
    netmocks: Netmocks, answered: Answered, fault: Fault
) -> None:
    assert answered(netmocks, fault) == ANSWER


@pytest.mark.parametrize("answered", [tcp, smtp, ftp])
def test_what_a_fault_says_instead_is_on_record(netmocks: Netmocks, answered: Answered) -> None:
    assert answered(netmocks, Garbage(20)) not in (b"", ANSWER)


def test_a_connection_that_is_cut_cuts_the_answers_on_record(netmocks: Netmocks) -> None:
    server = netmocks.smtp()
    server.inject(Close(after_bytes=len(b"220 localhost ESMTP\r\n250 OK\r\n250")))
    ask(server, b"NOOP\r\nNOOP\r\nNOOP\r\n", 2)
    assert [request.reply for request in server.requests] == ["250 OK\r\n", "250"]


@pytest.mark.parametrize(("limit", "reply"), [(0, ""), (5, "354 ")])
def test_a_fault_of_the_message_comes_before_or_after_the_354(netmocks: Netmocks, limit: int, reply: str) -> None:
    server = netmocks.smtp()
    server.when("DATA").inject(Reset(after_bytes=limit))
    ask(server, ENVELOPE + b"DATA\r\n0123456789", 4)
    assert server.requests[-1].reply[:4] == reply


@pytest.mark.parametrize("fault", [Reset(), Close(), Blackhole()])
@pytest.mark.parametrize("delay", [0.0, 0.01])
def test_a_websocket_message_that_a_fault_replaced_was_not_sent(netmocks: Netmocks, fault: Fault, delay: float) -> None:
    server = netmocks.ws()
    server.when("x").reply("y", delay=delay).inject(fault)
    with speak(server) as sock, contextlib.suppress(OSError):
        sock.settimeout(0.2)
        sock.sendall(masked("x"))
        read_to_end(sock)
    server.settle()
    assert [message.direction for message in server.connections[0].messages] == ["received"]

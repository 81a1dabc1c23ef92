"""Syslog by datagram, by TCP and over TLS, from Python's own handler, from logger(1) and from raw sockets."""

from __future__ import annotations

import logging
import logging.handlers
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import connect, read_to_end, shake
from hypothesis import given
from hypothesis import strategies as st

from pytest_netmocks import Netmocks, SyslogMessage, SyslogServer
from pytest_netmocks.faults import Latency, Loss, Reset
from pytest_netmocks.protocols.syslog.reading import LONGEST, Frames, fields
from pytest_netmocks.protocols.syslog.records import FACILITIES, SEVERITIES


@pytest.fixture(params=[socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["udp", "tcp"])
def logger(request: pytest.FixtureRequest, syslog_server: SyslogServer) -> Iterator[logging.Logger]:
    handler = logging.handlers.SysLogHandler(syslog_server.address, facility="local3", socktype=request.param)
    logger = logging.Logger("shop", logging.DEBUG)
    logger.addHandler(handler)
    yield logger
    handler.close()


def came(server: SyslogServer, count: int = 1) -> list[SyslogMessage]:
    server.wait_for(lambda server: len(server.messages) >= count, timeout=30)
    return server.messages


def said(data: bytes) -> dict[str, Any]:
    return fields(data)


def test_pythons_handler_is_understood(syslog_server: SyslogServer, logger: logging.Logger) -> None:
    logger.warning("no tea for %s", "Zoë")
    logger.error("none at all")
    first, second = came(syslog_server, 2)
    assert (first.facility, first.severity, first.message) == ("local3", "warning", "no tea for Zoë")
    assert (second.severity, second.message, second.format, second.app) == ("err", "none at all", "", None)


@pytest.mark.skipif(shutil.which("logger") is None, reason="there is no logger(1) on this machine")
@pytest.mark.parametrize(
    ("transport", "form"),
    [
        ("--udp", "--rfc5424"),
        ("--udp", "--rfc3164"),
        ("--tcp", "--rfc5424"),
        ("--tcp", "--rfc3164"),
        ("--tcp", "--octet-count"),
    ],
)
def test_logger_is_understood(syslog_server: SyslogServer, transport: str, form: str) -> None:
    where = ["--server", syslog_server.host, "--port", str(syslog_server.port)]
    subprocess.run(
        ["logger", transport, form, *where, "-t", "shop", "-p", "mail.info", "no tea"], check=True, timeout=30
    )
    (message,) = came(syslog_server)
    assert message.facility == "mail"
    assert (message.severity, message.app, message.message) == ("info", "shop", "no tea")
    assert message.transport == transport.strip("-")
    assert message.hostname


def test_the_examples_of_rfc_5424() -> None:
    one = said(
        b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed on /dev/pts/8"
    )
    assert (one["facility"], one["severity"], one["format"]) == ("auth", "crit", "5424")
    assert (one["hostname"], one["app"], one["msgid"]) == ("mymachine.example.com", "su", "ID47")
    assert (one["timestamp"], one["message"]) == ("2003-10-11T22:14:15.003Z", "'su root' failed on /dev/pts/8")
    assert "procid" not in one
    two = said(
        b'<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" '
        b'eventSource="Application" eventID="1011"][examplePriority@32473 class="high"]'
    )
    assert two["structured_data"] == {
        "exampleSDID@32473": {"iut": "3", "eventSource": "Application", "eventID": "1011"},
        "examplePriority@32473": {"class": "high"},
    }
    assert two["message"] == ""


def test_the_examples_of_rfc_3164() -> None:
    one = said(b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8")
    assert (one["timestamp"], one["hostname"], one["app"]) == ("Oct 11 22:14:15", "mymachine", "su")
    assert one["message"] == "'su root' failed for lonvick on /dev/pts/8"
    two = said(b"<165>Aug 24 05:34:00 host cron[2648]: it ran")
    assert (two["app"], two["procid"], two["message"], two["format"]) == ("cron", "2648", "it ran", "3164")
    assert said(b"Use the BFG!") == {"message": "Use the BFG!"}


def test_structured_data_has_what_was_escaped() -> None:
    one = said(rb'<14>1 - - - - - [x a="\"\\\]" b="\n" c=""] there')
    assert one["structured_data"] == {"x": {"a": '"\\]', "b": "\\n", "c": ""}}
    assert one["message"] == "there"


@pytest.mark.parametrize(
    "rest", [b"1 x", b"1 - - - - - [x", b"1 - - - - - x", b'1 - - - - - [x a="]"] y', b"1 - - - - - -x"]
)
def test_what_is_none_of_rfc_5424_says_so(rest: bytes) -> None:
    assert "RFC 5424" in said(b"<14>" + rest)["wrong"]


@pytest.mark.parametrize("number", range(192))
def test_every_priority_has_its_names(number: int) -> None:
    one = said(b"<%d>x" % number)
    assert FACILITIES.index(one["facility"]) * 8 + SEVERITIES.index(one["severity"]) == number


def test_a_priority_that_is_none_is_text() -> None:
    assert said(b"<192>x") == {"message": "<192>x"}


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda data: b"<14>1 - - - - - [x " + data))
def test_every_datagram_is_a_message(data: bytes) -> None:
    assert isinstance(said(data)["message"], str)


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=5), st.integers(1, 7))
def test_counted_messages_come_whole_however_they_were_cut(messages: list[bytes], size: int) -> None:
    stream = b"".join(b"%d %s" % (len(message), message) for message in messages)
    frames, found = Frames(), []
    for start in range(0, len(stream), size):
        frames.add(stream[start : start + size])
        while (message := frames.next()) is not None:
            found.append(message)
    assert found == messages


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0", b"\0\n"])
def test_messages_end_with_their_lines(syslog_server: SyslogServer, end: bytes) -> None:
    with connect(syslog_server) as sock:
        sock.sendall(b"<14>one" + end + b"7 <14>two<14>thr")
        sock.sendall(b"ee" + end + b"<14>four")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""
    assert [message.message for message in came(syslog_server, 4)] == ["one", "two", "three", "four"]


def test_a_last_line_may_begin_with_a_digit_and_lack_its_end(syslog_server: SyslogServer) -> None:
    with connect(syslog_server) as sock:
        sock.sendall(b"<14>up\r\n10.0.0.1 link down\r")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""
    assert [message.raw for message in came(syslog_server, 2)] == [b"<14>up", b"10.0.0.1 link down"]


def test_a_counted_message_that_never_came_as_a_whole_is_a_note(syslog_server: SyslogServer) -> None:
    with connect(syslog_server) as sock:
        sock.sendall(b"10 <14>one")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""
    assert syslog_server.messages == []
    assert "10 B of a message that never came as a whole" in str(syslog_server.timeline)


@pytest.mark.parametrize("much", [b"%d x" % (LONGEST + 1), b"x" * (LONGEST + 1)], ids=["counted", "a line"])
def test_a_message_that_is_too_long_ends_the_connection(syslog_server: SyslogServer, much: bytes) -> None:
    with connect(syslog_server) as sock:
        sock.sendall(much)
        assert read_to_end(sock) == b""
    assert syslog_server.messages == []
    assert f"longer than {LONGEST}" in str(syslog_server.timeline)


def test_messages_come_over_tls(netmocks: Netmocks) -> None:
    server = netmocks.syslog(tls=True)
    with shake(server) as sock:
        sock.sendall(b"8 <14>shop9 <14>shop2")
        (first, second) = came(server, 2)
    assert (first.message, second.message, first.transport) == ("shop", "shop2", "tls")
    assert server.url.startswith("syslog-tls://")


def test_rules_expect_messages_and_strike_behind_them(syslog_server: SyslogServer) -> None:
    syslog_server.when("tea", severity="warning").expect(1)
    syslog_server.when(re.compile("^bye")).inject(Reset())
    with connect(syslog_server) as sock:
        sock.sendall(b"<12>no tea\n<14>bye\n")
        with pytest.raises(ConnectionResetError):
            read_to_end(sock)
    assert [message.message for message in syslog_server.messages] == ["no tea", "bye"]


def test_datagrams_are_lost_on_their_way(syslog_server: SyslogServer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(syslog_server.address)
        with syslog_server.inject(Loss(1.0, direction="upstream")):
            sock.send(b"<14>lost")
            syslog_server.wait_for(lambda server: server.connections, timeout=30)
        sock.send(b"<14>there\n")
        assert [message.message for message in came(syslog_server)] == ["there"]


def test_a_datagram_meets_no_fault_of_streams(syslog_server: SyslogServer) -> None:
    rule = syslog_server.when("x")
    rule.inject(Reset())
    rule.inject(Latency(1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"<14>x", syslog_server.address)
        came(syslog_server)
    assert rule.hits == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"message": 1}, "message must be text or a compiled pattern"),
        ({"facility": "nobody"}, "facility must be"),
        ({"severity": "warn"}, "severity must be"),
        ({"app": 1}, "app must be text"),
        ({"host": "h"}, "takes no 'host' .did you mean 'hostname'"),
    ],
)
def test_what_no_message_can_be_is_refused(syslog_server: SyslogServer, arguments: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        syslog_server.when(**arguments)


def test_nobody_replies(syslog_server: SyslogServer) -> None:
    with pytest.raises(TypeError, match=r"when\('x'\) has no reply"):
        syslog_server.when("x").reply("y")

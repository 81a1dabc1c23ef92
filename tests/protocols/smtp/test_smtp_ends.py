"""Where SMTP sessions end: the client's end, QUIT, faults in the middle of a message; and the loop is nobody's own."""

from __future__ import annotations

from typing import Any

import pytest
from canary import ALLOWED, metered
from helpers import say

from pytest_netmocks.faults import Close, Latency
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.smtp.server import SmtpServer

ENVELOPE = b"EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n"
LINES = (b"x" * 78 + b"\r\n") * 2500


def test_a_message_that_a_fault_cuts_ends_the_session(smtp_server: SmtpServer) -> None:
    smtp_server.when("DATA").inject(Close(after_bytes=100_000))
    with metered() as meter:
        answer = say(smtp_server, ENVELOPE + LINES, finish=False)
    assert answer.splitlines()[-1].startswith(b"354 ")
    assert meter.worst < ALLOWED
    assert (smtp_server.messages, smtp_server.connections[0].closed_by) == ([], "fault")


@pytest.mark.parametrize("size", [100, 1000, 2500])
def test_a_client_that_finishes_in_a_message_ends_the_session(smtp_server: SmtpServer, size: int) -> None:
    smtp_server.inject(Latency(0.02, direction="upstream"))
    with metered() as meter:
        answer = say(smtp_server, ENVELOPE + LINES[: 80 * size], finish=True)
    assert answer.splitlines()[-1].startswith(b"354 ")
    assert meter.worst < ALLOWED
    assert (smtp_server.messages, smtp_server.connections[0].closed_by) == ([], "client")


def test_what_came_before_the_clients_end_is_answered(smtp_server: SmtpServer) -> None:
    smtp_server.when("NOOP").reply("250 late", delay=0.05)
    answer = say(smtp_server, ENVELOPE + b"Subject: x\r\n\r\nhello\r\n.\r\nNOOP\r\n", finish=True)
    assert answer.splitlines()[-2:] == [b"250 OK", b"250 late"]
    assert len(smtp_server.messages) == 1


@pytest.mark.parametrize("reply", [None, "221 ours", "421 4.3.2 going down"])
def test_nothing_runs_after_quit(smtp_server: SmtpServer, reply: str | None) -> None:
    if reply is not None:
        smtp_server.when("QUIT").reply(reply, delay=0.02)
    answer = say(smtp_server, b"NOOP\r\nQUIT\r\nNOOP\r\n" + ENVELOPE + b"\r\n.\r\n" + b"foo\r\n" * 20, finish=False)
    assert answer.splitlines()[2:] == [reply.encode() if reply else b"221 Bye"]
    assert [request.command for request in smtp_server.requests] == ["NOOP", "QUIT"]
    assert smtp_server.messages == []


@pytest.mark.parametrize(
    ("data", "answers"),
    [
        (ENVELOPE + b"..\r\n.x\r\n\r\n.\r\nQUIT\r\n", [b"250 OK", b"221 Bye"]),
        (ENVELOPE + b"x" * 999 + b"\r\n.\r\nQUIT\r\n", [b"250 OK", b"221 Bye"]),
        (ENVELOPE + b"x" * 1000 + b"\r\n.\r\nQUIT\r\n", [b"500 Line too long (see RFC5321 4.5.3.1.6)", b"221 Bye"]),
        (ENVELOPE + b"x" * 50_000 + b".\r\n.\r\nQUIT\r\n", [b"500 Line too long (see RFC5321 4.5.3.1.6)", b"221 Bye"]),
        (ENVELOPE + LINES + b".\r\nQUIT\r\n", [b"552 Error: Too much mail data", b"221 Bye"]),
    ],
)
def test_messages_at_their_limits(netmocks: Netmocks, data: bytes, answers: list[Any]) -> None:
    server = netmocks.smtp(max_size=100_000)
    assert say(server, data, finish=False).splitlines()[-2:] == answers
    assert [message.envelope.content for message in server.messages] in (
        [],
        [b".\r\nx\r\n\r\n"],
        [b"x" * 999 + b"\r\n"],
    )


@pytest.mark.parametrize(
    "message",
    [
        b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 5000,
        b"Subject: x\r\n" + b"X-%d: y\r\n" * 10_000 + b"\r\n",
        b"To: " + b",\r\n ".join([b"a@b.c"] * 3000) + b"\r\nSubject: x\r\n\r\n",
    ],
    ids=["parts", "fields", "addresses"],
)
def test_a_message_that_takes_long_to_parse_keeps_nobody_waiting(smtp_server: SmtpServer, message: bytes) -> None:
    smtp_server.when_message(subject="y").reply("550 5.7.1 no")
    smtp_server.when_message().reply(lambda message: f"250 {message['Subject']:.1}")
    with metered() as meter:
        answer = say(smtp_server, ENVELOPE + message + b"\r\n.\r\nQUIT\r\n", finish=False)
    assert answer.splitlines()[-2:] == [b"250 x", b"221 Bye"]
    assert meter.worst < ALLOWED


def test_an_endless_subject_keeps_nobody_waiting(smtp_server: SmtpServer) -> None:
    smtp_server.when_message(subject="y").reply("550 5.7.1 no")
    message = b"Subject: " + b"=?utf-8?q?=78?=\r\n " * 20_000 + b"\r\n\r\n.\r\nQUIT\r\n"
    with metered() as meter:
        answer = say(smtp_server, ENVELOPE + message, finish=False)
    assert answer.splitlines()[-2:] == [b"250 OK", b"221 Bye"]
    assert meter.worst < ALLOWED


@pytest.mark.parametrize(
    ("field", "subject"),
    [
        (b"Subject: hello", "hello"),
        (b"SUBJECT:  =?utf-8?q?caf=C3=A9?=", "café"),
        (b"To: subject@x\r\nSubject: two\r\n lines", "two lines"),
        (b"To: x\r\n\r\nSubject: in the body", ""),
        (b"X-Subject: other", ""),
    ],
)
def test_rules_know_the_subject_as_the_message_has_it(smtp_server: SmtpServer, field: bytes, subject: str) -> None:
    rule = smtp_server.when_message(subject=subject).reply("250 this one")
    say(smtp_server, ENVELOPE + field + b"\r\n\r\nhello\r\n.\r\nQUIT\r\n", finish=False)
    assert rule.hits == 1
    assert (smtp_server.messages[0]["Subject"] or "") == subject


@pytest.mark.parametrize(
    "data",
    [
        b"NOOP\r\n" * 3000,
        b"\r\n" * 3000,
        b"x" * 2_000_000,
        ENVELOPE + b"\r\n" * 100_000,
        ENVELOPE + b"x" * 2_000_000,
        b"EHLO c\r\n" * 500,
        b"EHLO c\r\n" + b"AUTH PLAIN =\r\n" * 500,
        b"EHLO c\r\nAUTH LOGIN\r\n" + b"x" * 1_000_000,
        b"EHLO c\r\n" + b"".join(b"MAIL FROM:<" + b"(" * 480 + b"%d>\r\n" % number for number in range(30)),
    ],
    ids=["commands", "empty lines", "a line", "short lines", "a long line", "EHLO", "AUTH", "a challenge", "comments"],
)
def test_no_client_has_the_loop_to_itself(smtp_server: SmtpServer, data: bytes) -> None:
    with metered() as meter:
        say(smtp_server, data, finish=True)
    assert meter.turns > 1
    assert meter.worst < ALLOWED

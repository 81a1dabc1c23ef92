"""The first line of a failing test's report names what ended it: a failing test for each cause, with a real client."""

# ruff: noqa: E501  # a line of a report is a line here

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest
from helpers import FEW_PLUGINS, once_a_run

FAILING = pathlib.Path(__file__).with_name("failing.py")

URL = r"\w+://127\.0\.0\.1:\d+"

WAITED = r"(?:2[5-9]|3[0-4])\d(?:\.\d\d?)? s"
"""300 s, by the servers' clock: that of a busy machine goes on before a request is read, and before an end is seen."""

TOLD = {
    "late": rf"GET /slow was not answered on connection 1: the client gave up after {WAITED}, and when\('/slow'\) "
    r"answers after a delay of 3600 s",
    "late_function": rf"GET /slow was not answered on connection 1: the client gave up after {WAITED}, and "
    r"when\('/slow'\) had not answered yet",
    "late_stream": rf"the answer to GET /x was still coming on connection 1 when the client gave up after {WAITED}",
    "came_through": r"the client came through Reset\(\); last, http_server answered GET /x by when\('/x'\) with 200 OK, body '\[1\]'",
    "reset_in_head": r"connection 1 was reset by Reset\(after_bytes=20\) in the head of the answer to GET /x: 20 of "
    r"\d+ B delivered, \d+ lost; the client never came back",
    "reset_in_body": r"connection 1 was reset by Reset\(after_bytes=40\) in the body of the answer to GET /x: \d+ of "
    r"\d+ B delivered, 60 lost; the client never came back",
    "reset_of_a_stream": r"stream 3 of connection 1 was reset by Reset\(after_bytes=40, error='INTERNAL_ERROR'\), in GET /x, and "
    r"the client came to RemoteProtocolError",
    "reset_of_the_later_stream": r"stream 5 of connection 1 was reset by Reset\(after_bytes=40\), in GET /x, and the client came "
    r"to RemoteProtocolError",
    "stall_of_a_stream": r"stream 3 of connection 1 was held by Stall\(after_bytes=40\), in GET /x; "
    rf"the client gave up after {WAITED}",
    "late_on_a_stream": rf"GET /x was not answered on stream 5 of connection 1: the client gave up after {WAITED}, and "
    r"when\('/x'\) answers after a delay of 3600 s",
    "late_behind_a_reset_stream": rf"GET /slow was not answered on connection 1: the client gave up after {WAITED}, and "
    r"when\('/slow'\) answers after a delay of 3600 s",
    "handler_on_a_stream": r"the handler of GET /x on stream 3 raised KeyError: 'a' \(failing\.py:\d+ in raising\), so the "
    r"client got 500 Internal Server Error",
    "goaway": r"Goaway\(error='INTERNAL_ERROR'\) changed the answer to GET /x on stream 5 of connection 1, and the client "
    r"came to RemoteProtocolError",
    "reset_under_streams": r"connection 1 was reset by Reset\(after_bytes=500\) before GET /slow on stream 3 was answered: "
    r"500 of \d+ B delivered, \d+ lost; the client never came back",
    "no_on_a_stream": r"http_server answered GET /x on stream 5 with 503 Service Unavailable by when\('/x'\)",
    "reset_then_again": r"connection 2 was reset by Reset\(after_bytes=40\) in the body of the answer to GET /x: .*",
    "truncated": r"connection 1 was closed by Close\(after_bytes=40\) in the body of the answer to GET /x: \d+ of "
    r"\d+ B delivered, 60 lost; the client never came back",
    "reset_upstream": r"connection 1 was reset by Reset\(after_bytes=2, direction='upstream'\): 2 of 5 B reached the "
    r"server, 3 lost; the client never came back",
    "refused": rf"http_server \({URL}\) refused the client, by Refuse\(\)",
    "stopped": rf"the client was refused, for http_server \({URL}\) had been stopped",
    "wrong_port": rf"the client was refused at {URL}/x, where no server of the test listens, and never came to "
    rf"http_server \({URL}\)",
    "unreachable": rf"Unreachable\(\) kept the client from connecting to http_server \({URL}\) until its time-out",
    "unknown_ca": r"the client refused the certificate of HttpsServer #1 on connection 1: unable to get local issuer "
    r"certificate; alert unknown_ca received \(the client does not know the authority: .*\)",
    "unknown_ca_of_urllib": r"the client refused the certificate of HttpsServer #1 .*client does not know the authority.*",
    "expired": r"the client refused the certificate of HttpsServer #1 on connection 1: certificate has expired; .*",
    "wrong_host": r"the client refused the certificate of HttpsServer #1 on connection 1: IP address mismatch, "
    r"certificate is not valid for '127\.0\.0\.1'; alert bad_certificate received",
    "handshake_refused": r"the TLS handshake on connection 1 was refused by HandshakeFailure\(\); the client never came "
    r"back",
    "handshake_stalled": r"HandshakeStall\(\) left the TLS handshake on connection 1 without an answer; the client gave "
    rf"up after {WAITED}",
    "plain_to_tls": rf"the client spoke plain HTTP on connection 1, and HttpsServer #1 \({URL}\) speaks TLS",
    "handler": r"the handler of GET /x raised KeyError: 'missing' \(failing\.py:\d+ in broken\), so the client got 500 "
    r"Internal Server Error",
    "nearly_matched": r"no rule matches POST /users: the nearest is when\('POST', '/users', json=\{'name': 'Ada'\}\), "
    r'but json: expected \{"name": "Ada"\}, got \{"name": "ada"\}',
    "no_rules": r"no rule matches GET /users: http_server has no rules",
    "malformed_json": r"the answer to GET /x by when\('/x'\), 200 OK with 9 B '\{\"a\": 1,\}', is no JSON: .* at [78]",
    "empty_json": r"the answer to GET /x by when\('/x'\), 204 No Content with an empty body, is no JSON: .*",
    "wrong_json": r"the servers saw nothing go wrong; last, http_server answered GET /x by when\('/x'\) with 200 OK, "
    r"body '\{\"user\": \{\"nam\": \"Ada\"\}\}'",
    "corrupted": r"Garbage\(size=30\) stood on connection 1 in place of the answer to GET /x; the client never came back",
    "bits_flipped": r"Corrupt\(1\.0\) changed what passed on connection 1: (\d+) of \1 B arrived otherwise, the first .* as .* after 0; "
    r"and the client came to AssertionError",
    "left_open": r"3 connections to http_server \(1, 2, 3\) still open: idle, and the client has not closed them",
    "pool": r"the client's pool had no free connection: 1 connection was in use and not given back, the latest for GET /x",
    "retries": r"GET /x was answered 503 Service Unavailable 4 times by when\('/x'\), and the client gave up",
    "no": r"http_server answered GET /x with 500 Internal Server Error by when\('/x'\)",
    "name": r"the client could not resolve a host's name, on the way to http://api\.nowhere\.invalid/x, and never came "
    rf"to http_server \({URL}\)",
    "never_came": rf"no client came: nothing connected to http_server \({URL}\)",
    "upstream_refused": r"TcpProxy #1: the upstream 127\.0\.0\.1:\d+ cannot be reached: ECONNREFUSED, so the client "
    r"lost connection 1",
    "stuck_proxy": r"Stall\(after_bytes=10\) held back what was sent on connection 1 of TcpProxy #2: 10 of \d+ B "
    rf"delivered, \d+ held; the client gave up after {WAITED}",
    "latency": r"Latency\(3000\) held back the answer to GET /x on connection 1: 0 of \d+ B delivered, \d+ held; the client "
    rf"gave up after {WAITED}",
    "blackhole": r"Blackhole\(after_bytes=30\) swallowed GET /x on connection 1: 30 of \d+ B reached the server, \d+ "
    rf"lost; the client gave up after {WAITED}",
    "datagram": r"Loss\(1\.0\) on connection 1: 'who\?' lost on its way to the client",
    "datagram_nearly_matched": r"no rule matches the datagram: .*; the nearest is when\(b'who are you\?'\): b'\?' is missing at the end",
    "message_nearly_matched": r"no rule matches 'Hello': echoed; the nearest is when\('hello'\): at 0 it has 'h', and 'H' came",
    "mail": r"smtp_server answered RCPT (?i:to):<x@y\.z> with 450 4\.7\.1 Greylisted, try again",
    "published": r"connection 1 was reset by Reset\(after_bytes=2\) in the answer to PUBLISH #7 b 'x' \(QoS 1\): 2 of 4 B "
    r"delivered, 2 lost; the client never came back",
    "logged": r"connection 1 was reset by Reset\(\); the client never came back",
    "transfer": r"data connection 2 was reset by Reset\(after_bytes=1000\) in the middle of RETR big\.bin: 1000 of 5000 B "
    r"delivered, 4000 lost; the client never came back",
    "websocket": r"the server closed connection 1 with code 1011 'going away' after the client's text 'bye'",
    "expected": r"http_server: when\('/x'\) expected 2 requests and met 1; what came last was GET /x -> 200 by when\(.*",
    "never_struck": r"nothing was broken: Reset\(\), nth=3 on http_server when\('/x'\) never struck, 1 exchange went by "
    r"unharmed",
    "forever": r"tcp_server waits for more on connection 1: no rule matche.* b'PING'; the nearest is when\(b'PING\\n'\): b'\\n' is missing at the end; MainThread waits in recv\(\) of a "
    r"socket .*test_forever.*",
    "forever_behind_a_fault": r"Stall\(after_bytes=0\) held back the answer to GET /x on connection 1: 0 of \d+ B delivered, \d+ held; MainThread "
    r"waits in recv\(\) of a socket .*",
    "nobody_was_let_in": rf"no client came in: tcp_server \({URL}\) lets nobody in, by Refuse\(\)",
    "cut_echo": r"connection 1 was closed by Close\(after_bytes=1\): 1 of 5 B delivered, 4 lost; the client never came back",
    "waits_for_more": r"tcp_server waits for more on connection 1: no rule matche.* b'PING'; the nearest is .*",
    "said_nothing": r"the client connected and sent nothing on connection 1 of tcp_server, and tcp_server had nothing "
    r"to say",
    "hostile": r"smtp_server answered RCPT TO:<\\x1b\[2J\\x1b\]0;owned\\x07\\u202e\\x9b31m@b\.c> with 503 .*",
}


def run(*arguments: str, columns: int = 80) -> str:
    """What pytest prints when it runs the failing tests."""
    environment = {**os.environ, "COLUMNS": str(columns)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *FEW_PLUGINS, "--tb=short", *arguments],
        env={name: value for name, value in environment.items() if name not in ("CI", "BUILD_NUMBER")},
        cwd=FAILING.parent,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def reports(output: str) -> dict[str, str]:
    """Each failing test's part of the output."""
    parts = re.split(r"^_{3,} (\w+) _{3,}$", output, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    def fill(folder: pathlib.Path) -> None:
        (folder / "output").write_text(run("-q", str(FAILING)), "utf-8")

    return reports((once_a_run(tmp_path_factory, "shown", fill) / "output").read_text("utf-8"))


@pytest.mark.parametrize("name", TOLD)
def test_the_first_line_names_what_ended_the_test(name: str, shown: dict[str, str]) -> None:
    _, told = re.split(r"^-+ netmocks: what ended it -+$\n", shown[f"test_{name}"], flags=re.MULTILINE)
    line = told.splitlines()[0]
    assert re.fullmatch(TOLD[name], line), line


def test_every_failing_test_has_a_line(shown: dict[str, str]) -> None:
    assert {f"test_{name}" for name in TOLD} == shown.keys()


def test_with_less_words_it_is_the_one_line(shown: dict[str, str]) -> None:
    for report in shown.values():
        assert "netmocks timeline" not in report
        assert "netmocks rules and faults" not in report

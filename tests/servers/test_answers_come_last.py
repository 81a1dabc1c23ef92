"""A client that has its answer finds on the server what the answer says: it was there before the answer left."""

from __future__ import annotations

import io
from collections.abc import Callable
from ftplib import FTP
from smtplib import SMTP
from typing import Any

import pytest
import redis
from helpers import connect
from mqtt_talk import Talk

from pytest_netmocks.records import events


def mqtt(server: Any) -> None:
    with Talk(server) as client:
        client.publish("sensors/1", b"21", qos=1, retain=True)
        assert client.hear().type == "PUBACK"


def smtp(server: Any) -> None:
    with SMTP(server.host, server.port, timeout=10) as client:
        client.sendmail("a@example.com", "b@example.com", "Subject: s\r\n\r\nx")


def ftp(server: Any) -> None:
    with FTP(timeout=10) as client:
        client.connect(server.host, server.port)
        client.login()
        client.storbinary("STOR up.txt", io.BytesIO(b"content"))


def redis_set(server: Any) -> None:
    with redis.Redis(port=server.port) as client:
        client.set("key", "value")


def imap(server: Any) -> None:
    with connect(server) as sock, sock.makefile("rb") as lines:
        sock.sendall(b"1 LOGIN user password\r\n2 APPEND INBOX {4+}\r\nx: y\r\n3 LOGOUT\r\n")
        for line in lines:
            if line.startswith(b"3 OK"):
                break


def http(server: Any) -> None:
    with connect(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while sock.recv(1000):
            pass


CASES: dict[str, tuple[Callable[[Any], None], bytes, Callable[[Any], object]]] = {
    "mqtt: a message": (mqtt, b"\x40", lambda server: [one.payload for one in server.messages] == [b"21"]),
    "mqtt: a retained message": (mqtt, b"\x40", lambda server: server.retained["sensors/1"].payload == b"21"),
    "smtp: a message": (smtp, b"250 OK", lambda server: len(server.messages) == 1),
    "ftp: a file": (ftp, b"226", lambda server: (server.root / "up.txt").read_bytes() == b"content"),
    "redis: a value": (redis_set, b"+OK", lambda server: server.data.get("key") == b"value"),
    "imap: a message": (imap, b"2 OK", lambda server: len(server.folders["INBOX"].messages) == 1),
    "http: a request": (http, b"HTTP/1.1 404", lambda server: len(server.requests) == 1),
}


@pytest.mark.parametrize("case", CASES)
def test_what_an_answer_says_is_there_before_it_leaves(request: pytest.FixtureRequest, case: str) -> None:
    ask, beginning, is_there = CASES[case]
    server: Any = request.getfixturevalue(f"{case.partition(':')[0]}_server")
    seen: list[bool] = []

    def look(event: events.Event) -> None:
        if isinstance(event, events.Sent) and event.beginning(len(beginning)) == beginning:
            seen.append(bool(is_there(server)))

    with server.subscribe(look):
        ask(server)
        server.settle()
    assert seen
    assert seen[-1]

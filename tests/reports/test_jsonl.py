"""Events as JSON lines: what they say is documented, and every protocol says what it was."""

from __future__ import annotations

import dataclasses
import ftplib
import io
import json
import pathlib
import poplib
import re
import smtplib
import socket
import types
from typing import Any

import pytest

from pytest_netmocks import Authority, SmtpServer, TcpServer, UdpServer
from pytest_netmocks.faults import Latency
from pytest_netmocks.protocols import known
from pytest_netmocks.records import events
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.reports import jsonl
from pytest_netmocks.reports.plain import NAMES, Plain
from pytest_netmocks.reports.quick import Quick
from pytest_netmocks.reports.recording import SCHEMA, Recording
from pytest_netmocks.reports.tape import on_record
from pytest_netmocks.servers.server import Server

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "events.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", PAGE, re.MULTILINE))


def documented(section: str) -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|[^|\n]*\|[^|\n]*\|$", SECTIONS[section], re.MULTILINE))


def of_kind(kind: str) -> set[str]:
    """The fields that the table of exchanges has for a kind, without those inside of others."""
    row = next(row for row in SECTIONS["exchange"].splitlines() if row.startswith(f"| `{kind}` |"))
    return set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", row.split("|")[2])))


PIECES = [kind for kind in NAMES if issubclass(kind, events.Piece)]
BYTES = {"offset", "size", "data", "base64", "missing"}


CERTIFICATE = Authority().issue("api.test")


def samples(kind: Any) -> list[Any]:
    """Events of that kind with all that one can have."""
    connection = Connection(1, ("127.0.0.1", 1), 0.0)
    given: dict[str, Any] = {
        "at": 1.0,
        "connection": 1,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "injection": TcpServer().inject(Latency(1)),
        "fault": Latency(1),
        "faults": (Latency(1),),
        "error": ValueError("x"),
        "exchange": connection,
        "certificate": CERTIFICATE,
        "rule": types.SimpleNamespace(label="x"),
    }
    made = []
    for data in (b"a", b"\xff"):
        more = given | {"data": data, "source": data, "start": 0, "size": 2}
        fields = {name: more.get(name, name) for name in kind._fields}
        if kind in PIECES:
            fields["offset"] = 0
        made.append(kind(**fields))
    return made


@pytest.mark.parametrize("kind", [kind for kind in NAMES if kind not in PIECES], ids=lambda kind: NAMES[kind])
def test_the_page_has_every_field_of_every_event(kind: Any) -> None:
    fields = {name for event in samples(kind) for name in Plain(1)(event)}
    common = documented("Every event") - {"time"}
    assert fields - common == documented(NAMES[kind])


@pytest.mark.parametrize("kind", list(NAMES), ids=lambda kind: NAMES[kind])
def test_what_is_written_of_an_event_is_what_is_made_of_it(kind: Any) -> None:
    plain, quick = Plain(1), Quick(1)
    for event in [*samples(kind), *samples(kind)]:  # of an exchange that is known less is told
        assert json.loads(quick(event)) == plain(event)


@pytest.mark.parametrize("kind", PIECES, ids=lambda kind: NAMES[kind])
def test_the_page_has_every_field_of_every_event_of_bytes(kind: Any) -> None:
    fields = {name for event in samples(kind) for name in Plain(1)(event)}
    assert fields - (documented("Every event") - {"time"}) == BYTES
    assert documented("Bytes") == BYTES
    assert f"\n| `{NAMES[kind]}` |" in SECTIONS["Bytes"]


def test_the_page_has_every_field_of_the_head(tcp_server: TcpServer) -> None:
    head = on_record(tcp_server).head()
    assert set(head) == documented("head")
    assert set(head["servers"][0]) == documented("Each of `servers`")
    assert f"version {SCHEMA} of the schema" in PAGE


def fields_of(record: Any) -> set[str]:
    names = {field.name for field in dataclasses.fields(record)} if dataclasses.is_dataclass(record) else set()
    return {name for name in names if name[0] != "_"}


RECORDS = [record for name in known.NAMES if {"at", "connection"} <= fields_of(record := known.named(name))]
"""The records of exchanges, of all protocols."""


@pytest.mark.parametrize("record", [record for record in RECORDS if f"| `{record.__name__}` |" in PAGE])
def test_the_page_has_every_field_of_an_exchange(record: Any) -> None:
    if not hasattr(record, "to_dict"):
        assert of_kind(record.__name__) == fields_of(record) - {"at", "connection", "match"}


def told(server: Server, **wanted: Any) -> dict[str, Any]:
    """The first events of the exchanges that say this; there is one."""
    found = [
        event
        for event in on_record(server).events
        if event["event"] == "exchange" and wanted.items() <= event.items() and "kind" in event
    ]
    (event,) = found
    return event


def test_a_command_of_mail_says_what_was_asked_and_replied(smtp_server: SmtpServer) -> None:
    with smtplib.SMTP(*smtp_server.address, timeout=30) as client:
        client.sendmail("a@example", ["b@example", "c@example"], b"Subject: x\r\n\r\nhello\r\n")
    assert told(smtp_server, command="MAIL")["argument"].upper().startswith("FROM:<A@EXAMPLE>")
    assert told(smtp_server, command="QUIT")["reply"].startswith("221 ")
    mail = told(smtp_server, kind="Arrival")
    assert (mail["mail_from"], mail["rcpt_tos"]) == ("a@example", ["b@example", "c@example"])
    assert mail["content"]["data"].endswith("hello\r\n")
    assert mail["title"].startswith("mail from a@example to b@example, c@example, ")
    assert set(mail) - {"server", "at", "event", "connection"} <= of_kind("Arrival") | documented("exchange")


def test_a_transfer_says_which_connection_it_went_over(netmocks: Any) -> None:
    server = netmocks.ftp()
    with ftplib.FTP() as client:
        client.connect(server.host, server.port, timeout=30)
        client.login()
        client.storbinary("STOR x", io.BytesIO(b"abc"))
    stored = told(server, command="STOR")
    assert (stored["argument"], stored["bytes"], stored["complete"]) == ("x", 3, True)
    assert stored["data_connection"] != stored["connection"]


def test_a_command_of_pop3_says_what_was_asked_and_replied(netmocks: Any) -> None:
    server = netmocks.pop3()
    client = poplib.POP3(server.host, server.port, timeout=30)
    client.quit()
    assert told(server, command="QUIT")["reply"].startswith("+OK")


def test_a_match_says_what_was_taken_and_replied(tcp_server: TcpServer) -> None:
    tcp_server.when(b"a").reply(b"\xff")
    with socket.create_connection(tcp_server.address, timeout=30) as client:
        client.sendall(b"a")
        client.recv(1)
    match = told(tcp_server, kind="TcpRequest")
    assert (match["data"], match["reply"]) == ({"data": "a"}, {"base64": "/w=="})


def test_a_datagram_says_what_it_was_and_what_was_replied(udp_server: UdpServer) -> None:
    udp_server.when(b"a").reply(b"b")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        client.sendto(b"a", udp_server.address)
        client.recv(10)
    datagram = told(udp_server, kind="Datagram")
    assert (datagram["data"], datagram["replies"]) == ({"data": "a"}, [{"data": "b"}])


def test_a_line_says_when_it_was_by_the_clock_on_the_wall(tcp_server: TcpServer) -> None:
    with socket.create_connection(tcp_server.address, timeout=30):
        tcp_server.wait_for(lambda server: server.connections)
    recording = on_record(tcp_server)
    lines = [json.loads(line) for line in jsonl.write([recording]).splitlines()]
    for event in lines[1:]:
        assert event["time"] == pytest.approx(recording.servers[0]["began"] + event["at"], abs=1e-5)


def test_recordings_can_be_read_again_one_behind_the_other() -> None:
    recordings = [Recording(title=f"{n}", events=[{"event": "note", "at": 0.5, "text": "x"}] * n) for n in range(3)]
    again = jsonl.read(jsonl.write(recordings))
    assert [one.title for one in again] == ["0", "1", "2"]
    assert [len(one.events) for one in again] == [0, 1, 2]


@pytest.mark.parametrize("data", [b"", b"x", b"\xff", b"{}", b"[]\n[]"])
def test_what_are_no_lines_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"recording|codec"):
        jsonl.read(data)


def test_text_that_utf_8_does_not_have_comes_through() -> None:
    recording = Recording(title="x", error="\udcff\ud800é")
    assert jsonl.read(jsonl.write([recording])) == [recording]
    assert Recording.unpack(recording.pack()) == recording

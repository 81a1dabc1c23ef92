"""Secrets are masked in what is written: everywhere, and nothing else is."""

from __future__ import annotations

import base64
import gzip
import json
import re
import smtplib
import socket
from typing import Any

import httpx
import pytest
from helpers import Suite
from mqtt_talk import Talk
from tshark import recorded

from pytest_netmocks import HttpServer, MqttMessage, SmtpServer
from pytest_netmocks.faults import Latency
from pytest_netmocks.records.plain import data_of, plain_data
from pytest_netmocks.reports import har, jsonl
from pytest_netmocks.reports.recording import Recording, unpacked
from pytest_netmocks.reports.redact import STREAMS, redacted
from pytest_netmocks.reports.tape import on_record

SECRET = "s3cr3t-t0ken"


def get(server: HttpServer, data: bytes) -> None:
    with socket.create_connection(server.address, timeout=30) as client:
        client.sendall(data)
        while client.recv(65536):
            pass


def pieces(kind: str, *data: bytes) -> list[dict[str, Any]]:
    """The events of a stream that came in these pieces."""
    events, offset = [], 0
    for piece in data:
        facts = {"server": 1, "at": 0.0, "event": kind, "connection": 1, "offset": offset, "size": len(piece)}
        events.append({**facts, **plain_data(piece)})
        offset += len(piece)
    return events


def without(names: list[str], *events: dict[str, Any], **facts: Any) -> Recording:
    (recording,) = redacted([Recording(events=list(events), **facts)], names)
    return recording


def stream(recording: Recording, kind: str) -> bytes:
    return b"".join(data_of(event) for event in recording.events if event["event"] == kind)


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("cut", range(1, 44))
def test_a_secret_is_masked_wherever_its_bytes_come_apart(kind: str, cut: int) -> None:
    data = b"GET / HTTP/1.1\r\nX-Key: s3cr3t\r\nX-Other: a\r\n\r\n"
    recording = without(["x-key"], *pieces(kind, data[:cut], data[cut:]))
    assert stream(recording, kind) == data.replace(b"s3cr3t", b"******")
    assert [event["size"] for event in recording.events] == [cut, len(data) - cut]


@pytest.mark.parametrize(
    ("name", "data", "masked"),
    [
        ("Cookie", b"Cookie: a=bc; d=e", b"Cookie: a=**; d=*"),
        ("Set-Cookie", b"\nset-cookie: a=bc; Path=/", b"\nset-cookie: a=**; Path=/"),
        ("Authorization", b"Authorization: Basic YTpi", b"Authorization: Basic ****"),
        ("Authorization", b"Authorization: my own", b"Authorization: ******"),
        ("X-Key", b"X-Key: a\r\n b\r\nX: c", b"X-Key: *\r\n**\r\nX: c"),
        ("X-Key", b"Not-X-Key: a\r\nX-Keys: b", b"Not-X-Key: a\r\nX-Keys: b"),
        ("key", b"GET /?a=b&key=cd&e=f HTTP/1.1", b"GET /?a=b&key=**&e=f HTTP/1.1"),
        ("key", b"\r\n\r\nkey=cd&monkey=f", b"\r\n\r\nkey=**&monkey=f"),
        ("key", b'{"key": "c\\"d", "keys": "e"}', b'{"key": "****", "keys": "e"}'),
        ("key", b'; name="key"\r\n\r\ncd\r\n--B', b'; name="key"\r\n\r\n**\r\n--B'),
        ("key", b"key: \xff\x00", b"key: **"),
    ],
)
def test_a_name_is_that_of_a_header_field_or_of_a_field_of_query_form_or_json(
    name: str, data: bytes, masked: bytes
) -> None:
    assert stream(without([name], *pieces("received", data)), "received") == masked


def test_what_goes_on_behind_a_fault_is_known_by_what_came_before_it() -> None:
    data = b"HTTP/1.1 200 OK\r\nX-Key: abcd"
    (late,) = pieces("delivered", data[-2:])
    recording = without(["X-Key"], *pieces("sent", data), {**late, "offset": len(data) - 2})
    assert stream(recording, "delivered") == b"**"


def test_what_was_found_once_is_masked_in_texts_too() -> None:
    note = {"server": 1, "at": 0.0, "event": "unmatched", "connection": 1, "text": f"is {SECRET!r}, not x"}
    data = f"X-Key: {SECRET}".encode()
    recording = without(["X-Key"], *pieces("received", data), note, error=f"assert {SECRET} == 1", title="t")
    text = jsonl.write([recording]).decode()
    assert SECRET not in text
    assert recording.error == f"assert {'*' * len(SECRET)} == 1"


def test_where_bytes_are_missing_what_is_left_is_masked() -> None:
    first, second = pieces("received", b"X-Key: ab", b"cd")
    recording = without(["X-Key"], {**first, "size": 20, "missing": 11}, {**second, "offset": 20})
    assert data_of(recording.events[0]) == b"X-Key: **"
    assert recording.events[0]["missing"] == 11


def test_keys_that_would_show_what_is_masked_are_left_out() -> None:
    keys = {"server": 1, "at": 0.0, "event": "keys", "connection": 1, "text": "CLIENT_RANDOM a b"}
    other = {**keys, "connection": 2}
    recording = without(["X-Key"], keys, other, *pieces("received", b"X-Key: abcd"))
    assert [event["connection"] for event in recording.events if event["event"] == "keys"] == [2]
    assert recording.notes


@pytest.mark.parametrize("method", ["login", "plain", "cram"])
def test_passwords_of_mail_are_masked_with_all_that_belongs_to_them(method: str) -> None:
    server = SmtpServer(users={"user": SECRET})
    with server, smtplib.SMTP(*server.address, timeout=30) as client:
        client.user, client.password = "user", SECRET
        client.ehlo()
        name = {"login": "LOGIN", "plain": "PLAIN", "cram": "CRAM-MD5"}[method]
        auth: Any = {"login": client.auth_login, "plain": client.auth_plain, "cram": client.auth_cram_md5}[method]
        client.auth(name, auth, initial_response_ok=method == "plain")
        client.noop()
        recording = on_record(server)
    (hidden,) = redacted([recording], ["AUTH"])
    text = jsonl.write([hidden]).decode()
    assert SECRET not in text
    assert base64.b64encode(SECRET.encode()).decode() not in text
    said = stream(hidden, "received").decode()
    assert f"AUTH {name}" in said
    assert "NOOP\r\n" in said.upper()
    before = stream(recording, "received").decode().splitlines()
    assert len(said.splitlines()) == len(before)
    steps = {"login": 2, "plain": 0, "cram": 1}[method]
    changed = [line for line, old in zip(said.splitlines(), before, strict=True) if line != old and set(line) == {"*"}]
    assert len(changed) == steps


@pytest.mark.parametrize("names", [["password"], ["X-Other", "PASS"]])
def test_the_password_of_a_login_to_a_socks_proxy_is_masked_and_nothing_else(netmocks: Any, names: list[str]) -> None:
    far = netmocks.tcp()
    proxy = netmocks.socks5(users={"user": SECRET})
    login = b"\1\4user" + bytes([len(SECRET)]) + SECRET.encode()
    with socket.create_connection(proxy.address, timeout=30) as client:
        for data in (b"\5\2\0\2", login, b"\5\1\0\1\x7f\0\0\1" + far.port.to_bytes(2), b"hello"):
            client.sendall(data)
            assert client.recv(100)
    recording = on_record(proxy)
    (hidden,) = redacted([recording], names)
    assert stream(recording, "received").count(SECRET.encode()) == 1
    assert stream(hidden, "received") == stream(recording, "received").replace(SECRET.encode(), b"*" * len(SECRET))
    assert SECRET not in jsonl.write([hidden]).decode()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@pytest.mark.parametrize("with_will", [False, True])
def test_the_password_of_a_client_of_mqtt_is_masked_and_nothing_else(
    netmocks: Any, version: str, with_will: bool
) -> None:
    server = netmocks.mqtt(users={"user": SECRET})
    will = MqttMessage("gone", b"x", properties={"will_delay_interval": 5}) if with_will else None
    properties = {"user_property": [("a", "b" * 200)]}
    with Talk(server, "c", version, username="user", password=SECRET.encode(), will=will, properties=properties) as one:
        assert one.connack.reasons == [0]
        one.synchronise()
    recording = on_record(server)
    (hidden,) = redacted([recording], ["password"])
    assert stream(recording, "received").count(SECRET.encode()) == 1
    assert stream(hidden, "received") == stream(recording, "received").replace(SECRET.encode(), b"*" * len(SECRET))
    assert SECRET not in jsonl.write([hidden]).decode()


@pytest.mark.parametrize("names", [["authorization"], ["x-key", "password"]])
def test_field_blocks_of_http_2_are_masked_as_wholes_and_what_else_is_there_is_not(
    http_server: HttpServer, names: list[str]
) -> None:
    http_server.when("/").reply(text="a body that all may see")
    with recorded(http_server) as recording, httpx.Client(http1=False, http2=True) as client:
        # What is packed may have the bytes of line ends: "1%" is b"\n..." in Huffman's code (RFC 7541, appendix B).
        client.get(http_server.url, headers={"Authorization": "Bearer topsecret", "X-Part": "1%"})
    (made,) = redacted([recording], names)
    for kind in ("received", "sent", "wire_received", "wire_sent"):
        before, after = (
            b"".join(data_of(event) for event in one.events if event["event"] == kind) for one in (recording, made)
        )
        assert len(before) == len(after)
        at = 24 if "received" in kind else 0
        while at < len(after):
            size, stop = int.from_bytes(after[at : at + 3]), at + 9 + int.from_bytes(after[at : at + 3])
            expected = b"*" * size if after[at + 3] == 1 else before[at + 9 : stop]
            assert after[at + 9 : stop] == expected
            at = stop
    (begun,) = [event for event in made.events if event["event"] == "exchange" and event["phase"] == "begun"]
    shown = dict(begun["request"]["headers"])["authorization"]
    assert ("topsecret" in shown) is ("authorization" not in names)


def test_the_argument_of_a_command_is_masked_and_what_else_begins_so_is_not(netmocks: Any) -> None:
    import ftplib

    server = netmocks.ftp(users={"user": SECRET})
    with ftplib.FTP() as client:
        client.connect(server.host, server.port, timeout=30)
        client.login("user", SECRET)
        client.sendcmd("PASV")
    (hidden,) = redacted([on_record(server)], ["pass"])
    assert SECRET not in jsonl.write([hidden]).decode()
    asked = [event for event in hidden.events if event.get("command") in ("USER", "PASS")]
    assert [event["argument"] for event in asked] == ["user", "*" * len(SECRET)]
    assert b"PASV\r\n" in stream(hidden, "received")


def test_a_command_may_have_a_tag_before_it() -> None:
    command = {"server": 1, "at": 0.0, "event": "exchange", "connection": 1, "exchange": 1, "phase": "begun",
               "command": "LOGIN", "argument": "user s3cr3t", "title": "LOGIN user s3cr3t -> OK"}  # fmt: skip
    data = b"a1 LOGIN user s3cr3t\r\na2 AUTHENTICATE PLAIN\r\nYWJj\r\na3 NOOP\r\n"
    recording = without(["login", "authenticate"], command, *pieces("received", data))
    said = b"a1 LOGIN ***********\r\na2 AUTHENTICATE PLAIN\r\n****\r\na3 NOOP\r\n"
    assert stream(recording, "received") == said
    assert "s3cr3t" not in str(recording)


def test_an_archive_has_no_credentials_whatever_is_asked_for(http_server: HttpServer) -> None:
    http_server.when("POST", "/").reply(
        200, body=gzip.compress(json.dumps({"password": SECRET}).encode()), cookies={"id": SECRET},
        headers={"Content-Encoding": "gzip", "Content-Type": "application/json", "X-Key": "shown-all-the-same"},
    )  # fmt: skip
    http_server.inject(Latency(0.01))
    body = f"a=b&password={SECRET}"
    get(
        http_server,
        f"POST /?pwd={SECRET} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {SECRET}\r\n"
        f"Cookie: a={SECRET}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        f"{body}".encode(),
    )
    recording = on_record(http_server)
    text = har.write([recording]).decode()
    assert SECRET not in text
    assert "shown-all-the-same" in text
    assert SECRET in jsonl.write([recording]).decode()


@pytest.mark.parametrize("names", [[], ["x-key"]])
def test_a_recording_without_secrets_stays_as_it_is(http_server: HttpServer, names: list[str]) -> None:
    http_server.when("/").reply(200, body=b"\xff")
    get(http_server, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    recording = on_record(http_server)
    assert list(redacted([recording], names)) == [recording]


def test_the_files_of_a_run_have_no_secret_that_the_ini_names(suite: Suite, pytester: pytest.Pytester) -> None:
    suite(
        f"""
        import urllib.request

        def test_it(http_server):
            http_server.when("/").reply(200)
            request = urllib.request.Request(http_server.url + "/", headers={{"X-Key": "{SECRET}", "X-Other": "shown"}})
            urllib.request.urlopen(request).read()
            assert http_server.requests[0].headers["x-key"] == "x"
        """,
        "--netmocks-events=what",
        "--netmocks-har=what",
        "--netmocks-report=what/page.html",
        netmocks_redact="Authorization, X-Key",
    )
    for suffix in ("har", "jsonl"):
        text = (pytester.path / "what" / f"test_it.py--test_it.{suffix}").read_text()
        assert SECRET not in text
        assert "shown" in text
    page = (pytester.path / "what" / "page.html").read_text()
    (packed,) = re.findall(r'type="application/x-netmocks" id="r\d+">([^<]+)<', page)
    text = unpacked(packed)
    assert SECRET not in text
    assert "shown" in text


@pytest.mark.parametrize("tls", [False, True])
def test_a_capture_shows_no_secret_and_has_no_keys_to_one(suite: Suite, pytester: pytest.Pytester, tls: bool) -> None:
    suite(
        f"""
        import ssl
        import urllib.request

        def test_it(netmocks):
            server = netmocks.http(tls={tls})
            server.when("/").reply(200)
            context = server.ca.client_context() if {tls} else None
            request = urllib.request.Request(f"http{{'s' if {tls} else ''}}://localhost:{{server.port}}/")
            request.add_header("X-Key", "{SECRET}")
            urllib.request.urlopen(request, context=context).read()
            assert server.requests[0].headers["x-key"] == "x"
        """,
        "--netmocks-capture=what",
        netmocks_redact="X-Key",
    )
    capture = (pytester.path / "what" / "test_it.py--test_it.pcapng").read_bytes()
    assert SECRET.encode() not in capture
    assert b"CLIENT_TRAFFIC_SECRET" not in capture
    assert (b"X-Key: " + b"*" * len(SECRET) in capture) is not tls


def test_a_wrong_name_is_a_usage_error(suite: Suite) -> None:
    result = suite("def test_it(): pass", netmocks_redact="X Key; x")
    assert "netmocks_redact: 'Key;' is no name" in result.stderr.str()

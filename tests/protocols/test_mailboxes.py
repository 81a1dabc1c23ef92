"""What servers over a mailbox have in common: logins, limits, resets, one mailbox for several."""

from __future__ import annotations

import base64
import imaplib
from typing import Any

import pytest
from helpers import connect

from pytest_netmocks import ImapServer
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.mail.mailbox import Folder

PLAIN = base64.b64encode(b"\0ada\0secret").decode()
AUTH = {"smtp": "AUTH PLAIN", "pop3": "AUTH PLAIN", "imap": "a AUTHENTICATE PLAIN"}
YES = {"smtp": "235 2.7.0 welcome", "pop3": "+OK welcome", "imap": "OK welcome"}
NO = {"smtp": "454 4.7.0 later", "pop3": "-ERR [SYS/TEMP] later", "imap": "NO [UNAVAILABLE] later"}


def ask(stream: Any, line: str) -> str:
    stream.write(line.encode() + b"\r\n")
    return stream.readline().decode().strip()  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", AUTH)
def test_a_sequence_of_replies_counts_logins_and_not_their_lines(kind: str, netmocks: Netmocks) -> None:
    server: Any = getattr(netmocks, kind)()
    server.when(AUTH[kind].split()[-2]).reply(YES[kind]).reply(NO[kind])
    for expected in (YES[kind], NO[kind]):
        with connect(server) as sock, sock.makefile("rwb", buffering=0) as stream:
            stream.readline()
            if kind == "smtp":
                stream.write(b"EHLO me\r\n")
                while not stream.readline().startswith(b"250 "):
                    pass
            answer = ask(stream, AUTH[kind])
            if expected is YES[kind]:
                answer = ask(stream, PLAIN)
            assert answer.removeprefix("a ") == expected


def test_a_reset_brings_back_what_a_server_was_made_with() -> None:
    server = ImapServer()
    server.folders["Sent"] = Folder("Sent", special_use="\\Sent")
    first = server.deliver("Subject: first\n\n", flags=["\\Flagged"])
    second = server.deliver("Subject: second\n\n", folder="Sent")
    with server:
        with imaplib.IMAP4(*server.address, timeout=10) as client:
            client.login("u", "p")
            client.create("New")
            client.select()
            client.store("1", "FLAGS", "(\\Seen)")
            assert client.uid("MOVE", "1", "New")[0] == "OK"
            client.delete("Sent")
            server.deliver("Subject: third\n\n")
        assert set(server.folders) == {"INBOX", "New"}
        server.reset()
        assert {name: folder.messages for name, folder in server.folders.items()} == {
            "INBOX": [first],
            "Sent": [second],
        }
        assert server.folders["Sent"].special_use == "\\Sent"
        assert first.flags == {"\\Flagged"}


def test_a_shared_mailbox_is_nobodys_to_reset(netmocks: Netmocks) -> None:
    box = netmocks.mailbox()
    server = netmocks.imap(mailbox=box)
    box.deliver("Subject: mine\n\n")
    server.reset()
    assert len(box.messages) == 1


@pytest.mark.parametrize("kind", ["pop3", "imap"])
def test_connections_beyond_a_limit_are_told_to_come_later(kind: str, netmocks: Netmocks) -> None:
    server: Any = getattr(netmocks, kind)()
    server.limit(1, per=60)
    said = []
    for _ in range(2):
        with connect(server) as sock:
            said.append(sock.makefile("rb").readline().decode())
    assert "too many connections" not in said[0]
    assert "too many connections" in said[1]

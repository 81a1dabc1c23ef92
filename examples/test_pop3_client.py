"""A script that reads mail with poplib, as it stands in many a tutorial: the name of its server leads to ours."""

from __future__ import annotations

import email
import poplib

import pytest

from pytest_netmocks import Authority, Pop3sServer
from pytest_netmocks.faults import Reset
from pytest_netmocks.plugin.factory import Netmocks


def fetch(user: str, password: str) -> list[str]:
    """What an application would use: the subjects of all messages, which it deletes."""
    mailbox = poplib.POP3_SSL("pop.example.com")
    mailbox.user(user)
    mailbox.pass_(password)
    subjects = []
    for number in range(1, len(mailbox.list()[1]) + 1):
        lines = mailbox.retr(number)[1]
        subjects.append(str(email.message_from_bytes(b"\n".join(lines))["subject"]))
        mailbox.dele(number)
    mailbox.quit()
    return subjects


@pytest.fixture
def mail(netmocks: Netmocks, pop3s_server: Pop3sServer, tls_trust: Authority) -> Pop3sServer:
    pop3s_server.users["user"] = "secret"
    pop3s_server.deliver("Subject: one\r\n\r\nbody\r\n")
    pop3s_server.deliver("Subject: two\r\n\r\nbody\r\n")
    netmocks.names({"pop.example.com": pop3s_server}, strict=True)
    return pop3s_server


def test_all_mail_is_read_and_deleted(mail: Pop3sServer) -> None:
    assert fetch("user", "secret") == ["one", "two"]
    assert mail.messages == []


def test_a_wrong_password_is_told(mail: Pop3sServer) -> None:
    with pytest.raises(poplib.error_proto, match="-ERR"):
        fetch("user", "wrong")


def test_nothing_is_lost_when_the_connection_is(mail: Pop3sServer) -> None:
    mail.when("RETR", "2").inject(Reset(after_bytes=5))
    with pytest.raises((OSError, EOFError, poplib.error_proto)):
        fetch("user", "secret")
    assert len(mail.messages) == 2  # what is deleted without QUIT is not (RFC 1939, section 6)

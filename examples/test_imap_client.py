"""A script that reads new mail with imaplib, as it stands in many a tutorial: its server's name leads to ours."""

from __future__ import annotations

import email
import imaplib

import pytest

from pytest_netmocks import Authority, ImapsServer
from pytest_netmocks.faults import Close
from pytest_netmocks.plugin.factory import Netmocks


def unread(user: str, password: str) -> list[str]:
    """What an application would use: the subjects of what nobody has read, which is read with that."""
    mailbox = imaplib.IMAP4_SSL("imap.example.com")
    mailbox.login(user, password)
    mailbox.select("INBOX")
    _, found = mailbox.search(None, "UNSEEN")
    subjects = []
    for number in found[0].split():
        _, data = mailbox.fetch(number, "(RFC822)")
        assert isinstance(data[0], tuple)
        subjects.append(str(email.message_from_bytes(data[0][1])["subject"]))
    mailbox.close()
    mailbox.logout()
    return subjects


@pytest.fixture
def mail(netmocks: Netmocks, imaps_server: ImapsServer, tls_trust: Authority) -> ImapsServer:
    imaps_server.users["user"] = "secret"
    imaps_server.deliver("Subject: old\r\n\r\nbody\r\n", flags=["\\Seen"])
    imaps_server.deliver("Subject: new\r\n\r\nbody\r\n")
    netmocks.names({"imap.example.com": imaps_server}, strict=True)
    return imaps_server


def test_what_is_new_is_read_once(mail: ImapsServer) -> None:
    assert unread("user", "secret") == ["new"]
    assert unread("user", "secret") == []


def test_a_wrong_password_is_told(mail: ImapsServer) -> None:
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        unread("user", "wrong")


def test_a_connection_that_ends_in_a_message_leaves_it_read_and_unseen(mail: ImapsServer) -> None:
    mail.when("FETCH").inject(Close(after_bytes=20), first=1)
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        unread("user", "secret")
    # The defect of this script: FETCH of RFC822 sets \Seen at once, and BODY.PEEK[] would not.
    assert unread("user", "secret") == []

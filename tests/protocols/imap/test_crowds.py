"""Many at once: clients that wait, and a mailbox that servers of several protocols share."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import smtplib
import threading
from collections.abc import Callable
from typing import Any

from helpers import connect
from talking import Talk

from pytest_netmocks import ImapServer, Netmocks

CROWD = 300


def test_hundreds_that_wait_hear_of_one_message(imap_server: ImapServer) -> None:
    with contextlib.ExitStack() as stack:
        streams = []
        for _ in range(CROWD):
            sock = stack.enter_context(connect(imap_server, timeout=60))
            sock.sendall(b"a LOGIN u p\r\nb SELECT INBOX\r\nc IDLE\r\n")
            streams.append(stack.enter_context(sock.makefile("rb")))
        for stream in streams:
            while stream.readline() != b"+ idling\r\n":
                pass
        imap_server.deliver("Subject: for all\n\n")
        for stream in streams:
            assert stream.readline() == b"* 1 EXISTS\r\n"
        assert imap_server.peak_connections == CROWD


def test_servers_that_share_a_mailbox_lose_nothing(netmocks: Netmocks) -> None:
    box = netmocks.mailbox()
    smtp, pop3, imap = netmocks.smtp(mailbox=box), netmocks.pop3(mailbox=box), netmocks.imap(mailbox=box)
    errors: list[BaseException] = []
    fetched: list[bytes] = []
    sent = threading.Event()

    def send(number: int) -> None:
        with smtplib.SMTP(smtp.host, smtp.port, timeout=30) as client:
            for count in range(20):
                client.sendmail("a@b.c", ["d@e.f"], f"Subject: {number}-{count}\n\n")

    def take(user: str) -> None:
        while not sent.is_set() or box.messages:
            with contextlib.suppress(poplib.error_proto):  # the other one has just deleted it
                client = poplib.POP3(pop3.host, pop3.port, timeout=30)
                try:
                    client.user(user)
                    client.pass_("p")
                    for number in range(1, client.stat()[0] + 1):
                        fetched.append(client.retr(number)[1][0])
                        client.dele(number)
                    client.quit()
                finally:
                    client.close()

    def move() -> None:
        with imaplib.IMAP4(imap.host, imap.port, timeout=30) as client:
            client.login("u", "p")
            client.create("Kept")
            client.select()
            while not sent.is_set():
                client.uid("MOVE", "1:*", "Kept")
                client.noop()

    def guarded(work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            errors.append(error)
            raise

    senders = [threading.Thread(target=guarded, args=(send, number)) for number in range(4)]
    others = [threading.Thread(target=guarded, args=(take, "u")), threading.Thread(target=guarded, args=(move,))]
    for thread in [*senders, *others]:
        thread.start()
    for thread in senders:
        thread.join()
    sent.set()
    for thread in others:
        thread.join()
    assert errors == []
    kept = {message.content.splitlines()[0] for message in imap.folders["Kept"].messages}
    assert kept | set(fetched) == {b"Subject: %d-%d" % (number, count) for number in range(4) for count in range(20)}
    with Talk(imap) as talk:
        assert talk("STATUS INBOX (MESSAGES)")[0] == "* STATUS INBOX (MESSAGES 0)"

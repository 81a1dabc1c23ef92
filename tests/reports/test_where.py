"""A fault that cuts what a server says is told of that which it cut, in protocols that answer one line at a time."""

from __future__ import annotations

import contextlib
import ftplib
import imaplib
import io
import poplib
import re
import smtplib
from collections.abc import Callable
from typing import Any

import pytest

import pytest_netmocks
from pytest_netmocks.faults import Close, Corrupt
from pytest_netmocks.reports.case import Case
from pytest_netmocks.reports.cause import cause
from pytest_netmocks.reports.seen import Seen
from pytest_netmocks.reports.story import Story


def mail(server: Any) -> None:
    with smtplib.SMTP(server.host, server.port, timeout=30) as client:
        client.ehlo("x")
        client.login("user", "password", initial_response_ok=False)
        client.sendmail("a@b.c", ["d@e.f"], "Subject: x\r\n\r\nhello\r\n")


def fetch(server: Any) -> None:
    client = poplib.POP3(server.host, server.port, timeout=30)
    client.user("user")
    client.pass_("password")
    client.stat()
    client.quit()


def read(server: Any) -> None:
    with imaplib.IMAP4(server.host, server.port, timeout=30) as client:
        client.login("user", "password")
        client.select()
        client.noop()


def transfer(server: Any) -> None:
    (server.root / "f").write_bytes(b"x")
    with ftplib.FTP(timeout=30) as client:
        client.connect(*server.address)
        client.login()
        client.retrbinary("RETR f", lambda data: None)
        client.storbinary("STOR g", io.BytesIO(b"y"))


def told(make: Callable[[], Any], conversation: Callable[[Any], None], fault: Any) -> str:
    """What is said to have ended it, with a fault on the first connection."""
    with make() as server:
        server.inject(fault, first=1)
        with contextlib.suppress(Exception):  # whatever the client makes of it
            conversation(server)
    return cause(Case([Story(server)], Seen(None)))


def answers(make: Callable[[], Any], conversation: Callable[[Any], None]) -> list[tuple[str, int, int]]:
    """What each line was an answer to, where it begins in what the server says, and how long it is."""
    with make() as server:
        conversation(server)
    sent = server.connections[0].sent
    asked = [""]
    for request in server.connections[0].requests:
        lines = request.reply.count("\r\n")
        first = re.escape(request.sides().asked.split()[0])
        asked += [first, "mail from a@b.c"] if first == "DATA" else [first] * lines
    found, at = [], 0
    for line, of in zip(sent.splitlines(keepends=True), _lines(sent, asked), strict=True):
        found.append((of, at, len(line)))
        at += len(line)
    return found


def _lines(sent: bytes, asked: list[str]) -> list[str]:
    """Of what each line of the server is: the greeting has what the others leave."""
    return [""] * (sent.count(b"\n") - len(asked) + 1) + asked[1:]


@pytest.mark.parametrize(
    ("make", "conversation"),
    [
        (pytest_netmocks.smtp, mail),
        (pytest_netmocks.pop3, fetch),
        (pytest_netmocks.imap, read),
        (pytest_netmocks.ftp, transfer),
    ],
)
@pytest.mark.filterwarnings("ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_what_was_cut_is_the_answer_that_the_byte_belongs_to(
    make: Callable[[], Any], conversation: Callable[[Any], None]
) -> None:
    for of, begin, size in answers(make, conversation):
        line = told(make, conversation, Close(after_bytes=begin + size // 2))
        where = rf"in the answer to {of}\b.*" if of else "in the greeting"
        assert re.fullmatch(rf"connection 1 was closed by Close\(after_bytes=\d+\) {where}: \d.*", line), (of, line)


def test_between_two_answers_it_is_the_one_before_that_is_named() -> None:
    (_, at, size), *_ = [answer for answer in answers(pytest_netmocks.smtp, mail) if answer[0] == "RCPT"]
    line = told(pytest_netmocks.smtp, mail, Close(after_bytes=at + size))
    assert "right behind the answer to rcpt" in line.lower()


def test_a_connection_for_data_is_no_other_try_of_the_client() -> None:
    """The command's first answer is cut once the connection for its data is there."""
    (_, at, size), *_ = [answer for answer in answers(pytest_netmocks.ftp, transfer) if answer[0] == "RETR"]
    line = told(pytest_netmocks.ftp, transfer, Close(after_bytes=at + size - 1))
    assert line.endswith("; the client never came back")


def test_a_refused_message_is_told_with_its_answer() -> None:
    with pytest_netmocks.smtp() as server:
        server.when_message(subject="x").reply("550 5.7.1 no")
        with contextlib.suppress(smtplib.SMTPDataError):
            mail(server)
    assert cause(Case([Story(server)], Seen(smtplib.SMTPDataError(550, b"no")))) == (
        "smtp_server answered mail from a@b.c to d@e.f, 21 B with 550 5.7.1 no".replace("smtp_server", server.name)
    )
    data = next(request for request in server.requests if request.command == "DATA")
    assert data.sides().answered == "354 End data with <CR><LF>.<CR><LF>"
    assert data.reply.endswith("\r\n550 5.7.1 no\r\n")


@pytest.mark.parametrize("direction", ["upstream", "downstream"])
def test_what_was_changed_on_the_way_is_told(direction: Any) -> None:
    def talk(server: Any) -> None:
        import socket

        with socket.create_connection(server.address, timeout=30) as client:
            client.sendall(b"hello")
            client.recv(5)

    line = told(pytest_netmocks.tcp, talk, Corrupt(1.0, direction=direction))
    assert re.search(r"on connection 1: 5 of 5 B arrived otherwise, the first 'h' as .+ after 0$", line), line

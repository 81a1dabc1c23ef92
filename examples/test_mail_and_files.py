"""A mailer with a queue and an uploader that checks what it sent, against servers as difficult as real ones."""

from __future__ import annotations

import ftplib
import io
import smtplib
from email.message import EmailMessage

import pytest

from pytest_netmocks import FtpServer, SmtpServer
from pytest_netmocks.faults import Close, Reset


class Mailer:
    """What an application would use: what is refused for now stays in the queue, what is refused for good does not."""

    def __init__(self, host: str, port: int) -> None:
        self.address = host, port
        self.queue: list[EmailMessage] = []
        self.bounced: list[EmailMessage] = []

    def flush(self) -> None:
        for message in list(self.queue):
            try:
                with smtplib.SMTP(*self.address, timeout=5) as client:
                    client.send_message(message)
            except smtplib.SMTPRecipientsRefused as error:
                if any(code >= 500 for code, _ in error.recipients.values()):
                    self.queue.remove(message)
                    self.bounced.append(message)
            except (OSError, smtplib.SMTPException):
                pass  # next time
            else:
                self.queue.remove(message)


def letter(to: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", to, "Your order"
    message.set_content("It is on its way.")
    return message


def test_greylisting_and_a_server_that_goes_away(smtp_server: SmtpServer) -> None:
    smtp_server.when_connected().reply("421 4.3.2 Too busy", times=1)
    smtp_server.when("RCPT").reply("450 4.7.1 Greylisted, try again", times=1)
    smtp_server.when("RCPT", "nobody@example.com").reply("550 5.1.1 No such user")
    mailer = Mailer(*smtp_server.address)
    mailer.queue += [letter("ada@example.com"), letter("nobody@example.com")]
    for _ in range(10):
        mailer.flush()
    assert mailer.queue == []
    assert [message["To"] for message in mailer.bounced] == ["nobody@example.com"]
    assert {message["To"] for message in smtp_server.messages} == {"ada@example.com"}


def test_the_lost_answer_that_makes_mail_arrive_twice(smtp_server: SmtpServer) -> None:
    smtp_server.when_message().inject(Close(), first=1)
    mailer = Mailer(*smtp_server.address)
    mailer.queue.append(letter("ada@example.com"))
    for _ in range(10):
        mailer.flush()
    assert mailer.queue == []
    assert len(smtp_server.messages) >= 2  # each is accepted; the client could not know


def upload(server: FtpServer, name: str, data: bytes, tries: int = 3) -> int:
    """What an application would use: an upload counts when the server has every byte; gives the tries it took."""
    for attempt in range(1, tries + 1):
        try:
            with ftplib.FTP(timeout=5) as ftp:
                ftp.connect(*server.address)
                ftp.login()
                ftp.storbinary(f"STOR {name}", io.BytesIO(data))
                if ftp.size(name) == len(data):
                    return attempt
        except (OSError, EOFError, ftplib.Error):
            continue
    raise OSError(f"{name} did not arrive in {tries} tries")


def test_an_upload_that_is_cut_is_made_again(ftp_server: FtpServer) -> None:
    stor = ftp_server.when("STOR")
    stor.inject(Reset(after_bytes=1000), nth=1)
    stor.inject(Close(after_bytes=2000), nth=2)
    assert upload(ftp_server, "report.bin", bytes(5000)) == 3
    assert (ftp_server.root / "report.bin").read_bytes() == bytes(5000)


def test_an_upload_that_never_arrives_is_told(ftp_server: FtpServer) -> None:
    ftp_server.when("STOR").reply("552 Disk full")
    with pytest.raises(OSError, match="did not arrive in 3 tries"):
        upload(ftp_server, "report.bin", bytes(5000))

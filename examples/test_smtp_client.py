"""A script that sends mail with smtplib, as it stands in many a tutorial: its server's name leads to ours."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage

import pytest

from pytest_netmocks import Authority, SmtpServer
from pytest_netmocks.faults import HandshakeFailure
from pytest_netmocks.plugin.factory import Netmocks


def send(user: str, password: str) -> None:
    """What an application would use: it logs in under TLS, and in no other way."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "me@example.com", "you@example.com", "Hello"
    message.set_content("It works.")
    with smtplib.SMTP("smtp.example.com", 587) as server:
        server.starttls(context=ssl.create_default_context())
        server.login(user, password)
        server.send_message(message)


@pytest.fixture
def mail(netmocks: Netmocks, smtp_server: SmtpServer, tls_trust: Authority) -> SmtpServer:
    smtp_server.users["user"] = "secret"
    netmocks.names({"smtp.example.com:587": smtp_server}, strict=True)
    return smtp_server


def test_a_message_is_sent_under_tls_by_who_has_logged_in(mail: SmtpServer) -> None:
    send("user", "secret")
    (message,) = mail.messages
    assert message["subject"] == "Hello"
    assert message.envelope.authenticated_as == "user"
    assert message.envelope.tls is not None


def test_a_wrong_password_is_told(mail: SmtpServer) -> None:
    with pytest.raises(smtplib.SMTPAuthenticationError):
        send("user", "wrong")
    assert mail.messages == []


def test_no_password_goes_out_where_tls_fails(mail: SmtpServer) -> None:
    mail.inject(HandshakeFailure())
    with pytest.raises(ssl.SSLError):
        send("user", "secret")
    assert "AUTH" not in {request.command for request in mail.requests}


def test_a_server_without_starttls_gets_no_password(mail: SmtpServer) -> None:
    mail.when("STARTTLS").reply("454 4.7.0 TLS not available")
    with pytest.raises(smtplib.SMTPResponseException, match="TLS not available"):
        send("user", "secret")
    assert "AUTH" not in {request.command for request in mail.requests}

"""What an SMTP session asks of its server; no test here opens a socket."""

from __future__ import annotations

import pytest

from pytest_netmocks.protocols.smtp.records import Arrival, Envelope
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.records.connection import Connection

CLIENT = Connection(1, ("127.0.0.1", 50001), 0.0)


def arrival(sender: str = "a@b.c", content: bytes = b"Subject: x\r\n\r\ny\r\n") -> Arrival:
    return Arrival(Envelope(sender, ["d@e.f"], "client", None, False, [], content, CLIENT))


def test_everybody_is_let_in_until_there_are_users() -> None:
    server = SmtpServer()
    assert server.desk.users.check("ann", "anything") == "ann"
    server.users["ann"] = "secret"
    assert server.desk.users.check("ann", "secret") == "ann"
    assert server.desk.users.check("ann", "anything") is None
    assert server.desk.users.check("bob", "secret") is None


def test_a_rule_for_messages_decides_over_those_that_it_matches() -> None:
    server = SmtpServer()
    rule = server.when_message(mail_from="spam@b.c").reply("550 no spam")
    assert server.desk.decide_message(arrival("spam@b.c")).answering is rule
    assert server.desk.decide_message(arrival()).answering is None


def test_what_is_stored_is_a_message_and_the_oldest_go_beyond_max_records() -> None:
    server = SmtpServer(max_records=2)
    for number in range(3):
        server.desk.store(arrival(content=b"Subject: %d\r\n\r\n\r\n" % number))
    assert [message["subject"] for message in server.messages] == ["1", "2"]


@pytest.mark.parametrize(
    ("argument", "address"), [("FROM:<a@b.c> SIZE=1", "a@b.c"), ("TO: a@b.c", "a@b.c"), ("FROM:<>", ""), (None, None)]
)
def test_a_rule_for_a_command_takes_the_bare_address(argument: str | None, address: str | None) -> None:
    server = SmtpServer()
    rule = server.when("MAIL", "a@b.c").reply("450 later")
    request = server.desk.request(CLIENT, "MAIL", argument)
    assert request.address == address
    assert (server.desk.decide(request).answering is rule) == (address == "a@b.c")

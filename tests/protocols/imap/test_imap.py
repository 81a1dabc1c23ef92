"""The IMAP server, by clients as they are."""

from __future__ import annotations

import contextlib
import datetime
import email.message
import imaplib
import socket
import threading
from collections.abc import Iterator

import aioimaplib  # type: ignore[import-untyped]
import imap_tools
import imapclient  # type: ignore[import-untyped]
import pytest
from helpers import connect

from pytest_netmocks import ImapServer, ImapsServer
from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.faults import Answer, Latency, Reset
from pytest_netmocks.plugin.factory import Netmocks

MAIL = b"From: A <a@b.c>\r\nTo: d@e.f\r\nSubject: hi\r\nDate: Thu, 01 Jan 2026 12:00:00 +0000\r\n\r\nbody\r\n"


def mixed() -> bytes:
    message = email.message.EmailMessage()
    message["Subject"] = "Grüße"
    message["From"], message["To"] = "Ä <a@b.c>", "d@e.f, g@h.i"
    message.set_content("plain\n")
    message.add_alternative("<p>html</p>", subtype="html")
    message.add_attachment(b"\0\1" * 50, maintype="application", subtype="octet-stream", filename="a.bin")
    inner = email.message.EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("within\n")
    message.add_attachment(inner)
    return message.as_bytes()


@pytest.fixture
def client(imap_server: ImapServer) -> Iterator[imaplib.IMAP4]:
    found = imaplib.IMAP4(*imap_server.address, timeout=10)
    found.login("u", "p")
    yield found
    with contextlib.suppress(imaplib.IMAP4.error, OSError):  # a fault has ended it
        found.logout()
    with contextlib.suppress(OSError):
        found.shutdown()


def test_imaplib_reads_what_was_delivered(imap_server: ImapServer, client: imaplib.IMAP4) -> None:
    stored = imap_server.deliver(MAIL)
    assert client.select() == ("OK", [b"1"])
    assert client.search(None, "ALL") == ("OK", [b"1"])
    _, found = client.fetch("1", "(RFC822 FLAGS)")
    assert isinstance(found[0], tuple)
    assert found[0][1] == MAIL
    assert stored.flags == {"\\Seen"}
    assert imap_server.folders["INBOX"].messages[0].flags == {"\\Seen"}


def test_flags_copies_moves_and_deletions_are_seen_by_the_test(imap_server: ImapServer, client: imaplib.IMAP4) -> None:
    for number in range(3):
        imap_server.deliver(f"Subject: {number}\n\n")
    client.create("Archive/2026")
    client.select()
    client.store("1", "+FLAGS", "(\\Flagged work)")
    assert imap_server.folders["INBOX"].messages[0].flags == {"\\Flagged", "work"}
    client.copy("1", "Archive/2026")
    assert imap_server.folders["Archive/2026"].messages[0].flags == {"\\Flagged", "work"}
    assert client.uid("MOVE", "2", "Archive")[0] == "OK"
    assert client.response("EXPUNGE") == ("EXPUNGE", [b"2"])
    client.store("1", "+FLAGS.SILENT", "\\Deleted")
    assert client.expunge() == ("OK", [b"1"])
    assert [message.message["subject"] for message in imap_server.folders["INBOX"].messages] == ["2"]
    assert [message.message["subject"] for message in imap_server.folders["Archive"].messages] == ["1"]


def test_what_is_appended_has_its_flags_and_its_date(imap_server: ImapServer, client: imaplib.IMAP4) -> None:
    at = datetime.datetime(2020, 2, 3, 4, 5, 6, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    status, said = client.append("INBOX", "\\Seen", at, MAIL)
    assert status == "OK"
    assert said[0].startswith(b"[APPENDUID ")
    (message,) = imap_server.folders["INBOX"].messages
    assert (message.content, message.flags, message.internal_date) == (MAIL, {"\\Seen"}, at)
    assert client.append("Nowhere", None, None, MAIL)[0] == "NO"


def test_imapclient_has_envelopes_structures_and_searches(imap_server: ImapServer) -> None:
    imap_server.deliver(mixed(), internal_date=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC))
    imap_server.deliver(MAIL, flags=["\\Seen", "work"])
    with imapclient.IMAPClient(imap_server.host, imap_server.port, ssl=False, timeout=10) as client:
        client.login("u", "p")
        assert client.select_folder("INBOX")[b"EXISTS"] == 2
        assert client.search(["UNSEEN"]) == [1]
        assert client.search(["SUBJECT", "Grüße"], "UTF-8") == [1]
        assert client.search(["OR", ["FROM", "a@b.c"], ["BODY", "nowhere"]]) == [1, 2]
        assert client.search(["SENTSINCE", datetime.date(2026, 1, 1), "KEYWORD", "work"]) == [2]
        assert client.search(["NOT", ["LARGER", 200]]) == [2]
        data = client.fetch([1, 2], ["ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE", "INTERNALDATE"])
        assert data[2][b"ENVELOPE"].subject == b"hi"
        assert data[2][b"ENVELOPE"].from_[0].mailbox == b"a"
        assert data[1][b"RFC822.SIZE"] == imap_server.folders["INBOX"].messages[0].size
        structure = data[1][b"BODYSTRUCTURE"]
        assert structure.is_multipart
        kinds = [(part[0], part[1]) if not isinstance(part[0], list) else "multi" for part in structure[0]]
        assert kinds == ["multi", (b"APPLICATION", b"OCTET-STREAM"), (b"MESSAGE", b"RFC822")]
        found = client.fetch([1], ["BODY.PEEK[1.1]", "BODY.PEEK[2.MIME]", "BODY.PEEK[3.HEADER.FIELDS (SUBJECT)]"])[1]
        assert found[b"BODY[1.1]"] == b"plain\r\n"
        assert b"a.bin" in found[b"BODY[2.MIME]"]
        assert found[b"BODY[3.HEADER.FIELDS (SUBJECT)]"] == b"Subject: inner\r\n\r\n"
        assert client.fetch([2], ["BODY.PEEK[]<6.9>"])[2][b"BODY[]<6>"] == MAIL[6:15]
        assert b"\\Seen" not in client.get_flags([1])[1]


def test_imapclient_handles_folders_with_any_name(imap_server: ImapServer) -> None:
    with imapclient.IMAPClient(imap_server.host, imap_server.port, ssl=False, timeout=10) as client:
        client.login("u", "p")
        client.create_folder("Entwürfe & Ältere/台北")
        assert [name for _, _, name in client.list_folders()] == [
            "Entwürfe & Ältere",
            "Entwürfe & Ältere/台北",
            "INBOX",
        ]
        assert "Entwürfe & Ältere/台北" in imap_server.folders
        client.rename_folder("Entwürfe & Ältere", "Neu")
        assert sorted(imap_server.folders) == ["INBOX", "Neu", "Neu/台北"]
        assert [name for _, _, name in client.list_sub_folders()] == ["INBOX"]
        client.subscribe_folder("Neu/台北")
        assert [name for _, _, name in client.list_sub_folders()] == ["INBOX", "Neu/台北"]
        assert [name for _, _, name in client.list_folders("", "%")] == ["INBOX", "Neu"]
        assert client.folder_status("Neu", ["MESSAGES", "UIDNEXT"])[b"MESSAGES"] == 0
        with pytest.raises(imapclient.exceptions.IMAPClientError, match="HASCHILDREN"):
            client.delete_folder("Neu")
        client.delete_folder("Neu/台北")
        imap_server.folders["Neu"].special_use = "\\Sent"
        assert client.find_special_folder(b"\\Sent") == "Neu"


def test_who_idles_hears_of_new_mail_at_once(imap_server: ImapServer) -> None:
    with imapclient.IMAPClient(imap_server.host, imap_server.port, ssl=False, timeout=10) as client:
        client.login("u", "p")
        client.select_folder("INBOX")
        client.idle()
        imap_server.deliver(MAIL)
        assert (1, b"EXISTS") in client.idle_check(timeout=10)
        imap_server.when("IDLE").reply(untagged=["5 EXISTS"])
        client.idle_done()
        client.idle()
        assert (5, b"EXISTS") in client.idle_check(timeout=10)
        client.idle_done()


def test_sessions_hear_of_what_others_change(imap_server: ImapServer) -> None:
    for number in range(3):
        imap_server.deliver(f"Subject: {number}\n\n")
    with imaplib.IMAP4(*imap_server.address, timeout=10) as one, imaplib.IMAP4(*imap_server.address, timeout=10) as two:
        for client in (one, two):
            client.login("u", "p")
            client.select()
        one.store("1,2", "+FLAGS", "\\Deleted")
        one.expunge()
        two.noop()
        assert two.response("EXPUNGE") == ("EXPUNGE", [b"1", b"1"])
        assert two.search(None, "ALL") == ("OK", [b"1"])


def test_imap_tools_does(imap_server: ImapServer) -> None:
    imap_server.deliver(mixed())
    with imap_tools.MailBoxUnencrypted(imap_server.host, imap_server.port, timeout=10).login("u", "p") as box:
        (message,) = box.fetch(imap_tools.AND(seen=False))
        assert message.subject == "Grüße"
        assert message.attachments[0].payload == b"\0\1" * 50
        box.flag(message.uid or "", imap_tools.MailMessageFlags.FLAGGED, True)
        assert [folder.name for folder in box.folder.list()] == ["INBOX"]
    assert "\\Flagged" in imap_server.folders["INBOX"].messages[0].flags


async def test_aioimaplib_does(imap_server: ImapServer) -> None:
    imap_server.deliver(MAIL)
    client = aioimaplib.IMAP4(imap_server.host, imap_server.port, timeout=10)
    await client.wait_hello_from_server()
    await client.login("u", "p")
    await client.select("INBOX")
    answer = await client.fetch("1", "(RFC822)")
    assert MAIL in [bytes(line) for line in answer.lines]
    await client.logout()


def test_over_tls_and_after_starttls(imaps_server: ImapsServer, netmocks: Netmocks, tls_trust: Authority) -> None:
    context = imaps_server.client_context()
    with imaplib.IMAP4_SSL(*imaps_server.address, ssl_context=context, timeout=10) as client:
        assert client.login("u", "p")[0] == "OK"
    server = netmocks.imap(users={"u": "p"}, auth_requires_tls=True)
    with imaplib.IMAP4(*server.address, timeout=10) as client:
        assert "LOGINDISABLED" in client.capabilities
        with pytest.raises(imaplib.IMAP4.error, match="PRIVACYREQUIRED"):
            client.login("u", "p")
        client.starttls(context)
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            client.login("u", "x")
        assert client.login_cram_md5("u", "p")[0] == "OK"


@pytest.mark.parametrize("initial", [True, False])
def test_sasl_with_an_initial_response_and_without(netmocks: Netmocks, initial: bool) -> None:
    server = netmocks.imap(users={"u": "p"})
    with connect(server) as client:
        stream = client.makefile("rwb", buffering=0)
        stream.readline()
        if initial:
            stream.write(b"a AUTHENTICATE PLAIN AHUAcA==\r\n")
        else:
            stream.write(b"a AUTHENTICATE PLAIN\r\n")
            assert stream.readline() == b"+ \r\n"
            stream.write(b"AHUAcA==\r\n")
        assert stream.readline().startswith(b"a OK")


def test_rules_refuse_once_with_the_tag_before(imap_server: ImapServer, client: imaplib.IMAP4) -> None:
    imap_server.deliver(MAIL)
    imap_server.when("FETCH").reply("NO [UNAVAILABLE] try again", times=1)
    imap_server.when("SELECT").reply("OK [READ-WRITE] ours", untagged=["OK [ALERT] hello"])
    assert client.select()[1] == [b"1"]
    assert client.fetch("1", "(FLAGS)") == ("NO", [b"[UNAVAILABLE] try again"])
    assert client.fetch("1", "(UID)") == ("OK", [b"1 (UID 1)"])
    assert [request.status for request in imap_server.requests if request.command == "FETCH"] == [
        "NO [UNAVAILABLE] try again",
        "OK fetched",
    ]


def test_faults_count_the_bytes_of_the_answer(imap_server: ImapServer, client: imaplib.IMAP4) -> None:
    imap_server.deliver(MAIL)
    client.select()
    imap_server.when("FETCH").inject(Reset(after_bytes=50))
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        client.fetch("1", "(RFC822)")
    assert len(imap_server.requests[-1].reply) == 50


def test_an_answer_by_chance_is_one_to_any_command(imap_server: ImapServer, client: imaplib.IMAP4) -> None:
    imap_server.inject(Answer("NO [UNAVAILABLE] later"), first=1)
    assert client.noop() == ("NO", [b"[UNAVAILABLE] later"])
    assert client.noop()[0] == "OK"


def test_a_function_may_build_on_the_usual_answer(imap_server: ImapServer, client: imaplib.IMAP4) -> None:
    imap_server.when("NOOP").reply(lambda request: request.usual.replace("nothing", "all"))
    assert client.noop() == ("OK", [b"all done"])


def test_bye_ends_all_sessions_with_words(imap_server: ImapServer, client: imaplib.IMAP4) -> None:
    imap_server.bye("shutting down")
    with pytest.raises(imaplib.IMAP4.abort):
        client.noop()
    imap_server.when_connected().reply("BYE not now")
    with pytest.raises(imaplib.IMAP4.error, match="not now"):
        imaplib.IMAP4(*imap_server.address, timeout=10)


@pytest.mark.virtual_time
def test_a_client_that_idles_for_an_hour_waits_no_time(imap_server: ImapServer) -> None:
    imap_server.inject(Latency(1))
    with imapclient.IMAPClient(imap_server.host, imap_server.port, ssl=False, timeout=10_000) as client:
        client.login("u", "p")
        client.select_folder("INBOX")
        client.idle()
        timer = threading.Timer(3600, imap_server.deliver, [MAIL])
        timer.start()
        assert (1, b"EXISTS") in client.idle_check(timeout=5000)
        client.idle_done()


def test_one_mailbox_is_shared_with_smtp_and_pop3(netmocks: Netmocks) -> None:
    import poplib
    import smtplib

    box = netmocks.mailbox()
    smtp, pop3, imap = netmocks.smtp(mailbox=box), netmocks.pop3(mailbox=box), netmocks.imap(mailbox=box)
    with smtplib.SMTP(*smtp.address, timeout=10) as client:
        client.sendmail("a@b.c", ["d@e.f"], MAIL)
    with imaplib.IMAP4(*imap.address, timeout=10) as reader:
        reader.login("u", "p")
        assert reader.select() == ("OK", [b"1"])
    pop = poplib.POP3(*pop3.address, timeout=10)
    pop.user("u")
    pop.pass_("p")
    pop.dele(1)
    pop.quit()
    assert imap.folders["INBOX"].messages == []


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"", b"* BAD"),
        (b"a", b"* BAD"),
        (b"a UNKNOWN", b"a BAD"),
        (b"a UID NOOP", b"a BAD"),
        (b"a SELECT INBOX", b"a BAD"),
        (b"a LOGIN u", b"a BAD"),
        (b"a LOGIN {99999999999}", b"a BAD"),
        (b"a LOGIN {5000+}", b"a BAD"),
        (b'a LOGIN "u', b"a BAD"),
        (b"a NOOP x", b"a BAD"),
        (b"\xff\xfe a", b"* BAD"),
    ],
)
def test_what_is_no_command_is_told_so_and_the_next_client_is_served(
    imap_server: ImapServer, line: bytes, answer: bytes
) -> None:
    with connect(imap_server) as client:
        stream = client.makefile("rwb", buffering=0)
        stream.readline()
        stream.write(line + b"\r\n")
        assert stream.readline().startswith(answer)
    with imaplib.IMAP4(*imap_server.address, timeout=10) as other:
        assert other.noop()[0] == "OK"


@pytest.mark.parametrize(
    "command",
    [
        "FETCH 0 (FLAGS)",
        "FETCH 2 (FLAGS)",
        "FETCH 1 (NOTHING)",
        "FETCH 1 BODY[1.2.",
        "FETCH 1 BODY[]<1.0>",
        "FETCH 1 BODY[MIME]",
        "FETCH 1:a FLAGS",
        "SEARCH",
        "SEARCH KEYWORD",
        "SEARCH SINCE 31-Feb-2020",
        "SEARCH " + "(" * 200,
        "SEARCH CHARSET x-none ALL",
        "STORE 1 FLAG \\Seen",
        "STORE 1 +FLAGS (\\*)",
        "STORE 1 +FLAGS (\xe9)",
        "COPY 1",
        "STATUS INBOX (NOTHING)",
        "LIST",
        "APPEND INBOX",
        "APPEND INBOX (\\*) {3+}\r\nabc",
        "APPEND INBOX (\xe9) {3+}\r\nabc",
        "SELECT",
    ],
)
def test_arguments_that_make_no_sense_are_refused(imap_server: ImapServer, command: str) -> None:
    imap_server.deliver(MAIL)
    with connect(imap_server) as client:
        stream = client.makefile("rwb", buffering=0)
        stream.write(b"a LOGIN u p\r\nb SELECT INBOX\r\nc " + command.encode() + b"\r\nd NOOP\r\n")
        lines: list[bytes] = []
        while not lines or not lines[-1].startswith(b"d "):
            lines.append(stream.readline())
            assert lines[-1], "the session has ended"
        (answer,) = [line for line in lines if line.startswith(b"c ")]
        assert answer.split()[1] in (b"BAD", b"NO")
        assert lines[-1].startswith(b"d OK")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"no header",
        b"A: b\r\n\r\n",
        mixed()[:300],
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n--b--\r\n",
    ],
    ids=["nothing", "a line", "no header", "no body", "cut off", "no parts"],  # a boundary is another in each process
)
def test_any_bytes_are_a_message(imap_server: ImapServer, client: imaplib.IMAP4, data: bytes) -> None:
    imap_server.deliver(data)
    client.select()
    assert client.fetch("1", "(BODYSTRUCTURE ENVELOPE BODY.PEEK[TEXT] BODY.PEEK[1.1.1])")[0] == "OK"


def test_a_byte_at_a_time_is_as_good(imap_server: ImapServer) -> None:
    with connect(imap_server) as client:
        stream = client.makefile("rwb", buffering=0)
        stream.readline()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"a LOGIN {1+}\r\nu {1+}\r\np\r\n":
            client.sendall(bytes([byte]))
        assert stream.readline().startswith(b"a OK")


def test_wrong_arguments_are_refused_at_the_call(imap_server: ImapServer, netmocks: Netmocks) -> None:
    with pytest.raises(ValueError, match="flags must be a list"):
        imap_server.deliver(MAIL, flags="\\Seen")
    with pytest.raises(TypeError, match="folder must be"):
        imap_server.deliver(MAIL, folder=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="command 'FETCHS' is not known here"):
        imap_server.when("FETCHS")
    with pytest.raises(ValueError, match="reply must begin with OK, NO or BAD"):
        imap_server.when("FETCH").reply("450 no")
    with pytest.raises(TypeError, match="untagged must be a list"):
        imap_server.when("FETCH").reply(untagged="5 EXISTS")
    with pytest.raises(TypeError, match="needs a reply"):
        imap_server.when("FETCH").reply()
    with pytest.raises(TypeError, match="reply\\(\\) takes no 'data'"):
        imap_server.when("FETCH").reply("OK", data=b"x")
    with pytest.raises((TypeError, ValueError), match="text must"):
        imap_server.bye("")

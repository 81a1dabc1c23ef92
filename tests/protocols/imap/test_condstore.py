"""Mod-sequences (RFC 7162): what has changed since the client was last here, and changes that others have overtaken."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from talking import Talk

from pytest_netmocks import ImapServer

pytestmark = pytest.mark.in_memory


def number(text: str, name: str) -> int:
    found = re.search(rf"{name} \(?(\d+)", text)
    assert found is not None, text
    return int(found.group(1))


@pytest.fixture
def talk(imap_server: ImapServer) -> Iterator[Talk]:
    for subject in "abc":
        imap_server.deliver(f"Subject: {subject}\n\n")
    with Talk(imap_server) as client:
        yield client


def test_select_and_status_say_the_highest(talk: Talk) -> None:
    (line,) = [line for line in talk("SELECT INBOX") if "HIGHESTMODSEQ" in line]
    highest = number(line, "HIGHESTMODSEQ")
    assert number(talk("STATUS INBOX (HIGHESTMODSEQ)")[0], "HIGHESTMODSEQ") == highest
    talk("STORE 2 +FLAGS.SILENT (\\Flagged)")
    assert number(talk("STATUS INBOX (HIGHESTMODSEQ)")[0], "HIGHESTMODSEQ") > highest


def test_what_has_changed_since_is_fetched_alone(imap_server: ImapServer, talk: Talk) -> None:
    talk("SELECT INBOX (CONDSTORE)")
    before = max(number(line, "MODSEQ") for line in talk("FETCH 1:* (MODSEQ)")[:-1])
    assert talk(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {before})") == ["OK fetched"]
    imap_server.folders["INBOX"].messages[1].flags.add("work")  # by the test
    told, *rest = talk(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {before})")
    assert re.fullmatch(r"\* 2 FETCH \(UID 2 FLAGS \(\\Recent work\) MODSEQ \(\d+\)\)", told)
    assert rest[-1] == "OK fetched"


def test_a_change_that_another_has_overtaken_is_not_made_and_named(imap_server: ImapServer, talk: Talk) -> None:
    talk("SELECT INBOX")
    before = number(talk("FETCH 1 MODSEQ")[0], "MODSEQ")
    with Talk(imap_server) as other:
        other("SELECT INBOX")
        other("STORE 1 +FLAGS (theirs)")
    lines = talk(f"STORE 1 (UNCHANGEDSINCE {before}) +FLAGS (ours)")
    assert lines[-1].startswith("OK [MODIFIED 1]")
    assert imap_server.folders["INBOX"].messages[0].flags == {"theirs"}
    assert talk(f"UID STORE 1:3 (UNCHANGEDSINCE {before}) +FLAGS.SILENT (ours)")[-1].startswith("OK [MODIFIED 1:3]")
    now = number(talk("FETCH 1 MODSEQ")[0], "MODSEQ")
    (told, last) = talk(f"UID STORE 1 (UNCHANGEDSINCE {now}) +FLAGS.SILENT (ours)")
    assert re.fullmatch(r"\* 1 FETCH \(UID 1 MODSEQ \(\d+\)\)", told)
    assert last == "OK stored"
    assert imap_server.folders["INBOX"].messages[0].flags == {"theirs", "ours"}


def test_a_search_by_mod_sequence_says_the_highest_of_what_it_found(talk: Talk) -> None:
    talk("SELECT INBOX")
    first = number(talk("FETCH 1 MODSEQ")[0], "MODSEQ")
    last = number(talk("STORE 2 +FLAGS (\\Seen)")[0], "MODSEQ")
    assert talk(f"SEARCH MODSEQ {first + 1} SEEN")[0] == f"* SEARCH 2 (MODSEQ {last})"
    assert talk(f'SEARCH MODSEQ "/flags/\\\\seen" all {last} SEEN')[0] == f"* SEARCH 2 (MODSEQ {last})"
    assert talk(f"SEARCH MODSEQ {last + 100}")[0] == "* SEARCH"
    assert talk("SEARCH RETURN (MIN) MODSEQ 1")[0].endswith(f"MIN 1 MODSEQ {first}")
    assert talk("SEARCH RETURN (COUNT) MODSEQ 1")[0].endswith(f"COUNT 3 MODSEQ {last}")


@pytest.mark.parametrize(
    "command",
    ["ENABLE CONDSTORE", "SELECT INBOX (CONDSTORE)", "STATUS INBOX (HIGHESTMODSEQ)", "FETCH 1 MODSEQ",
     "FETCH 1 (FLAGS) (CHANGEDSINCE 1)", "STORE 1 (UNCHANGEDSINCE 1) +FLAGS (x)", "SEARCH MODSEQ 1"],
)  # fmt: skip
def test_who_asks_for_mod_sequences_is_told_them_with_later_changes(
    imap_server: ImapServer, talk: Talk, command: str
) -> None:
    talk("SELECT INBOX")
    imap_server.folders["INBOX"].messages[2].flags.add("before")
    assert talk("NOOP")[0] == "* 3 FETCH (FLAGS (\\Recent before))"
    talk(command)
    imap_server.folders["INBOX"].messages[2].flags.add("later")
    assert re.search(r"^\* 3 FETCH \(FLAGS \(.*before later\) MODSEQ \(\d+\)\)$", "\n".join(talk("NOOP")), re.M)


def test_enable_says_what_it_has_enabled(talk: Talk) -> None:
    assert talk("ENABLE CONDSTORE X-NONE")[0] == "* ENABLED CONDSTORE"
    assert talk("ENABLE X-NONE")[0] == "* ENABLED"


@pytest.mark.parametrize(
    "command",
    ["FETCH 1 FLAGS (CHANGEDSINCE)", "FETCH 1 FLAGS (CHANGEDSINCE x)", "FETCH 1 FLAGS (VANISHED)",
     "STORE 1 (UNCHANGEDSINCE 99999999999999999999) FLAGS (x)", "STORE 1 (OTHER 1) FLAGS (x)", "SEARCH MODSEQ",
     'SEARCH MODSEQ "/flags/x" some 1', "SELECT INBOX (QRESYNC (1 2))"],
)  # fmt: skip
def test_modifiers_that_make_no_sense_are_refused(talk: Talk, command: str) -> None:
    talk("SELECT INBOX")
    assert talk(command)[-1].startswith("BAD")

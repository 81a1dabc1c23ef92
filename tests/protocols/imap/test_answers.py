"""Answers byte by byte, as other servers give them to the same commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from talking import Talk

from pytest_netmocks import ImapServer
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.imap import folders, utf7

pytestmark = pytest.mark.in_memory

NESTED = """From: "A \\"q\\" B" <a@b.c>, grp: x@y.z, w@v.u;
To: undisclosed-recipients:;
Cc: "Comma, Name" <c@d.e>, (a comment) f@g.h
Subject: =?utf-8?b?R3LDvMOfZQ==?= and
 folded
Content-Type: multipart/mixed; boundary="outer"; charset=utf-8

--outer
Content-Type: multipart/alternative; boundary=inner
Content-Language: en, de

--inner
Content-Type: text/plain; format=flowed
Content-ID: <cid@x>
Content-Description: a text

plain text

--inner
Content-Type: text/html; charset="utf-8"
Content-Transfer-Encoding: quoted-printable
Content-Disposition: inline

<p>Sm=C3=B6rg=C3=A5s</p>
--inner--
--outer
Content-Type: application/octet-stream; name*=utf-8''n%C3%A4me.bin
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="a b.bin"
Content-MD5: Q2hlY2s=
Content-Location: http://x/y

AAEC
--outer
Content-Type: message/rfc822

From: in@ner.x
Subject: within

Deep
--outer
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

aGlkZGVuIHRleHQ=
--outer--
"""


@pytest.fixture
def talk(imap_server: ImapServer) -> Iterator[Talk]:
    imap_server.deliver("Subject: simple\n\nbody\n")
    imap_server.deliver(NESTED)
    with Talk(imap_server) as client:
        client("SELECT INBOX")
        yield client


def fetched(talk: Talk, item: str, number: int = 2) -> str:
    line = talk(f"FETCH {number} ({item})")[0]
    return line.removeprefix(f"* {number} FETCH (").removesuffix(")")


def test_an_envelope_tells_groups_and_quotes(talk: Talk) -> None:
    group = '(NIL NIL "grp" NIL)(NIL NIL "x" "y.z")(NIL NIL "w" "v.u")(NIL NIL NIL NIL)'
    sender = f'(("A \\"q\\" B" NIL "a" "b.c"){group})'
    assert fetched(talk, "ENVELOPE") == (
        f'ENVELOPE (NIL "=?utf-8?b?R3LDvMOfZQ==?= and folded" {sender} {sender} {sender} '
        '((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL)) '
        '(("Comma, Name" NIL "c" "d.e")("a comment" NIL "f" "g.h")) NIL NIL NIL)'
    )


def test_a_body_structure_tells_all_parts(talk: Talk) -> None:
    assert fetched(talk, "BODYSTRUCTURE") == (
        'BODYSTRUCTURE ((("TEXT" "PLAIN" ("FORMAT" "flowed" "CHARSET" "us-ascii") "<cid@x>" "a text" "7BIT" 12 1 '
        'NIL NIL NIL NIL)("TEXT" "HTML" ("CHARSET" "utf-8") NIL NIL "QUOTED-PRINTABLE" 24 0 NIL ("INLINE" NIL) NIL '
        'NIL) "ALTERNATIVE" ("BOUNDARY" "inner") NIL ("en" "de") NIL)("APPLICATION" "OCTET-STREAM" '
        '("NAME*" "utf-8\'\'n%C3%A4me.bin") NIL NIL "BASE64" 4 "Q2hlY2s=" ("ATTACHMENT" ("FILENAME" "a b.bin")) NIL '
        '"http://x/y")("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 39 (NIL "within" ((NIL NIL "in" "ner.x")) '
        '((NIL NIL "in" "ner.x")) ((NIL NIL "in" "ner.x")) NIL NIL NIL NIL NIL) ("TEXT" "PLAIN" ("CHARSET" "us-ascii") '
        'NIL NIL "7BIT" 4 0 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "BASE64" 16 '
        '0 NIL NIL NIL NIL) "MIXED" ("BOUNDARY" "outer" "CHARSET" "utf-8") NIL NIL NIL)'
    )
    assert fetched(talk, "BODY", 1) == 'BODY ("TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 6 1)'


@pytest.mark.parametrize(
    ("section", "data"),
    [
        ("1.1", "plain text\r\n"),
        ("1.2", "<p>Sm=C3=B6rg=C3=A5s</p>"),
        ("2", "AAEC"),
        ("3", "From: in@ner.x\r\nSubject: within\r\n\r\nDeep"),
        ("3.HEADER", "From: in@ner.x\r\nSubject: within\r\n\r\n"),
        ("3.TEXT", "Deep"),
        ("3.1", "Deep"),
        ("3.MIME", "Content-Type: message/rfc822\r\n\r\n"),
        ("3.HEADER.FIELDS (SUBJECT)", "Subject: within\r\n\r\n"),
        ("3.HEADER.FIELDS.NOT (SUBJECT)", "From: in@ner.x\r\n\r\n"),
    ],
)
def test_a_section_is_cut_from_the_bytes(talk: Talk, section: str, data: str) -> None:
    assert fetched(talk, f"BODY.PEEK[{section}]") == f"BODY[{section}] {{{len(data)}}}\r\n{data}"
    assert fetched(talk, f"BODY.PEEK[{section}]<1.2>") == f"BODY[{section}]<1> {{2}}\r\n{data[1:3]}"


@pytest.mark.parametrize("section", ["5", "1.3", "1.1.1", "2.1", "3.2", "3.1.1", "1.HEADER", "2.TEXT"])
def test_a_section_that_is_not_there_is_nil(talk: Talk, section: str) -> None:
    assert fetched(talk, f"BODY.PEEK[{section}]") == f"BODY[{section}] NIL"
    assert fetched(talk, "BODY.PEEK[1.1]", 1) == "BODY[1.1] NIL"


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ("BODY {9+}\r\nSMÖRGÅS", "2"),  # decoded, of any case
        ("CHARSET UTF-8 TEXT {9+}\r\nsmörgås", "2"),
        ('BODY "hidden text"', "2"),
        ('TEXT "within"', "2"),
        ('TEXT "Grüße and folded"', "2"),
        ('TEXT "R3LDvMOfZQ"', "2"),
        ('TEXT "subject: simple"', "1"),
        ('BODY "AAEC"', ""),  # no text
        ('BODY "aGlkZGVu"', ""),  # the base64 of it is not what is said
        ('BODY ""', "1 2"),
    ],
)
def test_a_search_looks_at_what_is_said(talk: Talk, keys: str, found: str) -> None:
    assert talk(f"SEARCH {keys}")[0] == f"* SEARCH {found}".rstrip()


def test_an_unknown_charset_is_answered_with_those_that_are_known(talk: Talk) -> None:
    assert talk("SEARCH CHARSET X-NONE ALL")[0].startswith("NO [BADCHARSET (UTF-8 US-ASCII ISO-8859-1)]")


def test_folders_in_inbox_are_those_in_any_case(imap_server: ImapServer, talk: Talk) -> None:
    talk("CREATE inbox/sub")
    assert set(imap_server.folders) == {"INBOX", "INBOX/sub"}
    assert talk("STATUS Inbox/sub (MESSAGES)")[0] == "* STATUS INBOX/sub (MESSAGES 0)"


def test_who_creates_a_folder_subscribes_to_it_by_itself(talk: Talk) -> None:
    talk("CREATE a/b")
    assert talk('LSUB "" "*"')[:-1] == ['* LSUB () "/" INBOX']
    talk("SUBSCRIBE a/b")
    assert talk('LSUB "" "*"')[:-1] == ['* LSUB () "/" INBOX', '* LSUB () "/" a/b']
    assert talk('LSUB "" "%"')[:-1] == ['* LSUB () "/" INBOX', '* LSUB (\\Noselect) "/" a']
    talk("DELETE a/b")
    assert talk("UNSUBSCRIBE a/b") == ["OK it is not"]  # as clients do behind it


def test_a_mechanism_with_a_space_behind_it_has_no_first_response(imap_server: ImapServer) -> None:
    with Talk(imap_server, login=False) as client:
        client.sock.sendall(b"a AUTHENTICATE PLAIN \r\n")  # as mutt sends it
        assert client.line() == "+ "


@pytest.mark.parametrize("value", ["(" * 50_000, "<" * 50_000, '"\\' * 50_000, ":" * 50_000, ";a=" * 50_000])
def test_a_header_that_is_hard_to_read_is_read_in_time(imap_server: ImapServer, talk: Talk, value: str) -> None:
    imap_server.deliver(f"From: {value}\nContent-Type: text/plain {value}\nSubject: =?utf-8?b?a?= {value}\n\n")
    talk("NOOP")
    assert talk("FETCH 3 (ENVELOPE BODYSTRUCTURE)")[-1] == "OK fetched"
    assert talk("SEARCH TEXT nowhere")[-1] == "OK searched"


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("%a" * 20 + "b", "a" * 200, False),
        ("*a" * 20 + "b", "a" * 200, False),
        ("%a" * 20, "a" * 200, True),
        ("%" * 100_000, "a" * 200, True),
        ("%*" * 50_000, "a/b", True),
        ("%", "a/b", False),
        ("%/%", "a/b", True),
        ("%/%", "a/b/c", False),
        ("a%c", "abbc", True),
        ("a%c", "ab/c", False),
        ("a*c", "ab/c", True),
        ("*/b%", "a/b/bc", True),
        ("a.c", "abc", False),
        ("*", "", True),
        ("", "a", False),
    ],
)
def test_a_pattern_of_list_is_compared_in_one_pass(pattern: str, name: str, fits: bool) -> None:
    assert utf7.Pattern(pattern).fits(utf7.Letters(name, "/")) is fits


@pytest.mark.parametrize("charset", ["idna", "undefined", "punycode", "unicode-escape", "a\0b", "base64", "x-none"])
def test_a_text_in_a_charset_that_is_none_is_searched(imap_server: ImapServer, talk: Talk, charset: str) -> None:
    imap_server.deliver(
        f'Subject: =?{charset}?q?\\q?=\nContent-Type: text/plain; charset="{charset}"\n\nfar..away\\q\n'
    )
    talk("NOOP")
    assert talk('SEARCH SUBJECT "no-such"') == ["* SEARCH", "OK searched"]
    assert talk('SEARCH BODY "far..away\\\\q"') == ["* SEARCH 3", "OK searched"]


def test_all_literals_of_a_command_together_are_bounded(netmocks: Netmocks) -> None:
    server = netmocks.imap(max_message=100_000)
    with Talk(server) as client:
        literal = "{100000+}\r\n" + "x" * 100_000
        assert client(f"APPEND INBOX {literal}")[-1].startswith("OK")
        client.sock.sendall(f"a SEARCH TEXT {literal} TEXT {{70000+}}\r\n".encode())
        assert client.line() == "a BAD literals of more than 100000 bytes"


def test_a_rename_makes_the_folders_that_the_name_stands_in(imap_server: ImapServer, talk: Talk) -> None:
    talk("CREATE a/b")
    assert talk("RENAME a x/y/z") == ["OK renamed"]
    assert set(imap_server.folders) == {"INBOX", "x", "x/y", "x/y/z", "x/y/z/b"}
    assert all(name == folder.name for name, folder in imap_server.folders.items())


@pytest.mark.parametrize("name", ["b", "a/c", "c//d", "/c", "c" * 499, "inbox"])
def test_a_rename_to_a_name_that_cannot_be_changes_nothing(imap_server: ImapServer, talk: Talk, name: str) -> None:
    talk("CREATE a/x")
    talk("CREATE b/x")
    del imap_server.folders["b"]  # that of its folder is taken still
    before = dict(imap_server.folders)
    assert talk(f"RENAME a {name}")[-1].startswith("NO")
    assert imap_server.folders == before


def test_folders_that_a_rename_makes_count_to_the_limit(
    imap_server: ImapServer, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk("CREATE a")
    monkeypatch.setattr(folders, "MOST", 3)
    for command in ("RENAME a x/y/a", "RENAME INBOX x/y", "CREATE x/y"):
        assert talk(command)[-1].startswith("NO [LIMIT]")
    assert set(imap_server.folders) == {"INBOX", "a"}
    assert talk("RENAME a x/a") == ["OK renamed"]


def test_a_rename_of_inbox_takes_the_messages_of_the_user_alone(imap_server: ImapServer, talk: Talk) -> None:
    other = imap_server.deliver("Subject: other\n\n", user="other")
    mine = imap_server.deliver("Subject: mine\n\n", user="u")
    talk("RENAME INBOX old")
    assert imap_server.folders["INBOX"].messages == [other]
    assert imap_server.folders["old"].messages[-1] is mine


def test_a_folder_has_children_where_others_lie_below_it_and_not_beside_it(talk: Talk) -> None:
    for name in ("a", "a.b", "a/b", "c", "c-d"):
        talk(f"CREATE {name}")
    told = dict(line.removeprefix("* LIST ").split(' "/" ')[::-1] for line in talk('LIST "" ("a" "c")')[:-1])
    assert told == {"a": "(\\HasChildren)", "c": "(\\HasNoChildren)"}
    talk("SUBSCRIBE a/b")
    assert '* LSUB (\\Noselect) "/" a' in talk('LSUB "" "%"')


def test_patterns_that_are_too_many_are_refused(talk: Talk) -> None:
    most = folders.MOST_PATTERNS
    assert "OK those are they" in talk(f'LIST "" ({" ".join(["x"] * most)})')[-1]
    assert f"BAD LIST: more than {most} patterns" in talk(f'LIST "" ({" ".join(["x"] * (most + 1))})')[-1]

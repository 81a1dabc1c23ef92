"""Dialects: what a reply is, which refuses, which closes, row by row."""

from __future__ import annotations

import pytest

from pytest_netmocks.rules.dialect import CODES, PLUS_MINUS, Dialect

ROWS = [
    # dialect, reply, refuses, closes, asks for more, on the wire
    (CODES, "250 OK", False, False, False, b"250 OK\r\n"),
    (CODES, "250", False, False, False, b"250 \r\n"),
    (CODES, "250-a\n250 b", False, False, False, b"250-a\r\n250 b\r\n"),
    (CODES, "250 a\nb\r\n", False, False, False, b"250-a\r\n250 b\r\n"),
    (CODES, "354 go on", False, False, True, b"354 go on\r\n"),
    (CODES, "421 bye", True, True, False, b"421 bye\r\n"),
    (CODES, "550 no", True, False, False, b"550 no\r\n"),
    (PLUS_MINUS, "+OK", False, False, False, b"+OK\r\n"),
    (PLUS_MINUS, "+OK 2 messages\n1 5\n2 7", False, False, False, b"+OK 2 messages\r\n1 5\r\n2 7\r\n.\r\n"),
    (PLUS_MINUS, "+OK\n.\n..x\n", False, False, False, b"+OK\r\n..\r\n...x\r\n.\r\n"),
    (PLUS_MINUS, "-ERR [IN-USE] no", True, False, False, b"-ERR [IN-USE] no\r\n"),
    (PLUS_MINUS, "+ dGVzdA==", False, False, True, b"+ dGVzdA==\r\n"),
]


@pytest.mark.parametrize(("dialect", "reply", "refuses", "closes", "asks", "wire"), ROWS)
def test_a_reply_says_how_it_went_as_text_and_as_bytes(
    dialect: Dialect, reply: str, refuses: bool, closes: bool, asks: bool, wire: bytes
) -> None:
    dialect.check(reply)
    assert dialect.on_the_wire(reply) == wire
    for given in (reply, wire):
        assert (dialect.refuses(given), dialect.closes(given), dialect.asks_for_more(given)) == (refuses, closes, asks)


@pytest.mark.parametrize(
    ("dialect", "reply"),
    [
        *[(CODES, reply) for reply in ("", "hello", "25", "2500", "650 x", "+OK")],
        *[(PLUS_MINUS, reply) for reply in ("", "hello", "+OKAY", "-ERROR", "+ok", "250 OK", "+")],
    ],
)
def test_what_is_no_reply_is_refused_with_one_that_is(dialect: Dialect, reply: str) -> None:
    with pytest.raises(ValueError, match=f"reply must begin with .*{dialect.example[:4].replace('+', '.')}"):
        dialect.check(reply)


@pytest.mark.parametrize("dialect", [CODES, PLUS_MINUS])
@pytest.mark.parametrize("reply", [b"250 OK", None, 250])
def test_what_is_no_text_is_a_type_error(dialect: Dialect, reply: object) -> None:
    with pytest.raises(TypeError, match="reply must be a reply such as"):
        dialect.check(reply)


@pytest.mark.parametrize("dialect", [CODES, PLUS_MINUS])
def test_bytes_that_are_no_utf8_go_out_as_they_came(dialect: Dialect) -> None:
    reply = dialect.example + b" \xff".decode("utf-8", "surrogateescape")
    dialect.check(reply)
    assert dialect.on_the_wire(reply).endswith(b" \xff\r\n")
    with pytest.raises(ValueError, match="UTF-8"):
        dialect.check(dialect.example + "\ud800")

"""SEARCH: what a client looks for (RFC 3501, section 6.4.4), read once and asked of each message."""

from __future__ import annotations

import codecs
import dataclasses
import datetime
import email.utils
from collections.abc import Callable
from typing import NamedTuple

from pytest_netmocks.protocols.imap.fetch import parsed
from pytest_netmocks.protocols.imap.mime import in_words
from pytest_netmocks.protocols.imap.syntax import DEPTH, Arguments, BadError
from pytest_netmocks.protocols.mail.mailbox import Folder, StoredMessage


class Candidate(NamedTuple):
    """A message, and the numbers that it has."""

    message: StoredMessage
    flags: frozenset[str]
    number: int
    uid: int
    last: int
    last_uid: int
    folder: Folder


Key = Callable[[Candidate], bool]

FLAGS = {
    "ANSWERED": ("\\Answered", True),
    "DELETED": ("\\Deleted", True),
    "DRAFT": ("\\Draft", True),
    "FLAGGED": ("\\Flagged", True),
    "RECENT": ("\\Recent", True),
    "SEEN": ("\\Seen", True),
    "UNANSWERED": ("\\Answered", False),
    "UNDELETED": ("\\Deleted", False),
    "UNDRAFT": ("\\Draft", False),
    "UNFLAGGED": ("\\Flagged", False),
    "UNSEEN": ("\\Seen", False),
    "OLD": ("\\Recent", False),
}

CHARSETS = {"utf-8": "UTF-8", "ascii": "US-ASCII", "iso8859-1": "ISO-8859-1"}
"""Python's names, and IANA's."""


class CharsetError(Exception):
    """A charset that nobody knows here."""


@dataclasses.dataclass(slots=True)
class Search:
    """What a client looks for: `fits` says whether a message is it."""

    charset: str
    fits: Key
    by_modseq: bool = False
    """Whether it asks for mod-sequences, and is told them (RFC 7162, section 3.1.5)."""


def read(arguments: Arguments) -> Search:
    """All keys of a SEARCH. Raises `BadError`, or `CharsetError`."""
    charset = "utf-8"
    if arguments.take(b"CHARSET "):
        given = arguments.text()
        try:
            charset = codecs.lookup(given).name
        except (LookupError, ValueError):
            charset = ""
        if charset not in CHARSETS:
            raise CharsetError(given[:40])
        arguments.space()
    search = Search(charset, lambda one: True)
    search.fits = _all(arguments, search, 0)
    return search


def _all(arguments: Arguments, search: Search, depth: int) -> Key:
    keys = [_key(arguments, search, depth)]
    while arguments.take(b" "):
        keys.append(_key(arguments, search, depth))
    return (lambda one: all(key(one) for key in keys)) if len(keys) > 1 else keys[0]


def _key(arguments: Arguments, search: Search, depth: int) -> Key:
    if depth > DEPTH:
        raise BadError("the search is too deep")
    if arguments.take(b"("):
        found = _all(arguments, search, depth + 1)
        arguments.need(b")")
        return found
    if arguments.peek(b"*") or any(arguments.peek(b"%d" % digit) for digit in range(10)):
        numbers = arguments.numbers()
        return lambda one: numbers.has(one.number, one.last)
    name = arguments.atom()
    if name == "ALL":
        return lambda one: True
    if name == "NEW":
        return lambda one: "\\Recent" in one.flags and "\\Seen" not in one.flags
    if name in FLAGS:
        flag, there = FLAGS[name]
        return lambda one: (flag in one.flags) is there
    arguments.space()
    if name == "NOT":
        inner = _key(arguments, search, depth + 1)
        return lambda one: not inner(one)
    if name == "OR":
        first = _key(arguments, search, depth + 1)
        arguments.space()
        second = _key(arguments, search, depth + 1)
        return lambda one: first(one) or second(one)
    return _by_facts(name, arguments, search) or _by_text(name, arguments, search.charset)


def _by_facts(name: str, arguments: Arguments, search: Search) -> Key | None:
    match name:
        case "UID":
            uids = arguments.numbers()
            return lambda one: uids.has(one.uid, one.last_uid)
        case "KEYWORD" | "UNKEYWORD":
            keyword = arguments.flag().lower()
            return lambda one: (keyword in map(str.lower, one.flags)) is (name == "KEYWORD")
        case "MODSEQ":
            if arguments.is_string:  # all flags of a message have one mod-sequence (RFC 7162, section 3.1.5)
                arguments.string()
                arguments.space()
                if arguments.atom() not in ("ALL", "PRIV", "SHARED"):
                    raise BadError("a mod-sequence is that of PRIV, SHARED or ALL")
                arguments.space()
            least = arguments.modseq()
            search.by_modseq = True
            return lambda one: one.folder.modseq(one.message) >= least
        case "LARGER":
            size = arguments.number()
            return lambda one: one.message.size > size
        case "SMALLER":
            size = arguments.number()
            return lambda one: one.message.size < size
        case "BEFORE" | "ON" | "SINCE" | "SENTBEFORE" | "SENTON" | "SENTSINCE":
            return _dated(name, arguments.date())
    return None


def _by_text(name: str, arguments: Arguments, charset: str) -> Key:
    match name:
        case "FROM" | "TO" | "CC" | "BCC" | "SUBJECT":
            return _in_field(name, _text(arguments, charset))
        case "HEADER":
            field = arguments.text()
            arguments.space()
            return _in_field(field, _text(arguments, charset))
        case "BODY":
            text = _text(arguments, charset)
            return lambda one: text in parsed(one.message.content).text.lower()
        case "TEXT":
            text = _text(arguments, charset)
            return lambda one: any(text in found.lower() for found in _all_of(one.message))
    raise BadError(f"{name[:20]} is nothing to search by")


def _text(arguments: Arguments, charset: str) -> str:
    return arguments.astring().decode(charset, "replace").lower()


def _all_of(message: StoredMessage) -> tuple[str, str]:
    part = parsed(message.content)
    return part.said, part.text


def _dated(name: str, wanted: datetime.date) -> Key:
    def day(message: StoredMessage) -> datetime.date | None:
        if not name.startswith("SENT"):
            return message.internal_date.date()
        try:
            return email.utils.parsedate_to_datetime(parsed(message.content).get("date") or "").date()
        except (ValueError, TypeError, OverflowError):
            return None

    def key(one: Candidate) -> bool:
        found = day(one.message)
        if found is None:
            return False
        if name.endswith("BEFORE"):
            return found < wanted
        return found >= wanted if name.endswith("SINCE") else found == wanted

    return key


def _in_field(field: str, text: str) -> Key:
    def key(one: Candidate) -> bool:
        values = parsed(one.message.content).all(field.lower())
        return any(text in value.lower() or text in in_words(value).lower() for value in values)

    return key

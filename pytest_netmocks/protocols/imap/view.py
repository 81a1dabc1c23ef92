"""`View`: a folder as one session has selected it: its numbers stay until the session is told that they change."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from pytest_netmocks.protocols.imap.fetch import plain, value
from pytest_netmocks.protocols.imap.search import Candidate
from pytest_netmocks.protocols.imap.syntax import Numbers
from pytest_netmocks.protocols.mail.mailbox import Folder, StoredMessage

SYSTEM = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")


@functools.lru_cache(maxsize=1024)
def flag_list(flags: frozenset[str]) -> bytes:
    """Flags in parentheses, in the same order each time."""
    known = [flag for flag in ("\\Recent", *SYSTEM) if flag in flags]
    return f"({' '.join([*known, *sorted(set(flags) - set(known))])})".encode("utf-8", "surrogateescape")


class View:
    """The messages as the client knows them, by their numbers from 1 on."""

    def __init__(self, folder: Folder, user: str | None, *, read_only: bool) -> None:
        self.folder = folder
        self.read_only = read_only
        self._user = user
        self.messages = folder.of(user)
        self._recent = {folder.uid(message) for message in self.messages} & folder.recent
        if not read_only:
            folder.recent -= self._recent
        self._told = {id(message): frozenset(message.flags) for message in self.messages}

    def flags(self, message: StoredMessage) -> frozenset[str]:
        """The flags of a message for this session."""
        flags = frozenset(message.flags)
        return flags | {"\\Recent"} if self._recent and self.folder.uid(message) in self._recent else flags

    @property
    def recent(self) -> int:
        """How many are recent."""
        return sum("\\Recent" in self.flags(message) for message in self.messages)

    @property
    def first_unseen(self) -> int | None:
        """The number of the first that is not seen."""
        return next((n for n, message in enumerate(self.messages, 1) if "\\Seen" not in message.flags), None)

    def chosen(self, numbers: Numbers, *, uid: bool) -> list[tuple[int, StoredMessage]]:
        """The messages of a set; what is not there is left out."""
        messages = self.messages
        if not uid:
            count = len(messages)
            spans = [range(max(low, 1), min(high, count) + 1) for low, high in numbers.of(count)]
            found = spans[0] if len(spans) == 1 else sorted(set().union(*spans))
            return [(number, messages[number - 1]) for number in found]
        uids = [self.folder.uid(message) for message in messages]
        wanted = numbers.of(max(uids, default=0))
        return [
            (number, message)
            for number, (message, uid_) in enumerate(zip(messages, uids, strict=True), 1)
            if any(low <= uid_ <= high for low, high in wanted)
        ]

    def candidates(self) -> list[Candidate]:
        """What a search looks at."""
        uids = [self.folder.uid(message) for message in self.messages]
        last, last_uid = len(uids), max(uids, default=0)
        return [
            Candidate(message, self.flags(message), number, uid, last, last_uid, self.folder)
            for number, (message, uid) in enumerate(zip(self.messages, uids, strict=True), 1)
        ]

    def tell(self, message: StoredMessage) -> None:
        """The client knows the message's flags as they are now."""
        self._told[id(message)] = frozenset(message.flags)

    def told(self, number: int, message: StoredMessage, *items: str) -> bytes:
        """The line that says those items of a message; the client knows its flags from then on."""
        self.tell(message)
        flags = flag_list(self.flags(message))
        words = [b"%b %b" % (name.encode(), value(plain(name), message, self.folder, flags)) for name in items]
        return b"* %d FETCH (%b)" % (number, b" ".join(words))

    def changes(self, *, expunge: bool, modseqs: bool) -> Iterator[bytes]:
        """What the client has to be told, and knows from then on; gone messages only where numbers may change.

        With `modseqs` changes have their mod-sequences.
        """
        there = self.folder.of(self._user)
        if there != self.messages:
            yield from self._came_and_went(there, expunge=expunge)
        told = self._told
        for number, message in enumerate(self.messages, 1):
            if message.flags != told[id(message)] and message in there:
                yield self.told(number, message, *(("FLAGS", "MODSEQ") if modseqs else ("FLAGS",)))

    def _came_and_went(self, there: list[StoredMessage], *, expunge: bool) -> Iterator[bytes]:
        ids = {id(message) for message in there}
        gone = [message for message in self.messages if id(message) not in ids]
        if expunge:
            for message in gone:
                number = next(n for n, one in enumerate(self.messages, 1) if one is message)
                del self.messages[number - 1]
                self._told.pop(id(message), None)
                yield b"* %d EXPUNGE" % number
        mine = {id(message) for message in self.messages}
        new = [message for message in there if id(message) not in mine]
        if new:
            self.messages += new
            fresh = {self.folder.uid(message) for message in new} & self.folder.recent
            self._recent |= fresh
            if not self.read_only:
                self.folder.recent -= fresh
            for message in new:
                self.tell(message)
            yield b"* %d EXISTS" % len(self.messages)
            yield b"* %d RECENT" % self.recent

"""`Mailbox`: the messages that a server has for its clients."""

from __future__ import annotations

import dataclasses
import datetime
import email
import email.message
import email.policy
import functools
import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pytest_netmocks import check, clock
from pytest_netmocks.strict import Strict

Deliverable = str | bytes | email.message.Message
"""What can be put into a mailbox."""

DIGESTED = 64 << 10
"""Bytes of a message that its unique-id comes from, besides its number."""

FLAG = re.compile(r"\\?[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
"""A flag or a keyword (RFC 3501, section 9)."""

_BARE = re.compile(rb"(?<!\r)\n")


class StoredMessage(Strict):
    """A message in a mailbox: `content` is all of it as it goes over the wire, with CRLF at every line's end.

    `uid` is its unique-id, and `user` whose it is (`None`: everybody's). `flags` are what IMAP's clients set, live, and
    `internal_date` is when it came.
    """

    fixed: ClassVar[Mapping[str, str]] = {"content": "deliver another message", "stuffed": "deliver another message"}

    def __init__(
        self,
        content: bytes,
        uid: str,
        user: str | None,
        flags: Iterable[str] = (),
        internal_date: datetime.datetime | None = None,
    ) -> None:
        self.flags = set(flags)
        now = internal_date or datetime.datetime.fromtimestamp(int(clock.wall()), datetime.UTC)
        self.internal_date = now if now.tzinfo is not None else now.replace(tzinfo=datetime.UTC)
        self.content = content
        self.uid = uid
        self.user = user
        dot = b"." if content.startswith(b".") else b""
        self.stuffed = dot + content.replace(b"\r\n.", b"\r\n..")
        """The content with transparent dots (RFC 1939, section 3)."""

    @functools.cached_property
    def message(self) -> email.message.EmailMessage:
        """The message as Python has it."""
        parsed: Any = email.message_from_bytes(self.content, policy=email.policy.default)
        made: email.message.EmailMessage = parsed
        return made

    def top(self, lines: int) -> bytes:
        """The header and so many lines of the body, with transparent dots."""
        head, blank, body = self.stuffed.partition(b"\r\n\r\n")
        parts = body.split(b"\r\n", lines) if lines < body.count(b"\n") else None
        kept = body if parts is None else b"".join(part + b"\r\n" for part in parts[:lines])
        return head + blank + kept

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.content)

    @functools.cached_property
    def needs_utf8(self) -> bool:
        """Whether its header has bytes that are no ASCII (RFC 6532)."""
        return not self.content.partition(b"\r\n\r\n")[0].isascii()

    def __repr__(self) -> str:
        owner = f" for {self.user}" if self.user is not None else ""
        return f"<{type(self).__name__} {self.uid}, {self.size} B{owner}>"


def content_of(message: Deliverable) -> bytes:
    """The bytes of a message, each line ended by CRLF. Raises `TypeError` for what is none."""
    accepted = "text, bytes or an email.message.Message"
    check.instance("message", message, (str, bytes, email.message.Message), accepted)
    if isinstance(message, email.message.Message):
        envelope = getattr(message, "envelope", None)  # what came over SMTP is kept byte by byte
        made = envelope.content if envelope is not None else message.as_bytes(policy=_on_the_wire(message))
    else:
        made = message.encode("utf-8", "surrogateescape") if isinstance(message, str) else message
    made = _BARE.sub(b"\r\n", made)
    return made if made.endswith(b"\r\n") else made + b"\r\n"


def _on_the_wire(message: email.message.Message) -> Any:
    policy: Any = message.policy
    return policy.clone(linesep="\r\n")


_validities = itertools.count(1)


class Folder(Strict):
    """A folder: `messages` is a list that a test may change, the oldest first; `subscribed` and `special_use` are live.

    `uid_validity` tells it from one that had its name before.
    """

    separator: ClassVar[str] = "/"
    """What stands between a folder and those in it."""

    def __init__(
        self, name: str, messages: list[StoredMessage] | None = None, *, special_use: str | None = None
    ) -> None:
        self.name = name
        """The folder's name, from the root on."""
        self.messages = messages if messages is not None else []
        self.subscribed = True
        self.special_use = special_use
        self.uid_validity = next(_validities)
        self.recent: set[int] = set()
        """The numbers of messages that no session was told of (RFC 3501, section 2.3.2)."""
        self._next = 1
        self._uids: dict[int, tuple[StoredMessage, int]] = {}
        self._changed: dict[int, tuple[frozenset[str], int]] = {}
        """Of each number the flags as they were last looked at, and the mod-sequence of that change."""
        self._highest_modseq = 1

    def uid(self, message: StoredMessage) -> int:
        """The number of one of its messages; those that are new get theirs in the order of the list."""
        known = self._uids.get(id(message))
        if known is None or known[0] is not message:
            self._number()
            known = self._uids.get(id(message))
        return known[1] if known is not None else 0

    @property
    def uid_next(self) -> int:
        """What the number of the next message will be at least."""
        self._number()
        return self._next

    def modseq(self, message: StoredMessage) -> int:
        """The mod-sequence of one of its messages (RFC 7162): it grows when its flags have changed."""
        uid = self.uid(message)
        known = self._changed.get(uid)
        if known is None or known[0] != message.flags:
            self._highest_modseq += 1
            known = self._changed[uid] = frozenset(message.flags), self._highest_modseq
        return known[1]

    @property
    def highest_modseq(self) -> int:
        """The highest of all mod-sequences so far."""
        for message in list(self.messages):
            self.modseq(message)
        return self._highest_modseq

    def _number(self) -> None:
        messages = list(self.messages)
        there = {id(message) for message in messages}
        gone = [uid for key, (_, uid) in self._uids.items() if key not in there]
        for uid in gone:
            self._changed.pop(uid, None)
        self._uids = {key: kept for key, kept in self._uids.items() if key in there}
        for message in messages:
            if id(message) not in self._uids:
                self._uids[id(message)] = message, self._next
                self.recent.add(self._next)
                self._next += 1

    def of(self, user: str | None) -> list[StoredMessage]:
        """The messages that are that user's, or everybody's."""
        return [message for message in list(self.messages) if message.user in (None, user)]

    def remove(self, message: StoredMessage) -> None:
        """Take it out; the test may have been faster."""
        if message in self.messages:
            self.messages.remove(message)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} of {len(self.messages)} messages>"


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """A message, where it is, and the flags that it has."""

    message: StoredMessage
    folder: str
    flags: frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Contents:
    """What a mailbox has at a moment."""

    folders: Mapping[str, Folder]
    messages: list[Kept]


class Mailbox(Strict):
    """Messages, the oldest first: `messages` is a list that a test may change, and clients that delete do."""

    def __init__(self) -> None:
        self.messages: list[StoredMessage] = []
        self._folders: dict[str, Folder] | None = None
        self._numbers = itertools.count(1)
        self._locked: set[str] = set()

    @property
    def folders(self) -> dict[str, Folder]:
        """The folders by their names, INBOX first; a test may put others in and take them out."""
        if self._folders is None:
            self._folders = {"INBOX": Folder("INBOX", self.messages)}
        return self._folders

    def deliver(
        self,
        message: Deliverable,
        *,
        user: str | None = None,
        uid: str | None = None,
        folder: str = "INBOX",
        flags: Iterable[str] = (),
        internal_date: datetime.datetime | None = None,
    ) -> StoredMessage:
        """Put a message in, for everybody or for one user alone; gives what is kept.

        `folder` is where IMAP's clients find it (POP3 has INBOX), made if it is not there; `flags` are its flags and
        keywords, and `internal_date` is when it came (now, unless said). `uid` is its unique-id, 1 to 70 visible ASCII
        characters (RFC 1939, section 7); unless said, one that no other
        message has. Raises `TypeError` or `ValueError` that names the argument.
        """
        content = content_of(message)
        check.instance("user", user, (str, type(None)), "a user's name or None")
        check.instance("uid", uid, (str, type(None)), "a unique-id or None")
        if uid is not None and not re.fullmatch(r"[!-~]{1,70}", uid):
            raise ValueError(f"uid must be 1 to 70 visible ASCII characters, not {uid!r}")
        digest = hashlib.blake2b(content[:DIGESTED], digest_size=8).hexdigest()
        check.instance("folder", folder, str, "a folder's name")
        check.instance("internal_date", internal_date, (datetime.datetime, type(None)), "a datetime or None")
        for flag in [flags] if isinstance(flags, str) else flags:
            if not isinstance(flag, str) or not FLAG.fullmatch(flag) or isinstance(flags, str):
                raise ValueError(f"flags must be a list such as ['\\\\Seen', 'keyword'], not {flags!r}")
        stored = StoredMessage(content, uid or f"{digest}-{next(self._numbers)}", user, flags, internal_date)
        self._place(folder).append(stored)
        return stored

    def _place(self, folder: str) -> list[StoredMessage]:
        return self.messages if folder.upper() == "INBOX" else self.make_folder(folder).messages

    def contents(self) -> Contents | None:
        """What it has now; `None` if that is nothing."""
        if self._folders is None and not self.messages:
            return None
        kept = [
            Kept(message, name, frozenset(message.flags))
            for name, folder in self.folders.items()
            for message in folder.messages
        ]
        return Contents(dict(self.folders), kept)

    def restore(self, contents: Contents | None, also: Iterable[Kept] = ()) -> None:
        """Have what it had, with its flags, and `also` those messages."""
        if self._folders is not None or contents is not None:
            folders = {"INBOX": self.folders["INBOX"], **(contents.folders if contents is not None else {})}
            self.folders.clear()
            self.folders.update(folders)
            for folder in folders.values():
                folder.messages.clear()
        self.messages.clear()
        for kept in [*(contents.messages if contents is not None else ()), *also]:
            self._place(kept.folder).append(kept.message)
            kept.message.flags.clear()
            kept.message.flags.update(kept.flags)

    def make_folder(self, name: str) -> Folder:
        """The folder of that name, a new one if there is none."""
        return self.folders.setdefault(name, Folder(name))

    def of(self, user: str) -> list[StoredMessage]:
        """The messages that are that user's, or everybody's."""
        return [message for message in list(self.messages) if message.user in (None, user)]

    def remove(self, message: StoredMessage) -> None:
        """A client has deleted it; the test may have been faster."""
        if message in self.messages:
            self.messages.remove(message)

    def lock(self, user: str) -> bool:
        """Let one session of that user alone have it; whether none has it already."""
        if user in self._locked:
            return False
        self._locked.add(user)
        return True

    def unlock(self, user: str) -> None:
        """That session is over."""
        self._locked.discard(user)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.messages)} messages>"

"""`MailServer`, and `MailboxServer`: the bases of servers of mail, and of those over a mailbox, their own or not."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import ClassVar, Generic

from pytest_netmocks import check
from pytest_netmocks.protocols.mail.mailbox import Contents, Deliverable, Kept, Mailbox, StoredMessage
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.commands import CommandServer
from pytest_netmocks.servers.desk import Request
from pytest_netmocks.servers.option import Option


class MailServer(CommandServer[Request, Connection], Generic[Request]):
    """Lets clients log in, over TLS or before it, and calls itself by a name."""

    may_upgrade = True
    fixed: ClassVar[Mapping[str, str]] = {"mailbox": "make another server with mailbox="}
    users = Option(check.passwords)
    hostname: Option[str] = Option(check.kept(check.host_name))
    auth_requires_tls = Option(check.flag)

    def _checked(self, mailbox: Mailbox | None) -> Mailbox | None:
        """That mailbox. Raises `TypeError` for what is none."""
        check.instance("mailbox", mailbox, (Mailbox, type(None)), "a Mailbox or None")
        return mailbox


class MailboxServer(MailServer[Request], Generic[Request]):
    """Puts messages in; after a reset its own mailbox has what it had at the start."""

    mailbox: Mailbox

    def _take_mailbox(self, mailbox: Mailbox | None) -> None:
        """Have that mailbox, or one of its own. Raises `TypeError`."""
        mailbox = self._checked(mailbox)
        self._own_mailbox = mailbox is None
        self.mailbox = mailbox if mailbox is not None else Mailbox()

    def _prepare(self) -> None:
        super()._prepare()
        self._at_the_start: Contents | None = None
        self._by_fixtures: list[Kept] = []

    def _deliver(
        self,
        message: Deliverable,
        *,
        user: str | None,
        uid: str | None = None,
        folder: str = "INBOX",
        flags: Iterable[str] = (),
        internal_date: datetime.datetime | None = None,
    ) -> StoredMessage:
        """What a subclass's `deliver` does."""
        stored = self.mailbox.deliver(
            message, user=user, uid=uid, folder=folder, flags=flags, internal_date=internal_date
        )
        if self.author_now() == "a fixture":
            self._by_fixtures.append(Kept(stored, folder, frozenset(stored.flags)))
        return stored

    def _build_in(self) -> None:
        super()._build_in()
        if self._own_mailbox:
            self._at_the_start = self.mailbox.contents()

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        if self._own_mailbox:
            if not keep:
                self._by_fixtures.clear()
            self.mailbox.restore(self._at_the_start, self._by_fixtures)

"""`ImapDesk`: what a session asks of its server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pytest_netmocks.protocols.imap.mailroom import Settings
from pytest_netmocks.protocols.imap.records import ImapRequest
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.desk import CommandDesk, Home


class Listener(Protocol):
    """A session."""

    def wake(self) -> None:
        """Folders may have changed."""

    def bye(self, text: str) -> None:
        """The server ends the session."""


class ImapDesk(CommandDesk[ImapRequest, Connection]):
    """Knows the sessions, too: one hears of what another has changed."""

    def __init__(self, home: Home[ImapRequest, Connection], settings: Settings, largest: Callable[[], int]) -> None:
        super().__init__(home, ImapRequest)
        self.settings = settings
        self.sessions: dict[int, Listener] = {}
        self._largest = largest

    @property
    def largest(self) -> int:
        """Bytes of a message at most."""
        return self._largest()

    def changed(self, by: Listener | None = None) -> None:
        """Folders have changed: let who waits hear of it."""
        for session in list(self.sessions.values()):
            if session is not by:
                session.wake()

    def say_bye(self, text: str) -> None:
        """End all sessions."""
        for session in list(self.sessions.values()):
            session.bye(text)

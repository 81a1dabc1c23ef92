"""`Pop3Desk`: what a session asks of its server: commands, the rules over them, and how sessions are to be."""

from __future__ import annotations

from pytest_netmocks.protocols.pop3.commands import Settings
from pytest_netmocks.protocols.pop3.records import Pop3Request
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.desk import CommandDesk, Home


class Pop3Desk(CommandDesk[Pop3Request, Connection]):
    """Knows the server's settings, too."""

    def __init__(self, home: Home[Pop3Request, Connection], settings: Settings) -> None:
        super().__init__(home, Pop3Request)
        self.settings = settings

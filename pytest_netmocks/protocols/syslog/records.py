"""`SyslogMessage`: one message on record."""

from __future__ import annotations

import dataclasses
from typing import Literal

from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.sides import Sides

Transport = Literal["udp", "tcp", "tls"]

FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "security", "console", "solaris-cron"),
    *(f"local{number}" for number in range(8)),
)
"""The names of facilities, by number (RFC 5424, table 1), as `logging.handlers.SysLogHandler` has them."""

SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""The names of severities, by number (table 2)."""


@dataclasses.dataclass(slots=True)
class SyslogMessage:
    """One message as the server understood it; `raw` is what came.

    `format` is `"5424"`, `"3164"`, or empty where there is a priority at most, as Python's own handler sends it. What
    is not said is `None`. `facility` and `severity` are names (`"local0"`, `"warning"`); without a priority they are
    `"user"` and `"notice"` (RFC 3164, section 4.3.3). `timestamp` is as it was written, `structured_data` by id and
    name (of repeated names the last), `transport` what it came by. `wrong` says why a message of RFC 5424 is none.
    `at` is seconds since the server started.
    """

    raw: bytes
    message: str
    """The text, without what stands before it."""
    transport: Transport
    connection: Connection
    at: float
    facility: str = "user"
    severity: str = "notice"
    format: Literal["5424", "3164", ""] = ""
    timestamp: str | None = None
    hostname: str | None = None
    """Which machine the message says that it is from, `None` where it does not."""
    app: str | None = None
    """Which program (APP-NAME, or the tag of RFC 3164)."""
    procid: str | None = None
    """Which process, as it is written."""
    msgid: str | None = None
    """What type of message (RFC 5424)."""
    structured_data: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    wrong: str = ""
    number: int = 0
    """Its place among the client's, from 1."""

    def __str__(self) -> str:
        of = f" {self.app}:" if self.app else ""
        return f"{self.facility}.{self.severity}{of} {self.message}{f' ({self.wrong})' if self.wrong else ''}"

    def sides(self) -> Sides:
        """The message in words; nobody answers it."""
        return Sides(str(self), "")

"""`SyslogRule`: which messages are meant; nobody answers them, so a rule expects and strikes."""

from __future__ import annotations

import re
from typing import Any, Never

from pytest_netmocks import check
from pytest_netmocks.protocols.syslog.records import FACILITIES, SEVERITIES, SyslogMessage
from pytest_netmocks.rules.base import Rule

Words = str | re.Pattern[str]


class SyslogRule(Rule[Never]):
    """What `when` of a syslog server begins."""

    counts = "messages"

    def __init__(
        self,
        message: Words | None = None,
        facility: str | None = None,
        severity: str | None = None,
        hostname: str | None = None,
        app: str | None = None,
    ) -> None:
        check.instance("message", message, (str, re.Pattern, type(None)), "text or a compiled pattern")
        for name, value, known in (("facility", facility, FACILITIES), ("severity", severity, SEVERITIES)):
            if value is not None:
                check.one_of(name, value, known)
        for name, value in (("hostname", hostname), ("app", app)):
            check.instance(name, value, (str, type(None)), "text")
        wanted = {"facility": facility, "severity": severity, "hostname": hostname, "app": app}
        given = {name: value for name, value in wanted.items() if value is not None}

        def matches(said: SyslogMessage) -> bool:
            if any(getattr(said, name) != value for name, value in given.items()):
                return False
            if isinstance(message, re.Pattern):
                return message.search(said.message) is not None
            return message is None or message in said.message

        words = [repr(message)] if message is not None else []
        super().__init__(
            f"when({', '.join([*words, *(f'{name}={value!r}' for name, value in given.items())])})", matches
        )

    def reply(self, *data: Any, **options: Any) -> Never:
        """Raises `TypeError`: in syslog nobody answers."""
        raise TypeError(f"{self.label} has no reply: nobody answers a syslog message; expect() and inject() are there")

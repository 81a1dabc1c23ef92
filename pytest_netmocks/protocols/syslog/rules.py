"""`SyslogRule`: which messages are meant; nobody answers them, so a rule expects and strikes."""

from __future__ import annotations

import re
from typing import Any, Never, TypedDict, Unpack

from pytest_netmocks import check
from pytest_netmocks.protocols.syslog.records import FACILITIES, SEVERITIES, SyslogMessage
from pytest_netmocks.rules.base import Rule

Words = str | re.Pattern[str]


class Criteria(TypedDict, total=False):
    """What else a message may have to say."""

    facility: str
    severity: str
    hostname: str
    app: str


_KNOWN = {"facility": FACILITIES, "severity": SEVERITIES}


class SyslogRule(Rule[Never]):
    """What `when` of a syslog server begins."""

    counts = "messages"

    def __init__(self, message: Words | None = None, **criteria: Unpack[Criteria]) -> None:
        check.instance("message", message, (str, re.Pattern, type(None)), "text or a compiled pattern")
        for name, value in criteria.items():
            if name not in Criteria.__annotations__:
                raise TypeError(f"when() takes no {name!r}{check.nearest(name, Criteria.__annotations__)}")
            check.instance(name, value, str, "text")
            if name in _KNOWN:
                check.one_of(name, value, _KNOWN[name])

        def matches(said: SyslogMessage) -> bool:
            if any(getattr(said, name) != value for name, value in criteria.items()):
                return False
            if isinstance(message, re.Pattern):
                return message.search(said.message) is not None
            return message is None or message in said.message

        words = [repr(message)] if message is not None else []
        words += [f"{name}={value!r}" for name, value in criteria.items()]
        super().__init__(f"when({', '.join(words)})", matches)

    def reply(self, *data: Any, **options: Any) -> Never:
        """Raises `TypeError`: in syslog nobody answers."""
        raise TypeError(f"{self.label} has no reply: nobody answers a syslog message; expect() and inject() are there")

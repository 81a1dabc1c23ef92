"""`Seen`: what the test failed by, as its client saw it. No client library is imported: types go by their names."""

from __future__ import annotations

import errno
import json
import re
import ssl
from typing import Any

DEEP = 20
"""Exceptions that are looked at, each the reason of the one before."""

_TIMED_OUT = re.compile(r"timed? ?-?out|(?<!no )deadline|Timeout >", re.IGNORECASE)
_UNRESOLVED = re.compile(
    r"name or service not known|getaddrinfo|nodename nor servname|name resolution|cannot connect to host .*dns", re.I
)


class Seen:
    """The error, and what led to it."""

    def __init__(self, error: BaseException | None) -> None:
        self.chain = _chain(error)
        self._names = [base.__name__ for link in self.chain for base in type(link).__mro__]
        self._texts = [_text(link) for link in self.chain]

    @property
    def error(self) -> BaseException | None:
        """What the test failed by."""
        return self.chain[0] if self.chain else None

    @property
    def text(self) -> str:
        """What it says."""
        return self._texts[0] if self._texts else ""

    def is_a(self, *names: str) -> bool:
        """Whether one of them has such a class, or one that is derived from it."""
        return any(name in names for name in self._names)

    def says(self, pattern: str | re.Pattern[str]) -> bool:
        """Whether one of them says so."""
        return any(re.search(pattern, text) for text in self._texts)

    @property
    def timed_out(self) -> bool:
        """Whether a wait was too long for somebody."""
        if self.is_a("TimeoutError", "Timeout", "TooSlowError") or self.says("from pytest-timeout"):
            return True
        return not self.is_assertion and self.says(_TIMED_OUT)

    @property
    def refused(self) -> bool:
        """Whether nobody listened where the client went."""
        return (
            self.is_a("ConnectionRefusedError")
            or any(getattr(link, "errno", None) == errno.ECONNREFUSED for link in self.chain)
            or self.says(r"Connection refused")
        )

    @property
    def unresolved(self) -> bool:
        """Whether a name has no address."""
        return self.is_a("gaierror", "NameResolutionError", "ClientConnectorDNSError") or self.says(_UNRESOLVED)

    @property
    def distrusts(self) -> bool:
        """Whether the client does not take the certificate."""
        return any(isinstance(link, ssl.SSLCertVerificationError) for link in self.chain) or self.says(
            r"CERTIFICATE_VERIFY_FAILED"
        )

    @property
    def verdict(self) -> str:
        """Why it does not, as OpenSSL says it."""
        for text in self._texts:
            found = re.search(r"certificate verify failed: (.*?)\.? \(_ssl\.c", text)
            if found is not None:
                return found[1]
        return ""

    @property
    def bad_json(self) -> json.JSONDecodeError | None:
        """What was no JSON."""
        return next((link for link in self.chain if isinstance(link, json.JSONDecodeError)), None)

    @property
    def is_assertion(self) -> bool:
        """Whether the test itself found something wrong."""
        return isinstance(self.error, AssertionError) or type(self.error).__name__ == "Failed"

    @property
    def forever(self) -> str:
        """Who waits for ever and where, if virtual time found somebody."""
        if not self.is_a("WaitsForever"):
            return ""
        for link, text in zip(self.chain, self._texts, strict=True):
            if type(link).__name__ == "WaitsForever":
                return who_waits(text)
        return ""

    @property
    def went_to(self) -> str:
        """Where the client was going, if its error says so; else it is empty."""
        for link in self.chain:
            request = _attribute(link, "request")
            url = _attribute(request, "url") if request is not None else None
            if url is not None:
                return str(url)
            host, port = _attribute(link, "host"), _attribute(link, "port")
            if isinstance(host, str) and isinstance(port, int):
                return f"{host}:{port}"
        for text in self._texts:
            found = re.search(r"host='([^']+)', port=(\d+)", text)
            if found is not None:
                return f"{found[1]}:{found[2]}"
        return ""


def who_waits(text: str) -> str:
    """Who waits for ever and where, of all that the text of `WaitsForever` names."""
    lines = [line.strip() for line in text.splitlines()[1:]]
    told = [line for line in lines if not line.startswith("netmocks ")]
    # The innermost that is told of a thread: of a loop its tasks, which stand behind it.
    return next((line for line in told if line.startswith("task ")), told[0] if told else "somebody waits")


_WAIT = re.compile(
    r"(?P<who>.+? waits in .+?)(?: of a socket(?: to \([^)]*\))?)?, "
    r"(?:.*, (?:for|called by) )?(?P<where>[^,]+\(\S+:\d+\))"
)


def who_waits_briefly(text: str) -> str:
    """As `who_waits`, the same each time: without a port, and with the test's or client's own code alone."""
    told = who_waits(text)
    found = _WAIT.fullmatch(told)
    return told if found is None or told.startswith("task ") else f"{found['who']}, {found['where']}"


def _attribute(value: object, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001  # properties of others raise what they like
        return None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # so do their texts
        return ""


def _chain(error: BaseException | None) -> list[BaseException]:
    """The error, what it was raised from or while, and those that it carries."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting and len(found) < DEEP:
        link = waiting.pop(0)
        if link is None or any(link is other for other in found):
            continue
        found.append(link)
        carried = [argument for argument in link.args if isinstance(argument, BaseException)]
        reason = _attribute(link, "reason")
        inner = link.exceptions if isinstance(link, BaseExceptionGroup) else ()
        led = link.__cause__ if link.__cause__ is not None else link.__context__
        waiting += [*inner, led, *carried]
        if isinstance(reason, BaseException):
            waiting.append(reason)
    return found

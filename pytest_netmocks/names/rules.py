"""`NameRule`: how a name is answered, for a while or for good, in place of what the table says."""

from __future__ import annotations

import dataclasses
import socket
from typing import Any, Literal, NoReturn, Self

from pytest_netmocks import check
from pytest_netmocks.names.targets import Key, Target, targets_of
from pytest_netmocks.rules.base import Rule

Failure = Literal["NXDOMAIN", "timeout", "temporary"]

CODES: dict[str, int] = {
    "NXDOMAIN": socket.EAI_NONAME,
    "timeout": socket.EAI_AGAIN,
    "temporary": socket.EAI_AGAIN,
}
"""How getaddrinfo(3) says each."""

TIMEOUT = 5.0
"""Seconds after which a resolver gives up whose server is silent (resolv.conf(5), `timeout`)."""


@dataclasses.dataclass(frozen=True)
class NameAnswer:
    """Where a name leads, or how it fails, and how long that takes."""

    targets: tuple[Target, ...]
    error: Failure | None
    delay: float


class NameRule(Rule[NameAnswer]):
    """What `names.when` begins."""

    counts = "lookups"

    def __init__(self, key: Key) -> None:
        super().__init__(f"when({str(key)!r})", lambda asked: key.fits(asked[0], asked[1]))
        self.begin(_refuse)

    def reply(
        self,
        to: object = None,
        *,
        error: Failure | None = None,
        delay: float | None = None,
        times: int | None = None,
    ) -> Self:
        """Let the name lead there: a server, an IP address, a pair with a port, or a list, tried in its order.

        `error` has it fail instead: `"NXDOMAIN"` (there is no such name), `"temporary"` (try again), `"timeout"` (the
        same after `delay`, 5 seconds unless said). The answer takes `delay` seconds and is given `times` times (1
        unless it is the last). Raises `TypeError` or `ValueError` that names the argument.
        """
        if error is not None:
            check.one_of("error", error, CODES)
        if (to is None) == (error is None):
            raise TypeError("reply() needs where the name leads, or error=, and not both")
        targets = targets_of("to", to)
        if not targets and error is None:
            raise ValueError(
                f"reply() needs an address to lead to, and {to!r} has none: error='NXDOMAIN' fails the name"
            )
        if delay is None:
            delay = TIMEOUT if error == "timeout" else 0.0
        check.number("delay", delay, unit="seconds", minimum=0)
        return self._add(NameAnswer(targets, error, delay), times)


def _refuse(rule: Rule[Any], fault: object, selectors: object) -> NoReturn:
    raise ValueError(
        f"{fault!r} strikes bytes, and {rule.label} is about a name: use reply(error=...) or reply(..., delay=...) "
        "here, or inject it into the server that the name leads to"
    )

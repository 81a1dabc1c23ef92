"""What an HTTP server says about its rate limits, and to those that it refuses."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_netmocks.limits import Limit, Quota
from pytest_netmocks.matchers import ANY_PATH
from pytest_netmocks.protocols.http.match import HttpMatch
from pytest_netmocks.protocols.http.rules import HttpAnswer, HttpRule, Keeper, Serve
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.rules.base import Step


class RefusingRule(HttpRule):
    """The rule that answers what a limit refuses (RFC 6585, section 4)."""

    def __init__(self, keeper: Keeper, limit: Limit, status: int) -> None:
        super().__init__(keeper, HttpMatch((ANY_PATH,)))
        self.label = repr(limit)
        self._limit = limit
        self._status = status
        self.reply(status)  # so that a wrong one fails here

    def take(self) -> Step[HttpAnswer | Serve]:
        self.hits += 1
        wait = max(1, math.ceil(self._limit.wait))  # whole seconds (RFC 9110, section 10.2.3)
        text = f"{self.label}: the next is let through in {self._limit.wait:.3f} s\n"
        return Step(HttpAnswer(Response(self._status, text=text, headers={"Retry-After": wait}), 0.0, False), None)


def fields(quotas: Sequence[tuple[Limit, Quota]]) -> list[tuple[str | bytes, str | bytes]]:
    """The fields about limits (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4)."""
    policies, states = [], []
    for limit, quota in quotas:
        name = '"' + limit.name.replace("\\", "\\\\").replace('"', '\\"') + '"'  # a string of RFC 9651
        window = f";w={limit.per:.0f}" if limit.per == int(limit.per) else ""  # it has to be whole, or is left out
        policies.append(f"{name};q={limit.amount}{window}")
        states.append(f"{name};r={max(0, quota.left)};t={math.ceil(quota.reset)}")
    return [("RateLimit-Policy", ", ".join(policies)), ("RateLimit", ", ".join(states))]

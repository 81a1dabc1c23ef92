"""`Limit`: how many are let through in a time, by fixed windows or by a token bucket.

Knows no clock and no protocol: whoever asks says what time it is, and what is said to those that are refused.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pytest_netmocks import check
from pytest_netmocks.strict import Liftable

Kind = Literal["window", "bucket"]
By = Literal["client", "all"]


@dataclasses.dataclass(frozen=True, slots=True)
class Quota:
    """What a client has of a limit: how many more at once, and the seconds until the next and until all of it."""

    left: int
    wait: float
    reset: float


@dataclasses.dataclass(slots=True)
class _Account:
    since: float
    amount: float
    """Of a window how many were let through, of a bucket how many are left."""


class Limit(Liftable):
    """A rate limit in force until it is lifted: by `lift()` or at the end of a `with` block. `hits` counts refusals.

    A `"window"` begins with the first that comes and lets `amount` through in `per` seconds; a `"bucket"` holds
    `amount` and is refilled evenly, all of it in `per` seconds. Each client address has its own, or `"all"` share one.
    """

    fixed: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("amount", "per", "kind", "by", "name"), "lift this limit and make another"
    )

    def __init__(
        self, amount: int, per: float, *, kind: Kind = "window", by: By = "client", name: str = "default"
    ) -> None:
        check.whole("amount", amount, unit="how many are let through", minimum=1)
        check.number("per", per, unit="seconds", above=0)
        check.one_of("kind", kind, ("window", "bucket"))
        check.one_of("by", by, ("client", "all"))
        check.instance("name", name, str, "a name of printable ASCII")
        if not (name.isascii() and name.isprintable()):
            raise ValueError(f"name must be printable ASCII, not {name!r}")
        self.amount = amount
        self.per = per
        self.kind: Kind = kind
        """Whether it counts in fixed windows, or as a bucket of tokens that fills."""
        self.by: By = by
        """Whose requests count together."""
        self.name = name
        """What answers call it."""
        self.hits = 0
        self.lifted = False
        """Whether it is over."""
        self.wait = 0.0
        """Seconds that the one that was refused last has to wait."""
        self.refusing: Any = None
        """The rule that answers those that are refused."""
        self._accounts: dict[Hashable, _Account] = {}

    def quota(self, client: Hashable, now: float) -> Quota:
        """What the client has left at that time (seconds)."""
        account = self._accounts.get(client if self.by == "client" else None)
        if account is None:
            return Quota(self.amount, 0.0, self.per if self.kind == "window" else 0.0)
        gone = now - account.since
        if self.kind == "window":
            if gone >= self.per:
                return Quota(self.amount, 0.0, self.per)
            left = self.amount - int(account.amount)
            return Quota(left, 0.0 if left else self.per - gone, self.per - gone)
        each = self.per / self.amount
        amount = min(float(self.amount), account.amount + gone / each)
        left = math.floor(amount + 1e-9)  # a refill that is due is not to be late for want of a bit
        return Quota(left, 0.0 if left else (1 - amount) * each, (self.amount - amount) * each)

    def take(self, client: Hashable, now: float) -> Quota:
        """Let one through; gives what is left then. The quota must not be empty."""
        key = client if self.by == "client" else None
        account = self._accounts.get(key)
        if self.kind == "window":
            if account is None or now - account.since >= self.per:
                account = self._accounts[key] = _Account(now, 0.0)
            account.amount += 1
        else:
            before = self.quota(client, now)
            amount = self.amount - before.reset * self.amount / self.per
            self._accounts[key] = _Account(now, max(0.0, amount - 1))
        return self.quota(client, now)

    def lift(self) -> None:
        """End it; lifting twice is no error."""
        self.lifted = True

    def __repr__(self) -> str:
        kind = f", kind={self.kind!r}" if self.kind != "window" else ""
        by = f", by={self.by!r}" if self.by != "client" else ""
        return f"limit({self.amount}, per={self.per:g}{kind}{by})"


@dataclasses.dataclass(slots=True)
class Admission:
    """Whether one is let through: by which limits, with what is left of them, and by which it is not."""

    quotas: list[tuple[Limit, Quota]]
    refused_by: Limit | None = None


def admit(limits: Sequence[Limit], client: Hashable, now: float) -> Admission:
    """Take one from each limit, or from none where one of them has nothing left."""
    limits = [limit for limit in limits if not limit.lifted]
    quotas = [(limit, limit.quota(client, now)) for limit in limits]
    for limit, quota in quotas:
        if quota.left < 1:
            limit.hits += 1
            limit.wait = quota.wait
            return Admission(quotas, limit)
    return Admission([(limit, limit.take(client, now)) for limit in limits])

"""`Following`: the faults of rules on what the client sends once the rule has matched."""

from __future__ import annotations

from typing import Any, Protocol

from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.faults.base import EndingFault
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.flows import NEVER, UP
from pytest_netmocks.link.link import Link
from pytest_netmocks.rules.base import Verdict

Chosen = tuple[Injection, Draws]


class Unread(Protocol):
    """What has come and waits for the server."""

    def __len__(self) -> int: ...

    def cut(self, size: int) -> bytes:
        """Keep the first `size` bytes; gives what was behind them."""


def _place(injection: Injection) -> int | None:
    """How many bytes the server gets before the fault stands in their way, `None` if it waits for its time alone."""
    fault = injection.fault
    assert isinstance(fault, EndingFault)
    return fault.after_bytes if fault.after_bytes is not None or fault.after else 0


class Following:
    """One connection's. Some of what follows the match may have come already, and waits for the server as `unread`.

    For every exchange call `before` and `after` the answer, and `looked` when the server has dealt with as much of
    what came as it can: what stands behind that place strikes then, as it would if the bytes had come later.
    """

    __slots__ = ("_behind", "_chosen", "_late", "_link", "_verdict")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._verdict: Verdict[Any]
        self._chosen: list[Chosen] = []
        self._late: list[tuple[int, Chosen, Verdict[Any]]] = []
        """What strikes among the bytes that have come, each with how many of them would have come before it."""
        self._behind = b""

    def before(self, verdict: Verdict[Any], unread: Unread) -> None:
        """Take the faults on what follows out of the verdict: those that count no bytes strike before the answer."""
        upward = verdict.take_upward()
        self._verdict = verdict
        self._chosen = [chosen for chosen in upward if getattr(chosen[0].fault, "after_bytes", None) is not None]
        for chosen in upward:
            if chosen in self._chosen or self._link.over:
                continue
            self._arm(chosen, self._link.awaited)
            if isinstance(chosen[0].fault, EndingFault) and _place(chosen[0]) == 0:
                self._behind = unread.cut(0) + self._behind
        if self._behind and not self._chosen:
            self.looked()

    def after(self, unread: Unread) -> None:
        """The answer is given: those that count bytes stand behind it."""
        chosen, self._chosen = self._chosen, []
        here = len(unread)
        start = self._link.awaited - here - len(self._behind)
        for one in chosen:
            place = _place(one[0])
            assert place is not None
            if place < here:
                self._behind = unread.cut(place) + self._behind
                here = place
            if place <= here:
                self._late.append((start, one, self._verdict))
            elif not self._link.over:
                self._arm(one, start)

    def looked(self) -> None:
        """The server has dealt with what it has got."""
        if not self._late and not self._behind:
            return
        late, self._late = self._late, []
        behind, self._behind = self._behind, b""
        for start, chosen, verdict in late:
            if not chosen[0].lifted and not self._link.over:
                self._arm(chosen, start, verdict)
        if behind and not self._link.over:
            self._link.data_received(behind)  # to be swallowed, or held until the fault is lifted

    def _arm(self, chosen: Chosen, start: int, verdict: Verdict[Any] | None = None) -> None:
        injection, draws = chosen
        also = (verdict or self._verdict).struck
        self._link.arm(injection, payload=(start, NEVER), side=UP, also=also, draws=draws)

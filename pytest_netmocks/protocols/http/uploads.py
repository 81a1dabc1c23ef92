"""Faults of rules on what the client sends: they strike the body of a request while it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.faults.base import EndingFault
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.flows import NEVER, UP

if TYPE_CHECKING:
    from pytest_netmocks.protocols.http.rules import HttpRule
    from pytest_netmocks.protocols.http.session import HttpProtocol
    from pytest_netmocks.protocols.web.requests import HttpRequest


class Upload:
    """The faults on one request's body; they were chosen when its head was there.

    `after_bytes` counts the body without its chunk framing. A fault that shapes begins with what comes after the head
    and is read apart from it.
    """

    def __init__(self, protocol: HttpProtocol, rule: HttpRule, chosen: list[tuple[Injection, Draws]]) -> None:
        self._link = protocol.link
        self._rule = rule
        self._passed = 0
        self._counting: list[tuple[int, Injection, Draws]] = []
        self._shaping: list[Injection] = []
        self.cut = False
        """Whether nothing more of the body is the server's."""
        for injection, draws in chosen:
            fault = injection.fault
            if isinstance(fault, EndingFault) and (fault.after_bytes is not None or not fault.after):
                self._counting.append((fault.after_bytes or 0, injection, draws))
                continue
            if not isinstance(fault, EndingFault):
                self._shaping.append(injection)
            self._arm(injection, draws, 0)
        self._strike()

    def passes(self, data: bytes) -> bytes:
        """What of a piece of the body the server gets."""
        if self.cut:
            return b""
        room = min((limit for limit, _, _ in self._counting), default=NEVER) - self._passed
        passed, behind = (data[:room], data[room:]) if room < len(data) else (data, b"")
        self._passed += len(passed)
        self._behind = behind
        return passed

    def passed(self) -> None:
        """The piece is on record: strike if that was the last byte before it."""
        self._strike()
        if self.cut and self._behind and not self._link.over:
            self._link.data_received(self._behind)  # to be swallowed, which is a hit
        self._behind = b""

    def end(self) -> None:
        """The whole body has come."""
        for injection in self._shaping:
            self._link.answer_ends(injection)

    _behind = b""

    def _strike(self) -> None:
        for limit, injection, draws in self._counting:
            if limit == self._passed and not injection.lifted and not self._link.over:
                self.cut = True
                self._arm(injection, draws, limit)
        self._counting = [one for one in self._counting if one[0] > self._passed and not one[1].lifted]

    def _arm(self, injection: Injection, draws: Draws, passed: int) -> None:
        start = self._link.awaited - passed
        also = self._struck if isinstance(injection.fault, EndingFault) else lambda: None
        self._link.arm(injection, place=None, payload=(start, NEVER), side=UP, also=also, draws=draws)

    def _struck(self) -> None:
        self._rule.hits += 1


def choose(protocol: HttpProtocol, request: HttpRequest) -> Upload | None:
    """The faults that strike this body: those of the newest rule that matches its head and has any."""
    for rule in reversed(protocol.server.rules):
        if not rule.uploads or rule.used_up or rule.match.match(request) is None:
            continue
        chosen = [one for one in rule.uploads if one.in_force and one.chooses(protocol.connection)]
        if chosen:
            return Upload(protocol, rule, [(injection, injection.chance()) for injection in chosen])
    return None

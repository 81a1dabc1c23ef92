"""Faults of rules on what the client sends: they strike the body of a request while it comes."""

from __future__ import annotations

from collections.abc import Callable

from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.gate import Action
from pytest_netmocks.engine.shaper import nothing
from pytest_netmocks.faults.base import EndingFault
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.flows import NEVER, UP
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.http.desk import HttpDesk
from pytest_netmocks.protocols.http.rules import HttpRule
from pytest_netmocks.protocols.web.requests import HttpRequest


class Upload:
    """The faults on one request's body; they were chosen when its head was there.

    `after_bytes` counts the body without its chunk framing. A body is read up to where a fault stands and no further:
    what one read has brought beyond that goes back below the faults.
    """

    def __init__(
        self,
        desk: HttpDesk,
        link: Link,
        request: HttpRequest,
        rule: HttpRule,
        chosen: list[tuple[Injection, Draws]],
    ) -> None:
        self._desk = desk
        self._link = link
        self._request = request
        self._rule = rule
        self._counting: list[tuple[int, Injection, Draws]] = []
        self._others: list[tuple[Injection, Draws]] = []
        """Those that are armed when the body begins."""
        self._shaping: list[Injection] = []
        self._begun = False
        self._hit = False
        self._answered = False
        """Whether the rule answers too, which counts as its hit."""
        for injection, draws in chosen:
            fault = injection.fault
            if isinstance(fault, EndingFault) and (fault.after_bytes is not None or not fault.after):
                self._counting.append((fault.after_bytes or 0, injection, draws))
            else:
                self._others.append((injection, draws))

    def room(self, received: int) -> int:
        """How many bytes of the body may come, and of what is around it, before somebody has to look again."""
        return min((limit for limit, _, _ in self._counting), default=NEVER) - received

    def looks(self, received: int, length: int | None, behind: Callable[[], bytes]) -> bool:
        """Strike if it is time; whether what is `behind` the place has gone back, to come again.

        `received` bytes of the body have come, `length` are declared.
        """
        due = [one for one in self._counting if one[0] == received and not one[1].lifted]
        others = [] if self._begun else self._others
        self._begun = True
        self._counting = [one for one in self._counting if one[0] > received]
        if not (due or others):
            return False
        with self._link.again(behind()) as place:
            for injection, draws in others:
                ends = isinstance(injection.fault, EndingFault)
                self._arm(injection, draws, place, NEVER if ends or length is None else place + length)
                if not ends:
                    self._shaping.append(injection)
            for _, injection, draws in due:
                self._arm(injection, draws, place - received, NEVER)
        return True

    def cuts_off(self, received: int) -> bool:
        """Whether a fault stands behind the last byte that has come: for the server there is no end of the body."""
        return any(
            limit == received and not injection.lifted and _ends(injection) for limit, injection, _ in self._counting
        )

    def end(self) -> None:
        """The whole body has come."""
        for injection in self._shaping:
            self._link.answer_ends(injection)
        self._answered = self._desk.by_head(self._request)[0] is self._rule
        if self._hit and self._answered:
            self._rule.hits -= 1  # it was held only

    def _arm(self, injection: Injection, draws: Draws, start: int, end: int) -> None:
        also = self._struck if isinstance(injection.fault, EndingFault) else nothing
        self._link.arm(injection, place=None, payload=(start, end), side=UP, also=also, draws=draws)

    def _struck(self) -> None:
        if not self._answered:
            self._hit = True
            self._rule.hits += 1


def _ends(injection: Injection) -> bool:
    return isinstance(injection.fault, EndingFault) and injection.fault.action is not Action.HOLD


def choose(desk: HttpDesk, link: Link, request: HttpRequest) -> Upload | None:
    """The faults that strike this body."""
    found = chosen(desk, request)
    return Upload(desk, link, request, *found) if found is not None else None


def chosen(desk: HttpDesk, request: HttpRequest) -> tuple[HttpRule, list[tuple[Injection, Draws]]] | None:
    """The newest rule that matches the head of a request and has faults that strike its body, and those."""
    for rule in reversed(desk.rules):
        if not rule.uploads or rule.used_up or rule.match.match(request) is None:
            continue
        found = [one for one in rule.uploads if one.in_force and one.chooses(request.connection)]
        if found:
            return rule, [(injection, injection.chance()) for injection in found]
    return None

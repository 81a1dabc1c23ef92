"""Rules: `when(...)` matches, `reply(...)` answers in sequence, `inject(...)` strikes.

The part that all protocols share: which rule wins, how often its answers are given, what counts as a hit. What an
answer is and how it is matched, each protocol says in a subclass.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar, Unpack

from pytest_netmocks import check, clock, scope
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.faults.answer import Answer as Instead
from pytest_netmocks.faults.base import DirectedFault, EndingFault, Fault, FramesFault, SpoilingFault
from pytest_netmocks.faults.selection import SelectorOptions
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.limits import Limit, Quota, admit
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.strict import Strict

Answer = TypeVar("Answer")

Injector = Callable[["Rule[Any]", Fault, SelectorOptions], Injection]
"""What puts a rule's fault in force."""


def everything(_: object) -> bool:
    """What matches all there is."""
    return True


@dataclasses.dataclass(slots=True)
class Step(Generic[Answer]):
    """One of a rule's answers: how often it is given, and whether the connection ends with it."""

    answer: Answer
    times: int | None
    then_close: bool = False
    given: int = 0


class Rule(Strict, Generic[Answer]):
    """One rule: what it matches, its answers in order, its faults.

    Of the rules that match the newest with an answer left gives it; apart from that, the newest that has faults
    strikes with them.
    """

    counts: ClassVar[str] = "matches"
    """What its exchanges are called."""

    def __init__(self, label: str, matches: Callable[[Any], object] = everything) -> None:
        self.label = label
        """The rule as it is written."""
        self._matches = matches
        self._injector: Injector
        self.hits = 0
        """How often the rule answered or struck."""
        self.injections: list[Injection] = []
        """The faults that were injected into it, oldest first."""
        self.met = 0
        """How many exchanges came to it: to be answered or struck, or merely to match where it does neither."""
        self.expected: tuple[int, int | None] | None = None
        """At least and at most how many have to."""
        self._newer: str | None = None
        """The newer rule that answered last where this one matched, too, and had an answer."""
        self.made_by = scope.current.author
        """The test, or the wider fixture, that made it."""
        self.by_a_fixture = scope.current.fixture is not None
        self.by_a_test = scope.current.in_call
        """Whether the test itself made it, and not what sets it up."""
        self.built_in = False
        """Whether the server had it when it first started."""
        self.limits: list[Limit] = []
        """The rate limits of what matches it."""
        self.in_place_of: Rule[Answer] | None = None
        """The rule whose `Answer` it gives."""
        self._steps: list[Step[Answer]] = []
        self._only: Step[Answer] | None = None
        """The answer that is always the next, by far the most."""

    def begin(self, injector: Injector) -> None:
        """It is in force: what it injects goes there."""
        self._injector = injector

    def matches(self, exchange: Any) -> object:
        """Whether the exchange is meant."""
        return self._matches(exchange)

    def _add(self, answer: Answer, times: int | None, *, then_close: bool = False) -> Self:
        if times is not None:
            check.whole("times", times, unit="how often the answer is given", minimum=1)
        check.instance("then_close", then_close, bool, "True or False")
        self._steps.append(Step(answer, times, then_close))
        self._only = self._steps[0] if times is None and len(self._steps) == 1 else None
        return self

    def stand_in(self, fault: Instead) -> Self:
        """A rule of this kind that gives the fault's answer to whatever comes to it.

        Raises `TypeError` or `ValueError` as `reply` does.
        """
        rule: Any = copy.copy(self)
        rule.stand_in_for(self, repr(fault))
        made: Self = rule.reply(*fault.answer, **fault.options)
        return made

    def stand_in_for(self, rule: Rule[Answer], label: str) -> None:
        """Be as new, in the place of the rule that it is a copy of."""
        self.in_place_of, self.label = rule, label
        self.hits = self.met = 0
        self.injections, self.limits, self.expected = [], [], None
        self._steps, self._only = [], None

    def start_tls(self) -> Self:
        """Let TLS begin behind an answer, which only rules over the bytes of TCP can say: raises `ValueError`."""
        raise ValueError(
            f"start_tls: {self.label} is no rule over the bytes of a TCP stream, whose answer can be the last in plain "
            "text: protocols with STARTTLS have it as a command"
        )

    in_messages: ClassVar[bool] = False
    """Whether its answers are made of messages, which `after_messages` counts."""

    def refusal(self, fault: Fault) -> str | None:
        """Why a fault makes no sense on this rule, and what would; `None` if it does."""
        if isinstance(fault, EndingFault) and fault.after_messages is not None:
            if not self.in_messages:
                return f"{fault!r} counts messages, and {self.label} answers with none: after_bytes= counts its bytes"
            if fault.direction == "upstream":
                return f"{fault!r} counts the messages of an answer, which goes downstream"
        return self.wrong_way(fault)

    def wrong_way(self, fault: Fault) -> str | None:
        """Why a fault in its direction makes no sense on this rule, and what would; `None` if it does."""
        if isinstance(fault, DirectedFault) and fault.direction == "upstream":
            return f"{fault!r} acts on what the client sends, and {self.label} strikes the answer to it"
        return None

    def inject(self, fault: Fault, **selectors: Unpack[SelectorOptions]) -> Injection:
        """Let the fault strike only the exchanges that the rule matches; the selectors count those.

        `after_bytes` counts the payload of the answer; without it a fault strikes in place of the answer. Raises
        `ValueError` if the fault makes no sense here.
        """
        injection = self._injector(self, fault, selectors)
        self.injections.append(injection)
        return injection

    def expect(self, times: int | None = None, at_most: int | None = None) -> Self:
        """Fail the test at its end if not as many came to the rule as are expected, with what came instead.

        `expect()` is once at least, `expect(2)` exactly twice, `expect(1, 3)` one to three times. Raises `TypeError` or
        `ValueError` that names the argument.
        """
        if times is not None:
            check.whole("times", times, unit="how many come to the rule", minimum=0)
        if at_most is not None:
            check.whole("at_most", at_most, unit="how many come to the rule", minimum=times or 0)
        self.expected = (1 if times is None else times, times if at_most is None else at_most)
        if times is None and at_most is not None:
            self.expected = (0, at_most)
        return self

    def unmet(self) -> str | None:
        """What is to be said if the rule was expected and not met as often."""
        if self.expected is None:
            return None
        least, most = self.expected
        if least <= self.met and (most is None or self.met <= most):
            return None
        wanted = f"at least {least}" if most is None else f"{least} to {most}" if least != most else f"{least}"
        return f"{self.label} expected {wanted} {self.counts} and met {self.met}"

    @property
    def _step(self) -> Step[Answer] | None:
        if self._only is not None:
            return self._only
        for index, step in enumerate(self._steps):
            last = index == len(self._steps) - 1
            limit = step.times if last else step.times or 1
            if limit is None or step.given < limit:
                return step
        return None

    def begin_again(self) -> None:
        """Count from the beginning: the server is reset."""
        self.hits = self.met = 0
        for step in self._steps:
            step.given = 0

    @property
    def delays(self) -> list[float]:
        """Seconds after which each of its answers is given."""
        return [getattr(step.answer, "delay", 0.0) for step in self._steps]

    @property
    def speaks(self) -> bool:
        """Whether it was given any answer, used up or not."""
        return bool(self._steps)

    @property
    def is_idle(self) -> bool:
        """Whether it has answers and nothing came for one, unless an expectation says what was to come."""
        return self.speaks and not self.hits and self.expected is None

    def comes_behind(self, newer: Rule[Any]) -> None:
        """A newer one answers where it matches, too."""
        self._newer = newer.label

    @property
    def has_not_answered(self) -> str:
        """What is said of it where it never did: a newer rule may have come first each time."""
        return "never answered" if self._newer is None else f"never answered: {self._newer}, which is newer, came first"

    @property
    def answers(self) -> bool:
        """Whether an answer is left."""
        return self._step is not None

    @property
    def only_answers(self) -> bool:
        """Whether an answer is left, and no fault and no limit keeps it from being given."""
        return (self._only or self._step) is not None and not self.limits and not self.injections

    @property
    def used_up(self) -> bool:
        """Whether it had answers and all were given: it matches no more, and its faults strike no more."""
        return bool(self._steps) and self._step is None

    @property
    def never_answers(self) -> bool:
        """Whether it has no answers at all: what matches it comes to it all the same."""
        return not self._steps

    def take(self) -> Step[Answer]:
        """Give the next answer."""
        step = self._only or self._step
        assert step is not None, "only rules with an answer left are asked"
        step.given += 1
        self.__dict__["hits"] += 1  # past `Strict`, which would be asked with every exchange
        return step

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label}: {self.hits} hits>"


R = TypeVar("R", bound=Rule[Any])


@dataclasses.dataclass(slots=True)
class Verdict(Generic[R]):
    """Who deals with one exchange: the rule that answers, the one that strikes and with what."""

    answering: R | None
    striking: R | None
    injections: list[Injection]
    draws: list[Draws] = dataclasses.field(default_factory=list)
    """Each injection's draws for this exchange."""
    quotas: Sequence[tuple[Limit, Quota]] = ()
    """The rate limits that it came under, and what is left of them."""
    then_close: bool = False
    """Whether the answer that was taken is the last of its connection."""

    def take(self) -> Any:
        """Give the next answer of the rule that answers."""
        assert self.answering is not None, "only a verdict with a rule that answers is asked"
        step = self.answering.take()
        self.then_close = step.then_close
        return step.answer

    def take_upward(self) -> list[tuple[Injection, Draws]]:
        """Take out those that strike what the client sends from here on."""
        return self._take(lambda fault: getattr(fault, "direction", "") == "upstream")

    def take_spoiling(self) -> Verdict[R]:
        """Take out those that spoil an answer, where the others strike something else that belongs to it."""
        taken = self._take(lambda fault: isinstance(fault, SpoilingFault))
        return Verdict(None, self.striking, [one for one, _ in taken], [draws for _, draws in taken])

    def take_framed(self) -> list[tuple[Injection, Draws]]:
        """Take out those that are frames of HTTP/2 in place of an answer."""
        return self._take(lambda fault: isinstance(fault, FramesFault))

    def _take(self, meant: Callable[[Fault], bool]) -> list[tuple[Injection, Draws]]:
        pairs = self.in_force()
        taken = [pair for pair in pairs if meant(pair[0].fault)]
        if taken:
            rest = [pair for pair in pairs if pair not in taken]
            self.injections, self.draws = [one for one, _ in rest], [draws for _, draws in rest]
        return taken

    def in_force(self) -> list[tuple[Injection, Draws]]:
        """The faults that were chosen and not lifted since, with their draws."""
        chosen = zip(self.injections, self.draws, strict=True)
        return [(injection, draws) for injection, draws in chosen if not injection.lifted]

    def struck(self) -> None:
        """A fault strikes: one hit of its rule, and none more where the rule has answered, too."""
        rule, self.striking = self.striking, None
        if rule is not None and rule is not self.answering and rule is not self.home:
            rule.hits += 1

    @property
    def home(self) -> R | None:
        """The rule that answers, or the one whose `Answer` stands in its place."""
        rule = self.answering
        original: R | None = rule.in_place_of if rule is not None else None  # type: ignore[assignment]  # of its kind
        return original or rule

    def answer_instead(self, connection: Connection) -> None:
        """Let the newest `Answer` of the rule that strikes answer, unless one of the server does."""
        pairs = list(zip(self.injections, self.draws, strict=True))
        rest = [pair for pair in pairs if pair[0].stand_in is None]
        if len(rest) == len(pairs):
            return
        answer = next(injection for injection, _ in reversed(pairs) if injection.stand_in is not None)
        self.injections, self.draws = [one for one, _ in rest], [draws for _, draws in rest]
        if self.striking is not None and (self.answering is None or self.answering.in_place_of is None):
            self.answering = answer.stand_in
            self.striking.hits += 1
            answer.answers(connection)


Chosen = Sequence[tuple[Injection, Draws]]
"""Faults that strike an exchange, with their draws for it."""


def decide(
    matching: Iterable[R],
    connection: Connection,
    *,
    again: bool = False,
    limits: Sequence[Limit] = (),
    chosen: Chosen = (),
    fits: Callable[[Fault], bool] = everything,
) -> Verdict[R]:
    """The verdict over the rules that match an exchange on that connection, newest first.

    `again` says that it is not the first over that exchange; `limits` are those that hold whichever rule matches,
    `chosen` the faults of the server that strike it, and `fits` says which can strike what it came by.
    """
    rules = list(matching)
    if chosen:
        return _decide_struck(rules, connection, limits, chosen, again=again, fits=fits)
    if not rules and not limits:
        return Verdict(None, None, [])
    if len(rules) == 1 and not limits:
        rule = rules[0]
        if rule.only_answers:  # by far the most
            return Verdict(rule, None, []) if again else alone(rule)
    rules = [rule for rule in rules if not rule.used_up]
    admission = None
    if not again and (limits or any(rule.limits for rule in rules)):
        limits = [*limits, *(limit for rule in rules for limit in rule.limits)]
        admission = admit(limits, connection.client_address[0], clock.now())
        if admission.refused_by is not None:
            return Verdict(admission.refused_by.refusing, None, [], quotas=admission.quotas)
    verdict = _verdict(rules, connection, again=again, fits=fits)
    verdict.quotas = admission.quotas if admission is not None else ()
    for rule in rules if not again else ():
        if rule is verdict.answering or rule is verdict.striking or rule.never_answers:
            rule.met += 1
    return verdict


def alone(rule: R) -> Verdict[R]:
    """The verdict over an exchange that only this rule matches, which only answers."""
    rule.__dict__["met"] += 1  # past `Strict`, as above
    return Verdict(rule, None, [])


def _decide_struck(
    rules: list[R],
    connection: Connection,
    limits: Sequence[Limit],
    chosen: Chosen,
    *,
    again: bool,
    fits: Callable[[Fault], bool],
) -> Verdict[R]:
    """As `decide`: the newest `Answer` is the newest rule of all, and the others spoil what is answered."""
    answer = next((injection for injection, _ in reversed(chosen) if injection.stand_in is not None), None)
    if answer is not None:
        rules.insert(0, answer.stand_in)
    verdict = decide(rules, connection, again=again, limits=limits, fits=fits)
    if answer is not None and verdict.answering is answer.stand_in:
        answer.answers(connection)
    spoiling = [pair for pair in chosen if pair[0].stand_in is None and fits(pair[0].fault)]
    verdict.injections.extend(injection for injection, _ in spoiling)
    verdict.draws.extend(draws for _, draws in spoiling)
    return verdict


def _verdict(rules: list[R], connection: Connection, *, again: bool, fits: Callable[[Fault], bool]) -> Verdict[R]:
    answering = next((rule for rule in rules if rule.answers), None)
    if answering is not None and len(rules) > 1:
        for rule in rules:
            if rule is not answering and rule.answers:
                rule.comes_behind(answering)
    for rule in rules:
        chosen = [
            injection
            for injection in rule.injections
            if injection.in_force
            and fits(injection.fault)
            and not (again and injection.stand_in is not None)
            and injection.chooses(connection)
        ]
        if chosen:
            verdict = Verdict(answering, rule, chosen, [injection.chance() for injection in chosen])
            verdict.answer_instead(connection)
            return verdict
    return Verdict(answering, None, [])

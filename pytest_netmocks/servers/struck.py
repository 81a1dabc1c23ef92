"""`Struck`: the part of a server that faults strike: what is in force, from when on, and until when."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, Unpack

from pytest_netmocks import check, scope
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.faults.answer import Answer
from pytest_netmocks.faults.base import ConnectFault, Fault, HandshakeFault, check_fault, check_said, instead_of
from pytest_netmocks.faults.selection import SelectorOptions
from pytest_netmocks.faults.selector import Selector
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import InForce, Lifted
from pytest_netmocks.rules.base import Rule
from pytest_netmocks.rules.book import Exchanges
from pytest_netmocks.servers.view import View

if TYPE_CHECKING:
    from pytest_netmocks.faults.profile import Part

T = TypeVar("T")


def nothing(injection: Injection) -> None:
    """What begins with an injection of a rule: exchanges ask for it when they come."""


def read_options(options: SelectorOptions) -> tuple[float | None, float | None, Selector]:
    """Start, duration and selector of what `inject` was given. Raises `TypeError` or `ValueError`."""
    known = SelectorOptions.__annotations__
    for name in options:
        if name not in known:
            raise TypeError(f"inject() takes no {name!r}{check.nearest(name, known)}")
    start, duration = options.get("start"), options.get("duration")
    if start is not None:
        check.number("start", start, unit="seconds", minimum=0)
    if duration is not None:
        check.number("duration", duration, unit="seconds", above=0)
    given: Any = {name: value for name, value in options.items() if name not in ("start", "duration")}
    return start, duration, Selector(**given)


class Struck(View):
    """The words about faults that every server answers to."""

    _label: str
    """What addresses its draws in the test."""

    scripts_connections: ClassVar[bool] = True
    """Whether a script goes connection by connection, and not exchange by exchange."""

    _exchanges: Exchanges[Any] | None = None

    def _prepare_faults(self) -> None:
        self._injections: list[Injection] = []
        self._on_rules: dict[Injection, None] = {}
        """The injections of rules that are in force, in their order."""
        self._injected: dict[str, int] = {}
        self._script: list[Injection] = []
        self._timers: dict[Injection, asyncio.TimerHandle] = {}

    def _add_given(self, mine: scope.Scope) -> None:
        """Put what the run's profile and the test's marker say before a new server."""
        for part in mine.run_faults:
            if self.refuses(part.fault) is None:
                self._add(part, expected=False)
        if mine.fixture is None:
            if mine.link_faults or mine.test_faults:
                self.add_marked(mine)
            for wide in mine.ledger.everywhere:
                wide.join(self)
            if mine.arm is not None:
                mine.arm.meet(self)

    def add_marked(self, mine: scope.Scope) -> list[Injection]:
        """Put what the test's marker says before it; the parts of a profile that make no sense here are left out."""
        added = [self._add(part, expected=False) for part in mine.link_faults if self.refuses(part.fault) is None]
        for part in mine.test_faults:
            self._check(part.fault, part.selector)
        return added + [self._add(part, expected=True) for part in mine.test_faults]

    def redraw(self) -> None:
        """Another test begins: what is in force draws as if nothing had been before."""
        self._injected.pop(scope.current.test, None)  # it may be another attempt at a test
        for injection in self.in_force:
            injection.redraw(Draws(scope.current.seed, scope.current.test, *injection.address))

    # Faults

    def inject(self, fault: Fault, **selectors: Unpack[SelectorOptions]) -> Injection:
        """Put the fault in force; it is when this returns.

        Without a selector it strikes all connections, open ones too; `first`, `nth`, `every`, `probability` and
        `skip` (the first n are let through) count new ones from here on, and `where` is a function of the `Connection`
        that says which are meant. Of the faults of answers (`Answer`, `Garbage`, `MalformedChunk`, `Refused`, `Goaway`)
        they count what `requests` lists from here on. It comes into force after `start` seconds, and after `duration`
        seconds from then on it lifts itself. Raises `ValueError` or `TypeError` if the fault or the selector makes no
        sense here.
        """
        injection = self.make_injection(fault, selectors, [])
        self.run_in_loop(self._begin, [injection])
        return injection

    @property
    def in_force(self) -> list[Injection]:
        """What is not lifted yet, of rules too."""
        return list({**dict.fromkeys(self._injections), **self._on_rules, **self._timers})

    def is_of(self, injection: Injection) -> bool:
        """Whether it strikes here."""
        return injection.address[:1] == (self._label,)

    def script(self, *faults: Sequence[Fault]) -> None:
        """Connection by connection: the first gets the faults of the first list, the second of the second, and so on.

        After the last list there is nothing more. A second script replaces the first. Raises as `inject` does.
        """
        for number, group in enumerate(faults, 1):
            if isinstance(group, Fault) or not isinstance(group, Sequence):
                raise TypeError(f"script takes lists of faults; number {number} is {group!r}{instead_of(group)}")
            for fault in group:
                self._check(fault, Selector(nth=number))
        for injection in self._script:
            injection.lift()
        self._script = [
            self.make_injection(fault, {"nth": number}, []) for number, group in enumerate(faults, 1) for fault in group
        ]
        for injection in self._script:
            injection.of_exchanges = injection.of_exchanges and not self.scripts_connections
        self.run_in_loop(self._begin, self._script)

    def inject_into(self, rule: Rule[Any], fault: Fault, options: SelectorOptions) -> Injection:
        """What a rule's `inject` does."""
        if isinstance(fault, ConnectFault):
            raise ValueError(
                f"{fault!r} keeps clients from connecting, so no rule can match: inject it into the server"
            )
        if isinstance(fault, HandshakeFault):
            raise ValueError(f"{fault!r} strikes before anything a rule could match: inject it into the server")
        self.catch_up()

        def refusal(fault: Fault) -> str | None:
            return self._refusal_on_a_rule(fault) or rule.refusal(fault)

        stand_in = rule.stand_in(fault) if isinstance(fault, Answer) else None
        injection = self.make_injection(fault, options, [rule.label], refusal)
        if stand_in is not None:
            injection.answer_with(stand_in, self.journal.struck)
        self._on_rules[injection] = None
        self.run_in_loop(self.when_due, injection, nothing)
        return injection

    def _refusal_on_a_rule(self, fault: Fault) -> str | None:
        """As `_refusal`, for a rule's faults."""
        return self._refusal(fault)

    def make_injection(
        self,
        fault: Fault,
        options: SelectorOptions,
        place: Sequence[str],
        refusal: Callable[[Fault], str | None] | None = None,
    ) -> Injection:
        start, duration, selector = read_options(options)
        self._check(fault, selector, refusal)
        check_said(fault)
        # A wider fixture's are drawn for each test anew, so its own place in the run is no part of their address.
        key = scope.current.fixture or scope.current.test
        number = self._injected[key] = self._injected.get(key, 0) + 1
        address = (self._label, scope.current.fixture, number)
        draws = Draws(scope.current.seed, scope.current.test, *address)
        where = " ".join([self._name, *place])
        failed = self.journal.failed
        injection = Injection(fault, selector, draws, where, self._lift, failed, start=start, duration=duration)
        injection.address = address
        scope.current.ledger.injected(injection)
        return injection

    def _check(self, fault: Fault, selector: Selector, refusal: Callable[[Fault], str | None] | None = None) -> None:
        check_fault(fault)
        refused = (refusal or self._refusal)(fault)
        if refused is not None:
            raise ValueError(refused)
        if isinstance(fault, Answer) and refusal is None and self.exchanges is not None:
            self.exchanges.stand_in(fault)  # so that what its protocol cannot say fails here
        if isinstance(fault, ConnectFault) and selector != Selector():
            raise ValueError(
                f"{fault!r} happens in the kernel, before there is a connection to count: "
                f"only start= and duration= can be given, not {selector} (nor a script)"
            )

    def refuses(self, fault: Fault) -> str | None:
        """As `_refusal`, for what may be no fault at all, or an answer that its protocol does not have."""
        if not isinstance(fault, Fault):
            return None
        try:
            self._check(fault, Selector())
        except (TypeError, ValueError) as error:
            return str(error)
        return None

    @abstractmethod
    def _refusal(self, fault: Fault) -> str | None:
        """Why the fault makes no sense on this server, and what would; `None` if it does."""

    def _add(self, part: Part, *, expected: bool) -> Injection:
        self._check(part.fault, part.selector)
        given: SelectorOptions = {}
        given.update(part.selector.given())  # type: ignore[typeddict-item]  # the same names
        injection = self.make_injection(part.fault, given, [])
        injection.expected = expected
        injection.part = part
        self._put_before(injection)
        return injection

    def put_before(self, kind: type[Injection], fault: Fault, selector: Selector) -> Injection:
        """Put a fault before it that is not the test's own: nobody expects it, and it changes nobody's draws.

        It is made as a `kind` of injection. Raises `ValueError` if the fault makes no sense here.
        """
        self._check(fault, selector)
        draws = Draws(scope.current.seed, scope.current.test, self._label, kind.__name__)
        injection = kind(fault, selector, draws, self._name, self._lift, self.journal.failed)
        injection.expected = False
        injection.part = injection
        self._put_before(injection)
        return injection

    def _put_before(self, injection: Injection) -> None:
        if self._state == "new":
            self._keep_injection(injection)
        else:
            self.run_in_loop(self._begin, [injection])

    def _keep_injection(self, injection: Injection) -> None:
        """Have it among those in force; what counts exchanges strikes them from now on."""
        self._injections.append(injection)
        if injection.of_exchanges:
            self.strike_exchanges(injection)

    # Exchanges

    def _make_exchanges(self) -> Exchanges[Any] | None:
        """What is an exchange of its protocol; `None` if it answers none itself."""
        return None

    @property
    def exchanges(self) -> Exchanges[Any] | None:
        """What it counts as an exchange, `None` if it answers none itself."""
        if self._exchanges is None:
            self._exchanges = self._make_exchanges()
        return self._exchanges

    def strike_exchanges(self, injection: Injection, connection: Connection | None = None) -> None:
        """Let it strike exchanges: those that it chooses, or all of a connection."""
        exchanges = self.exchanges
        assert exchanges is not None, "on others it is refused"
        if isinstance(injection.fault, Answer):
            injection.answer_with(exchanges.stand_in(injection.fault), self.journal.struck)
        exchanges.add(injection, connection)

    def _begin(self, injections: list[Injection]) -> None:
        """In the loop: the injections are in force, together, or will be when their time has come."""
        for injection in injections:
            self.when_due(injection, self._put)

    def _put(self, injection: Injection) -> None:
        """In the loop: the injection is in force, and what is there already is not new to it."""
        self._drain()
        self._keep_injection(injection)
        try:
            self._strike(injection)
        except OSError:
            self._injections.remove(injection)
            raise

    def when_due(self, injection: Injection, begin: Callable[[Injection], None]) -> None:
        """In the loop: let it begin now, or when its time has come."""
        if injection.start:
            self._timers[injection] = self._loop.call_later(injection.start, self._due, injection, begin)
        else:
            self._tell_in_force(injection, waited=False)
            begin(injection)
            self._limit(injection)

    def _tell_in_force(self, injection: Injection, *, waited: bool) -> None:
        self.journal.publish(InForce(self.journal.now(), None, injection, waited))

    def _due(self, injection: Injection, begin: Callable[[Injection], None]) -> None:
        del self._timers[injection]
        injection.in_force = True
        self._tell_in_force(injection, waited=True)
        try:
            begin(injection)
        except OSError as error:
            self.journal.failed(None, error)
        self._limit(injection)

    def _limit(self, injection: Injection) -> None:
        """In the loop: lift it when its time is over."""
        if injection.duration is not None:
            self._timers[injection] = self._loop.call_later(injection.duration, self._end, injection)

    def _lift(self, injection: Injection) -> None:
        self.run_in_loop(self._end, injection)

    def _end(self, injection: Injection) -> None:
        """In the loop: the injection is in force no more."""
        if injection.lifted:
            return
        injection.lifted = True
        injection.in_force = False
        if injection in self._injections:
            self._injections.remove(injection)
        self._on_rules.pop(injection, None)
        timer = self._timers.pop(injection, None)
        if timer is not None:
            timer.cancel()
        if self._exchanges is not None:
            self._exchanges.remove(injection)
        self._release(injection)
        self.journal.publish(Lifted(self.journal.now(), None, injection))

    @abstractmethod
    def _strike(self, injection: Injection) -> None:
        """In the loop: what a new injection does to what is there already."""

    @abstractmethod
    def _release(self, injection: Injection) -> None:
        """In the loop: what lifting an injection does to what is there."""

    def _drain(self) -> None:
        """In the loop: take what waits in the kernel."""

    @property
    @abstractmethod
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The servers' loop."""

    @abstractmethod
    def run_in_loop(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run the function in the servers' loop and wait for it; its result or its exception."""

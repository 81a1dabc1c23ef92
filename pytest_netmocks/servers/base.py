"""`Server`: the words that every server answers to, whatever its protocol."""

from __future__ import annotations

import asyncio
import inspect
from abc import abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack

from pytest_netmocks import check, scope
from pytest_netmocks.faults.base import ConnectFault, Fault, HandshakeFault
from pytest_netmocks.faults.draws import Draws
from pytest_netmocks.faults.injection import Injection
from pytest_netmocks.faults.profiles import Part
from pytest_netmocks.faults.selector import Selector, SelectorOptions
from pytest_netmocks.link import loop as loops
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.rules import Rule
from pytest_netmocks.servers.errors import raise_all
from pytest_netmocks.servers.tasks import Tasks
from pytest_netmocks.servers.view import View

T = TypeVar("T")


class ServerOptions(TypedDict, total=False):
    """The keyword arguments that every server takes."""

    host: str
    port: int
    name: str | None
    record_limit: int


RECORD_LIMIT = 1048576
"""Bytes of each transcript that are kept unless told otherwise."""


class Server(View):
    """Base of all servers: a place to connect to, faults, and a record of everything.

    `host` is where it listens, `port` 0 for any free one, `name` what reports call it, `record_limit` how many bytes
    of each transcript are kept. Use it as a context manager, plain or async, or `start()` and `close()` it.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        name: str | None = None,
        record_limit: int = RECORD_LIMIT,
        **unknown: object,
    ) -> None:
        for option in unknown:
            raise TypeError(f"{type(self).__name__} takes no {option!r}{check.nearest(option, self._option_names())}")
        check.instance("host", host, str, "a host name or address")
        check.whole("port", port, unit="0 for any free one", minimum=0, maximum=65535)
        check.instance("name", name, (str, type(None)), "a string or None")
        check.whole("record_limit", record_limit, unit="bytes", minimum=0)
        self._host = host
        self._port = port
        self._scope = scope.current
        self.shared_by = self._scope.fixture
        """The wider fixture that made it, `None` for a server of one test."""
        owner = self.shared_by or ""
        self._label = f"{owner}#{self._scope.number(owner)}"
        self._name = name or f"{type(self).__name__} {self._label}"
        self.journal = Journal(record_limit)
        self.tasks = Tasks(self.journal)
        """What runs of users' code on its behalf."""
        self._thread: loops.LoopThread | None = None
        self._state = "new"
        self._settled = 0
        self._injections: list[Injection] = []
        self._on_rules: dict[Injection, None] = {}
        """The injections of rules that are in force, in their order."""
        self._injected: dict[str, int] = {}
        self._script: list[Injection] = []
        self._timers: dict[Injection, asyncio.TimerHandle] = {}
        self._prepare()
        self._scope.made(self)
        for part in self._scope.run_faults:
            if self._refusal(part.fault) is None:
                self._add(part, expected=False)
        if self.shared_by is None:
            self.add_marked(self._scope)

    def add_marked(self, mine: scope.Scope) -> list[Injection]:
        """Put what the test's marker says before it; the parts of a profile that make no sense here are left out."""
        added = [self._add(part, expected=False) for part in mine.link_faults if self._refusal(part.fault) is None]
        for part in mine.test_faults:
            self._check(part.fault, part.selector)
        return added + [self._add(part, expected=True) for part in mine.test_faults]

    def redraw(self) -> None:
        """Another test begins: what is in force draws as if nothing had been before."""
        self._injected.pop(scope.current.test, None)  # it may be another attempt at a test
        for injection in [*self._injections, *self._on_rules]:
            injection.redraw(Draws(scope.current.seed, scope.current.test, *injection.address))

    @classmethod
    def _option_names(cls) -> set[str]:
        """The keyword arguments that it takes."""
        makers = [vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base) and base is not object]
        parameters = [parameter for maker in makers for parameter in inspect.signature(maker).parameters.values()]
        return {parameter.name for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY}

    def _prepare(self) -> None:
        """Set up what a subclass needs before the first fault."""

    # Faults

    def inject(self, fault: Fault, **selectors: Unpack[SelectorOptions]) -> Injection:
        """Put the fault in force; it is when this returns.

        Without a selector it strikes all connections, open ones too; `first`, `nth`, `every` and `probability` count
        new ones from here on. After `duration` seconds it lifts itself. Raises `ValueError` if the fault or the
        selector makes no sense here.
        """
        injection = self._make(fault, selectors, [])
        self.run_in_loop(self._begin, [injection])
        return injection

    def script(self, *faults: Sequence[Fault]) -> None:
        """Connection by connection: the first gets the faults of the first list, the second of the second, and so on.

        After the last list there is nothing more. A second script replaces the first. Raises as `inject` does.
        """
        for number, group in enumerate(faults, 1):
            if isinstance(group, Fault) or not isinstance(group, Sequence):
                raise TypeError(f"script takes lists of faults; number {number} is {group!r}")
            for fault in group:
                self._check(fault, Selector(nth=number))
        for injection in self._script:
            injection.lift()
        self._script = [
            self._make(fault, {"nth": number}, []) for number, group in enumerate(faults, 1) for fault in group
        ]
        self.run_in_loop(self._begin, self._script)

    def _inject_into(self, rule: Rule[Any], fault: Fault, options: SelectorOptions) -> Injection:
        """What a rule's `inject` does."""
        if isinstance(fault, ConnectFault):
            raise ValueError(
                f"{fault!r} keeps clients from connecting, so no rule can match: inject it into the server"
            )
        if isinstance(fault, HandshakeFault):
            raise ValueError(f"{fault!r} strikes before anything a rule could match: inject it into the server")
        self._catch_up()
        injection = self._make(fault, options, [rule.label], refusal=self._refusal_on_a_rule)
        self._on_rules[injection] = None
        self.run_in_loop(self._time, injection)
        return injection

    def _refusal_on_a_rule(self, fault: Fault) -> str | None:
        """As `_refusal`, for a rule's faults."""
        return self._refusal(fault)

    def _make(
        self,
        fault: Fault,
        options: SelectorOptions,
        where: Sequence[str],
        refusal: Callable[[Fault], str | None] | None = None,
    ) -> Injection:
        duration = options.get("duration")
        if duration is not None:
            check.number("duration", duration, unit="seconds", above=0)
        selector = Selector(
            first=options.get("first"),
            nth=options.get("nth"),
            every=options.get("every"),
            probability=options.get("probability"),
        )
        unknown = set(options) - SelectorOptions.__annotations__.keys()
        if unknown:
            raise TypeError(
                f"inject() takes no {sorted(unknown)[0]!r}; known are {', '.join(SelectorOptions.__annotations__)}"
            )
        self._check(fault, selector, refusal)
        # A wider fixture's are drawn for each test anew, so its own place in the run is no part of their address.
        key = scope.current.fixture or scope.current.test
        number = self._injected[key] = self._injected.get(key, 0) + 1
        address = (self._label, scope.current.fixture, number)
        draws = Draws(scope.current.seed, scope.current.test, *address)
        where = " ".join([self._name, *where])
        injection = Injection(fault, selector, draws, where, self._lift, duration)
        injection.address = address
        scope.current.injected(injection)
        return injection

    def _check(self, fault: Fault, selector: Selector, refusal: Callable[[Fault], str | None] | None = None) -> None:
        if not isinstance(fault, Fault):
            raise TypeError(f"fault must be a fault such as Latency(0.1), not {fault!r}")
        refused = (refusal or self._refusal)(fault)
        if refused is not None:
            raise ValueError(refused)
        if isinstance(fault, ConnectFault) and selector != Selector():
            raise ValueError(
                f"{fault!r} happens in the kernel, before there is a connection to count: "
                f"only duration= can be given, not {selector} (nor a script)"
            )

    @abstractmethod
    def _refusal(self, fault: Fault) -> str | None:
        """Why the fault makes no sense on this server, and what would; `None` if it does."""

    def _add(self, part: Part, *, expected: bool) -> Injection:
        self._check(part.fault, part.selector)
        given: SelectorOptions = {}
        given.update(part.selector.given())  # type: ignore[typeddict-item]  # the same names
        injection = self._make(part.fault, given, [])
        injection.expected = expected
        injection.part = part
        if self._state == "new":
            self._injections.append(injection)
        else:
            self.run_in_loop(self._begin, [injection])
        return injection

    def _begin(self, injections: list[Injection]) -> None:
        """In the loop: the injections are in force, together, and what is there already is not new to them."""
        self._drain()
        for injection in injections:
            self._injections.append(injection)
            try:
                self._strike(injection)
            except OSError:
                self._injections.remove(injection)
                raise
            self._time(injection)

    def _time(self, injection: Injection) -> None:
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
        if injection in self._injections:
            self._injections.remove(injection)
        self._on_rules.pop(injection, None)
        timer = self._timers.pop(injection, None)
        if timer is not None:
            timer.cancel()
        self._release(injection)
        self.journal.note(None, "server", f"{injection.fault!r} is lifted")

    @abstractmethod
    def _strike(self, injection: Injection) -> None:
        """In the loop: what a new injection does to what is there already."""

    @abstractmethod
    def _release(self, injection: Injection) -> None:
        """In the loop: what lifting an injection does to what is there."""

    # Going up and down

    def start(self) -> Self:
        """Listen; after `stop()` on the same port. Gives the server itself; on a running one it does nothing.

        Raises an `OSError` that names the address if it cannot listen, `RuntimeError` if it was closed.
        """
        if self._state == "closed":
            raise RuntimeError(f"{self._name} was closed; a server that may come back is stopped with stop()")
        before, self._state = self._state, "running"
        try:
            if before == "new":
                thread = self._runtime()
                self.journal.begin()
                self._open(thread)
                thread.servers.add(self)
            elif before == "stopped":
                self.run_in_loop(self._come_back)
        except BaseException:
            self._state = before
            raise
        return self

    def stop(self) -> None:
        """Go down: open connections end with a FIN, new ones are refused; port, records, rules and faults are kept."""
        if self._state == "running":
            self._state = "stopped"
            self.run_in_loop(self._go_down)

    def _come_back(self) -> None:
        self.journal.note(None, "server", "started")
        try:
            self._resume()
        except OSError as error:
            self.journal.note(None, "server", f"stopped: {error}")
            raise

    def _go_down(self) -> None:
        self._halt()
        self.journal.note(None, "server", "stopped")

    def close(self) -> None:
        """End it for good and give the port back; records stay readable."""
        state, self._state = self._state, "closed"
        if state not in ("running", "stopped") or self._thread is None:
            return
        if self._thread.loop.is_closed():
            self.abandon()
        elif not self._close_at_once():
            self.run_in_loop(self._finish)

    def settle(self) -> None:
        """Let what clients have sent so far be dealt with, so that what it makes users' code raise is on record."""
        thread = self._thread
        if thread is None or thread.loop.is_closed():
            return
        # In this order: what is accepted meanwhile has left the queue, and is in the timeline.
        if self._unsettled() or self.tasks or self.journal.timeline.count != self._settled:
            thread.settle()
            self._settled = self.journal.timeline.count

    def unmet(self) -> list[str]:
        """What the test expected of clients and did not come, a line each."""
        return []

    def _unsettled(self) -> bool:
        """Whether something may be on its way that users' code has to deal with."""
        return False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit(error)

    def _exit(self, error: BaseException | None) -> None:
        """Close; outside of tests, where nobody else would, say what users' code raised and what never came."""
        if scope.current.in_a_run:
            self.close()
            return
        self.settle()
        self.close()
        if error is not None:
            return
        errors = self.journal.take_errors()
        unmet = self.unmet()
        if unmet:
            errors.append(AssertionError("\n".join(unmet)))
        raise_all(errors)

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit(error)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r} {self.url}, {self._state}>"

    @abstractmethod
    def _open(self, thread: loops.LoopThread) -> None:
        """In the caller's thread: take the port and serve."""

    def _close_at_once(self) -> bool:
        """In the caller's thread: end it, if that is possible without the loop."""
        return False

    @abstractmethod
    def _halt(self) -> None:
        """In the loop: go down, keep the port."""

    @abstractmethod
    def _resume(self) -> None:
        """In the loop: come back."""

    def _finish(self) -> None:
        """In the loop: give everything back."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self.tasks.cancel()

    def abandon(self) -> None:
        """In a forked child: close the descriptors without a word to peers or loop."""
        self._state = "closed"

    def _drain(self) -> None:
        """In the loop: take what waits in the kernel."""

    # The loop

    @property
    def in_loop(self) -> bool:
        """Whether the caller runs in the servers' loop."""
        return self._thread is not None and self._thread.here

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._runtime().loop

    def _runtime(self) -> loops.LoopThread:
        if self._thread is None:
            self._thread = loops.shared()
        return self._thread

    def run_in_loop(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run the function in the servers' loop and wait for it; its result or its exception."""
        return self._runtime().call(function, *arguments)

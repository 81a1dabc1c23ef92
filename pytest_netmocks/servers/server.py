"""`Server`: the words that every server answers to, whatever its protocol."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import inspect
import os
from abc import abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Literal, Self, TypedDict, TypeVar

from pytest_netmocks import check, scope
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link import loop as loops
from pytest_netmocks.records.journal import MAX_RECORDS, Journal
from pytest_netmocks.servers.errors import raise_all
from pytest_netmocks.servers.front import Front
from pytest_netmocks.servers.ruled import Ruled
from pytest_netmocks.servers.struck import Struck
from pytest_netmocks.servers.tasks import Tasks

T = TypeVar("T")


class ServerOptions(TypedDict, total=False):
    """The keyword arguments that every server takes."""

    host: str
    port: int
    name: str | None
    record_limit: int
    max_records: int


FREE_PORTS = 100
"""Ports that are tried for one that is free on every front."""

RECORD_LIMIT = 1048576
"""Bytes of each transcript that are kept unless told otherwise."""


class Server(Struck, Ruled):
    """Base of all servers: a place to connect to, faults, and a record of everything.

    `host` is where it listens, `port` 0 for any free one, `name` what reports call it. `record_limit` is how many bytes
    of each transcript are kept, and of all that passed 1024 times as many (64 MiB at least): of more the oldest records
    go. So they do where more than `max_records` connections have ended, or requests have come; `dropped` counts them.
    Use it as a context manager, plain or async, or `start()` and `close()` it.
    """

    transport: ClassVar[Literal["tcp", "udp"]] = "tcp"
    """What carries its protocol."""

    _state = "new"
    _thread: loops.LoopThread | None = None

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        name: str | None = None,
        record_limit: int = RECORD_LIMIT,
        max_records: int = MAX_RECORDS,
        **unknown: object,
    ) -> None:
        for option in unknown:
            raise TypeError(f"{type(self).__name__} takes no {option!r}{check.nearest(option, self._option_names())}")
        check.instance("host", host, str, "a host name or address")
        check.whole("port", port, unit="0 for any free one", minimum=0, maximum=65535)
        check.instance("name", name, (str, type(None)), "a string or None")
        check.whole("record_limit", record_limit, unit="bytes", minimum=0)
        check.whole("max_records", max_records, unit="connections, and requests", minimum=1)
        self._host = host
        self._port = port
        mine = scope.current
        self.shared_by = mine.fixture
        """The wider fixture that made it, `None` for a server of one test."""
        self.renewed = False
        """Whether it is reset before each test."""
        owner = self.shared_by or ""
        self._label = f"{owner}#{mine.number(owner)}"
        self._name = name or f"{type(self).__name__} {self._label}"
        self.journal = Journal(record_limit, max_records)
        self.tasks = Tasks(self.journal)
        """What runs of users' code on its behalf."""
        self._prepare_rules()
        self._prepare_faults()
        self._prepare()
        mine.ledger.made(self)
        self._add_given(mine)

    @classmethod
    def _option_names(cls) -> set[str]:
        """The keyword arguments that it takes."""
        makers = [vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base) and base is not object]
        parameters = [parameter for maker in makers for parameter in inspect.signature(maker).parameters.values()]
        return {parameter.name for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY}

    def _prepare(self) -> None:
        """Set up what a subclass needs before the first fault."""

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
                self._build_in()
                thread = self._runtime()
                self.journal.clock = thread.now
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
            if self._runtime().loop.is_closed():  # at exit: nobody serves any more
                self.abandon()
            else:
                try:
                    self.run_in_loop(self._go_down)
                except BaseException:
                    self._state = "running"
                    raise

    def _come_back(self) -> None:
        self.journal.server("started")
        try:
            self._resume()
        except OSError as error:
            self.journal.server(f"stopped: {error}")
            raise

    def _go_down(self) -> None:
        self._halt()
        self.journal.server("stopped")

    def reset(self) -> None:
        """Be as at the start: what was made since it first started goes, and so do open connections and all records.

        That is rules, handlers, faults, scripts, mounts, users, messages, files in a directory of its own, and options
        that were set. What it was made with stays, ids and clock go on, and a stopped server comes back. Raises
        `RuntimeError` if it was closed.
        """
        self.renew(keep=False)

    def renew(self, *, keep: bool) -> None:
        """As `reset`; with `keep` what wider fixtures made stays, and counts from the beginning again."""
        if self._state == "new":
            return
        self.start()
        for injection in self.in_force:
            if injection.part is None and not (keep and injection.by_a_fixture):
                injection.lift()
        self.run_in_loop(self._begin_again)
        self._injected.clear()
        self._script = [injection for injection in self._script if not injection.lifted]
        self._forget(keep=keep)
        for injection in self.in_force:
            injection.begin_again()
        self.run_in_loop(self.journal.forget)

    def _begin_again(self) -> None:
        """In the loop: end what is open, with all that has come."""
        self._drain()
        self.tasks.cancel()
        self._end_all()

    def close(self) -> None:
        """End it for good and give the port back; records stay readable."""
        state, self._state = self._state, "closed"
        if state not in ("running", "stopped") or self._thread is None:
            return
        if self._thread.loop.is_closed():
            self.abandon()
        elif not self._close_at_once():
            self._thread.call(self._finish, settle=True)  # what is cancelled may raise at its end

    def settle(self) -> None:
        """Let what clients have sent so far be dealt with, so that what it makes users' code raise is on record."""
        thread = self._thread
        if thread is not None and not thread.loop.is_closed():
            thread.settle()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what is on record to a file, whose suffix says as what; `docs/what_happened.md` has the list.

        Bytes are those within `record_limit`. Raises `ValueError` for a suffix that nobody writes, `OSError` where the
        file cannot be written.
        """
        from pytest_netmocks.reports import tape, writers  # only where it is asked for

        writers.writer(path)
        self.settle()
        writers.save(path, [tape.on_record(self)])

    def hear(self, text: str) -> None:
        """In the loop: put a line in the timeline; in that of a wider server only if the test is using it."""
        if self.shared_by is None or self.journal.open:
            self.journal.note(None, text)

    def hear_soon(self, text: str) -> None:
        """As `hear`, from any thread, and without waiting for it."""
        thread = self._thread
        if thread is not None and self._state == "running":
            with contextlib.suppress(RuntimeError):  # the loop ends at this moment
                thread.loop.call_soon_threadsafe(self.hear, text)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit(error)

    def _exit(self, error: BaseException | None) -> None:
        """Close; outside of tests, where nobody else would, say what users' code raised and what never came."""
        if scope.current.ledger.keeps:
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

    # Its fronts

    @property
    @abstractmethod
    def fronts(self) -> tuple[Front, ...]:
        """What clients reach it by."""

    def _open(self, thread: loops.LoopThread) -> None:
        """In the caller's thread: take the port and serve."""
        fronts = self.fronts
        port = fronts[0].bind(thread, self._host, self._port)
        self._port = port if len(fronts) == 1 else self._bind_all(fronts, thread, port)
        try:
            for front in fronts:
                front.serve(thread)
        except BaseException:
            for front in fronts:
                front.give_back()
            raise

    def _bind_all(self, fronts: tuple[Front, ...], thread: loops.LoopThread, port: int) -> int:
        """Take on the others the port that the first front has; if any will do, one that is free on all."""
        for further in range(FREE_PORTS, -1, -1):
            try:
                for front in fronts[1:]:
                    front.bind(thread, self._host, port)
            except OSError as error:
                for front in fronts:
                    front.give_back()
                if self._port or not further or error.errno != errno.EADDRINUSE:
                    raise
                port = fronts[0].bind(thread, self._host, 0)
            else:
                break
        return port

    @property
    def is_busy(self) -> bool:
        """Whether something is due or runs on its behalf."""
        return bool(self._timers or self.tasks)

    def _close_at_once(self) -> bool:
        """In the caller's thread: end it, if that is possible without the loop."""
        return all(front.close_at_once() for front in self.fronts)  # what was ended already is ended by the loop again

    def _halt(self) -> None:
        """In the loop: go down, keep the port."""
        for front in self.fronts:
            front.halt()
        self.tasks.cancel()

    def _resume(self) -> None:
        """In the loop: come back, on all fronts or on none."""
        up: list[Front] = []
        try:
            for front in self.fronts:
                front.resume()
                up.append(front)
        except OSError:
            for front in up:
                front.halt()
            raise

    def _end_all(self) -> None:
        """In the loop: end the open connections."""
        for front in self.fronts:
            front.end_all()

    def catch_up(self) -> None:
        if any(front.may_wait() for front in self.fronts):
            self.run_in_loop(self._drain)

    def _drain(self) -> None:
        for front in self.fronts:
            front.drain()

    def _refusal(self, fault: Fault) -> str | None:
        return self._refused_by_all([front.refusal(fault) for front in self.fronts])

    def _refusal_on_a_rule(self, fault: Fault) -> str | None:
        return self._refused_by_all([front.refusal_on_a_rule(fault) for front in self.fronts])

    @staticmethod
    def _refused_by_all(why: list[str | None]) -> str | None:
        return None if None in why else why[0]

    def _strike(self, injection: Injection) -> None:
        for front in self.fronts:
            front.strike(injection)

    def _release(self, injection: Injection) -> None:
        for front in self.fronts:
            front.release(injection)

    def _finish(self) -> None:
        """In the loop: give everything back."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self.tasks.cancel()
        for front in self.fronts:
            front.finish()

    def abandon(self) -> None:
        """In a forked child: close the descriptors without a word to peers or loop."""
        self._state = "closed"
        for front in self.fronts:
            front.abandon()

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

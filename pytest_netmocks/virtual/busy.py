"""Who has work, or may have: threads that do not wait, those about to start, children, pools that were there before."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, NamedTuple

from pytest_netmocks.virtual import forever, library, outsiders
from pytest_netmocks.virtual.wait import Wait


class Holder(NamedTuple):
    """Who keeps the clock from jumping."""

    key: Hashable
    text: Callable[[], str]


class Others:
    """What there was when virtual time began, and what was begun since without being a thread of ours."""

    def __init__(self, taking_part: set[int]) -> None:
        self.outsiders = outsiders.found(taking_part)
        self._covered: dict[int, outsiders.Outsider] = {}
        """Raw ones whose identity a thread has that takes part."""
        self._covering = threading.RLock()
        self._children: list[tuple[Callable[[], bool], Holder]] = []
        self._futures: list[Future[Any]] = []
        self._found = 0
        """Which thread was found at work last: as long as it works it is the one that is told of."""
        self._processes = {id(process) for process in _processes()}

    def leave_out(self, ident: int) -> None:
        """A thread of the test run's own machinery: it sees real time, and nobody waits for it."""
        self.outsiders[ident] = None

    def forget(self, ident: int) -> None:
        """That thread takes part; the identity of one that has ended is given away again.

        Of a raw one Python may not know that it has ended: behind the thread that takes part it is there once more.
        """
        with self._covering:
            before = self.outsiders.pop(ident, None)
            if before is not None and before.is_raw:
                self._covered[ident] = before

    def has_child(self, number: int, name: object, runs: Callable[[], bool]) -> None:
        """A process was started; until it has ended time is real."""
        self._children.append((runs, Holder(("process", number), _process(name))))

    def has_given(self, future: Future[Any]) -> None:
        """A pool from before has work for the test; until that is done time is real."""
        self._futures.append(future)

    def has_taken(self, future: Future[Any]) -> None:
        """A thread that takes part does that work, so that it is seen when it waits."""
        with contextlib.suppress(ValueError):
            self._futures.remove(future)

    def busy(self, waiting: dict[int, Wait]) -> Holder | None:
        """Somebody who works, or may."""
        starting = library.starting()  # asked first: who comes to life meanwhile is not among those that were there
        there = library.threads()
        if not self.outsiders.keys() <= there:
            self._forget_all_but(there)
        if self._covered:
            self._uncover()
        if self._found in there and self._found not in waiting and self._works(self._found):
            return _thread(self._found)
        for ident in there:
            if ident not in waiting and self._works(ident):
                self._found = ident
                return _thread(ident)
        for wait in waiting.values():
            # At its end a thread is gone from those that are there before `is_alive` says so.
            if wait.thread is not None and wait.thread.ident not in there and wait.thread.is_alive():
                return Holder(id(wait.thread), lambda: "a thread that ends")
            if wait.thread is not None and self._is_left_out(wait.thread) and wait.thread.is_alive():
                return Holder(id(wait.thread), lambda: "a thread of the test run's own machinery")
        if starting:
            return Holder("start", lambda: "a thread that was started and does not run yet")
        return self._elsewhere()

    def _elsewhere(self) -> Holder | None:
        """Somebody who works, or may, and is no thread that takes part."""
        for process in _processes():
            if id(process) not in self._processes and process.exitcode is None:
                return Holder(id(process), _process(process.name))
        for child in list(self._children):
            runs, holder = child
            if runs():
                return holder
            self._children.remove(child)
        for future in list(self._futures):
            if not future.done():
                return Holder(id(future), lambda: "work that was given to a pool from before")
            self.has_taken(future)
        return None

    def _is_left_out(self, thread: threading.Thread) -> bool:
        return thread.ident in self.outsiders and self.outsiders[thread.ident] is None

    def _forget_all_but(self, there: set[int]) -> None:
        # The identity of one that has ended is given away again; a raw one may be C's and come back.
        for ident in self.outsiders.keys() - there:
            outsider = self.outsiders[ident]
            if outsider is None or not outsider.is_raw:
                self.outsiders.pop(ident, None)

    def _uncover(self) -> None:
        with self._covering:
            known = {thread.ident for thread in threading.enumerate()}
            if None not in known:  # else one is about to run, perhaps with such an identity
                for ident in self._covered.keys() - known:
                    self.outsiders[ident] = self._covered.pop(ident)

    def _works(self, ident: int) -> bool:
        if ident not in self.outsiders:
            return True
        outsider = self.outsiders[ident]
        return outsider is not None and outsider.works(ident)


def _thread(ident: int) -> Holder:
    def text() -> str:
        return f"thread {forever.name_of(ident)} in {forever.place_of(library.stacks().get(ident, ()))}"

    return Holder(ident, text)


def _process(name: object) -> Callable[[], str]:
    return lambda: f"the process {name!r}"


def _processes() -> list[Any]:
    """The children that multiprocessing has; it is not loaded for that."""
    module = sys.modules.get("multiprocessing.process")
    return library.children_of(module) if module is not None else []

"""Who has work, or may have: threads that do not wait, those about to start, children, pools that were there before."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from types import FrameType
from typing import Any, NamedTuple

from pytest_netmocks.virtual import forever, library
from pytest_netmocks.virtual.wait import Wait


class Holder(NamedTuple):
    """Who keeps the clock from jumping."""

    key: Hashable
    text: Callable[[], str]


class Others:
    """What there was when virtual time began, and what was begun since without being a thread of ours."""

    def __init__(self, taking_part: set[int]) -> None:
        self.outsiders: dict[int, tuple[object, ...] | None] = {
            ident: library.signature(frame, forever.HERE)
            for ident, frame in library.frames().items()
            if ident not in taking_part
        }
        """The threads from before, with where they waited; `None` stands for wherever they are."""
        self._children: list[subprocess.Popen[Any]] = []
        self._futures: list[Future[Any]] = []
        self._processes = {id(process) for process in _processes()}

    def leave_out(self, ident: int) -> None:
        """A thread of the test run's own machinery: it sees real time, and nobody waits for it."""
        self.outsiders[ident] = None

    def forget(self, ident: int) -> None:
        """That thread takes part; the identity of one that has ended is given away again."""
        self.outsiders.pop(ident, None)

    def has_child(self, child: subprocess.Popen[Any]) -> None:
        """A process was started; until it has ended time is real."""
        self._children.append(child)

    def has_given(self, future: Future[Any]) -> None:
        """A pool from before has work for the test; until that is done time is real."""
        self._futures.append(future)

    def busy(self, waiting: dict[int, Wait]) -> Holder | None:
        """Somebody who works, or may."""
        frames = library.frames()
        for ident, frame in frames.items():
            if ident not in waiting and self._works(ident, frame):
                return _thread(ident)
        for wait in waiting.values():
            # At its end a thread is gone from the frames before `is_alive` says so.
            if wait.thread is not None and wait.thread.ident not in frames and wait.thread.is_alive():
                return Holder(id(wait.thread), lambda: "a thread that ends")
            if wait.thread is not None and self._is_left_out(wait.thread) and wait.thread.is_alive():
                return Holder(id(wait.thread), lambda: "a thread of the test run's own machinery")
        if library.starting():
            return Holder("start", lambda: "a thread that was started and does not run yet")
        for child in list(self._children):
            if is_alive(child):
                return Holder(child.pid, _process(child.args))
            self._children.remove(child)
        for future in list(self._futures):
            if not future.done():
                return Holder(id(future), lambda: "work that was given to a pool of threads from before")
            self._futures.remove(future)
        for process in _processes():
            if id(process) not in self._processes and process.exitcode is None:
                return Holder(id(process), _process(process.name))
        return None

    def _is_left_out(self, thread: threading.Thread) -> bool:
        return thread.ident in self.outsiders and self.outsiders[thread.ident] is None

    def _works(self, ident: int, frame: FrameType) -> bool:
        if ident not in self.outsiders:
            return True
        known = self.outsiders[ident]
        if known is None:
            return False
        # Only of one that seems to stand where it stood is the rest looked at: it is not safe with one that runs.
        first = (frame.f_code, frame.f_lasti)
        if known[:2] != first and not frame.f_code.co_filename.startswith(forever.HERE):
            return True
        return library.signature(frame, forever.HERE) != known


def _thread(ident: int) -> Holder:
    return Holder(ident, lambda: f"thread {forever.name_of(ident)} in {forever.place_of_running(ident)}")


def _process(name: object) -> Callable[[], str]:
    return lambda: f"the process {name!r}"


def _processes() -> list[Any]:
    """The children that multiprocessing has; it is not loaded for that."""
    module = sys.modules.get("multiprocessing.process")
    return library.children_of(module) if module is not None else []


def is_alive(child: subprocess.Popen[Any]) -> bool:
    """Whether the process runs; it is not reaped, which is the test's to do."""
    if child.returncode is not None:
        return False
    return library.has_not_ended(child.pid)

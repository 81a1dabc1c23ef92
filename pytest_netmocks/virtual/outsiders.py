"""Threads that were there before virtual time began: they see real time, and nobody waits for them while they rest.

One rests as long as it stays where it was found in the beginning. That is asked by its CPU time first: who has used
none since it was seen, and was not woken, has not moved either.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from pytest_netmocks import clock
from pytest_netmocks.virtual import forever, library

MACHINERY = ("pytest_netmocks.reports.live", "pytest_timeout", "xdist", "execnet", "_pytest", "faulthandler")
"""Whose threads watch over the test run, by real time, whatever they do."""

SEEN, SETTLED = 0.01, 0.5
"""Real seconds for which one has to stand still to be taken to rest: where it was in the beginning, and elsewhere.

Who cannot have the interpreter's lock stands still as well, but not that long.
"""

Place = tuple[library.Step, ...]

_last: dict[int, tuple[int | None, float, Place]] = {}
"""Native identity, CPU time and place of threads as they were seen last, so that those who rest are not asked again."""


def of_machinery(thread: threading.Thread) -> bool:
    """Whether a thread watches over the test run."""
    return library.module_of(thread).startswith(MACHINERY)


def _place(steps: Sequence[library.Step]) -> Place:
    return tuple(step for step in steps if not step[0].startswith(forever.HERE))


class Outsider:
    """One of them."""

    def __init__(self, task: int | None, place: Place, *, rests: bool) -> None:
        self._task = task
        self.is_raw = task is None
        """Whether it is no `threading.Thread`."""
        self._rests_at = self._place = place
        self._used = library.used_by(library.tasks_of(task))
        self._since = 0.0 if rests else clock.real_now()
        self._is_known = rests
        """Whether it is known where it rests."""

    def works(self, ident: int) -> bool:
        """Whether it is somewhere else than where it rests, or about to be."""
        now = clock.real_now()
        tasks = library.tasks_of(self._task)
        used = library.used_by(tasks)
        if used is None or used != self._used:
            place = _place(library.stacks().get(ident, ()))
            if used is not None or place != self._place:
                self._since = now
            self._used, self._place = used, place
        still = now - self._since
        if not self._is_known and still >= SETTLED and not library.may_run(tasks):
            self._rests_at = self._place
        if self._place != self._rests_at or still < SEEN or library.may_run(tasks):
            return True
        self._is_known = True
        return False


def found(taking_part: set[int]) -> dict[int, Outsider | None]:
    """All threads but these; `None` stands for one of the test run's machinery."""
    there = library.threads() - taking_part
    if not there:
        return {}
    threads = {thread.ident: thread for thread in threading.enumerate()}
    stacks: dict[int, list[library.Step]] | None = None
    outsiders: dict[int, Outsider | None] = {}
    for ident in there:
        thread = threads.get(ident)
        if thread is not None and of_machinery(thread):
            outsiders[ident] = None
            continue
        task = thread.native_id if thread is not None else None
        used = library.used_by(library.tasks_of(task))
        known = _last.get(ident)
        rests = known is not None and used is not None and known[:2] == (task, used)
        if known is not None and rests:
            place = known[2]
        else:
            stacks = library.stacks() if stacks is None else stacks
            place = _place(stacks.get(ident, ()))
        if used is not None:
            _last[ident] = task, used, place
        is_ours = thread is not None or not any(
            f"{os.sep}{name}" in step[0] for step in place[-1:] for name in MACHINERY
        )
        outsiders[ident] = Outsider(task, place, rests=rests) if is_ours else None
    return outsiders

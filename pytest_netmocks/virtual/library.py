"""The private names of Python's library that virtual time stands on, here and nowhere else."""

from __future__ import annotations

import contextlib
import faulthandler
import math
import os
import queue
import re
import sys
import tempfile
import threading
import time
from asyncio import events
from concurrent.futures import thread
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_netmocks.link.kernel import LINUX

if TYPE_CHECKING:
    import asyncio

SimpleQueue: Any = queue._PySimpleQueue  # type: ignore[attr-defined]
"""`queue.SimpleQueue` written in Python: the one in C waits where nobody can see it."""

QueueInC: Any = queue.SimpleQueue

WORK_OF_A_POOL = "_worker"
"""The name of what a thread of a `ThreadPoolExecutor` does, in its module."""

work_of_a_pool: Any = getattr(thread, WORK_OF_A_POOL)

CLOCK_OF_THREADING = "_time"
"""The name in `threading` of the clock by which a loop of waits counts what is left of its time-out."""

run_thread: Any = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]
"""What a new thread does, from its first step to its last."""

frame_at = sys._getframe
"""The frame so many calls above."""

_TASKS = "/proc/self/task"

_CPU_TIME_OF_A_TASK = 6
"""CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED of linux/posix-timers.h: what pthread_getcpuclockid(3) puts together.

That function itself must not be given a thread that may have ended.
"""


def threads() -> set[int]:
    """The identities of all threads that Python knows, raw ones too.

    By what they handle, not by their frames: a frame of a thread that runs goes away while it is looked at.
    """
    return set(sys._current_exceptions())


def tasks_of(task: int | None) -> list[int]:
    """The native identity of a thread; without one those of all that are no `threading.Thread`.

    Nobody knows which is which of these.
    """
    if task is not None:
        return [task]
    known = {thread.native_id for thread in threading.enumerate()}
    return [raw for raw in map(int, os.listdir(_TASKS)) if raw not in known] if LINUX else []


def used_by(tasks: list[int]) -> float | None:
    """Seconds of CPU time that these have used together; `None` if the system does not tell."""
    if not LINUX or not tasks:
        return None
    try:
        return sum(time.clock_gettime((~task << 3) | _CPU_TIME_OF_A_TASK) for task in tasks)
    except OSError:  # one has ended
        return None


def may_run(tasks: list[int]) -> bool:
    """Whether one of them runs or was woken: not so who sleeps in the kernel, see proc_pid_stat(5)."""
    for task in tasks:
        with contextlib.suppress(OSError), open(f"{_TASKS}/{task}/stat", "rb", buffering=0) as file:
            if file.read(400).rpartition(b")")[2].split()[0] == b"R":
                return True
    return False


def owns(lock: Any) -> bool:
    """Whether the calling thread has that RLock."""
    return bool(lock._is_owned())


def starting() -> bool:
    """Whether a thread was started that does not run yet."""
    return bool(threading._limbo)  # type: ignore[attr-defined]


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The asyncio loop that runs in the calling thread."""
    return events._get_running_loop()


def module_of(thread: threading.Thread) -> str:
    """The module of the function that a thread was made for."""
    function = getattr(thread, "function", None) or getattr(thread, "_target", None)
    return getattr(function, "__module__", None) or ""


def has_started(thread: threading.Thread) -> bool:
    """Whether `start` was called and the thread came to life."""
    return bool(thread._started.is_set())  # type: ignore[attr-defined]


_SECTION = re.compile(r"^(?:Current thread|Thread) 0x([0-9a-f]+) .*:$")
_LINE = re.compile(r'^  File "(.*)", line (\d+|\?\?\?) in (.*)$')


Step = tuple[str, str, str]
"""File, line and function of a call."""


def stacks() -> dict[int, list[Step]]:
    """Where each thread is, the innermost call first.

    Frames of a running thread are gone while they are looked at, one after the other; faulthandler looks at all of
    them at once, with nobody else running.
    """
    try:
        with _room() as file:
            faulthandler.dump_traceback(file, all_threads=True)
            file.seek(0)
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:  # no room, no descriptor: then nobody knows
        return {}
    found: dict[int, list[Step]] = {}
    steps: list[Step] = []
    for line in lines:
        if section := _SECTION.match(line):
            steps = found.setdefault(int(section[1], 16), [])
        elif step := _LINE.match(line):
            steps.append((step[1], step[2], step[3]))
    return found


def _room() -> Any:
    """A file that only the kernel has: others stand in for the file system."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("stacks"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def children_of(module: Any) -> list[Any]:
    """The processes that multiprocessing has started and not joined."""
    return list(module._children)


def has_not_ended(process: int) -> bool:
    """Whether a child runs; its status stays for who waits for it."""
    if not hasattr(os, "waitid"):
        return True
    try:
        return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


def gevent_has(name: str) -> bool:
    """Whether gevent stands in a module's place; it is not loaded for that."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched(name))


def trio_threads() -> tuple[Any, Any]:
    """The module that has trio's idle threads, and a new place for such threads."""
    module = sys.modules["trio._core._thread_cache"]
    return module, module.ThreadCache()


def abort(task: Any, error: BaseException) -> None:
    """In trio's own thread: raise the error in a task that waits, as trio does with KeyboardInterrupt.

    A task that waits in what cannot be aborted goes on waiting.
    """

    def raise_it() -> NoReturn:
        raise error

    if task._abort_func is not None:
        task._attempt_abort(raise_it)


def trio_run() -> tuple[Any, Any] | None:
    """The token and the main task of the run that goes on in the calling thread."""
    run = sys.modules.get("trio._core._run")
    runner = getattr(run.GLOBAL_RUN_CONTEXT, "runner", None) if run is not None else None
    if runner is None or runner.main_task is None:
        return None
    return runner.current_trio_token(), runner.main_task


def has_deadline(task: Any) -> bool:
    """Whether anything in the task's run has a deadline."""
    return bool(task._runner.deadlines.next_deadline() != math.inf)

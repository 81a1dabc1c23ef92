"""Who waits where, in words; and the error of a wait that nobody will end."""

from __future__ import annotations

import asyncio
import os
import sys
import sysconfig
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from pytest_netmocks.virtual import library

if TYPE_CHECKING:
    from pytest_netmocks.virtual.wait import Wait

HERE = os.path.dirname(__file__) + os.sep  # as code objects have it
_LIBRARY = (sysconfig.get_path("stdlib") + os.sep, "<frozen ")

MANY = 20
"""Tasks of one loop that are told of."""


class WaitsForever(Exception):  # noqa: N818  # a name of the contract
    """Everybody waits, nobody has a deadline, and nothing is on its way: the wait would never end.

    Raised in virtual time, in the test's own wait or out of its event loop. It is no `OSError`, or clients would retry.
    """


def name_of(ident: int) -> str:
    """What a thread is called."""
    return next((thread.name for thread in threading.enumerate() if thread.ident == ident), f"thread {ident}")


def is_of_the_library(filename: str) -> bool:
    """Whether it is Python's own, and no installed package."""
    return filename.startswith(_LIBRARY) and "site-packages" not in filename


def _of_somebody(files: Sequence[str]) -> int:
    """Which is the first file that is not of Python's own library; the innermost, if all are."""
    return next((number for number, file in enumerate(files) if not is_of_the_library(file)), 0)


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        if not frame.f_code.co_filename.startswith(HERE):
            yield frame
        frame = frame.f_back


def _outer(frames: Sequence[FrameType]) -> FrameType:
    return frames[_of_somebody([frame.f_code.co_filename for frame in frames])]


def line_of(frame: FrameType) -> str:
    """File and line, as an editor opens them."""
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def place_of(steps: Sequence[library.Step]) -> str:
    """Where a thread is: the function that it is in, whose call that was, and whose of the test's or client's own."""
    steps = [step for step in steps if not step[0].startswith(HERE)]
    if not steps:
        return "a place that cannot be told"
    outer = steps[_of_somebody([file for file, _, _ in steps])]
    own = next((step for step in steps if not is_of_the_library(step[0]) and "site-packages" not in step[0]), outer)
    text = _told(*steps[0]) if outer is steps[0] else f"{_told(*steps[0])}, called by {_told(*outer)}"
    return text if own is outer else f"{text}, for {_told(*own)}"


def _told(file: str, line: str, function: str) -> str:
    return f"{_module_of(file)}.{function} ({os.path.basename(file)}:{line})"


def _module_of(file: str) -> str:
    """What the module in a file is called, if it is loaded."""
    for name, module in sys.modules.copy().items():
        if getattr(module, "__file__", None) == file:
            return name
    return os.path.basename(file).removesuffix(".py")


def caller(frame: FrameType | None) -> str:
    """File, line and function of the first frame that is neither ours nor Python's library's."""
    frames = list(_frames(frame))
    found = _outer(frames)
    return f"{line_of(found)} in {found.f_code.co_qualname}"


def innermost(coroutine: Any) -> str:
    """Where a suspended coroutine is, deep down, and the last line on the way there that is of no installed package."""
    frames: list[FrameType] = []
    for _ in range(1000):  # a chain of awaits has an end
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            break
        if not frame.f_code.co_filename.startswith(HERE) and not is_of_the_library(frame.f_code.co_filename):
            frames.append(frame)
        inner = getattr(coroutine, "cr_await", None)
        coroutine = inner if inner is not None else getattr(coroutine, "gi_yieldfrom", None)
    if not frames:
        return repr(coroutine)
    own = next((one for one in reversed(frames) if "site-packages" not in one.f_code.co_filename), frames[0])
    text = f"{frames[-1].f_code.co_qualname} ({line_of(frames[-1])})"
    return text if own is frames[-1] else f"{text}, awaited by {own.f_code.co_qualname} ({line_of(own)})"


def tasks_of(loop: asyncio.AbstractEventLoop) -> list[str]:
    """A line for each task of an asyncio loop that waits."""
    tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
    lines = [f"task {task.get_name()} waits in {innermost(task.get_coro())}" for task in tasks[:MANY]]
    return sorted(lines) + ([f"and {len(tasks) - MANY} more tasks"] if len(tasks) > MANY else [])


def told(waiting: dict[int, Wait]) -> str:
    """The text of the error: a line for each thread that waits, with the tasks of its loop behind it."""
    stacks = library.stacks()
    lines = ["everybody waits, nobody has a deadline, and nothing is on its way:"]
    for ident, wait in sorted(waiting.items(), key=lambda entry: entry[1].is_the_servers):  # they wait for everybody
        lines.append(f"  {name_of(ident)} waits in {wait.what}, {place_of(stacks.get(ident, ()))}")
        if wait.loop is not None:
            lines += [f"    {line}" for line in tasks_of(wait.loop)]
        elif "trio" in wait.what and (trio := sys.modules.get("pytest_netmocks.virtual.patches.trio")) is not None:
            lines += [f"    {line}" for line in trio.tasks()]
    return "\n".join(lines)

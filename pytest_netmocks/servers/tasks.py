"""Users' code in the loop: coroutines whose exceptions fail the test that caused them."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable, Coroutine
from typing import Any

from pytest_netmocks import usercode
from pytest_netmocks.records.journal import Journal


def nothing() -> None:
    """What is to be done where nothing is."""


def no_excuse(error: BaseException) -> bool:
    """Every error counts."""
    return False


def _with_first_step(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]
) -> tuple[asyncio.Task[None], Callable[[], None]]:
    """A task, and what does its first step; asyncio would leave that to the loop's next turn."""
    steps: list[Callable[[], None]] = []

    def keep(step: Callable[[], None], *, context: contextvars.Context) -> None:
        steps.append(functools.partial(context.run, step))

    loop.__dict__["call_soon"] = keep  # all that making a task asks of the loop
    try:
        task = asyncio.Task(coroutine, loop=loop)
    finally:
        del loop.__dict__["call_soon"]
    return task, steps[0]


class Tasks:
    """The tasks of one server that run users' code; methods belong to the loop's thread."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._running: set[asyncio.Task[None]] = set()

    def __bool__(self) -> bool:
        return bool(self._running)

    def start(
        self,
        coroutine: Coroutine[Any, Any, None],
        connection: int | None,
        *,
        failed: Callable[[], None] = nothing,
        excused: Callable[[BaseException], bool] = no_excuse,
        stream: int | None = None,
        told: Callable[[asyncio.Task[None]], None] | None = None,
    ) -> asyncio.Task[None]:
        """Run it on behalf of that connection; what it raises goes on record unless `excused`, then `failed` is called.

        That holds for what is no `Exception` too: `pytest.fail()` raises such a thing, and `sys.exit()` is not to end
        the loop of all servers.

        `stream` is that of HTTP/2 whose exchange it answers. Whoever is to be `told` of the task before it begins has
        its first step done at once, a turn of the loop earlier, unless it is another task that calls.
        """
        running = self._run(coroutine, connection, failed, excused, stream)
        loop = asyncio.get_running_loop()
        if told is None or asyncio.current_task() is not None:
            task, step = loop.create_task(running), nothing
        else:
            task, step = _with_first_step(loop, running)
        if told is not None:
            told(task)
        self._running.add(task)
        task.add_done_callback(functools.partial(self._over, coroutine))
        step()
        return task

    def _over(self, coroutine: Coroutine[Any, Any, None], task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        coroutine.close()  # one that was cancelled before its first step would be mourned as never awaited

    async def _run(
        self,
        coroutine: Coroutine[Any, Any, None],
        connection: int | None,
        failed: Callable[[], None],
        excused: Callable[[BaseException], bool],
        stream: int | None,
    ) -> None:
        def late(error: BaseException) -> None:
            if not excused(error):
                self._journal.failed(connection, error, stream)

        usercode.late_failure.set(late)
        try:
            await coroutine
        except BaseException as error:  # see `start`
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            if not excused(error):
                self._journal.failed(connection, error, stream)
            failed()

    def cancel(self) -> None:
        """End them all."""
        for task in list(self._running):
            task.cancel()

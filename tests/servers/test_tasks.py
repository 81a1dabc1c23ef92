"""Users' coroutines in the loop: one that begins at once is a task as all others are."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pytest_netmocks.records.journal import Journal
from pytest_netmocks.servers.tasks import Tasks

said: contextvars.ContextVar[str] = contextvars.ContextVar("said", default="nothing")


class Place:
    """Where tasks begin: a callback of a loop, in which no task is at work."""

    def __init__(self) -> None:
        self.journal = Journal(1000)
        self.tasks = Tasks(self.journal)
        self.steps: list[str] = []
        self.task: asyncio.Task[None] | None = None

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        def told(task: asyncio.Task[None]) -> None:
            self.task = task
            self.steps.append("told")

        self.tasks.start(coroutine, None, told=told, failed=lambda: self.steps.append("failed"))
        self.steps.append("started")

    def run(self, begin: Callable[[], None]) -> list[str]:
        async def main() -> None:
            asyncio.get_running_loop().call_soon(begin)
            await asyncio.sleep(0)
            if self.task is not None:
                await asyncio.wait([self.task])

        asyncio.run(main())
        return self.steps


@pytest.fixture
def place() -> Place:
    return Place()


def test_what_is_told_first_has_its_first_step_at_once(place: Place) -> None:
    async def work() -> None:
        assert asyncio.current_task() is place.task
        place.steps.append("first")
        await asyncio.sleep(0)
        assert asyncio.current_task() is place.task
        place.steps.append("second")

    assert place.run(lambda: place.start(work())) == ["told", "first", "started", "second"]
    assert not place.tasks


def test_in_another_task_it_has_its_turn(place: Place) -> None:
    async def work() -> None:
        place.steps.append("first")

    async def outer() -> None:
        place.start(work())
        place.steps.append("outer goes on")
        await asyncio.sleep(0)

    assert place.run(lambda: place.start(outer()))[:5] == ["told", "told", "started", "outer goes on", "started"]
    assert place.steps[5:] == ["first"]


def test_its_context_is_its_own(place: Place) -> None:
    async def work() -> None:
        assert said.get() == "nothing"
        said.set("something")

    def begin() -> None:
        for _ in range(2):
            place.start(work())
        assert said.get() == "nothing"

    place.run(begin)
    assert place.journal.errors == []
    assert place.steps == ["told", "started"] * 2


def test_its_time_outs_hold_from_the_first_step_on(place: Place) -> None:
    async def work() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        place.steps.append("late")

    assert place.run(lambda: place.start(work())) == ["told", "started", "late"]
    assert place.journal.errors == []


def test_cancelled_in_its_first_step_it_ends_with_the_next_await(place: Place) -> None:
    async def work() -> None:
        assert place.task is not None
        place.task.cancel()
        try:
            await asyncio.sleep(0)
        finally:
            place.steps.append("over")

    assert place.run(lambda: place.start(work())) == ["told", "started", "over"]
    assert place.task is not None
    assert place.task.cancelled()
    assert place.journal.errors == []


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_its_first_step_raises_is_on_record(place: Place, error: BaseException) -> None:
    async def work() -> None:
        raise error

    assert place.run(lambda: place.start(work())) == ["told", "failed", "started"]
    assert place.journal.errors == [error]

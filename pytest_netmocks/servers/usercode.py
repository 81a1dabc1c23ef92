"""Plain functions of users, which may block: each in a daemon thread of its own, so that none holds up another."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_a_thread(function: Callable[..., T], *arguments: object) -> T:
    """Call it in a thread; its result or its exception. A function that never returns keeps no process alive."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def run() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = context.run(function, *arguments)
        except BaseException as error:  # noqa: BLE001  # it is raised where it is awaited
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, failure)

    def settle(result: Any, failure: BaseException | None) -> None:
        if future.done():
            return
        if isinstance(failure, StopIteration):  # a future cannot carry it
            failure = RuntimeError(f"the function raised {failure!r}")
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="netmocks user code", daemon=True).start()
    return await future

"""Users' functions, called in one way wherever they stand: a plain one may block and holds up nobody.

Coroutine functions run in the servers' loop. A plain function runs in a daemon thread of its own, which costs about
0.1 ms a call: what is to be fast is bytes or text, or a coroutine function.
"""

from __future__ import annotations

import _thread
import asyncio
import concurrent.futures
import contextlib
import contextvars
import inspect
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from pytest_netmocks import clock

T = TypeVar("T")

END = object()
"""What stands for the end of an iterator."""

late_failure: contextvars.ContextVar[Callable[[BaseException], None] | None] = contextvars.ContextVar(
    "late_failure", default=None
)
"""What hears what a function raises in its thread when nobody awaits it any more: its client may have left."""


YOUNG = 0.2
"""Real seconds from its beginning for which a function in its thread is waited for where a test ends; in virtual time a
tenth of it."""

_at_work: dict[_thread.LockType, float] = {}
"""The functions that are in their threads: what is released when one has told what it came to, and when it began."""

_mine = threading.local()
"""In such a thread, which is its own."""


def is_coroutine_function(function: object) -> bool:
    """Whether calling it only makes a coroutine, which can be done in the loop."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


async def call(function: Any, argument: object) -> Any:
    """Give what a user's function gives for the argument. Raises what it raises.

    A coroutine function runs here. A plain function runs in a thread of its own, with the caller's context variables;
    if it gives something awaitable, that is awaited here.
    """
    if is_coroutine_function(function):
        return await function(argument)
    made = await in_a_thread(function, argument)
    return await made if inspect.isawaitable(made) else made


async def in_a_thread(function: Callable[..., T], *arguments: object) -> T:
    """Call it in a thread; its result or its exception. A function that never returns keeps no process alive."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()
    working = _thread.allocate_lock()
    working.acquire()

    def run() -> None:
        _mine.working = working
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = context.run(function, *arguments)
        except BaseException as error:  # noqa: BLE001  # it is raised where it is awaited
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, failure)
        _at_work.pop(working, None)
        working.release()

    def settle(result: Any, failure: BaseException | None) -> None:
        if isinstance(failure, StopIteration):  # a future cannot carry it
            failure = RuntimeError(f"the function raised {failure!r}")
        if future.done():
            hears = context.get(late_failure)
            if failure is not None and hears is not None:
                hears(failure)
        elif failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(result)

    _at_work[working] = clock.real_now()
    try:
        threading.Thread(target=run, name="netmocks user code", daemon=True).start()
    except RuntimeError:  # there is no room for another
        _at_work.pop(working, None)
        raise
    return await future


def await_young() -> None:
    """Wait until functions that have just begun have told what they came to, each for `YOUNG` at most.

    The processor may be with others when a function has begun, and whose test ends then is not to go without its error.
    """
    own = getattr(_mine, "working", None)
    # In virtual time it may well sleep, and nothing wakes it while its test waits here.
    young = YOUNG / 10 if clock.is_virtual else YOUNG
    for working, began in _at_work.copy().items():
        if working is own:
            continue
        left = began + young - clock.real_now()
        if left > 0 and working.acquire(timeout=left):
            working.release()


def in_the_loop(
    loop: asyncio.AbstractEventLoop, function: Callable[..., Coroutine[Any, Any, T]], *arguments: object
) -> T:
    """Call a coroutine function in the loop, for another thread, which waits for it; its result or its exception.

    The coroutine is made in the loop: one that a loop at its end never comes to would be left over. Raises
    `RuntimeError` if the loop is closed, and `concurrent.futures.CancelledError` if it is closed meanwhile.
    """
    done: concurrent.futures.Future[T] = concurrent.futures.Future()
    tasks: list[asyncio.Task[T]] = []
    """The task, which the loop itself does not keep alive."""

    def begin() -> None:
        tasks.append(loop.create_task(function(*arguments)))
        tasks[0].add_done_callback(end)

    def end(task: asyncio.Task[T]) -> None:
        if task.cancelled():
            done.cancel()
        elif (error := task.exception()) is not None:
            done.set_exception(error)
        else:
            done.set_result(task.result())

    with _asking:  # before the loop is told: one that is closed after that finds it here
        _asked.setdefault(loop, set()).add(done)
    try:
        loop.call_soon_threadsafe(begin)
        return done.result()
    finally:
        with _asking:
            _asked.get(loop, set()).discard(done)


def closed(loop: asyncio.AbstractEventLoop) -> None:
    """Tell the threads that wait for the loop that it is closed; whoever has closed it calls this."""
    with _asking:
        waiting = _asked.pop(loop, set())
    for done in waiting:
        done.cancel()


_asking = threading.Lock()
_asked: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, set[concurrent.futures.Future[Any]]] = (
    weakref.WeakKeyDictionary()
)
"""What other threads wait for, by loop."""


async def each(source: Any) -> AsyncGenerator[Any]:
    """Give what a user's iterable gives, asynchronous or not. Raises what it raises.

    A plain iterator that is no list may block, as a function may; what of it can be closed is closed at the end.
    """
    if hasattr(source, "__aiter__"):
        try:
            async for one in source:
                yield one
        finally:
            if hasattr(source, "aclose"):
                await source.aclose()
        return
    if isinstance(source, (list, tuple)):
        for one in source:
            yield one
        return
    iterator: Iterator[Any] = iter(source)
    turn = threading.Lock()

    def step() -> Any:
        with turn:
            return next(iterator, END)

    def close() -> None:
        with turn:
            if hasattr(iterator, "close"):
                iterator.close()

    try:
        while (one := await in_a_thread(step)) is not END:
            yield one
    except BaseException:
        await in_a_thread(close)
        raise

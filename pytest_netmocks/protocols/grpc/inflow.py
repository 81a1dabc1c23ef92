"""`Inflow`: the messages of a call as they come, for who takes them one by one, in the loop or in a thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from pytest_netmocks.servers.tasks import nothing
from pytest_netmocks.usercode import in_the_loop

END = object()
"""What stands behind the last message."""

MANY = 64
"""Messages that may wait before the client is read no more."""


class Inflow:
    """What has come and is not taken yet; methods belong to the loop's thread unless they say otherwise."""

    __slots__ = ("_error", "_loop", "_over", "_waiters", "_waiting", "on_room", "taken")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_room: Callable[[], None]) -> None:
        self._loop = loop
        self._waiting: deque[Any] = deque()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._over = False
        self._error: BaseException | None = None
        self.on_room = on_room
        """Called when little waits, after much did."""
        self.taken = False
        """Whether anybody takes them one by one: nobody else is held up for it."""

    def put(self, message: Any) -> None:
        """A message has come."""
        self._waiting.append(message)
        self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """No more will come; with an error, who takes one more gets that."""
        if not self._over:
            self._over, self._error = True, error
            self.on_room = nothing  # the call stays on record, and who served it must not
            self._wake()

    @property
    def is_full(self) -> bool:
        """Whether so much waits that no more should come."""
        return self.taken and len(self._waiting) >= MANY

    async def take(self) -> Any:
        """The next message, or `END`. Raises the error that they ended with."""
        self.taken = True
        while not self._waiting:
            if self._over:
                if self._error is not None:
                    raise self._error
                return END
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter
        message = self._waiting.popleft()
        if len(self._waiting) == MANY // 2:
            self.on_room()
        return message

    def take_in_a_thread(self) -> Any:
        """As `take`, for any other thread than the loop's, which it blocks."""
        return in_the_loop(self._loop, self.take)

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)


class Messages:
    """The messages of a call as a servicer gets them: an iterator that blocks, or an asynchronous one."""

    def __init__(self, inflow: Inflow) -> None:
        self._inflow = inflow

    def __iter__(self) -> Messages:
        return self

    def __next__(self) -> Any:
        message = self._inflow.take_in_a_thread()
        if message is END:
            raise StopIteration
        return message

    def __aiter__(self) -> Messages:
        return self

    async def __anext__(self) -> Any:
        message = await self._inflow.take()
        if message is END:
            raise StopAsyncIteration
        return message

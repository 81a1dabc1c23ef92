"""`Dialogue`: the base of protocols in which what a client says is taken item by item, and answered in turn.

    data -> keep() -> [ what waits ] -> answer_next() -> at once, or in a task -> answer_next() -> ...

An item is looked at when the answer to the one before has been given. Meanwhile what comes waits, and much of it keeps
the client from being read; so does a client that does not take its answers. A client that says much at once has turns
between which the others have theirs. After the client's end what it said before is answered, then the server ends.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine
from typing import Any, ClassVar

from pytest_netmocks.link.link import Link
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.backpressure import SLOW, Reading
from pytest_netmocks.servers.tasks import Tasks
from pytest_netmocks.servers.timeslice import TimeSlice

_MUCH = "much waits"
_TLS = "the handshake comes"


class Dialogue(asyncio.Protocol):
    """One connection of such a protocol."""

    much: ClassVar[int] = 1 << 16
    """Bytes that may wait for their turn before nothing more is read."""

    def __init__(self, link: Link, connection: Connection, tasks: Tasks) -> None:
        self.link = link
        self.connection = connection
        self.reading = Reading(link)
        self.over = False
        """Whether nothing is answered any more."""
        self._tasks = tasks
        self._task: asyncio.Task[None] | None = None
        self._postponed = False
        self._finished = False

    # What a subclass says

    @abstractmethod
    def keep(self, data: bytes) -> None:
        """Keep what has come."""

    @abstractmethod
    def waiting(self) -> int:
        """How many bytes are kept."""

    @abstractmethod
    def answer_next(self) -> bool:
        """Take the next item that has come as a whole and answer it, or begin to; `False` if there is none."""

    # What it is given

    @property
    def busy(self) -> bool:
        """Whether something has to be done before what waits is looked at."""
        return self._task is not None or self._postponed or SLOW in self.reading

    def answer_later(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Answer in a task, after which it goes on with what waits; if users' code raises, the connection ends."""
        self._task = self._tasks.start(self._answer(coroutine), self.connection.id, failed=self.link.close)
        # If it is cancelled before its first step nobody has begun with the coroutine, which would be mourned for that.
        self._task.add_done_callback(lambda _: coroutine.close())
        return self._task

    def end_plain_text(self) -> None:
        """What was written last is the last in plain text: what comes from now on belongs to the handshake."""
        self.link.to_be_secured = True
        self.reading.hold(_TLS)

    def go_on_over_tls(self) -> None:
        """The handshake is over."""
        self.reading.go_on(_TLS)

    def look(self) -> None:
        """Answer what waits, as far as it can be now."""
        time_slice: TimeSlice | None = None
        while not self.over and not self.busy and self.answer_next() and not self.link.is_closing():
            if time_slice is None:
                if not self.waiting():
                    break
                time_slice = TimeSlice()
            elif time_slice.over:
                self._postponed = True
                asyncio.get_running_loop().call_soon(self._go_on)
        if _MUCH in self.reading and self.waiting() <= self.much:
            self.reading.go_on(_MUCH)

    async def _answer(self, coroutine: Coroutine[Any, Any, None]) -> None:
        await coroutine
        if self._task is asyncio.current_task():  # it may have begun another
            self._task = None
            self._go_on()

    def _go_on(self) -> None:
        """What it waited for is over."""
        self._postponed = False
        self.look()
        if self._finished and not self.busy:
            self.link.close()

    # asyncio's side

    def data_received(self, data: bytes) -> None:
        self.keep(data)
        if self.busy and self.waiting() > self.much:
            self.reading.hold(_MUCH)
        self.look()

    def eof_received(self) -> bool:
        self._finished = True
        return self.busy

    def connection_lost(self, error: Exception | None) -> None:
        self.over = True
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self.reading.hold(SLOW)

    def resume_writing(self) -> None:
        self.reading.go_on(SLOW)
        if not self.busy:
            self._go_on()

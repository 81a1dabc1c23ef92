"""One thread's wait: until when, for what, and how others find out whether it is over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pytest_netmocks import clock
from pytest_netmocks.virtual import alarm, library

if TYPE_CHECKING:
    import asyncio


def nothing() -> Iterable[int]:
    """No descriptors."""
    return ()


SERVERS = "the servers' loop"
"""What the wait of its thread is called, wherever that was started."""

What = str | Callable[[], str]
"""What a wait is called, or what gives that."""


class Wait:
    """What a thread has in the clock's table while it waits.

    `asked` says whether the wait is over: others call it, under the clock's lock, so it must consume nothing and keep
    its answer until the thread has left the table. `behind` gives the descriptors that may end it.
    """

    __slots__ = ("_what", "alarm", "asked", "began", "behind", "deadline", "error", "is_for_threads", "loop", "thread")

    def __init__(
        self,
        what: What,
        deadline: float | None,
        asked: Callable[[], bool],
        behind: Callable[[], Iterable[int]] = nothing,
        thread: threading.Thread | None = None,
        *,
        is_for_threads: bool = False,
    ) -> None:
        self._what = what
        self.deadline = deadline
        self.asked = asked
        self.behind = behind
        self.thread = thread
        """Whose end it is that is waited for."""
        self.is_for_threads = is_for_threads
        """Whether only another thread ends it, and no descriptor."""
        self.alarm: Any = alarm.mine()
        self.began = clock.real_now()
        self.error: BaseException | None = None
        """What is to be raised in it: it would last for ever."""
        self.loop: asyncio.AbstractEventLoop | None = library.running_loop()

    @property
    def is_the_servers(self) -> bool:
        """Whether it is the servers' loop that waits."""
        return self._what is SERVERS

    @property
    def what(self) -> str:
        """What it is called."""
        return self._what if isinstance(self._what, str) else self._what()

"""The loop's thread: one a process, started with the first server, gone at exit, fresh after a fork.

Everything that touches a socket runs in it. `call` runs a function there and waits until it has.
"""

from __future__ import annotations

import _thread
import asyncio
import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, TypeVarTuple

from pytest_netmocks import clock, usercode
from pytest_netmocks.link import hangups, quiet
from pytest_netmocks.link.doors import make_doors
from pytest_netmocks.link.listener import Listener
from pytest_netmocks.link.selector import Selector, Sleeper
from pytest_netmocks.link.wire import Wire

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PATIENCE = 30.0
"""Seconds that a call may wait for the loop; only a handler that blocks it can take so long."""


CALM = 1.0
"""Seconds that `settle` may wait for a loop that is never idle."""


class Inherited(Protocol):
    """What has sockets that a forked child must let go."""

    def abandon(self) -> None:
        """Close the descriptors without a word to the peers or the loop."""

    def hear(self, text: str) -> None:
        """Put a line on record, in the loop's thread."""


class _Loop(asyncio.SelectorEventLoop):
    """A loop whose timers nobody stops who stops the test's clock."""

    time = staticmethod(clock.now)

    def __init__(self, selector: Any) -> None:
        super().__init__(selector)
        self._ours = selector

    # asyncio looks for a transport, and for what there is, by exceptions, which each connection would pay for.

    def add_reader(self, fd: Any, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """Call back when there is something to read."""
        if type(fd) is not int or not self._ours.begin(fd, asyncio.Handle(callback, args, self)):
            super().add_reader(fd, callback, *args)

    def remove_reader(self, fd: Any) -> bool:
        """Listen no more; whether somebody did."""
        return (type(fd) is int and self._ours.end(fd)) or super().remove_reader(fd)


class LoopThread:
    """An asyncio loop in a daemon thread of its own, its clock, and what carries connections on it: sockets.

    What has its words and other carriers can stand in its place, see `memory`.
    """

    listener = Listener
    wire = Wire
    now = staticmethod(clock.now)

    def __init__(self) -> None:
        self._selector = Selector()
        with quiet.silent("asyncio"):  # which tells of every new loop
            self.loop = _Loop(self._selector)
        # In debug mode asyncio would time and log every callback of ours.
        self.loop.set_debug(False)
        self.loop.set_exception_handler(self._failed)
        self.errors: list[BaseException] = []
        self.doors = make_doors(self.loop)
        self._own = frozenset(self._selector.get_map())
        """What wakes the loop itself, and the doors, behind which nobody is before he is accepted."""
        self.servers: weakref.WeakSet[Inherited] = weakref.WeakSet()
        self._ident = 0
        self.sleep_by(_sleeper)
        self._thread = threading.Thread(target=self._run, name="netmocks", daemon=True)
        self._thread.start()

    @property
    def here(self) -> bool:
        """Whether the caller runs in the loop's thread."""
        return threading.get_ident() == self._ident

    @property
    def ident(self) -> int:
        """The identity of the loop's thread, see `threading.get_ident`."""
        return self._thread.ident or 0

    @property
    def idle(self) -> bool:
        """Whether the loop is known to have nothing to do, and nobody to wait in the kernel; in any thread."""
        return self._selector.idle  # type: ignore[no-any-return]  # of our own

    def sleep_by(self, sleeper: Sleeper | None) -> None:
        """Let somebody else see to the loop's waits, from its next turn on; `None`: the kernel again."""
        self._selector.sleep_by(sleeper, self._descriptors)

    def _descriptors(self) -> list[int]:
        """The sockets of others that the loop listens to, those that are not read just now too."""
        nested, watched = hangups.behind(self.loop)
        read = [number for number in self._selector.get_map() or () if number not in self._own and number != nested]
        return read + watched

    def call(self, function: Callable[..., T], *args: Any, settle: bool = False) -> T:
        """Run the function in the loop's thread; its result or its exception.

        From the loop's thread itself it runs at once. To `settle` is to wait, as the method of that name does, until
        what the function has brought about is dealt with. Raises `RuntimeError` if the loop does not come to it.
        """
        if self.here:
            return function(*args)
        if not self._thread.is_alive():
            raise RuntimeError("the servers' loop is not in this process: the server is another's, or it was closed")
        result: list[T] = []
        failure: list[BaseException] = []
        done = _thread.allocate_lock()
        done.acquire()

        def run() -> None:
            try:
                result.append(function(*args))
            except BaseException as error:  # noqa: BLE001  # it is raised in the caller's thread
                failure.append(error)
            finally:
                if settle:
                    self._selector.await_idle(done)
                else:
                    done.release()

        self.loop.call_soon_threadsafe(run)
        left, turn = PATIENCE, CALM if settle else PATIENCE
        while not done.acquire(timeout=turn) and not (result or failure):
            left -= turn
            if left <= 0:
                raise RuntimeError(
                    f"the servers' loop has been busy for {PATIENCE:g} seconds: does a handler block? "
                    "Handlers run in the loop: await what takes time, or use asyncio.to_thread()"
                )
        if failure:
            raise failure[0]
        return result[0]

    def settle(self) -> None:
        """Wait until the loop has nothing left to do but wait, or for `CALM` seconds if it never comes to that.

        Users' functions that have just begun in their threads are waited for, too.
        """
        if self.here:
            return
        self._calm()
        usercode.await_young()
        self._calm()  # what they came to

    def _calm(self) -> None:
        if self.idle:
            return
        idle = _thread.allocate_lock()
        idle.acquire()
        with contextlib.suppress(RuntimeError):  # the loop has just been closed: then there is nothing left to do
            self.loop.call_soon_threadsafe(self._selector.await_idle, idle)
            idle.acquire(timeout=CALM)

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What blows up in the loop must not only be logged: the test that caused it fails."""
        loop.default_exception_handler(context)
        error = context.get("exception")
        self.errors.append(error if isinstance(error, BaseException) else RuntimeError(context["message"]))

    def close(self) -> None:
        """Stop the loop and end the thread."""
        if not self.loop.is_closed():
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        self._ident = threading.get_ident()
        quiet.be_quiet()
        try:
            self.loop.run_forever()
            if tasks := asyncio.all_tasks(self.loop):
                for task in tasks:
                    task.cancel()
                # A handler that swallows its cancellation must not keep the process alive.
                self.loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
        finally:
            self.doors.close()
            hangups.close(self.loop)
            self.loop.close()
            usercode.closed(self.loop)


_current: LoopThread | None = None
_of_parents: list[LoopThread] = []
_starting = threading.Lock()


_sleeper: Sleeper | None = None


def sleep_by(sleeper: Sleeper | None) -> LoopThread | None:
    """Let somebody else see to the waits of the process's loop, of one that is started later too.

    Gives the loop's thread if there is one.
    """
    global _sleeper  # noqa: PLW0603  # as below
    with _starting:
        _sleeper = sleeper
        if _current is None or _current.loop.is_closed():
            return None
        _current.sleep_by(sleeper)
        with contextlib.suppress(RuntimeError):  # it ends just now
            _current.loop.call_soon_threadsafe(_turn)  # out of the wait that it is in
        return _current


def tell_servers(text: str) -> None:
    """Put a line on record of all servers that there are, from any thread."""
    thread = _current
    if thread is not None:
        with contextlib.suppress(RuntimeError):  # the loop was closed
            thread.loop.call_soon_threadsafe(_tell, thread, text)


def _tell(thread: LoopThread, text: str) -> None:
    for server in list(thread.servers):
        server.hear(text)


def _turn() -> None:
    """Have the loop begin its next turn."""


def shared() -> LoopThread:
    """The process's loop thread, started if there is none."""
    global _current  # noqa: PLW0603  # one a process is what this module is for
    with _starting:
        if _current is None or _current.loop.is_closed():
            _current = LoopThread()
        return _current


def settle() -> None:
    """Wait until the process's loop, if there is one, has nothing left to do; see `LoopThread.settle`."""
    thread = _current
    if thread is not None:
        thread.settle()


def take_errors() -> list[BaseException]:
    """What blew up in the loop and nobody took yet."""
    if _current is None:
        return []
    taken, _current.errors = _current.errors, []
    return taken


def close() -> None:
    """End the loop's thread; the next server starts another."""
    global _current
    with _starting:
        thread, _current = _current, None
    if thread is not None:
        thread.close()


def _forget_the_parents() -> None:
    """In a forked child: the thread did not come along, and the descriptors are the parent's.

    The loop object is kept for ever: closing it would wake the parent's selector, dropping it would warn.
    """
    global _current, _starting  # noqa: PLW0603
    _starting = threading.Lock()
    if _current is not None:
        thread, _current = _current, None
        _of_parents.append(thread)
        for server in list(thread.servers):
            server.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_the_parents)
atexit.register(close)

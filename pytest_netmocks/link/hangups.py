"""Hang-ups: who has gone of those whom nobody reads.

A socket that is not read tells nothing of its peer's FIN or RST by itself. epoll(7) does, without a byte being read
(EPOLLRDHUP, EPOLLERR); asyncio does not ask it, so these sockets are in an epoll of their own, nested in the loop's.
Each is put there once, edge-triggered, and stays until it is closed: pausing and resuming cost nothing more.
"""

from __future__ import annotations

import asyncio
import select
import weakref
from collections.abc import Callable
from typing import Protocol

FINISHED, BROKEN = 1, 2
"""What has happened: the peer has sent its FIN, the connection is broken."""


class Watcher(Protocol):
    """Who tells of hang-ups."""

    def watch(self, number: int, callback: Callable[[int], None], *, finished: bool = False) -> None:
        """Call back, with `FINISHED` and `BROKEN`, when something happens to the socket with that descriptor.

        Of one whose peer has `finished` already only the break is news.
        """

    def forget(self, number: int) -> None:
        """Call back no more; before the descriptor is closed."""


class Hangups:
    """Those of one loop; every method belongs to its thread. Where there is no epoll nothing is told."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._callbacks: dict[int, Callable[[int], None]] = {}
        if hasattr(select, "epoll"):
            self._epoll = select.epoll()
            loop.add_reader(self._epoll.fileno(), self._look)

    def watch(self, number: int, callback: Callable[[int], None], *, finished: bool = False) -> None:
        """See `Watcher`."""
        if hasattr(select, "epoll"):
            self._callbacks[number] = callback
            self._epoll.register(number, select.EPOLLET if finished else select.EPOLLRDHUP | select.EPOLLET)

    def forget(self, number: int) -> None:
        """See `Watcher`."""
        if self._callbacks.pop(number, None) is not None:
            try:  # noqa: SIM105  # each connection would pay for `suppress`
                self._epoll.unregister(number)
            except OSError:
                pass

    def behind(self) -> tuple[int, list[int]]:
        """The descriptor that the loop listens to for them (-1: none), and those of whom it tells."""
        return (self._epoll.fileno() if hasattr(select, "epoll") else -1), list(self._callbacks)

    def _look(self) -> None:
        for number, events in self._epoll.poll(0):
            callback = self._callbacks.get(number)
            if callback is not None:
                finished = FINISHED if events & (select.EPOLLRDHUP | select.EPOLLHUP) else 0
                callback(finished | (BROKEN if events & select.EPOLLERR else 0))

    def close(self) -> None:
        """Give the descriptor back."""
        if hasattr(select, "epoll"):
            self._epoll.close()


_of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hangups] = weakref.WeakKeyDictionary()


def of(loop: asyncio.AbstractEventLoop) -> Hangups:
    """Those of the loop, made now if there are none."""
    found = _of_loops.get(loop)
    if found is None:
        found = _of_loops[loop] = Hangups(loop)
    return found


def behind(loop: asyncio.AbstractEventLoop) -> tuple[int, list[int]]:
    """Those of the loop, see `Hangups.behind`; none are made for it."""
    found = _of_loops.get(loop)
    return found.behind() if found is not None else (-1, [])


def close(loop: asyncio.AbstractEventLoop) -> None:
    """The loop ends."""
    found = _of_loops.pop(loop, None)
    if found is not None:
        found.close()

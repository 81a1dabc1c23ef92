"""The doors: where listeners and sockets of datagrams are told that somebody is there, opened from any thread at once.

Opening a server is what every test does, and a hop to the loop's thread and back would be most of its cost. epoll(7)
may be changed while another thread waits on it, so the listeners have an epoll of their own, nested in the loop's. An
event that was on its way when a door was shut at worst lets another listener look for nobody.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Protocol


class Doors(Protocol):
    """Calls back, in the loop's thread, when somebody waits at a listening socket."""

    any_thread: bool
    """Whether `open` and `shut` may be called outside the loop's thread."""

    def open(self, sock: socket.socket, callback: Callable[[], object]) -> None:
        """Call back from now on."""

    def shut(self, sock: socket.socket) -> None:
        """Call back no more; for a socket without a door this does nothing."""

    def close(self) -> None:
        """Give the descriptor back."""


class EpollDoors:
    """Linux."""

    any_thread = True

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], object]] = {}
        loop.add_reader(self._epoll.fileno(), self._look)

    def open(self, sock: socket.socket, callback: Callable[[], object]) -> None:
        """Call back from now on."""
        self._callbacks[sock.fileno()] = callback
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def shut(self, sock: socket.socket) -> None:
        """Call back no more."""
        if self._callbacks.pop(sock.fileno(), None) is not None:
            self._epoll.unregister(sock.fileno())

    def close(self) -> None:
        """Give the descriptor back."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _look(self) -> None:
        for number, _ in self._epoll.poll(0):
            callback = self._callbacks.get(number)
            if callback is not None:
                callback()


class LoopDoors:
    """Everywhere else: the loop's own readers, which belong to its thread."""

    any_thread = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def open(self, sock: socket.socket, callback: Callable[[], object]) -> None:
        """Call back from now on."""
        self._loop.add_reader(sock, callback)

    def shut(self, sock: socket.socket) -> None:
        """Call back no more."""
        self._loop.remove_reader(sock)

    def close(self) -> None:
        """The loop keeps its own descriptor."""


def make_doors(loop: asyncio.AbstractEventLoop) -> Doors:
    """The best that this system has."""
    return EpollDoors(loop) if hasattr(select, "epoll") else LoopDoors(loop)

"""The listener: a port that accepts, refuses or leaves clients hanging, and hands over what it accepted.

The three states are the kernel's doing: a socket that is bound but does not listen refuses and keeps the port, a full
queue of a backlog of none makes connecting hang.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Callable
from typing import Literal

from pytest_netmocks import clock
from pytest_netmocks.link import kernel
from pytest_netmocks.link.doors import Doors
from pytest_netmocks.link.runqueue import SHARE
from pytest_netmocks.records.addresses import Address

State = Literal["accepting", "refusing", "unreachable"]

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

RETRY = 0.05
"""Seconds until a machine without descriptors is asked again."""


class Listener:
    """One listening socket. Connections are handed over in the loop's thread, under `lock`."""

    def __init__(
        self,
        host: str,
        port: int,
        accepted: Callable[[socket.socket, Address], None],
        exhausted: Callable[[OSError], None],
    ) -> None:
        self._socket = self._take(host, port)
        self._accepted = accepted
        self._exhausted = exhausted
        self._doors: Doors
        self._loop: asyncio.AbstractEventLoop
        self._filler: socket.socket | None = None
        self._retry: asyncio.TimerHandle | None = None
        self.lock = threading.RLock()
        """Held while connections are accepted: nothing is handed over while somebody else has it."""
        self.address: Address = self._socket.getsockname()
        self.state: State = "refusing"
        self.held = False
        """Whether who comes has to wait in the queue, as long as the port accepts."""
        self._lets_in = False
        """Whether anybody is accepted just now: the port accepts, and is not held."""

    def _take(self, host: str, port: int) -> socket.socket:
        """A socket that has the place and does not listen yet. Raises an `OSError` that names it."""
        return kernel.listening(host, port)

    @property
    def where(self) -> str:
        """Its place in words, for errors."""
        host, port = self.address[:2]
        return f"{host} port {port}"

    def _refuse(self) -> None:
        """Stop listening, but keep the place."""
        self._socket = kernel.stop_listening(self._socket)

    def _fill(self) -> socket.socket:
        """Make connecting hang, by a connection of our own, which this gives."""
        return kernel.fill_backlog(self._socket, self.address)

    def attach(self, loop: asyncio.AbstractEventLoop, doors: Doors) -> None:
        """Know where to accept; the port refuses until `change` says otherwise."""
        self._loop = loop
        self._doors = doors

    def waiting(self) -> bool:
        """Whether a client waits to be accepted; in any thread, and after those that are being accepted right now."""
        with self.lock:
            return self._lets_in and kernel.readable(self._socket.fileno())

    def drain(self) -> None:
        """Accept everything that waits; in the loop's thread. Who comes meanwhile is not waited for."""
        with self.lock:
            for _ in range(kernel.BACKLOG + 1):
                if not self._accept_one():
                    return

    def _look(self) -> None:
        """Accept some of those who wait: the loop is not theirs alone, and tells again of those who are left."""
        until = clock.now() + SHARE
        with self.lock:
            while self._accept_one() and clock.now() < until:
                pass

    def _accept_one(self) -> bool:
        """Accept whoever has waited longest, if anybody; whether more may wait."""
        if not self._lets_in:
            return False
        try:
            sock, address = self._socket.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionError:  # gone before it was accepted, see accept(2)
            return True
        except OSError as error:
            if error.errno in EXHAUSTED:
                self._pause(error)
            return False
        if self._filler is not None and address == self._filler.getsockname():
            sock.close()
            self._drop_filler()
        else:
            self._accepted(sock, address)
        return True

    def hold(self, *, hold: bool) -> None:
        """Let who comes wait in the kernel's queue, or accept again; in the loop's thread.

        One who waits is connected for all that he can see. He is told of a port that refuses or closes by an RST.
        """
        with self.lock:
            if hold == self.held:
                return
            self.held = hold
            if self.state == "accepting":
                if hold:
                    self._shut()
                else:
                    self._doors.open(self._socket, self._look)
                self._lets_in = not hold

    def change(self, state: State) -> None:
        """Accept, refuse or hang from now on; what waits is accepted before, so it belongs into the loop's thread.

        To accept for the first time it may be called in any thread that the doors allow. Raises `OSError` that names
        the address if the kernel cannot.
        """
        with self.lock:
            if state == self.state:
                return
            self.drain()
            if self._lets_in:
                self._shut()
            try:
                if state == "refusing":
                    self._refuse()
                    self._drop_filler()
                elif state == "unreachable":
                    kernel.check_backlog()
                    if self.state == "refusing":
                        kernel.listen(self._socket, 0)
                    if self._filler is not None and not kernel.is_connected(self._filler):
                        self._drop_filler()  # somebody else waited in its place
                    if self._filler is None:
                        self._filler = self._fill()
                    else:  # the last one waits in the queue of a port that was held since
                        kernel.listen(self._socket, 0)
                else:
                    kernel.listen(self._socket, kernel.BACKLOG)
                    if not self.held:
                        self._doors.open(self._socket, self._look)
            except OSError as error:
                if self._lets_in:
                    self._doors.open(self._socket, self._look)
                raise kernel.named(error, f"cannot be {state} on {self.where}") from None
            self.state = state
            self._lets_in = state == "accepting" and not self.held

    def close(self) -> None:
        """Give the port back."""
        with self.lock:
            if self._lets_in:
                self._shut()
            self.abandon()

    def abandon(self) -> None:
        """Close the descriptors without a word to the loop."""
        self.state = "refusing"
        self._lets_in = False
        self._socket.close()
        self._drop_filler()

    def _shut(self) -> None:
        """Let nobody in; a listener that has no descriptors does so already, and then forgets to try again."""
        if self._retry is None:
            self._doors.shut(self._socket)
        else:
            self._retry.cancel()
            self._retry = None

    def _drop_filler(self) -> None:
        if self._filler is not None:
            self._filler.close()
            self._filler = None

    def _pause(self, error: OSError) -> None:
        """Without descriptors the readable listener would spin: wait, and try again."""
        if self._retry is not None:
            return  # somebody asked meanwhile
        self._exhausted(error)
        self._doors.shut(self._socket)
        self._retry = self._loop.call_later(RETRY, self._resume)

    def _resume(self) -> None:
        self._retry = None
        with self.lock:
            if self._lets_in:
                self._doors.open(self._socket, self._look)
                self._look()

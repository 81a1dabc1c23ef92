"""The wire: one connected TCP socket on the loop, and the ways to end it.

It moves bytes between the kernel and what stands above and knows nothing of faults, records or protocols.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import socket as sockets
from collections import deque
from collections.abc import Callable
from typing import Any

from pytest_netmocks.link import hangups, kernel, peers
from pytest_netmocks.link.nobody import NOBODY
from pytest_netmocks.link.ports import Above, End

READ = 64 * 1024
"""Bytes of one read: above 128 KiB malloc(3) would map and unmap memory for every one."""

BULK = 256 * 1024
"""Bytes of one read after a full one: a large transfer takes fewer calls."""

HIGH = 64 * 1024
"""Bytes waiting to be written above which the writer is asked to pause; at a quarter of it, to go on."""

GATHER = 64
"""Pieces that one sendmsg(2) takes at most."""

ONE_SEND = 4 * 1024 * 1024
"""Bytes that the kernel is asked to take at once: all others wait for the one to two milliseconds in which it does.

With a quarter of it that is half a millisecond, and a large download takes a tenth more of the processor.
"""

PAUSE, LONG_PAUSE = 0.0005, 0.016
"""Seconds between looks at whether what was sent has left, the first and the longest."""

DRAIN = 64
"""Reads that a last look at the socket makes before it is closed, so that its end is a FIN."""


class Wire:
    """One connected socket; every method belongs to the loop's thread."""

    __slots__ = (
        "_above",
        "_apart",
        "_buffer",
        "_buffered",
        "_discarding",
        "_fileno",
        "_fin_asked",
        "_fin_sent",
        "_finishing",
        "_happened",
        "_loop",
        "_paused",
        "_peer_finished",
        "_reading",
        "_resetting",
        "_size",
        "_sock",
        "_wait",
        "_watched",
        "closed",
        "on_closed",
        "patience",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: sockets.socket, above: Above) -> None:
        self._loop = loop
        self._sock = sock
        self._fileno = sock.fileno()
        self._above = above
        self._buffer: deque[bytes | memoryview] | None = None
        """What the kernel has not taken yet; `None` as long as it took everything at once."""
        self._buffered = 0
        self._paused = False
        self._apart = False
        self._reading = False
        self._size = READ
        self._discarding = False
        self._peer_finished = False
        self._fin_asked = False
        self._fin_sent = False
        self._finishing = False
        self._resetting = False
        self._watched: hangups.Watcher | None = None
        self._happened = 0
        """What is known of the peer's end besides what was read."""
        self._wait: asyncio.Handle | None = None
        self.closed = False
        self.on_closed: Callable[[Wire], None] | None = None
        self.patience: int | None = None
        """Bytes that the peer may send after our FIN before it gets an RST, `None` for any number."""

    @property
    def socket(self) -> sockets.socket | None:
        """The socket itself."""
        return self._sock

    @property
    def buffered(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._buffered

    @property
    def unread(self) -> bool:
        """Whether bytes have come that nobody has read; true where the kernel does not tell."""
        return not self.closed and kernel.unread(self._sock) != 0

    @property
    def deserted(self) -> bool:
        """Whether no process has the other end any more; false where the kernel does not tell."""
        return peers.has_closed(self._sock)

    def carry(self, above: Above) -> None:
        """From now on something else stands on the wire: a layer was put in between."""
        self._above = above

    # Reading

    def resume_reading(self) -> None:
        """Hand up what the peer sends."""
        if not self._reading and not self.closed and not self._peer_finished:
            self._reading = True
            self._loop.add_reader(self._fileno, self._readable)

    def pause_reading(self) -> None:
        """Read nothing, so that in time the peer's sends block."""
        if not self._discarding:
            self._stop_reading()
            self._watch()

    def _watch(self) -> None:
        """Hear of the peer's end although nobody reads."""
        if self._watched is None and not self.closed:
            self._watched = self._hangups()
            self._watched.watch(self._fileno, self._hung_up, finished=self._peer_finished)
        if self._happened:
            self._loop.call_soon(self._hung_up, 0)

    def _hangups(self) -> hangups.Watcher:
        return hangups.of(self._loop)

    def _hung_up(self, what: int) -> None:
        self._happened |= what
        if self.closed or self._reading:
            return  # who reads comes to it in its turn
        if self._happened & hangups.BROKEN:
            self._read_the_rest()
        elif not self._peer_finished:
            self._above.peer_hung_up()

    def _read_the_rest(self) -> None:
        """The connection is broken: hand up what has come before it was."""
        error: OSError = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        try:
            while not self.closed and (data := self._sock.recv(BULK)):
                if not self._discarding:
                    self._above.data_received(data)
        except OSError as reason:
            error = reason
        self._lost(error)

    def discard(self) -> None:
        """From now on read and throw away what the peer sends."""
        self._discarding = True
        self.resume_reading()

    def _readable(self) -> None:
        try:
            data = self._sock.recv(self._size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error)
            return
        if not data:
            self._stop_reading()
            self._peer_finished = True
            if self._fin_sent and self._finishing:
                self._lost(None)
            elif not self._discarding:
                self._above.peer_finished()
            if not self.closed:
                self._watch()  # its RST comes yet, if it was gone for good
        elif not self._discarding:
            self._size = BULK if len(data) >= READ else READ
            self._above.data_received(data)
        elif self.patience is not None and self._fin_sent:
            self.patience -= len(data)
            if self.patience < 0:
                self._reset()

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._fileno)

    # Writing

    def write(self, data: bytes | memoryview) -> None:
        """Send, in order; what the kernel does not take waits here."""
        if self.closed or self._fin_asked or self._resetting:
            return
        if not self._buffer:
            if self._apart:
                self._wait = self._loop.call_soon(self._send_apart)
            else:
                try:
                    sent = self._sock.send(data if len(data) <= ONE_SEND else memoryview(data)[:ONE_SEND])
                except (BlockingIOError, InterruptedError):
                    sent = 0
                except OSError as error:
                    self._lost(error)
                    return
                if sent == len(data):
                    return
                data = memoryview(data)[sent:]
                self._loop.add_writer(self._fileno, self._writable)
        if self._buffer is None:
            self._buffer = deque()
        self._buffer.append(data)
        self._buffered += len(data)
        if self._buffered > HIGH and not self._paused:
            self._paused = True
            self._above.pause_writing()

    def keep_apart(self, *, apart: bool) -> None:
        """Whether from now on each write is a segment of its own, which leaves before the next is sent."""
        self._apart = apart

    def hold_for_the_end(self) -> None:
        """Let what is written wait for the FIN that follows it."""
        kernel.send_together(self._sock)

    def _writable(self) -> None:
        if self._apart:
            self._loop.remove_writer(self._fileno)
            self._send_apart()
        else:
            self._send(self._first_pieces())

    def _first_pieces(self) -> list[bytes | memoryview]:
        """Of what waits, as much as is sent at once."""
        assert self._buffer is not None
        pieces = list(itertools.islice(self._buffer, GATHER))
        if self._buffered > ONE_SEND:
            room = ONE_SEND
            for index, piece in enumerate(pieces):
                if len(piece) >= room:
                    return [*pieces[:index], memoryview(piece)[:room]]
                room -= len(piece)
        return pieces

    def _send_apart(self, pause: float = PAUSE) -> None:
        """Send the next pieces, each when the one before has left."""
        for _ in range(GATHER):
            if self.closed or not self._buffer:
                return
            if not self._apart:  # since the last time
                self._loop.add_writer(self._fileno, self._writable)
                return
            if self._unsent():
                break
            pause = PAUSE
            self._send([self._buffer[0]], kernel.END_OF_RECORD)
        if self._buffer:
            # Nothing tells when the queue is empty; where a slow reader makes it last, milliseconds do not matter.
            self._wait = self._loop.call_later(pause, self._send_apart, min(2 * pause, LONG_PAUSE))

    def _send(self, pieces: list[bytes | memoryview], flags: int = 0) -> None:
        try:
            sent = self._sock.sendmsg(pieces, (), flags)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error)
            return
        buffer = self._buffer
        assert buffer is not None
        self._buffered -= sent
        while sent:
            head = buffer[0]
            if sent < len(head):
                buffer[0] = memoryview(head)[sent:]
                break
            sent -= len(head)
            buffer.popleft()
        if not buffer:
            self._loop.remove_writer(self._fileno)
            self._flushed()
        if self._paused and self._buffered <= HIGH // 4 and not self.closed:
            self._paused = False
            self._above.resume_writing()

    def _unsent(self) -> int:
        """Bytes that the peer's kernel cannot have yet."""
        return kernel.unsent(self._sock)

    def _flushed(self) -> None:
        if self._resetting:
            self._reset_when_sent()
        elif self._fin_asked:
            self._send_fin()

    # Ends

    def write_eof(self) -> None:
        """Send a FIN after what was written; the peer may go on sending."""
        if not self._fin_asked and not self.closed and not self._resetting:
            self._fin_asked = True
            if not self._buffer:
                self._send_fin()

    def finish(self, *, at_once: bool = False, past_faults: bool = False, notify: bool = True) -> None:
        """End in good order: a FIN after what was written, then read on and throw away until the peer is done.

        A close while the peer's bytes are unread would be an RST. `at_once` gives up what the kernel has not taken;
        `past_faults` and `notify` are for layers that have any.
        """
        if self._resetting and at_once and not self.closed:
            self._reset()
        if self.closed or self._resetting:
            return
        self._finishing = True
        self._fin_asked = True
        if at_once:
            self._drop_buffer()
        self.discard()
        if self._fin_sent:
            self._above.ending()
            self._close_if_done()
        elif not self._buffer:
            self._send_fin()

    def _send_fin(self) -> None:
        if self._fin_sent or self.closed:
            return
        self._fin_sent = True
        if self._finishing:
            self._above.ending()
        self._above.end_sent(End.FIN)
        kernel.shut_down_sending(self._sock)
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._finishing and self._fin_sent and self._peer_finished:
            self._lost(None)

    def reset(self, *, at_once: bool = False) -> None:
        """End with an RST once the peer's kernel has every byte that was written; `at_once` does not wait for them."""
        if self.closed or self._resetting:
            return
        self._resetting = True
        self.discard()
        if at_once:
            self._reset()
        elif not self._buffer:
            self._reset_when_sent()

    def _reset_when_sent(self, pause: float = PAUSE) -> None:
        self._wait = None
        if self.closed:
            return
        # After the peer's FIN nobody reads, so nothing else tells of its RST.
        if self._unsent() and not self._sock.getsockopt(sockets.SOL_SOCKET, sockets.SO_ERROR):
            self._wait = self._loop.call_later(pause, self._reset_when_sent, min(2 * pause, LONG_PAUSE))
        else:
            self._reset()

    def _reset(self) -> None:
        self._above.end_sent(End.RST)
        self._close(kernel.reset)

    def kill(self) -> None:
        """End now, whatever waits: a FIN if the peer has not been sending like mad, and the descriptor is free."""
        if self.closed:
            return
        if self._resetting:
            self._reset()
            return
        if not self._fin_sent:
            self._above.end_sent(End.FIN)
        kernel.shut_down_sending(self._sock)
        with contextlib.suppress(OSError):
            for _ in range(DRAIN):
                if not self._sock.recv(READ):
                    break
        self._close(kernel.close)

    def abandon(self) -> None:
        """Let the descriptor go without a word to the loop: in a forked child it is the parent's connection."""
        self.closed = True
        kernel.close(self._sock)

    def _lost(self, error: Exception | None) -> None:
        if not self.closed:
            above = self._above
            self._close(kernel.close)
            # A writer that never waits but in drain() must come to a halt there.
            if not self._paused:
                self._paused = True
                above.pause_writing()
            # Not from within a write: the writer would find its connection gone in the middle of a sentence.
            self._loop.call_soon(above.wire_lost, error)

    def _close(self, close: Callable[[sockets.socket], Any]) -> None:
        self.closed = True
        self._stop_reading()
        self._drop_buffer()
        if self._wait is not None:
            self._wait.cancel()
        if self._watched is not None:
            self._watched.forget(self._fileno)
        close(self._sock)
        self._above = NOBODY
        if self.on_closed is not None:
            self.on_closed(self)

    def _drop_buffer(self) -> None:
        if self._buffer:
            self._loop.remove_writer(self._fileno)
            self._buffer.clear()
            self._buffered = 0

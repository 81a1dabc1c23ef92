"""`Outlet`: what goes out on a connection of HTTP/2: a frame of each stream that has something, in turns.

Each goes as far as its windows allow, and all as long as the client takes what is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pytest_netmocks.faults.codes import CODES
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.h2 import frames
from pytest_netmocks.protocols.h2.disturbance import Disturbance
from pytest_netmocks.protocols.h2.fields import Fields
from pytest_netmocks.protocols.h2.library import Engine
from pytest_netmocks.protocols.h2.stream import Stream

WRITTEN = 64 * 1024
"""Bytes of frames that are put together before they are written."""

FIELDS = 100
"""Bytes that fields have, by and large."""


class Outlet:
    """Sends what streams have; `ended` is called with one whose last frame is out, and whether its answer is whole."""

    def __init__(
        self, engine: Engine, link: Link, disturbance: Disturbance, ended: Callable[[Stream, bool], None]
    ) -> None:
        self._engine = engine
        self._link = link
        self._disturbance = disturbance
        self._ended = ended
        self._pending: dict[int, Stream] = {}
        """The streams that have something to send."""
        self._finished: list[tuple[Stream, bool]] = []
        """Streams whose last frame is among those that are written next, and whether the answer is whole."""
        self._unwritten = 0
        self._soon = False
        self.busy = False
        """Whether it is sending, or is to wait until more has come together."""
        self.paused = False
        """Whether the client does not take what is written."""
        self.over = False

    def changed(self, stream: Stream, *, at_once: bool) -> None:
        """It has something to send, or an end; others may have too unless it goes out `at_once`."""
        self._pending[stream.id] = stream
        if at_once:
            self.flush()
        else:
            self.soon()

    def forget(self, stream: Stream) -> None:
        """Nothing more of that one."""
        self._pending.pop(stream.id, None)

    def soon(self) -> None:
        """Send what there is when the loop comes round."""
        if not (self.busy or self._soon or self.over):
            self._soon = True
            asyncio.get_running_loop().call_soon(self._now)

    def _now(self) -> None:
        self._soon = False
        self.flush()

    def flush(self) -> None:
        """Send what can be sent now."""
        if self.busy or self.over:
            return
        self.busy = True
        while True:
            self._send_all()
            self.write_out()
            if not self._finished:
                break
            # Their clients have all of it: what is left to do for them holds up nobody.
            finished, self._finished = self._finished, []
            for stream, whole in finished:
                self._ended(stream, whole)
        self.busy = False

    def _send_all(self) -> None:
        """Send frames of all streams, in turns, as far as windows go."""
        while self._pending and not self.paused:
            moved = False
            for stream in list(self._pending.values()):
                if stream.id in self._pending:
                    moved = self._send(stream) or moved
                if self._unwritten > WRITTEN:
                    self.write_out()
                    if self.paused:
                        return
            if not moved:
                return

    def write_out(self, *, but: int | None = None) -> None:
        """Write the frames that have been put together, `but` those of that type."""
        self._unwritten = 0
        data = self._engine.data_to_send()
        if but is not None:
            data = b"".join(frame for frame in frames.split(data) if frame[3] != but)
        if data and not self.over:
            self._link.write(self._disturbance.passing(data) if self._link.on_session else data)

    def _send(self, stream: Stream) -> bool:
        """Send heads and a frame of payload, as windows allow; whether to come back for more."""
        engine, out, number = self._engine, stream.out, stream.id
        while out:
            item = out[0]
            if isinstance(item, list):
                out.popleft()
                last = self._send_head(stream, item)
            else:
                room = min(engine.local_flow_control_window(number), engine.max_outbound_frame_size)
                if room <= 0:
                    return False  # until the client opens a window
                size = len(item)
                if size <= room:
                    out.popleft()
                else:
                    out[0] = memoryview(item)[room:]
                    item, size = item[:room], room
                last = self._is_last(stream)
                engine.say_data(number, item, ended=last)
                self._unwritten += size
                stream.sent(size)
                if out:
                    return True  # the others have their turn
            if last:
                self._done(stream, whole=True)
                return False
        if stream.resetting:
            engine.reset_stream(number, stream.record.code)
            self._done(stream, whole=False)
        elif stream.finishing:
            self._finish(stream)
        else:
            self._pending.pop(number, None)
        return False

    def _send_head(self, stream: Stream, head: Fields) -> bool:
        """Send it; whether that was all of the answer."""
        self._unwritten += FIELDS
        stream.begun = not head[0][1].startswith(b"1")
        last = stream.begun and self._is_last(stream)
        if stream.begun:
            self._engine.say_head(stream.id, head, ended=last)
        else:
            self._engine.send_headers(stream.id, head)
        return last

    @staticmethod
    def _is_last(stream: Stream) -> bool:
        return stream.finishing and not stream.out and not stream.tail

    def _finish(self, stream: Stream) -> None:
        """End it behind all that was sent; without a head nothing can end in good order (RFC 9113, section 8.1)."""
        engine, number = self._engine, stream.id
        if not stream.begun:
            engine.reset_stream(number, CODES["NO_ERROR"])
        elif stream.tail:
            engine.say_head(number, stream.tail, ended=True)
        else:
            engine.say_data(number, b"", ended=True)
        self._done(stream, whole=stream.begun)

    def _done(self, stream: Stream, *, whole: bool) -> None:
        self._pending.pop(stream.id, None)
        if whole and not stream.is_client_done:
            # What it still sends, nobody wants (section 8.1).
            self._engine.reset_stream(stream.id, CODES["NO_ERROR"])
        if whole:
            stream.record.left()  # what the client can see is on record before
        stream.closed = True
        self._finished.append((stream, whole))

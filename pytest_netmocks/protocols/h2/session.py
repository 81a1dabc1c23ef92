"""`Session`: an HTTP/2 connection: frames come in and go out, and each stream has a link of its own.

    link of the connection <-> Session (frames, windows, whose turn it is) <-> Stream <-> its link <-> who answers

What comes is taken frame by frame, so that of what comes before a broken one nothing is lost, and one client's flood
leaves the others their turns. How what goes out takes turns, `outlet` knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from h2 import events
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from pytest_netmocks.faults.codes import CODES, name_of
from pytest_netmocks.faults.goaway import Goaway
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.h2 import fields, frames
from pytest_netmocks.protocols.h2.disturbance import WINDOW, Disturbance
from pytest_netmocks.protocols.h2.library import Engine, code_of
from pytest_netmocks.protocols.h2.outlet import Outlet
from pytest_netmocks.protocols.h2.stream import Stream
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.servers.backpressure import SLOW, Reading
from pytest_netmocks.servers.timeslice import TimeSlice

CALM = 200
"""Streams that a client may take back more than it has had answers to: of more it is told to calm down."""

_OTHERS = "the others have their turn"

_PLAIN = frozenset({frames.DATA, frames.WINDOW_UPDATE})
"""Frames that say nothing of how the connection is."""


class Session(asyncio.Protocol):
    """One connection that speaks HTTP/2; `serve` gives what stands on the link of a new stream, an asyncio protocol."""

    def __init__(
        self,
        link: Link,
        connection: Connection,
        journal: Journal,
        serve: Callable[[Stream], asyncio.BaseProtocol],
        *,
        max_streams: int = frames.STREAMS,
    ) -> None:
        self.link = link
        self.connection = connection
        self.journal = journal
        self.max_streams = max_streams
        self.streams: dict[int, Stream] = {}
        """Those that are open, by their numbers."""
        self.reading = Reading(link)
        self._serve = serve
        self._engine = Engine(max_streams)
        self._window = WINDOW
        self._came = b""
        self._preface = len(frames.PREFACE)
        """How much of that is still to come."""
        self._greeted = False
        """Whether the client's first SETTINGS have come."""
        self._in_head = False
        self._postponed = False
        self._owed = 0
        """Bytes that came and that the client has no new window of the connection for."""
        self._disturbance = Disturbance(link)
        self._outlet = Outlet(self._engine, link, self._disturbance, self._ended_stream)
        self._taken_back = 0
        self._last: int | None = None
        """The last stream that is dealt with, once that was said."""
        self._leaves = False
        """Whether no new stream comes: the connection ends with the last of those that are open."""
        self._ended = False
        self._handlers: dict[type[events.Event], Callable[[Any], None]] = {
            events.RequestReceived: self._request_received,
            events.DataReceived: self._body_received,
            events.TrailersReceived: self._trailers_received,
            events.StreamEnded: self._stream_ended,
            events.StreamReset: self._stream_reset,
        }

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.link.carried = self
        self._window = self._disturbance.window
        self._engine.begin(self._window)
        self._outlet.flush()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._came = self._came + data if self._came else data
        if not self._postponed:
            self._take()

    def eof_received(self) -> bool:
        self._leaves = True
        for stream in list(self.streams.values()):
            if not stream.is_client_done:
                self._lose(stream, None, None)
        return not self._left()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = self._outlet.over = True
        self._lose_all(error)

    def pause_writing(self) -> None:
        self._outlet.paused = True
        self.reading.hold(SLOW)

    def resume_writing(self) -> None:
        self._outlet.paused = False
        self._outlet.flush()
        if not self._outlet.paused:
            self.reading.go_on(SLOW)

    # What comes

    def _take(self) -> None:
        self._postponed = False
        time_slice = TimeSlice()
        data, at = self._came, 0
        self._outlet.busy = True  # what is to go out goes together, when all is taken
        while not self._ended:
            at = self._engine.take_windows(data, at)
            in_preface = self._preface > 0
            size = self._next(data, at)
            if not size:
                break
            self._feed(data[at : at + size], in_preface=in_preface)
            at += size
            if at < len(data) and time_slice.over:
                self._postponed = True
                break
        self._outlet.busy = False
        self._came = data[at:]
        self._outlet.flush()
        if self._postponed and not self._ended:
            self.reading.hold(_OTHERS)
            asyncio.get_running_loop().call_soon(self._take)
        else:
            self.reading.go_on(_OTHERS)

    def _next(self, data: bytes, at: int) -> int:
        """Bytes of what can be dealt with there, 0 if that has not come as a whole."""
        if self._preface:
            size = min(self._preface, len(data) - at)
            self._preface -= size
            return size
        there = len(data) - at
        if there < frames.HEADER:
            return 0
        size = int.from_bytes(data[at : at + 3])
        if size > self._engine.max_inbound_frame_size:
            self._fail("FRAME_SIZE_ERROR", f"a frame of {size} bytes is too long")
            return 0
        return frames.HEADER + size if frames.HEADER + size <= there else 0

    def _feed(self, piece: bytes, *, in_preface: bool) -> None:
        if not in_preface and (piece[3] not in _PLAIN or not self._greeted) and not self._may_pass(piece):
            return
        try:
            happened = self._engine.take(piece)
        except ProtocolError as error:
            self._fail(code_of(error), str(error))
            return
        for event in happened:
            handler = self._handlers.get(type(event))
            if handler is not None:
                handler(event)

    def _may_pass(self, frame: bytes) -> bool:
        """Whether the library is to see it: after a GOAWAY it would not let answers go out."""
        kind, flags = frame[3], frame[4]
        if not self._greeted and (kind != frames.SETTINGS or flags & frames.ACK):
            self._fail("PROTOCOL_ERROR", "the first frame of a client must be SETTINGS")
            return False
        self._greeted = True
        if kind == frames.SETTINGS and flags & frames.ACK and len(frame) > frames.HEADER:
            self._fail("FRAME_SIZE_ERROR", "SETTINGS that acknowledge have no payload")
            return False
        if kind in (frames.HEADERS, frames.CONTINUATION):
            self._in_head = not flags & frames.END_HEADERS
        elif kind == frames.GOAWAY and not self._in_head and frames.is_goaway(frame):
            code = int.from_bytes(frame[13:17])
            self.journal.note(self.connection.id, f"the client says GOAWAY: {name_of(code)}")
            self._leaves = True
            self._left()
            return False
        return True

    def _request_received(self, event: events.RequestReceived) -> None:
        number = event.stream_id
        assert number is not None
        assert event.headers is not None
        if self._last is not None and number > self._last:
            return  # the client has been told that nobody deals with it (section 6.8)
        if len(self.streams) >= self.max_streams:
            self._refuse(number, "REFUSED_STREAM", f"{self.max_streams} streams are open")
            return
        try:
            request = fields.read(event.headers)
        except fields.MalformedError as error:
            self._refuse(number, "PROTOCOL_ERROR", str(error))
            return
        loop = asyncio.get_running_loop()
        stream = Stream(self, loop, number, request, ended=event.stream_ended is not None)
        self.streams[number] = stream
        stream.link.start({"peername": self.connection.client_address, "connection": self.connection})
        stream.link.begin(lambda: self._serve(stream))

    def _refuse(self, number: int, code: str, why: str) -> None:
        self.journal.note(self.connection.id, f"stream {number}: {code}: {why}")
        self._engine.reset_stream(number, CODES[code])

    def _body_received(self, event: events.DataReceived) -> None:
        size = event.flow_controlled_length or 0
        self._owed += size
        if self._owed > WINDOW // 2:
            self._engine.increment_flow_control_window(self._owed)
            self._owed = 0
        stream = self.streams.get(event.stream_id or 0)
        if stream is None:
            return
        data = event.data or b""
        if size > len(data):
            self.credit(stream.id, size - len(data))
        if data:
            stream.link.data_received(data)

    def _trailers_received(self, event: events.TrailersReceived) -> None:
        stream = self.streams.get(event.stream_id or 0)
        if stream is None:
            return
        try:
            stream.trailers = fields.read_trailers(event.headers or ())
        except fields.MalformedError as error:
            self._refuse(stream.id, "PROTOCOL_ERROR", str(error))
            self._lose(stream, None, ConnectionAbortedError(str(error)))

    def _stream_ended(self, event: events.StreamEnded) -> None:
        stream = self.streams.get(event.stream_id or 0)
        if stream is not None:
            stream.is_client_done = True
            stream.link.end_of_stream()

    def _stream_reset(self, event: events.StreamReset) -> None:
        stream = self.streams.get(event.stream_id or 0)
        code = int(event.error_code or 0)
        if event.remote_reset:
            self._taken_back += 1
            if self._taken_back > CALM:
                # Else the work for answers that nobody takes would never end (CVE-2023-44487).
                self._fail("ENHANCE_YOUR_CALM", f"{self._taken_back} streams were opened and taken back")
                return
        if stream is not None:
            self._lose(stream, code, None)

    # The faults of the connection as a whole

    def disarm(self, injection: Injection) -> None:
        """Lift it from every stream."""
        for stream in list(self.streams.values()):  # with what was held back it may come to its end
            stream.link.disarm(injection)

    def settle(self) -> None:
        """Others are in force: what was kept back goes out, and windows have their size."""
        window = self._disturbance.window
        if window != self._window:
            self._window = window
            self._engine.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.link.write(self._disturbance.released())
        self._outlet.flush()

    # What streams ask

    def changed(self, stream: Stream) -> None:
        """It has something to send, or an end; with the end of the only one nothing else could go out together."""
        self._outlet.changed(stream, at_once=(stream.finishing or stream.resetting) and len(self.streams) == 1)

    def credit(self, number: int, size: int) -> None:
        """So many bytes of that stream's body have been taken: the client may send as many more."""
        stream = self.streams.get(number)
        if stream is None:
            return
        stream.owed += size
        if stream.closed or stream.is_client_done or stream.owed <= self._window // 2:
            return
        self._engine.increment_flow_control_window(stream.owed, stream.id)
        stream.owed = 0
        self._outlet.soon()

    def leave(self, code: int = 0, last: int | None = None, text: str = "") -> None:
        """Say GOAWAY: streams above the `last` (of all that came) are not dealt with; the end comes with the others."""
        if self._ended:
            return
        self._last = self._engine.highest_inbound_stream_id if last is None else last
        self._leaves = True
        self._outlet.write_out()
        self.link.write(frames.goaway(self._last, code, text))
        if code:
            self._end()
            self._lose_all(None)
            return
        for stream in [stream for number, stream in self.streams.items() if number > self._last]:
            self._lose(stream, None, None)
        self._left()

    def send_raw(self, data: bytes) -> None:
        """Send bytes that are no frames, and end the connection."""
        self._outlet.flush()
        self.link.write(data)
        self._end()

    def strike(self, stream: Stream, verdict: Verdict[Any]) -> bool:
        """Let the faults of a verdict over the stream's exchange that are frames strike; whether one spoke instead."""
        for injection, _ in verdict.take_framed():
            fault = injection.fault
            injection.hits += 1
            verdict.struck()
            self.journal.struck(self.connection, fault, stream.id)
            if isinstance(fault, Goaway):
                self.leave(CODES[fault.error], stream.id if fault.last_stream is None else fault.last_stream)
            else:
                stream.abort(CODES["REFUSED_STREAM"])
            if stream.link.is_closing():
                return True
        return False

    def _left(self) -> bool:
        """End the connection if no stream is left of those that it waits for; whether it did."""
        if self._leaves and not self.streams and not self._ended:
            self._outlet.write_out()
            self._end()
        return self._ended

    def _fail(self, code: str, why: str) -> None:
        """What came is an error of the connection: GOAWAY, and the end (section 5.4.1)."""
        if self._ended:
            return
        self.journal.note(self.connection.id, f"GOAWAY {code}: {why}")
        last = self._engine.highest_inbound_stream_id
        self._outlet.write_out(but=frames.GOAWAY)  # the engine's, which says no words
        self.link.write(frames.goaway(last, CODES[code], why))
        self._end()
        self._lose_all(ConnectionAbortedError(why))

    def _end(self) -> None:
        self._ended = self._outlet.over = True
        self.link.close()

    def _lose_all(self, error: Exception | None) -> None:
        for stream in list(self.streams.values()):
            self._lose(stream, None, error)

    def _lose(self, stream: Stream, code: int | None, error: Exception | None) -> None:
        self.streams.pop(stream.id, None)
        self._outlet.forget(stream)
        stream.lost(code, error)
        self._left()

    def _ended_stream(self, stream: Stream, whole: bool) -> None:
        """Its last frame is out."""
        self.streams.pop(stream.id, None)
        if whole:
            self._taken_back = max(0, self._taken_back - 1)
        stream.over()
        if stream.is_last:
            self.leave()
        self._left()

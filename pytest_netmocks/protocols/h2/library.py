"""The library's part: h2 keeps the states of connection and streams, hpack their fields, hyperframe reads frames.

What it would do on its own and RFC 9113 has otherwise is mended here: of streams beyond the limit it would end the
connection, where one of them is to be refused.

Nearly all frames are a head, data or a window of a stream that is as it should be. For these the library's states and
fields are used without its objects for frames and flags, which take longer than all else; every other frame, and each
that might be wrong, goes the library's own way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection, _decode_headers
from h2.events import Event
from h2.exceptions import DenialOfServiceError, ProtocolError
from h2.settings import SettingCodes, Settings
from h2.stream import H2Stream, StreamInputs, StreamState
from hpack import HPACKError
from hyperframe.frame import SettingsFrame

from pytest_netmocks.faults.codes import NAMES
from pytest_netmocks.protocols.h2 import frames
from pytest_netmocks.protocols.h2.compression import FieldReader, FieldWriter
from pytest_netmocks.protocols.h2.fields import Fields
from pytest_netmocks.protocols.web.heads import MAX_HEAD

_CONFIG = H2Configuration(
    client_side=False,
    header_encoding=None,
    # Fields are checked by ours, which resets the stream where the library would end the connection.
    validate_inbound_headers=False,
    normalize_inbound_headers=False,
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)


def code_of(error: ProtocolError) -> str:
    """The error of HTTP/2 that an exception of the library's stands for."""
    if isinstance(error.__cause__, HPACKError) and not isinstance(error, DenialOfServiceError):
        return "COMPRESSION_ERROR"  # RFC 9113, section 4.3
    return NAMES[int(error.error_code)]


WIDEST = (1 << 31) - 1
"""Bytes of the widest window (RFC 9113, section 6.9.1)."""

FEW = 16
"""Streams that are over and may be known still."""

RUN = 16
"""WINDOW_UPDATE frames that are taken in a row at most: behind them it is asked whose turn it is."""

_PLAIN = frames.END_HEADERS | frames.END_STREAM
_LOOKED_AT = frozenset({b":status", b"content-length"})
"""Fields by which the library decides what a head is, and what may follow it."""
_HEARS = frozenset({StreamState.OPEN, StreamState.HALF_CLOSED_LOCAL})


class Engine(H2Connection):
    """The states of one connection: frames go in and come out as bytes, and what happened as the library's events."""

    def __init__(self, max_streams: int) -> None:
        super().__init__(_CONFIG)
        self.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: max_streams,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD,
            },
        )
        self.encoder, self.decoder = FieldWriter(), FieldReader()
        # What is a little longer is still read, and refused in words.
        self.decoder.max_header_list_size = 2 * MAX_HEAD
        self._many = FEW
        """How many streams are known before those that are over are forgotten."""

    def begin(self, window: int) -> None:
        """Say the first SETTINGS; `window` is how many bytes a stream may send before more are asked for."""
        self.initiate_connection()
        if window == self.local_settings.initial_window_size:
            return
        self.clear_outbound_data_buffer()
        self.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = window  # in force once the client has said yes
        said = {**self.local_settings, SettingCodes.INITIAL_WINDOW_SIZE: window}
        self._data_to_send += SettingsFrame(0, settings=said).serialize()

    @property
    def open_inbound_streams(self) -> int:
        """Few enough: who has these streams counts them, and refuses one that is too many (section 5.1.2)."""
        if len(self.streams) > self._many:
            _ = super().open_inbound_streams  # forgets those that are closed
            self._many = 2 * len(self.streams) + FEW
        return -1 << 31

    # What comes: `None` is for the library, which has seen nothing of it then

    def take(self, frame: bytes) -> Iterable[Event]:
        """A whole frame, or a part of the preface, has come; gives what happened. Raises `ProtocolError`."""
        taken = None
        if self._usual:
            kind, flags, number = frames.read(frame)
            try:
                if kind == frames.DATA and flags <= frames.END_STREAM:
                    taken = self._data(number, frame[frames.HEADER :], ended=flags > 0)
                elif kind == frames.HEADERS and flags | frames.END_STREAM == _PLAIN:
                    taken = self._head(number, frame[frames.HEADER :], ended=flags == _PLAIN)
            except ProtocolError as error:
                self._terminate_connection(error.error_code)
                raise
        return self.receive_data(frame) if taken is None else taken

    @property
    def _usual(self) -> bool:
        """Whether nothing is in the way of frames that are as they should be."""
        return self.state_machine.state is ConnectionState.SERVER_OPEN and not self.incoming_buffer._headers_buffer

    def take_windows(self, data: bytes, at: int) -> int:
        """Take the WINDOW_UPDATE frames that stand there, `RUN` at most; gives where the next frame begins."""
        end = min(len(data), at + RUN * frames.WINDOWS) - frames.WINDOWS
        while at <= end and data.startswith(frames.WINDOW, at) and self._usual:
            number, more = frames.read_window(data, at)
            if not self._window(number, more):
                break
            at += frames.WINDOWS
        return at

    def _window(self, number: int, more: int) -> bool:
        target: Any = self.streams.get(number) if number else self
        if not 0 < more <= WIDEST or target is None or (number and not target.open):
            return False
        if target.outbound_flow_control_window + more > WIDEST:
            return False
        target.outbound_flow_control_window += more
        return True

    def _data(self, number: int, payload: bytes, *, ended: bool) -> Iterable[Event] | None:
        stream, size = self.streams.get(number), len(payload)
        if stream is None or stream.state_machine.state not in _HEARS:
            return None
        self._inbound_flow_control_window_manager.window_consumed(size)
        stream._inbound_window_manager.window_consumed(size)
        stream._track_content_length(size, ended)
        happened = self._comes(stream, StreamInputs.RECV_DATA, ended=ended)
        happened[0].data, happened[0].flow_controlled_length = payload, size
        return happened

    def _head(self, number: int, payload: bytes, *, ended: bool) -> Iterable[Event] | None:
        if number <= self.highest_inbound_stream_id or not number % 2:
            return None
        _ = self.open_inbound_streams
        fields = _decode_headers(self.decoder, payload)
        inbound, outbound = self.local_settings.initial_window_size, self.remote_settings.initial_window_size
        stream = self.streams[number] = H2Stream(number, self.config, inbound, outbound)
        stream.max_outbound_frame_size = self.max_outbound_frame_size
        self.highest_inbound_stream_id = number
        if not _LOOKED_AT.isdisjoint(dict(fields)):
            return stream.receive_headers(fields, ended, None)[1]
        happened = self._comes(stream, StreamInputs.RECV_HEADERS, ended=ended)
        happened[0].headers = fields
        return happened

    @staticmethod
    def _comes(stream: H2Stream, what: StreamInputs, *, ended: bool) -> list[Any]:
        happened: list[Any] = stream.state_machine.process_input(what)
        if ended:
            happened += stream.state_machine.process_input(StreamInputs.RECV_END_STREAM)
            happened[0].stream_ended = happened[1]
        return happened

    # What goes out

    def say_head(self, number: int, fields: Fields, *, ended: bool) -> None:
        """Send a head, no interim one, or trailers on a stream; `ended` if they are the last of it."""
        self._goes_on(number, StreamInputs.SEND_HEADERS, ended=ended)
        block, most, out = self.encoder.encode(fields), self.max_outbound_frame_size, self._data_to_send
        kind, flags = frames.HEADERS, frames.END_STREAM if ended else 0
        while len(block) > most:
            out += frames.header(most, kind, flags, number) + block[:most]
            kind, flags, block = frames.CONTINUATION, 0, block[most:]
        out += frames.header(len(block), kind, flags | frames.END_HEADERS, number) + block

    def say_data(self, number: int, payload: bytes | memoryview, *, ended: bool) -> None:
        """Send as much payload as the windows and a frame have room for; `ended` if it is the last of the stream."""
        stream, size = self._goes_on(number, StreamInputs.SEND_DATA, ended=ended), len(payload)
        stream.outbound_flow_control_window -= size
        self.outbound_flow_control_window -= size
        self._data_to_send += frames.header(size, frames.DATA, frames.END_STREAM if ended else 0, number)
        self._data_to_send += payload

    def _goes_on(self, number: int, what: StreamInputs, *, ended: bool) -> H2Stream:
        stream = self.streams[number]
        stream.state_machine.process_input(what)
        if ended:
            stream.state_machine.process_input(StreamInputs.SEND_END_STREAM)
        return stream

"""`Peer`: a client of HTTP/2 made of frames, which says what no library would."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from collections.abc import Iterator, Sequence

from helpers import connect
from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from pytest_netmocks.faults.codes import NAMES
from pytest_netmocks.servers.stream import StreamServer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Fields = list[tuple[str, str]]


@dataclasses.dataclass
class Said:
    """What came on a stream, up to its end: `END_STREAM`, the name of an error, or `""` while it is open."""

    heads: list[Fields] = dataclasses.field(default_factory=list)
    body: bytes = b""
    end: str = ""
    sizes: list[int] = dataclasses.field(default_factory=list)
    """Those of its DATA frames."""

    @property
    def status(self) -> int | None:
        finals = [int(head[0][1]) for head in self.heads if head[0][0] == ":status" and head[0][1] >= "200"]
        return finals[0] if finals else None


class Peer:
    """Says frames and takes those that come; `said` has the streams' part of them, `frames` all others."""

    def __init__(self, sock: socket.socket, settings: dict[int, int] | None = None, *, greets: bool = True) -> None:
        self.sock = sock
        self.encoder, self.decoder = Encoder(), Decoder()
        self.said: dict[int, Said] = {}
        self.frames: list[Frame] = []
        self.over: str | None = None
        """FIN or RST, once it came."""
        self._came = b""
        self._block = b""
        self._next = 1
        if greets:
            self.say(PREFACE, SettingsFrame(0, settings=settings or {}))

    # Saying

    def say(self, *what: Frame | bytes) -> None:
        self.sock.sendall(b"".join(one if isinstance(one, bytes) else one.serialize() for one in what))

    def head(
        self,
        stream: int,
        path: str = "/",
        method: str = "GET",
        *,
        fields: Sequence[tuple[str, str]] = (),
        end: bool = True,
        instead: Sequence[tuple[str, str]] | None = None,
    ) -> HeadersFrame:
        """The HEADERS of a request; `instead` are all of its fields."""
        usual = [(":method", method), (":scheme", "http"), (":authority", "h"), (":path", path), *fields]
        frame = HeadersFrame(stream, self.encoder.encode(list(instead if instead is not None else usual)))
        frame.flags.add("END_HEADERS")
        if end:
            frame.flags.add("END_STREAM")
        return frame

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        *,
        body: bytes | None = None,
        fields: Sequence[tuple[str, str]] = (),
        end: bool = True,
    ) -> int:
        """Send a request on the next stream; gives its number."""
        stream, self._next = self._next, self._next + 2
        frames: list[Frame] = [self.head(stream, path, method, fields=fields, end=end and body is None)]
        if body is not None:
            frames += self.data(stream, body, end=end)
        self.say(*frames)
        return stream

    @staticmethod
    def data(stream: int, body: bytes, *, end: bool = True) -> list[Frame]:
        pieces = [body[at : at + 16384] for at in range(0, len(body), 16384)] or [b""]
        frames: list[Frame] = [DataFrame(stream, piece) for piece in pieces]
        if end:
            frames[-1].flags.add("END_STREAM")
        return frames

    # Taking

    def next(self) -> Frame | None:
        """The next frame, `None` where there is an end instead."""
        while (size := self._size()) is None or len(self._came) < size:
            try:
                piece = self.sock.recv(65536)
            except ConnectionResetError:
                self.over = "RST"
                return None
            if not piece:
                self.over = "FIN"
                return None
            self._came += piece
        frame, length = Frame.parse_frame_header(memoryview(self._came[:9]))
        frame.parse_body(memoryview(self._came[9 : 9 + length]))
        self._came = self._came[9 + length :]
        self._take(frame)
        return frame

    def _size(self) -> int | None:
        return 9 + int.from_bytes(self._came[:3]) if len(self._came) >= 9 else None

    def _take(self, frame: Frame) -> None:
        said = self.said.setdefault(frame.stream_id, Said())
        if isinstance(frame, (HeadersFrame, ContinuationFrame)):
            self._block += frame.data
            if isinstance(frame, HeadersFrame) and "END_STREAM" in frame.flags:
                said.end = "END_STREAM"
            if "END_HEADERS" in frame.flags:
                said.heads.append([(str(name), str(value)) for name, value in self.decoder.decode(self._block)])
                self._block = b""
        elif isinstance(frame, DataFrame):
            said.body += frame.data
            said.sizes.append(len(frame.data))
            if "END_STREAM" in frame.flags:
                said.end = "END_STREAM"
        elif isinstance(frame, RstStreamFrame):
            said.end = said.end or NAMES[frame.error_code]
        else:
            self.frames.append(frame)

    def until_over(self) -> Iterator[Frame]:
        while (frame := self.next()) is not None:
            yield frame

    def answer(self, stream: int) -> Said:
        """All of an answer, up to its end or the connection's."""
        said = self.said.setdefault(stream, Said())
        while not said.end and self.next() is not None:
            pass
        return said

    def until(self, kind: type[Frame], *, ack: bool | None = None) -> Frame:
        """The next frame of that type. Raises `EOFError` where there is none."""
        while (frame := self.next()) is not None:
            if isinstance(frame, kind) and (ack is None or ("ACK" in frame.flags) is ack):
                return frame
        raise EOFError(f"no {kind.__name__} came before {self.over}")

    def ping(self) -> None:
        """Come to an understanding: all that was said is dealt with."""
        self.say(PingFrame(0, b"12345678"))
        self.until(PingFrame, ack=True)

    def quiet(self) -> bool:
        """Whether nothing comes but the answer to a PING."""
        before = (len(self.frames), {stream: (said.body, said.end) for stream, said in self.said.items()})
        self.ping()
        del self.frames[-1]
        return before == (len(self.frames), {stream: (said.body, said.end) for stream, said in self.said.items()})

    @property
    def goaway(self) -> tuple[str, int] | None:
        """The error and the last stream of the GOAWAY that came."""
        found = [frame for frame in self.frames if isinstance(frame, GoAwayFrame)]
        return (NAMES[found[-1].error_code], found[-1].last_stream_id) if found else None

    def window(self, stream: int, size: int) -> None:
        self.say(WindowUpdateFrame(stream, window_increment=size))


@contextlib.contextmanager
def speaking(server: StreamServer, settings: dict[int, int] | None = None) -> Iterator[Peer]:
    """A peer that has connected and shaken hands."""
    with connect(server) as sock:
        yield Peer(sock, settings)

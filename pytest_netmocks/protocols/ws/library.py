"""The websockets library's protocol of one connection, with every message, ping and close frame put on record."""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

from websockets.datastructures import Headers as WsHeaders
from websockets.exceptions import ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate, enable_server_permessage_deflate
from websockets.frames import Close, Frame
from websockets.http11 import Request
from websockets.protocol import CLOSING, OPEN
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from pytest_netmocks.link.quiet import NOBODY
from pytest_netmocks.protocols.web.fields import text_of
from pytest_netmocks.protocols.web.heads import is_host
from pytest_netmocks.protocols.web.records import CloseFrame
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.protocols.ws.frames import head_of, ws_frame
from pytest_netmocks.protocols.ws.inflate import Inflater
from pytest_netmocks.protocols.ws.long import MASK, MASKED, WHOLE, WHOLE_BINARY, WHOLE_TEXT, WIDEST, Long
from pytest_netmocks.protocols.ws.records import Direction, Message, Opcode, WsConnection, WsMessage
from pytest_netmocks.protocols.ws.rules import ACCEPTED
from pytest_netmocks.protocols.ws.versions import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    TEXT,
    between_messages,
    make_request,
    unmasked,
)
from pytest_netmocks.records.connection import Ender
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.records.shelf import keep

utf8 = codecs.getincrementaldecoder("utf-8")

AT_EOF = StreamReader.at_eof.__code__
"""Where the library's parser waits between two frames."""

SHORT = 125
"""The largest size of a payload that fits into the second byte of a frame."""

HEAD = 6
"""Bytes of the head of a short frame with its mask."""


class Session(ServerProtocol):
    """The protocol of one connection."""

    def __init__(
        self,
        journal: Journal,
        connection: WsConnection,
        tell: Callable[[WsMessage], None],
        *,
        subprotocols: Sequence[str],
        origins: Sequence[str | re.Pattern[str] | None] | None,
        compressed: bool,
        max_size: int | None,
    ) -> None:
        super().__init__(
            origins=None if origins is None else cast("Any", origins),
            extensions=enable_server_permessage_deflate(None) if compressed else None,
            subprotocols=cast("Any", subprotocols) or None,
            max_size=max_size,
            logger=NOBODY,
        )
        self._journal = journal
        self._connection = connection
        self._tell = tell
        self.arrived: deque[WsMessage] = deque()
        """Whole messages that nobody has dealt with."""
        self.closing: Frame | None = None
        """The close frame that waits for its answer."""
        self._decoder: codecs.IncrementalDecoder | None = None
        """What decodes the fragments of a text, so that wrong ones fail it at once."""
        self._pieces: list[Any] = []
        self._sending: list[Any] = []
        self._sent_text = True
        self._saying: str | None = None
        """The text that is about to go out: nobody has to decode it again."""
        self.stepwise = False
        """Whether to read no further than the next message."""
        self.one_frame = False
        """Whether to read no further than the end of the next frame."""
        self._left = 0
        self.handled = False
        """Whether somebody takes the library's frames, `events_received`.

        Otherwise the answer to a close frame waits for those to what came before it (RFC 6455, section 5.5.1).
        """
        self._longest = WIDEST if max_size is None else max_size
        self._short = min(SHORT, self._longest)
        """The size of the largest message in a short frame that is read past the library."""
        self._begun = b""
        """The beginning of a frame."""
        self._long: Long | None = None
        """A long frame whose rest has not come."""

    @property
    def is_open(self) -> bool:
        """Whether messages can go either way."""
        return self._state is OPEN

    # The handshake

    def select_subprotocol(self, subprotocols: Sequence[Any]) -> Any:
        """The first of ours that the client offers; none is no reason to refuse (RFC 6455, section 4.2.2)."""
        return next((name for name in self.available_subprotocols or () if name in subprotocols), None)

    def agree(self, request: HttpRequest, ours: Response, asked: Request | None = None) -> Response:
        """The answer to the client's handshake, the library's unless `ours` refuses or has other headers.

        `asked` is the request as the library has read it, if it has.
        """
        if ours.raw is not None or ours.status != ACCEPTED:
            return ours
        hosts = request.headers.get_all("host")
        if len(hosts) != 1 or not is_host(hosts[0].strip().encode("latin-1")):
            return Response(400, text="there must be one Host, of a host and a port (RFC 9112, section 3.2)\n")
        if request.headers.get_all("upgrade") and request.headers.get("sec-websocket-version", "13") != "13":
            return Response(426, headers={"Upgrade": "websocket", "Sec-WebSocket-Version": "13"})
        try:
            answer = self.accept(asked or for_the_library(request))
        except UnicodeEncodeError as error:  # before 17 the library cannot quote a field that is no UTF-8
            self._journal.note(self._connection.id, f"the handshake is refused: {error.object.splitlines()[0]!r}")
            return Response(400, text="a field of the handshake cannot be read (RFC 6455, section 9.1)\n")
        fields = [(name, value) for name, value in answer.headers.raw_items() if name.lower() != "date"]
        if answer.status_code != ACCEPTED:
            text = [pair for pair in fields if pair[0].lower() not in ("content-length", "connection")]
            self._journal.note(self._connection.id, f"the handshake is refused: {self.handshake_exc}")
            return Response(answer.status_code, headers=text, body=bytes(answer.body))
        self.send_response(answer)
        self.data_to_send()  # it is ours to write
        self._connection.subprotocol = self.subprotocol
        self._connection.compressed = bool(self.extensions)
        for extension in self.extensions:
            if isinstance(extension, PerMessageDeflate) and not extension.remote_no_context_takeover:
                extension.decoder = cast("Any", Inflater(-extension.remote_max_window_bits))
        given = {text_of(name).lower() for name, _ in ours.headers} | ours.omitted
        kept = [pair for pair in fields if pair[0].lower() not in given]
        return ours.with_fields([*kept, *ours.headers])

    def expect_frames(self) -> None:
        """The request is read by somebody else: what comes next are frames."""
        self.parser = super(ServerProtocol, self).parse()
        next(self.parser)

    # What comes

    def receive_data(self, data: bytes) -> None:  # type: ignore[override]  # of narrower bytes
        """As the library, which reads one message of one frame in the time in which three are read here."""
        if self._begun:
            data, self._begun = self._begun + data, b""
        if self._reads_frames:
            data = self._read_on(data)
        elif self._long is not None:
            data, self._long = self._long.raw() + data, None
        if data:
            super().receive_data(data)

    @property
    def missing(self) -> int:
        """How many bytes the frame lacks that comes in pieces: they can be given as they come."""
        return 0 if self._long is None else self._long.missing

    @property
    def _reads_frames(self) -> bool:
        """Whether what comes next is the beginning of a frame, and nobody needs to know where it ends."""
        if self._state is not OPEN or self.closing is not None or self.extensions or self._pieces:
            return False
        if self.handled or self.stepwise or self.one_frame or self.reader.buffer:
            return False
        waits: Any = self.parser
        while (inner := waits.gi_yieldfrom) is not None:
            waits = inner
        return waits.gi_code is AT_EOF

    def receive_eof(self) -> None:
        """As the library, to which what has begun was not given yet."""
        begun, self._begun = self._begun, b""
        if self._long is not None:
            begun, self._long = self._long.raw(), None
        if begun:
            super().receive_data(begun)
        super().receive_eof()

    def _read_on(self, data: bytes) -> bytes:
        """Take the messages of one frame each that the data begins with; gives what is left to the library."""
        while True:
            long = self._long
            if long is None:
                data = data[self._read_whole(data) :]
                if not data or self._may_be_whole(data) or Long.may_begin(data):
                    self._begun = data
                    return b""
                long = self._long = Long.begun_by(data, self._longest)
                if long is None:
                    return data
                data = data[long.head :]
            data = long.add(data)
            if long.missing:
                return b""
            self._long = None
            try:
                whole = long.message()
            except UnicodeDecodeError:
                return long.raw() + data
            self._take(self._message("received", whole, 1))

    def _read_whole(self, data: bytes) -> int:
        """Take the short messages of one frame each that the data begins with; gives how far they reach.

        Whatever is not as it should be is left to the library.
        """
        at, end = 0, len(data)
        while end - at >= HEAD:
            kind, size = data[at], data[at + 1] ^ MASKED
            begin = at + HEAD
            after = begin + size
            if size > self._short or after > end or kind not in WHOLE:
                break
            content = unmasked(data[begin:after], data[begin - MASK : begin])
            try:
                whole = content.decode() if kind == WHOLE_TEXT else content
            except UnicodeDecodeError:
                break
            at = after
            self._take(self._message("received", whole, 1))
        return at

    def _may_be_whole(self, data: bytes) -> bool:
        """Whether these bytes can become a short message of one frame."""
        size = data[1] ^ MASKED if len(data) > 1 else 0
        return data[0] in WHOLE and size <= self._short and len(data) < HEAD + size

    def recv_frame(self, frame: Frame) -> None:
        """As the library; and the frame's part goes on record, before what the library answers by itself."""
        opcode = frame.opcode
        if self.one_frame:
            self._read_no_further()
        if self.closing is not None:
            return
        if opcode is TEXT or opcode is BINARY or opcode is CONT:
            super().recv_frame(frame)
            if frame.fin and opcode is not CONT:
                # Bytes that are no UTF-8 fail the connection in the library's parser, as RFC 6455, section 8.1, asks.
                whole = str(frame.data, "utf-8") if opcode is TEXT else bytes(frame.data)
                self._take(self._message("received", whole, 1))
            else:
                self._fragment(frame)
            return
        if opcode is CLOSE:
            between_messages(self)  # a control frame may come between fragments (section 5.4)
            Close.parse(bytes(frame.data))
            if not self.handled and self.is_open and self.arrived:
                self.closing = frame
                self.reader.discard()
                return
            self._received_close(frame)
        else:
            self._control("received", "ping" if opcode is PING else "pong", bytes(frame.data))
        super().recv_frame(frame)

    def _fragment(self, frame: Frame) -> None:
        if frame.opcode is not CONT:
            self._decoder = utf8() if frame.opcode is TEXT else None
        piece = frame.data if self._decoder is None else self._decoder.decode(bytes(frame.data), frame.fin)
        self._pieces.append(piece)
        if frame.fin:
            pieces, self._pieces = self._pieces, []
            whole = b"".join(pieces) if self._decoder is None else "".join(pieces)
            self._take(self._message("received", whole, len(pieces)))

    def _take(self, message: WsMessage) -> None:
        self.arrived.append(message)
        if self.stepwise:
            self._read_no_further()
        self._tell(message)

    def _read_no_further(self) -> None:
        self._left += len(self.reader.buffer)
        self.reader.discard()

    def left(self) -> int:
        """How many of the bytes that were given last were not read, since a message or a frame ends before them."""
        left, self._left = self._left, 0
        return left

    def answer_close(self) -> None:
        """Answer the close frame that waits."""
        frame, self.closing = self.closing, None
        if frame is not None:
            self._received_close(frame)
            if not self.eof_sent:
                super().recv_frame(frame)

    def _received_close(self, frame: Frame) -> None:
        closing = Close.parse(bytes(frame.data))
        self._connection.close_received = CloseFrame(int(closing.code), closing.reason)
        self._closed("client", self._connection.close_received)

    # What goes

    def say(self, message: Message) -> None:
        """Write a message, or a list as the fragments of one."""
        if isinstance(message, str):
            data = message.encode()
            if self._writes_whole(WHOLE_TEXT, data):
                self._message("sent", message, 1)
                return
            self._saying = message
            try:
                self.send_text(data)
            finally:
                self._saying = None
            return
        if not isinstance(message, (list, tuple)):
            data = bytes(message)  # type: ignore[arg-type]  # a list was the other case
            if self._writes_whole(WHOLE_BINARY, data):
                self._message("sent", data, 1)
            else:
                self.send_binary(data)
            return
        for number, piece in enumerate(message):
            fin = number == len(message) - 1
            data = piece.encode() if isinstance(piece, str) else piece
            if number:
                self.send_continuation(data, fin)
            elif isinstance(piece, str):
                self.send_text(data, fin)
            else:
                self.send_binary(data, fin)

    def _writes_whole(self, kind: int, data: bytes) -> bool:
        """Write a message as one frame, if nothing has to be done to it; whether it was written."""
        if self.extensions or self._state is not OPEN or self.expect_continuation_frame:
            return False
        size = len(data)
        self.writes.append((bytes((kind, size)) if size <= SHORT else head_of(kind, size)) + data)
        return True

    def part(self, code: int | None, reason: str) -> bytes:
        """Begin the closing handshake; gives what is to be written, for a code that must not be sent too."""
        try:
            if code is not None:
                Close(code, reason).check()
        except ProtocolError:
            frame = ws_frame(reason, "close", code=code)
            self._connection.close_sent = CloseFrame(code or 0, reason)
            self._closed("server", self._connection.close_sent)
            self.close_sent = Close(code or 0, reason)
            self.state = CLOSING
            return b"".join([*self.data_to_send(), frame])
        self.send_close(code, reason)
        return b"".join(self.data_to_send())

    def send_frame(self, frame: Frame) -> None:
        """As the library; the frame goes on record."""
        super().send_frame(frame)
        opcode = frame.opcode
        if opcode is TEXT or opcode is BINARY or opcode is CONT:
            self._on_record(frame)
        elif opcode is CLOSE:
            closing = Close.parse(bytes(frame.data))
            self._connection.close_sent = CloseFrame(int(closing.code), closing.reason)
            self._closed("server", self._connection.close_sent)
        else:
            self._control("sent", "ping" if opcode is PING else "pong", bytes(frame.data))

    def _on_record(self, frame: Frame) -> None:
        saying, self._saying = self._saying, None
        if saying is not None:
            self._message("sent", saying, 1)
            return
        self._sending.append(frame.data)
        if frame.opcode is not CONT:
            self._sent_text = frame.opcode is TEXT
        if frame.fin:
            pieces, self._sending = self._sending, []
            data = b"".join(pieces) if len(pieces) > 1 else pieces[0]
            # A handler may say that bytes are text, which they need not be.
            self._message("sent", str(data, "utf-8", "replace") if self._sent_text else bytes(data), len(pieces))

    # Records

    def _message(self, direction: Direction, data: str | bytes, fragments: int) -> WsMessage:
        opcode: Opcode = "text" if isinstance(data, str) else "binary"
        journal, connection = self._journal, self._connection
        message = WsMessage(data, connection, journal.now(), direction, opcode, fragments)
        kept = connection.messages
        if len(kept) < journal.max_records:
            kept.append(message)  # by far the most
        else:
            keep(kept, message, journal.max_records)
        journal.phase(message.at, connection.id, message, "message")
        return message

    def _control(self, direction: Direction, opcode: Opcode, data: bytes) -> None:
        journal, connection = self._journal, self._connection
        message = WsMessage(data, connection, journal.now(), direction, opcode)
        keep(connection.pings, message, journal.max_records)
        journal.phase(message.at, connection.id, message, "message")

    def _closed(self, by: Ender, frame: CloseFrame) -> None:
        if self._connection.closed_by is None:
            self._connection.closed_by = by
        arrow = ">" if by == "client" else "<"
        self._journal.note(self._connection.id, f"{arrow} close {frame.code} {frame.reason}".rstrip())


def for_the_library(request: HttpRequest) -> Request:
    """The request as the library has it."""
    headers = WsHeaders()
    for name, value in request.headers.pairs:
        headers[name] = value
    return make_request(request.method, request.target, headers, request.http_version)

"""The receiving half of HTTP/1.x: of bytes come requests, by httptools (llhttp, the parser of Node.js)."""

from __future__ import annotations

from abc import ABC, abstractmethod

import httptools

from pytest_netmocks.protocols.http.inlet import Inlet
from pytest_netmocks.protocols.http.lines import HEAD_END, Ends, FirstLine, InFramesError
from pytest_netmocks.protocols.http.uploads import Upload
from pytest_netmocks.protocols.web.fields import Headers
from pytest_netmocks.protocols.web.heads import MAX_FIELDS, MAX_HEAD, NO_BODY, Refused
from pytest_netmocks.protocols.web.prepare import encoded
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.targets import split_target
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.servers.backpressure import Reading

OFFERED = "an upgrade is offered"

_IDLE = httptools.HttpRequestParser(object())
"""In place of the parser of a connection that has ended, which knows that connection."""


class Receiver(ABC):
    """What has come of the request that is coming in; who answers it, a subclass says."""

    # Of more than thirty attributes in a dictionary each would take longer to find: what a subclass adds is there.
    __slots__ = (
        "_body_framing",
        "_current",
        "_ends",
        "_fields",
        "_framing",
        "_head_bytes",
        "_in_head",
        "_inlet",
        "_line",
        "_parser",
        "_reading",
        "_received",
        "_refusal",
        "_replaying",
        "_rest",
        "_size",
        "_trailer_bytes",
        "_undecided",
        "_upload",
        "_url",
        "_with_head",
        "connection",
        "journal",
    )

    def __init__(self, connection: Connection, journal: Journal, reading: Reading) -> None:
        self.connection = connection
        self.journal = journal
        self._reading = reading
        self._inlet = Inlet(reading, self._take, self._puts_aside)
        self._parser = httptools.HttpRequestParser(self)
        self._refusal: Refused | None = None
        self._current: HttpRequest | None = None
        self._undecided: HttpRequest | None = None
        """The request whose body is to come, until it is its turn to be answered before that or asked for it."""
        self._framing = NO_BODY
        self._received = 0
        self._with_head = False
        """Whether what is read now has brought the head of the request, too."""
        self._upload: Upload | None = None
        """The faults on the body that is coming in."""
        self._line = FirstLine()
        self._ends = Ends()
        self._url = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._in_head = False
        self._size = self._head_bytes = self._trailer_bytes = 0
        self._body_framing: list[tuple[bytes, bytes]] = []
        """The fields that say how long the body is, of a request whose body the parser would not read."""
        self._replaying = False
        self._rest: bytes | None = None
        """What came after an offer to upgrade: whose it is, the answer says."""

    def _puts_aside(self) -> bool:
        return self._rest is not None

    def let_go(self) -> None:
        """Nothing more comes: who reads it holds this one no longer, nor is held."""
        if self._inlet.close():
            self._parser = _IDLE

    def _stops_at(self, data: bytes, at: int) -> bool:
        """Whether a fault on the body that is coming in takes back the data from there on."""
        upload = self._upload
        if upload is None:
            return False
        taken = upload.looks(self._received, self._framing.length, lambda: data[at:] + self._inlet.take_back())
        if self._current is None:
            self._upload = None
        return taken

    @abstractmethod
    def _take(self, data: bytes) -> None:
        """Deal with a piece of what has come."""

    @abstractmethod
    def _goes_on_in_frames(self, data: bytes, at: int) -> bool:
        """The client speaks HTTP/2, and the data is its from there on: whether we do, too."""

    @abstractmethod
    def _refuse(self, refusal: Refused) -> None:
        """Read no more, and say why when it is time."""

    def _feed(self, data: bytes) -> None:
        at = 0
        size = self._size = len(data)
        self._with_head = False
        line = self._line
        while at < size and self._refusal is None and self._rest is None:
            if self._current is not None or self._in_head:
                end = self._end_of(data, at)
            elif line.passes(data, at):
                self._ends.tail = b""
                end = data.find(HEAD_END, at) + 4
                if end < 4:
                    end = self._ends.find(data, at)
            else:
                at = self._begin(data, at)
                if self._refusal is not None or not (line.is_whole or line.instead):
                    continue  # there has to be more of it first
                end = self._end_of(data, at)
            if self._upload is not None:
                end = min(end, at + self._upload.room(self._received))
            consumed = self._parse(data[at:end])  # a copy of some bytes costs less than a view
            at = end if consumed is None else self._offered(data, at + consumed)
            if self._upload is not None and self._stops_at(data, at):
                return
        if self._in_head:
            # What the head began in may be another request for the most part: it counts as one byte.
            self._head_bytes += size if self._head_bytes else 1
            if self._head_bytes > MAX_HEAD and self._refusal is None:
                self._refuse(Refused(431, f"the head is longer than {MAX_HEAD} bytes"))

    def _offered(self, data: bytes, at: int) -> int:
        """An upgrade is offered, and the parser took the data up to there, from where it goes on."""
        # Where we do not speak it the request is answered as if it had not asked (RFC 9110, section 7.8).
        if self._body_framing:
            self._read_body()
        else:
            self._rest = data[at:]
            self._reading.hold(OFFERED)
        return at

    def _begin(self, data: bytes, at: int) -> int:
        """Read the first line of a request; gives from where on the parser is to get the data."""
        line = self._line
        try:
            at = line.read(data, at)
        except Refused as refusal:
            self._fields = []
            if isinstance(refusal, InFramesError) and self._goes_on_in_frames(data, data.find(b"\n", at) + 1):
                return len(data)
            self._refuse(refusal)
            return at
        self._ends.begin(line.instead)
        if line.instead:
            self._parse(line.instead)
        return at

    def _end_of(self, data: bytes, at: int) -> int:
        """Up to where the data is of the request that is coming in, for sure."""
        framing = self._framing
        if self._current is None or framing.chunked or framing.length is None:
            return self._ends.find(data, at)
        return min(len(data), at + framing.length - self._received)

    def _parse(self, piece: bytes) -> int | None:
        """Give it to the parser; if that ends with an offer to upgrade, how much it took."""
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            return int(upgrade.args[0])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Refused) else Refused(400, str(error)))
        return None

    # The parser's side

    def on_message_begin(self) -> None:
        if self._replaying:
            return
        self._url = b""
        self._fields = []
        self._in_head = True
        self._head_bytes = self._trailer_bytes = 0
        self._body_framing = []

    def _read_body(self) -> None:
        """Have the body read although the request offers an upgrade: the parser takes it for the other protocol's."""
        self._parser = httptools.HttpRequestParser(self)
        self._replaying = True
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + encoded(list(self._body_framing)) + b"\r\n")
        self._replaying = False
        self._body_framing = []

    def on_url(self, url: bytes) -> None:
        if self._replaying:
            return
        self._url += url
        if len(self._url) > MAX_HEAD:
            raise Refused(414, f"the target is longer than {MAX_HEAD} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            fields = self._fields
            fields.append((name, value))
            if len(fields) > MAX_FIELDS:
                raise Refused(431, f"there are more than {MAX_FIELDS} header fields")
        elif self._current is not None and not self._replaying:
            self._trailer_bytes += len(name) + len(value) + 4
            if self._trailer_bytes > MAX_HEAD:
                raise Refused(431, f"the trailers are longer than {MAX_HEAD} bytes")
            self._current.trailers.add(name, value)

    def _request(self) -> HttpRequest:
        """The request whose head is here, or as much of it as came."""
        line = self._line
        target = line.target or self._url.decode("latin-1")
        path, query = split_target(target)
        return HttpRequest(
            self.connection,
            self.journal.now(),
            method=line.method or self._parser.get_method().decode("latin-1"),
            target=target,
            path=path,
            query=query,
            headers=Headers(self._fields),
            http_version="1.1" if line.is_usual else line.version or self._parser.get_http_version(),
        )

    @property
    def _may_be_kept(self) -> bool:
        return self._framing.is_sure and self._parser.should_keep_alive()

    def _taken_off(self) -> HttpRequest | None:
        """The request that is coming in, or what there is of it, which is all that there will be."""
        request, self._current = self._current, None
        if request is None and self._line.is_whole and (self._in_head or self._line.version):
            request = self._request()
        self._in_head = self._line.is_whole = False
        self._undecided = None
        if request is not None:
            request.complete = False
        return request

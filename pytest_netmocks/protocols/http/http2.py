"""HTTP/2 (RFC 9113): each request has a stream, and is answered by the same rules as any other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pytest_netmocks.engine.shaper import nothing
from pytest_netmocks.faults.base import EndingFault
from pytest_netmocks.faults.codes import CODES, name_of
from pytest_netmocks.link.flows import NEVER, UP
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.h2 import fields
from pytest_netmocks.protocols.h2.exchange import FramedExchange
from pytest_netmocks.protocols.h2.session import Session
from pytest_netmocks.protocols.h2.stream import Stream
from pytest_netmocks.protocols.http import uploads
from pytest_netmocks.protocols.http.answering import Answering
from pytest_netmocks.protocols.http.desk import HttpDesk
from pytest_netmocks.protocols.http.rules import HttpRule
from pytest_netmocks.protocols.web.fields import Headers
from pytest_netmocks.protocols.web.heads import MAX_FIELDS, MAX_HEAD, Refused
from pytest_netmocks.protocols.web.incoming import Incoming
from pytest_netmocks.protocols.web.prepare import Fields, Outgoing, today
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import REASONS, Response
from pytest_netmocks.protocols.web.targets import split_target
from pytest_netmocks.protocols.web.turn import RequestTurn
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.servers.backpressure import Reading
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.unread import Unread

TUNNELLED = "a tunnel is offered"


class Http2Protocol(Session):
    """One connection: its streams are answered as the desk says."""

    def __init__(self, desk: HttpDesk, link: Link, connection: Connection, *, greeted: bool = False) -> None:
        self._is_greeted = greeted
        super().__init__(link, connection, desk.journal, self._stream, max_streams=desk.max_concurrent_streams)
        self._desk = desk

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._is_greeted:
            self._desk.greet(self.link, self.connection, self.reading)
        super().connection_made(transport)

    def _stream(self, stream: Stream) -> asyncio.BaseProtocol:
        return HttpStream(self._desk, self, stream)


class StreamExchange(FramedExchange):
    """An exchange on a stream; bytes without a head are none of HTTP/2's."""

    def __init__(
        self, session: Http2Protocol, stream: Stream, verdict: Verdict[HttpRule], request: HttpRequest
    ) -> None:
        super().__init__(session, stream, verdict, request)
        self.is_whole = False
        """Whether all of the answer was given."""

    def answer(self, head: bytes, payload: bytes, told: Callable[[bytes], None] | None = None) -> None:
        self.is_whole = True
        if head:
            super().answer(head, payload, told)
        else:
            self._say_last(payload, told)

    def end(self, tail: bytes) -> None:
        self.is_whole = True
        super().end(tail)


class StreamTurn(RequestTurn):
    """A request that is being answered on its stream."""

    __slots__ = ("_stream",)

    def __init__(self, line: HttpStream, request: HttpRequest, exchange: Exchange, *, keep: bool) -> None:
        super().__init__(line, request, exchange, keep=keep)
        self._stream = line.stream

    def head_of(self, out: Outgoing, response: Response) -> bytes:
        ready = response.ready
        dated: Fields = [] if ready is not None and "date" in ready.names else [("date", today())]
        return self._stream.head(fields.answer_of(out.status, [*out.fields, *dated]))

    def head(self, status: int, reason: str, fields_: Fields) -> bytes:
        return self._stream.head(fields.answer_of(status, fields_))

    def interim(self, status: int, fields_: Fields) -> None:
        self.link.write(self._stream.head(fields.answer_of(status, fields_)))

    def end(self, trailers: Fields, *, chunked: bool) -> None:
        self._stream.tail = fields.lowered(trailers)
        self.exchange.end(b"")


class HttpStream(Answering, asyncio.Protocol):
    """One stream: a request comes in and is answered; it stands on the stream's link."""

    def __init__(self, desk: HttpDesk, session: Http2Protocol, stream: Stream) -> None:
        self._desk = desk
        self._session = session
        self.stream = stream
        self.link = stream.link
        self.connection = stream.connection
        self.journal = desk.journal
        self.over = False
        self.finished = False
        self.drained = asyncio.Event()
        self.drained.set()
        self._reading = Reading(stream.link)
        self._keep = True
        self._turn: RequestTurn | None = None
        self._task: asyncio.Task[None] | None = None
        self._exchange: StreamExchange | None = None
        self._received = 0
        self._incoming: Incoming | None = None
        self._is_early = False
        """Whether it is answered before its body is there."""
        self._refused = False
        self._is_recorded = False
        self.request = self._request()

    def _request(self) -> HttpRequest:
        head = self.stream.request
        given = list(head.fields)
        if head.authority is not None and all(name != b"host" for name, _ in given):
            given.insert(0, (b"host", head.authority))  # what rules and applications look at
        target = (head.path or head.authority or b"").decode("latin-1")
        path, query = split_target(target)
        request = HttpRequest(
            self.connection,
            self.journal.now(),
            method=head.method.decode("latin-1"),
            target=target,
            path=path,
            query=query,
            headers=Headers([*given]),
            http_version="2",
        )
        request.stream = self.stream.id
        return request

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Its head is there."""
        stream, request, desk = self.stream, self.request, self._desk
        try:
            declared = self._check()
        except Refused as refusal:
            self._refuse(refusal)
            return
        if stream.is_client_done:
            return  # the end comes at once
        request.complete = False
        request.longest = desk.max_body
        if declared is not None and declared > desk.max_body:
            self._refuse(Refused(413, f"the body of {declared} bytes is longer than {desk.max_body}"))
            return
        if desk.strikes_uploads:
            self._strike_upload()
        awaited = request.headers.get("expect", "").lower() == "100-continue"
        early = desk.answers_early(request) if desk.may_answer_early else None
        if request.method == "CONNECT":  # what comes belongs into the tunnel
            self._is_early = True
            self._reading.hold(TUNNELLED)
            self._begin()
        elif early is not None:
            self._is_early = True
            if early == "mount":
                self._incoming = Incoming(self._reading, declared, self._say_continue if awaited else None)
            self._begin()
        elif awaited:
            when = desk.when_to_continue(request)
            if when is True:
                self._say_continue()
            elif when is not False:
                asyncio.get_running_loop().call_later(when, self._say_continue_late)

    def _check(self) -> int | None:
        """The length of the body, if it is declared. Raises `Refused` for a head that is too large."""
        head = self.stream.request
        given = head.fields
        if len(given) > MAX_FIELDS:
            raise Refused(431, f"there are more than {MAX_FIELDS} header fields")
        if head.size + len(self.request.target) > MAX_HEAD:
            raise Refused(431, f"the head is longer than {MAX_HEAD} bytes")
        lengths = [value for name, value in given if name == b"content-length"]
        return int(lengths[0]) if lengths and lengths[0].isdigit() else None

    def _strike_upload(self) -> None:
        found = uploads.chosen(self._desk, self.request)
        if found is None:
            return
        rule, injections = found

        def struck() -> None:
            rule.hits += 1

        for injection, draws in injections:
            ends = isinstance(injection.fault, EndingFault)
            also = struck if ends else nothing
            self.link.arm(injection, place=0, payload=(0, NEVER), side=UP, also=also, draws=draws)

    def _say_continue(self) -> None:
        if not self.link.is_closing():
            self.link.write(self.stream.head(fields.answer_of(100, ())))

    def _say_continue_late(self) -> None:
        """Ask for the body unless it comes unasked meanwhile (RFC 9110, section 10.1.1)."""
        if not self._received and not self.stream.is_client_done:
            self._say_continue()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        received = self._received = self._received + len(data)
        if received > self._desk.max_body:
            self._refuse(Refused(413, f"the body is longer than {self._desk.max_body} bytes"))
            return
        self.request.comes(data)
        if self._incoming is not None:
            self._incoming.feed(data)

    def eof_received(self) -> bool:
        self.finished = True
        if self._refused:
            return True
        if self.stream.record.closed_by == "fault":
            self._break_off("a fault ended it")
            return False
        request = self.request
        for name, value in self.stream.trailers:
            request.trailers.add(name, value)
        if not request.complete:
            request.has_come()
            request.received_at = self.journal.now()
        if not self._is_early:
            self._begin()
            return True
        self._tell_of_body(request)
        if self._incoming is not None:
            self._incoming.end()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.over = True
        self.drained.set()
        if not self.request.complete and not self._refused:
            self._break_off(self._why(error))
        if self._incoming is not None:
            self._incoming.break_off()
        if self._turn is not None:
            self._turn.tell()
        if self._task is not None and (self._turn is None or not self._turn.is_watched):
            self._task.cancel()

    def _why(self, error: Exception | None) -> str:
        if self.stream.error is not None:
            return f"the client has reset the stream ({name_of(self.stream.error)})"
        if self.stream.record.closed_by == "fault":
            return "a fault ended it"
        return f"the connection is lost ({error})" if error is not None else "the client finished"

    def _break_off(self, why: str) -> None:
        request = self.request
        if request.broken_off is not None:
            return
        request.complete = False
        request.broken_off = why
        self.stream.record.note(f"{why}, in the middle of {request.summary}")
        if not self._is_recorded:
            self._put_on_record()

    def _put_on_record(self) -> None:
        """Put a request on record that comes to no rule; rules know it by its head."""
        self._is_recorded = True
        self._desk.met_by_head(self.request)
        self.journal.request(self.connection, self.request)

    def pause_writing(self) -> None:
        self.drained.clear()

    def resume_writing(self) -> None:
        self.drained.set()

    # The answer

    def _begin(self) -> None:
        self._is_recorded = True
        self._answer(self.request)

    def _refuse(self, refusal: Refused) -> None:
        self._refused = True
        request = self.request
        request.complete = False
        request.broken_off = text = f"{refusal.status} {REASONS[refusal.status]}: {refusal}"
        self.stream.record.note(text)
        if self._incoming is not None:
            self._incoming.break_off()
        if request.response is not None:
            self._close()  # in the middle of another answer, or after it
            return
        if not self._is_recorded:
            self._put_on_record()
        self._answer_without_rules(request, Response(refusal.status, text=f"{refusal}\n"))
        self._close()

    def _send_plain(self, *_: object) -> bool:  # nothing of the kind is kept here
        return False

    def _speaks_instead(self, request: HttpRequest, verdict: Verdict[HttpRule]) -> bool:
        return self._session.strike(self.stream, verdict)

    def _turn_of(self, request: HttpRequest, verdict: Verdict[HttpRule], *, keep: bool) -> RequestTurn:
        exchange = self._exchange = StreamExchange(self._session, self.stream, verdict, request)
        return StreamTurn(self, request, exchange, keep=keep)

    def _sent(self, *, going: bool) -> None:
        if not going and self._exchange is not None:
            self.stream.is_last = self._exchange.is_whole  # else it is this stream alone that breaks
        self._close()

    def _close(self) -> None:
        """The answer is out; one that is not whole is said to be none."""
        if self._exchange is not None and self._exchange.is_whole:
            self.link.close()
        else:
            self.stream.abort(CODES["INTERNAL_ERROR"])

    # What a turn asks

    def body_of(self, request: HttpRequest) -> Incoming:
        """The body, to be taken as it comes."""
        return self._incoming or Incoming.of(self._reading, request.body)

    def answered(self, *, going: bool) -> None:
        """The answer is out."""
        self._task = self._turn = None
        self._sent(going=going)

    def take_unread(self) -> Unread:
        """Nothing comes beside what is handed over."""
        return Unread()

    def hand_over(self) -> None:
        """Leave the stream to another protocol."""
        self._task = self._turn = None

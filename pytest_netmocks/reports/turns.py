"""`Turn`: one request and its answer in the bytes of their connection, both as sent and as delivered."""

from __future__ import annotations

import dataclasses
import http
import re
from collections.abc import Iterator

from pytest_netmocks.records.plain import data_of
from pytest_netmocks.reports.conversation import Conversation, Plain, Seen
from pytest_netmocks.reports.messages import (
    Body,
    Fields,
    Head,
    Status,
    has_no_body,
    read_body,
    read_head,
    status_of,
)

_REQUEST = re.compile(r"(\S+) (\S+) HTTP/(\d\.\d)")


@dataclasses.dataclass
class Asked:
    """A request in the received bytes: offsets, and its body without the transfer coding."""

    start: int | None = None
    """`None` where the bytes were not kept."""
    head_end: int | None = None
    end: int | None = None
    body: bytes = b""
    missing: int = 0
    """Bytes of the body that were not kept."""


@dataclasses.dataclass
class Answered:
    """An answer, as much of it as was delivered."""

    start: int
    """Offsets in what was delivered."""
    end: int
    head_size: int | None = None
    status: Status | None = None
    fields: Fields = ()
    body: bytes = b""
    missing: int = 0
    """Bytes of the body that were not kept."""
    lost: int = 0
    """Bytes of it that were sent and not delivered."""
    complete: bool = False


@dataclasses.dataclass
class Turn:
    """One request of HTTP, what came before its answer, and the answer, if there is anything of one."""

    seen: Seen
    asked: Asked
    interim: list[tuple[float, Status, Fields]]
    """When each interim response was delivered, and what it said."""
    answer: Answered | None
    until: float | None
    """When the next one began."""
    in_frames: bool = False
    """Whether it came by HTTP/2: then what is known of it is what is on record, and offsets say nothing."""

    @property
    def request(self) -> Plain:
        """What its record says."""
        request: Plain = self.seen.facts["request"]
        return request


def is_http(facts: Plain) -> bool:
    """Whether an exchange is one of HTTP."""
    request = facts.get("request")
    return isinstance(request, dict) and "method" in request


def turns(conversation: Conversation) -> Iterator[Turn]:
    """The exchanges of HTTP on a connection, in order."""
    all_seen = [seen for seen in conversation.exchanges if is_http(seen.facts)]
    if any(seen.facts["request"]["version"] == "2" for seen in all_seen):
        yield from map(_in_frames, all_seen)
        return
    received_to, sent_to = conversation.received.begin, conversation.sent.begin
    for number, seen in enumerate(all_seen):
        later = all_seen[number + 1 :]
        asked = _asked(conversation, seen, received_to)
        received_to = asked.end if asked.end is not None else received_to
        after = next((one.answer_at for one in later if one.answer_at is not None), conversation.sent.end)
        interim, begin = _interim(conversation, sent_to, after if seen.answer_at is None else seen.answer_at)
        answer = None
        sent_to = begin
        if seen.answer_at is not None:
            answer, sent_to = _answered(conversation, seen, after)
        yield Turn(seen, asked, interim, answer, later[0].began if later else None)
    if all(seen.facts["request"]["complete"] for seen in all_seen) and not conversation.messages:
        yield from _unseen(conversation, max(received_to, conversation.received.end))


def _in_frames(seen: Seen) -> Turn:
    """An exchange on a stream of HTTP/2, among whose frames are those of others."""
    body = seen.facts["request"]["body"]
    asked = Asked(None, None, None, data_of(body), body.get("missing", 0))
    recorded = seen.facts.get("response")
    answer = None
    if recorded:
        came = recorded["body"]
        status = Status("2", recorded["status"], "")  # there are no reasons (RFC 9113, section 8.3.2)
        missing = came.get("missing", 0)
        whole = seen.over is not None
        answer = Answered(0, 0, None, status, recorded["headers"], data_of(came), missing, 0, whole)
    return Turn(seen, asked, [], answer, None, in_frames=True)


def _unseen(conversation: Conversation, start: int) -> Iterator[Turn]:
    """A request that came to the faults and never past them: there is no exchange of it."""
    stream = conversation.arrived
    at = stream.at(start)
    head = _head(stream.kept, start - stream.begin, len(stream.kept))
    line = _REQUEST.fullmatch(head.first) if head is not None else None
    if at is None or head is None or line is None:
        return
    body = read_body(stream.kept, head.end, len(stream.kept), head.fields, until_close=False)
    request = {"method": line[1], "target": line[2], "version": line[3], "headers": head.fields, "complete": False}
    asked = Asked(start, head.end + stream.begin, body.end + stream.begin, body.content)
    yield Turn(Seen(0, {"request": request, "unseen": True}, at), asked, [], None, None)


def _asked(conversation: Conversation, seen: Seen, start: int) -> Asked:
    request, stream = seen.facts["request"], conversation.received
    data, base = stream.kept, stream.begin
    while data[start - base : start - base + 1] in (b"\r", b"\n"):
        start += 1  # RFC 9112, section 2.2
    recorded = request["body"]
    if not stream.has(start, start + 1):
        return Asked(None, None, None, data_of(recorded), recorded.get("missing", 0))
    if not request["method"]:
        return Asked(start, None, stream.end)
    head = read_head(data, start - base, len(data))
    if head is None:
        return Asked(start, None, stream.end, data_of(recorded), recorded.get("missing", 0))
    body = read_body(data, head.end, len(data), request["headers"], until_close=False)
    if not body.complete and not stream.has(start, stream.end):
        return Asked(start, head.end + base, None, data_of(recorded), recorded.get("missing", 0))
    return Asked(start, head.end + base, body.end + base, body.content)


def _interim(conversation: Conversation, start: int, stop: int) -> tuple[list[tuple[float, Status, Fields]], int]:
    """What was sent before the answer, and where that ends."""
    stream = conversation.sent
    found: list[tuple[float, Status, Fields]] = []
    while (head := _head(stream.kept, start - stream.begin, stop - stream.begin)) is not None:
        status = status_of(head)
        if status is None or status.code >= 200 or status.code == 101:
            break
        at = conversation.delivered.at(conversation.delivered_at(start))
        if at is not None:
            found.append((at, status, head.fields))
        start = head.end + stream.begin
    return found, start


def _head(data: bytes, start: int, stop: int) -> Head | None:
    return read_head(data, start, stop) if 0 <= start < stop else None


def _answered(conversation: Conversation, seen: Seen, after: int) -> tuple[Answered, int]:
    """What of the answer was delivered, and where it ends in what was sent."""
    start = seen.answer_at
    assert start is not None
    sent = conversation.sent
    head = _head(sent.kept, start - sent.begin, after - sent.begin)
    status = status_of(head) if head is not None else None
    end = after
    if head is not None and status is not None:
        end = _body(sent.kept, head, status, seen, after - sent.begin).end + sent.begin
    begin, stop = conversation.delivered_at(start), conversation.delivered_at(end)
    answer = _delivered(conversation, seen, begin, stop)
    answer.lost = max(0, (end - start) - (stop - begin))
    answer.complete = answer.complete and not answer.lost
    return answer, end


def _body(data: bytes, head: Head, status: Status, seen: Seen, stop: int) -> Body:
    if has_no_body(seen.facts["request"]["method"], status.code):
        return Body(b"", head.end, True)
    return read_body(data, head.end, stop, head.fields, until_close=True)


def _delivered(conversation: Conversation, seen: Seen, start: int, stop: int) -> Answered:
    stream = conversation.delivered
    recorded = seen.facts.get("response")
    unknown = not conversation.sent.pieces  # as in what was made of an archive
    if recorded and (unknown or not stream.has(start, stop)):
        body, status = recorded["body"], Status("1.1", recorded["status"], _reason(recorded["status"]))
        whole = seen.over is not None or not unknown
        return Answered(start, stop, None, status, recorded["headers"], data_of(body), body.get("missing", 0), 0, whole)
    if start >= stop:
        return Answered(start, stop)
    data, base = stream.kept, stream.begin
    head = _head(data, start - base, stop - base)
    if head is None:
        return _cut_head(data[start - base : stop - base], start, stop)
    status_line = status_of(head)
    if status_line is None:
        return Answered(start, stop, None, None, (), data[start - base : stop - base])
    read = _body(data, head, status_line, seen, stop - base)
    size = head.end - head.start
    return Answered(start, stop, size, status_line, head.fields, read.content, 0, 0, read.complete)


def _reason(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


def _cut_head(cut: bytes, start: int, stop: int) -> Answered:
    """An answer whose head has no end: its whole lines count."""
    head = read_head(cut.rpartition(b"\n")[0] + b"\n\n", 0, len(cut) + 2)
    status = status_of(head) if head is not None else None
    if head is None or status is None:
        return Answered(start, stop, body=b"" if cut[:5] == b"HTTP/"[: len(cut)] else cut)
    return Answered(start, stop, None, status, head.fields)

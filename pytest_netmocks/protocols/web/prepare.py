"""From a `Response` to what goes out: conditional requests, ranges, encodings, framing."""

from __future__ import annotations

import dataclasses
import email.utils
import re
from typing import TYPE_CHECKING, Any

from pytest_netmocks import clock
from pytest_netmocks.protocols.web import codings
from pytest_netmocks.protocols.web.conditions import stretch, verdict
from pytest_netmocks.protocols.web.fields import Headers, text_of
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import REASONS, Ready, Response
from pytest_netmocks.protocols.web.text import utf8

if TYPE_CHECKING:
    import pathlib


Fields = list[tuple[str | bytes, str | bytes]]


@dataclasses.dataclass(slots=True)
class Outgoing:
    """One answer ready to go: its head, and its body as bytes, as a stretch of a file, or as a stream.

    On a stream of HTTP/2 `fields` are the head, which has other bytes there.
    """

    status: int
    head: bytes
    fields: Fields
    body: bytes = b""
    file: Any = None
    stretch: tuple[int, int] = (0, 0)
    stream: Any = None
    chunked: bool = False
    trailers: Fields = dataclasses.field(default_factory=list)
    keep: bool = True


_WEIGHT = re.compile(r"[01](?:\.[0-9]{0,3})?")
"""A weight (RFC 9110, section 12.4.2)."""

VALIDATORS = frozenset({"etag", "last-modified"})
"""What makes an answer depend on the conditions of a request."""

_date: tuple[int, bytes, bytes] = (0, b"", b"")


def _renew(now: int) -> None:
    global _date  # noqa: PLW0603  # a cache of one
    value = email.utils.formatdate(now, usegmt=True).encode()
    _date = (now, b"Date: %b\r\n" % value, value)


def date() -> bytes:
    """The Date field (RFC 9110, section 6.6.1), made once a second."""
    now = int(clock.wall())
    if _date[0] != now:
        _renew(now)
    return _date[1]


def today() -> bytes:
    """The value of the Date field."""
    now = int(clock.wall())
    if _date[0] != now:
        _renew(now)
    return _date[2]


def encoded(fields: Fields) -> bytes:
    """Header lines."""
    return b"".join(b"%b: %b\r\n" % (as_bytes(name), as_bytes(value)) for name, value in fields)


def as_bytes(text: str | bytes) -> bytes:
    """A name or value as it goes out."""
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return utf8(text)


def interim_head(status: int, fields: Fields) -> bytes:
    """What goes before an answer (RFC 9110, section 15.2)."""
    return f"HTTP/1.1 {status} {REASONS.get(status, 'Interim')}\r\n".encode() + encoded(fields) + b"\r\n"


def bodiless(status: int) -> bool:
    """Whether an answer with that status has no body at all (RFC 9112, section 6.3)."""
    return status < 200 or status in (204, 304)


def prepare(response: Response, request: HttpRequest, *, keep: bool) -> Outgoing:
    """What goes out in answer to the request; `keep` says whether the connection may be kept."""
    ready = response.ready
    if ready is None:
        ready = response.ready = _look_at(response)
    if ready.closes:
        keep = False
    in_frames = request.http_version == "2"
    if ready.head is not None and request.method != "CONNECT":
        head = b"" if in_frames else _ended(ready.head, request, keep, response, ready)
        out = Outgoing(response.status, head, ready.fields, response.body, keep=keep)
        return _with_more(out, request, response) if request.more_fields else out
    fields = list(response.headers)
    out = Outgoing(response.status, b"", fields, response.body, keep=keep)
    if response.stream is not None:
        out.stream = response.stream
    elif response.file is not None:
        _take_file(out, response, response.file)
    static = response.stream is None and response.file is None and not (response.compress or response.ranges)
    static = static and VALIDATORS.isdisjoint(ready.names) and request.method != "CONNECT"
    if response.compress:
        _compress(out, request)
    instead = _instead(out, response, request)
    if instead is not None:
        out.status = instead
        out.body, out.file, out.stream = b"", None, None
    elif response.ranges and response.status == 200 and request.method in ("GET", "HEAD"):
        fields.append(("Accept-Ranges", "bytes"))
        if request.method == "GET":  # for other methods there are no ranges (RFC 9110, section 14.2)
            _cut(out, request)
    _frame(out, response, request, ready.names)
    if response.omitted:
        _leave_out(out, response.omitted, in_frames=in_frames)
        static = False
    reason = response.reason if out.status == response.status else response.phrases[out.status]
    head = f"HTTP/{response.http_version} {out.status} {reason}\r\n".encode("latin-1", "replace") + encoded(fields)
    if static and response.status == out.status:
        _keep(ready, head, fields, response)
    if not in_frames:
        out.head = _ended(head, request, out.keep, response, ready)
    return _with_more(out, request, response) if request.more_fields else out


def _look_at(response: Response) -> Ready:
    names = {text_of(name).lower() for name, _ in response.headers}
    closes = response.close
    if "connection" in names:
        closes = closes or "close" in [word.strip() for word in (response.get("connection") or "").lower().split(",")]
    return Ready(response.omitted | names, closes)


def _keep(ready: Ready, head: bytes, fields: Fields, response: Response) -> None:
    ready.head, ready.fields = head, fields
    if not (ready.closes or "date" in ready.names or response.interim or bodiless(response.status)):
        ready.plain = head


def _with_more(out: Outgoing, request: HttpRequest, response: Response) -> Outgoing:
    """With the fields that the request's answer has beside those of the response."""
    more = [pair for pair in request.more_fields if text_of(pair[0]).lower() not in response.omitted]
    out.head = out.head[:-2] + encoded(more) + b"\r\n"
    out.fields = [*out.fields, *more]
    return out


def _leave_out(out: Outgoing, names: frozenset[str], *, in_frames: bool) -> None:
    """Without these fields: a body whose length nothing says ends with the connection (RFC 9112, section 6.3)."""
    out.fields[:] = [pair for pair in out.fields if text_of(pair[0]).lower() not in names]
    out.chunked = out.chunked and "transfer-encoding" not in names
    fields = Headers(out.fields)
    known = in_frames or bodiless(out.status) or "content-length" in fields or "transfer-encoding" in fields
    out.keep = out.keep and known


def _ended(head: bytes, request: HttpRequest, keep: bool, response: Response, ready: Ready) -> bytes:
    more = b"" if "date" in ready.names else date()
    if "connection" not in ready.names:
        if request.http_version == "1.0" and keep:
            more += b"Connection: keep-alive\r\n"
        elif not keep and not response.close:
            more += b"Connection: close\r\n"
    return head + more + b"\r\n"


def _take_file(out: Outgoing, response: Response, file: pathlib.Path) -> None:
    """The file as it is now, with its validators."""
    info = file.stat()
    out.file = file
    out.stretch = (0, info.st_size)
    if not response.has("last-modified"):
        out.fields.append(("Last-Modified", email.utils.formatdate(int(info.st_mtime), usegmt=True)))
    if not response.has("etag"):
        out.fields.append(("ETag", f'"{info.st_mtime_ns:x}-{info.st_size:x}"'))


def _frame(out: Outgoing, response: Response, request: HttpRequest, names: frozenset[str]) -> None:
    """Say how long the body is, unless the response says so itself or has none."""
    own = "content-length" in names or "transfer-encoding" in names
    if request.method == "CONNECT" and 200 <= out.status < 300:
        return  # a tunnel begins where a body would (RFC 9110, section 9.3.6)
    if out.stream is not None and bodiless(out.status):
        out.stream = None
    elif out.stream is not None:
        known = request.http_version == "2" or response.has("content-length")
        out.chunked = request.http_version != "1.0" and not known
        if out.chunked and not response.has("transfer-encoding"):
            out.fields.append(("Transfer-Encoding", "chunked"))
        elif not out.chunked and not known:
            out.keep = False  # the end of the connection is the end of the body
        if response.trailers and not response.has("trailer"):
            out.fields.append(("Trailer", ", ".join(text_of(name) for name, _ in response.trailers)))
        out.trailers = response.trailers
    elif not own and not bodiless(out.status):
        size = out.stretch[1] - out.stretch[0] if out.file is not None else len(out.body)
        out.fields.append(("Content-Length", str(size)))


def _compress(out: Outgoing, request: HttpRequest) -> None:
    out.fields.append(("Vary", "Accept-Encoding"))
    coding = _preferred(request.headers.get("accept-encoding", ""))
    if out.file is not None and coding is not None:
        out.body, out.file = out.file.read_bytes(), None
    if coding is not None and out.body:
        out.body = codings.encode(coding, out.body)
        out.fields.append(("Content-Encoding", coding))


def _preferred(accepted: str) -> str | None:
    """The coding with the greatest weight of those we have (RFC 9110, section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        coding, _, parameter = part.partition(";")
        name, _, weight = parameter.partition("=")
        asked = name.strip() == "q"
        weights[coding.strip()] = (float(weight) if _WEIGHT.fullmatch(weight.strip()) else 0.0) if asked else 1.0
    best = max(codings.available(), key=lambda coding: weights.get(coding, weights.get("*", 0.0)))
    return best if weights.get(best, weights.get("*", 0.0)) > 0 else None


def _instead(out: Outgoing, response: Response, request: HttpRequest) -> int | None:
    """The status that the request's conditions ask for instead; `None` if they hold or there is nothing to compare."""
    # What a test writes among the headers of the answer to a PUT is the tag of what is there afterwards.
    if not 200 <= out.status < 300 or (not response.tagged and request.method not in ("GET", "HEAD")):
        return None
    return verdict(request, Headers(out.fields))


def _cut(out: Outgoing, request: HttpRequest) -> None:
    """Answer a Range (RFC 9110, section 14) of one stretch."""
    size = out.stretch[1] if out.file is not None else len(out.body)
    found = stretch(request, Headers(out.fields), size)
    if found is None:
        return
    start, end = found
    if start >= end:
        out.status, out.body, out.file = 416, b"", None
        out.fields.append(("Content-Range", f"bytes */{size}"))
        return
    out.status = 206
    out.fields.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))
    out.stretch = found
    if out.file is None:
        out.body = out.body[start:end]

"""`Response`: an answer as a test writes it down."""

from __future__ import annotations

import copy
import dataclasses
import http
import inspect
import json as jsons
import os
import pathlib
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict
from urllib.parse import quote

from pytest_netmocks import check
from pytest_netmocks.protocols.web.cookies import pair
from pytest_netmocks.protocols.web.fields import Given, left_out, pairs_of, text_of
from pytest_netmocks.protocols.web.text import utf8
from pytest_netmocks.strict import Strict

Piece = bytes | str
Stream = Iterable[Piece] | AsyncIterable[Piece] | Callable[[], Iterable[Piece] | AsyncIterable[Piece]]

Interim = int | tuple[int, Given]
"""An interim response: its status, or that and its headers."""

SWITCHING = 101
"""The one status below 200 that is the last word in HTTP (RFC 9110, section 15.2.2)."""

BODIES = ("text", "json", "html", "body", "file", "stream", "sse", "raw")

WORDS = ("text", "html", "content_type", "redirect", "etag", "reason", "http_version")

REASONS = {status.value: status.phrase for status in http.HTTPStatus}

NOTHING: Any = object()
"""What stands for no JSON, since `None` is some."""


class ResponseOptions(TypedDict, total=False):
    """The keyword arguments of a `Response`."""

    text: str | None
    json: Any
    html: str | None
    body: bytes | None
    file: str | os.PathLike[str] | None
    stream: Stream | None
    sse: Iterable[Any] | None
    raw: bytes | None
    interim: Sequence[Interim]
    headers: Given | None
    content_type: str | None
    cookies: Mapping[str, str] | None
    redirect: str | None
    etag: str | None
    reason: str | None
    http_version: str
    interval: float
    trailers: Given | None
    compress: bool
    ranges: bool | None
    close: bool


@dataclasses.dataclass(slots=True)
class Ready:
    """What of a response is the same every time that it goes out."""

    names: frozenset[str]
    """The names of its headers in lower case, and of those that stay away."""
    closes: bool
    """Whether it ends the connection."""
    head: bytes | None = None
    """The encoded head but for its Date and its end, `None` if that depends on the request or was not made yet."""
    fields: list[tuple[str | bytes, str | bytes]] = dataclasses.field(default_factory=list)
    """The fields of that head."""
    plain: bytes | None = None
    """That head, if with Date and body it is all that goes out where the connection is kept."""


class Response(Strict):
    """One answer: a `status` and at most one of `text`, `json`, `html`, `body`, `file`, `stream`, `sse` or `raw`.

    `stream` is an iterable of pieces, async too, or a function that gives one; they are sent as chunks, `interval`
    seconds apart, with `trailers` after them. `sse` is a list of events: text, or an object with `data`, `event`, `id`
    and `retry`. `raw` goes out as it is, then a FIN. `headers` is a mapping or (name, value) pairs; a Content-Length or
    Transfer-Encoding given there is sent as it is, true or not. `redirect` is a Location (status 302 unless said),
    `cookies` are set for the path `/`, and a value that has more than RFC 6265, section 4.1.1, allows is quoted.
    `etag` answers a matching If-None-Match with 304 and an If-Match of others with 412 (RFC 9110, section 13; an ETag
    among `headers` does so for GET and HEAD alone), `ranges` a Range with 206 (of files unless told otherwise),
    `compress` encodes as the client accepts. `close` ends the connection afterwards without saying so; `reason` and
    `http_version` are what the status line says. `interim` is what goes before the answer (RFC 9110, section 15.2):
    statuses, or (status, headers) as in `[(103, {"Link": "..."})]`; a client of HTTP/1.0 gets none. A 205 has no body.
    Text goes out in UTF-8: what `surrogateescape` made of a byte as that byte, another lone surrogate as U+FFFD.
    Raises `TypeError` or `ValueError` that names the argument.
    """

    phrases: Mapping[int, str] = REASONS
    """What the status line says where a condition or a range makes another status of it."""

    def __init__(
        self,
        status: int | None = None,
        *,
        text: str | None = None,
        json: Any = NOTHING,
        html: str | None = None,
        body: bytes | None = None,
        file: str | os.PathLike[str] | None = None,
        stream: Stream | None = None,
        sse: Iterable[Any] | None = None,
        raw: bytes | None = None,
        interim: Sequence[Interim] = (),
        headers: Given | None = None,
        content_type: str | None = None,
        cookies: Mapping[str, str] | None = None,
        redirect: str | None = None,
        etag: str | None = None,
        reason: str | None = None,
        http_version: str = "1.1",
        interval: float = 0.0,
        trailers: Given | None = None,
        compress: bool = False,
        ranges: bool | None = None,
        close: bool = False,
    ) -> None:
        if isinstance(status, str):
            raise TypeError(f"status must be a number, not {status!r}: write text={status!r} for a body")
        status_given = status is not None
        status = (302 if redirect is not None else 200) if status is None else status
        _check_status(status)
        values = (text, None if json is NOTHING else jsons, html, body, file, stream, sse, raw)
        given = [name for name, value in zip(BODIES, values, strict=True) if value is not None]
        if len(given) > 1:
            raise ValueError(f"only one of {', '.join(BODIES)} may be given, not {' and '.join(given)}")
        words = text, html, content_type, redirect, etag, reason, http_version
        for name, word in zip(WORDS, words, strict=True):
            if word is not None:
                _check_word(name, word)
        check.instance("cookies", cookies, (Mapping, type(None)), "a mapping of names to values")
        whole = stream is None and sse is None
        _check_together(
            whole,
            trailers=trailers is not None,
            compress=compress,
            raw=raw is not None,
            status=status_given or headers is not None,
        )
        for name, content in (("body", body), ("raw", raw)):
            if content is not None:
                check.instance(name, content, (bytes, bytearray, memoryview), "bytes")
        check.number("interval", interval, unit="seconds", minimum=0)
        for name, flag in (("compress", compress), ("ranges", ranges or False), ("close", close)):
            if flag is not False:
                check.instance(name, flag, bool, "True or False")
        self.status = status
        fields, self.omitted = left_out(headers)
        self.headers = pairs_of(fields)
        self.trailers = pairs_of(trailers)
        self.interim = _interim(interim)
        """What goes before it: status and fields of each."""
        self.reason = REASONS.get(status, "Unknown") if reason is None else reason
        self.http_version = http_version
        self.interval = interval
        self.compress = compress
        self.close = close
        self.raw = None if raw is None else bytes(raw)
        self.stream: Stream | None = stream
        self.file: pathlib.Path | None = None
        self.body = b"" if body is None else bytes(body)
        kind = self._set_body(text, html, json, sse, file)
        if kind is None and (body is not None or stream is not None):
            kind = "application/octet-stream"
        if stream is not None:
            _check_stream(stream)
        if status == 205:  # it says that there is nothing (RFC 9110, section 15.3.6)
            self.body, self.stream, self.file = b"", None, None
        self.ranges = self.file is not None if ranges is None else ranges
        self.tagged = etag is not None
        """Whether its tag is that of what the request is about."""
        self._add_fields(redirect, etag, cookies)
        if (content_type or kind) is not None and not self.says("content-type"):
            self.headers.insert(0, ("Content-Type", str(content_type or kind)))
        self.ready: Ready | None = None
        """What is kept of it from the first time that it goes out."""

    def _set_body(
        self, text: str | None, html: str | None, json: Any, sse: Iterable[Any] | None, file: Any
    ) -> str | None:
        """Take what was given as something else than bytes; its media type."""
        if text is not None:
            self.body = utf8(text)
            return "text/plain; charset=utf-8"
        if html is not None:
            self.body = utf8(html)
            return "text/html; charset=utf-8"
        if json is not NOTHING:
            self.body = _json(json)
            return "application/json"
        if sse is not None:
            if isinstance(sse, (str, bytes, Mapping)) or not isinstance(sse, Iterable):
                raise TypeError(f"sse must be a list of events, text or mappings, not {sse!r}")
            self.stream = [_event(event) for event in sse]
            return "text/event-stream"
        return self._set_file(file) if file is not None else None

    def _add_fields(self, redirect: str | None, etag: str | None, cookies: Mapping[str, str] | None) -> None:
        if redirect is not None:
            self.headers.append(("Location", quote(utf8(redirect), safe="/:?#[]@!$&'()*+,;=%~-._")))
        if etag is not None:
            self.headers.append(("ETag", etag if etag.startswith(('"', "W/")) else f'"{etag}"'))
        for name, value in (cookies or {}).items():
            self.headers.append(("Set-Cookie", f"{pair(name, value)}; Path=/"))

    def _set_file(self, file: str | os.PathLike[str]) -> str:
        import mimetypes

        check.instance("file", file, (str, os.PathLike), "a path")
        self.file = pathlib.Path(file)
        if not self.file.is_file():
            raise FileNotFoundError(2, "file: no such file", str(self.file))
        return mimetypes.guess_type(self.file.name)[0] or "application/octet-stream"

    def has(self, name: str) -> bool:
        """Whether there is a header of that name."""
        return self.get(name) is not None

    @property
    def given(self) -> list[tuple[str | bytes, str | bytes | None]]:
        """The headers and those that are left out, as another response takes them."""
        return [*self.headers, *((name, None) for name in sorted(self.omitted))]

    def with_fields(self, fields: list[tuple[str | bytes, str | bytes]]) -> Response:
        """The same with these headers, which are right."""
        other = copy.copy(self)
        other.headers, other.ready = fields, None
        return other

    def says(self, name: str) -> bool:
        """Whether it has that header itself, or is to go out without one."""
        return name in self.omitted or self.has(name)

    def get(self, name: str) -> str | None:
        """The first header of that name."""
        for other, value in self.headers:
            if text_of(other).lower() == name:
                return text_of(value)
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} {self.reason}>"


def _check_status(status: object) -> None:
    check.whole("status", status, unit="a status code", minimum=100, maximum=999)
    if isinstance(status, int) and status < 200 and status != SWITCHING:
        raise ValueError(
            f"status must be that of an answer, not {status}, which goes before one (RFC 9110, section 15.2): "
            f"give interim=[{status}], or interim=[({status}, {{...}})] with headers, and the status of the answer"
        )


def _interim(given: object) -> list[tuple[int, list[tuple[str | bytes, str | bytes]]]]:
    """Status and fields of each interim response. Raises `TypeError` or `ValueError`."""
    accepted = "a list of statuses, or of (status, headers), each from 100 to 199 but 101"
    check.instance("interim", given, (list, tuple), accepted)
    assert isinstance(given, (list, tuple))
    found = []
    for one in given:
        status, fields = one if isinstance(one, tuple) and len(one) == 2 else (one, None)
        if isinstance(status, bool) or not isinstance(status, int):
            raise TypeError(f"interim must be {accepted}, not {given!r}")
        if not 100 <= status < 200 or status == SWITCHING:
            raise ValueError(f"interim must be {accepted}, not {given!r}")
        found.append((status, pairs_of(fields)))
    return found


def _json(value: Any) -> bytes:
    try:
        return jsons.dumps(value).encode()
    except (TypeError, ValueError) as error:
        raise TypeError(f"json must be what json.dumps() takes, not {value!r}: {error}") from None


def _check_word(name: str, word: str) -> None:
    check.instance(name, word, str, "text")
    if name not in ("text", "html") and ("\r" in word or "\n" in word):
        raise ValueError(f"{name} must have no line breaks, not {word!r}: use raw= for a broken answer")


def _check_together(whole: bool, *, trailers: bool, compress: bool, raw: bool, status: bool) -> None:
    if trailers and whole:
        raise ValueError("trailers= come after a stream=: there is none")
    if compress and (raw or not whole):
        raise ValueError("compress= needs an answer that is there as a whole, not a stream")
    if raw and status:
        raise ValueError("raw= is the whole answer: neither a status nor headers= have a place in it")


def _check_stream(stream: object) -> None:
    accepted = "an iterable of bytes or text, an async one, or a function that gives one"
    if isinstance(stream, (bytes, str, Mapping)) or not (
        callable(stream) or isinstance(stream, Iterable) or inspect.isasyncgen(stream) or hasattr(stream, "__aiter__")
    ):
        raise TypeError(f"stream must be {accepted}, not {stream!r}")


def _event(event: Any) -> bytes:
    """One server-sent event, see the HTML standard, section 9.2."""
    fields = event if isinstance(event, Mapping) else {"data": event}
    lines = []
    for name in ("event", "id", "retry"):
        if name in fields:
            lines.append(f"{name}: {fields[name]}")
    data = fields.get("data", "")
    lines += [f"data: {line}" for line in (data if isinstance(data, str) else jsons.dumps(data)).split("\n")]
    return utf8("\n".join(lines) + "\n\n")


def failed(error: BaseException) -> Response:
    """The answer when users' code raised."""
    return Response(500, text=f"{type(error).__name__}: {error}\n", headers={"Connection": "close"}, close=True)

"""What a client asked and what it gets: `HttpRequest` and `Response`."""

from __future__ import annotations

import http
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_netmocks import charsets, check
from pytest_netmocks.protocols.web import multipart
from pytest_netmocks.protocols.web.codings import decode_all
from pytest_netmocks.protocols.web.cookies import pairs_in
from pytest_netmocks.protocols.web.fields import Headers, Pairs, Query
from pytest_netmocks.protocols.web.multipart import UploadedFile
from pytest_netmocks.protocols.web.paths import comparable
from pytest_netmocks.protocols.web.remembered import forget, remembered
from pytest_netmocks.protocols.web.targets import origin_form
from pytest_netmocks.records.sides import Sides

if TYPE_CHECKING:
    from pytest_netmocks.records.connection import Connection
    from pytest_netmocks.rules.base import Chosen, Rule

HEAVY = 32 * 1024
"""Bytes of a body above which nobody looks into it in the loop that belongs to all."""

SMALL = 1024
"""Bytes of a piece of a body below which it is put together with the next ones."""

MERGED = 64 * 1024
"""Bytes of pieces that are put together at most."""


_STATUSES = frozenset(http.HTTPStatus)

SHOWN = 120
"""Characters of a target in the timeline."""


class Files(Mapping[str, UploadedFile]):
    """The files of a form: `files["f"]` is the last of a field, `files.get_all("f")` are all, `pairs` everything."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, UploadedFile]]) -> None:
        self.pairs = pairs

    def get_all(self, name: str) -> list[UploadedFile]:
        """Every file of the field, in order; none is an empty list."""
        return [file for field, file in self.pairs if field == name]

    def __getitem__(self, name: str) -> UploadedFile:
        return dict(self.pairs)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.pairs))

    def __len__(self) -> int:
        return len(dict(self.pairs))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.pairs!r})"


class SentResponse:
    """What the server answered: for a stream `body` grows, up to the server's `record_limit`."""

    __slots__ = ("_fields", "body", "status")

    def __init__(self, status: int, fields: Pairs = (), body: bytes = b"") -> None:
        self.status = status
        """The status that was sent."""
        self.body = body
        self._fields = fields

    @property
    def headers(self) -> Headers:
        """The header fields."""
        return Headers(list(self._fields))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status}, {len(self.body)} B>"


class HttpRequest:
    """One request as the server saw it.

    `path` is decoded and without the query, `raw_path` the same as it was sent, `target` all that was sent; `body` is
    as received, and `text`, `json()` and `form` undo the content encoding. `number` is its place on the connection,
    from 1, `at` and `answered_at` are seconds since the server started (`None`: no answer yet), `response` is what was
    answered, as much of it as the faults let out.
    `complete` says whether all of it has come; of one that never did `broken_off` says why, and `body` is what came.
    `unanswered` says why nobody answered one that came behind others and whose turn never came.
    """

    complete = True
    """Whether all of it has come."""

    received_at: float | None = None
    """When the last of its body was there, in seconds since the server started; `None` if it came with its head."""

    broken_off: str | None = None
    """Why the rest never came: the client finished, a fault ended it, it was refused; `None` if it has or may."""

    unanswered: str | None = None
    """Why its turn to be answered never came, of a request that was pipelined; `None` if it did or may."""

    rules: tuple[Rule[Any], ...] = ()
    """The rules that it came to: the one that answered, and the one that struck."""

    chosen: Chosen | None = None
    """The server's faults that strike it, as soon as somebody has asked."""

    refused_by: tuple[object, ...] = ()
    """What a rule looks for, where its function said no."""

    _looked_into = False

    longest: int | None = None
    """Bytes that a decoded body may have, `None` for any number."""

    stream: int | None = None
    """The number of its stream, if it came by HTTP/2."""

    number = 0
    answered_at: float | None = None
    response: SentResponse | None = None
    answered_by = ""
    """The rule that answered or struck it, as it is written; empty if none did."""

    _body = b""
    _coming: list[bytes | bytearray] | None = None
    """A body that comes in pieces, as long as it does."""

    def __init__(
        self,
        connection: Connection,
        at: float,
        *,
        method: str,
        target: str,
        path: str,
        query: str,
        headers: Headers,
        http_version: str,
    ) -> None:
        self.connection = connection
        self.at = at
        self.method = method
        """The method, as it was sent."""
        self.target = target
        self.path = path
        self.route = path if target.isascii() and "%" not in target else comparable(self.raw_path.encode("latin-1"))
        """The path as rules compare it."""
        self.query_string = query
        """What stands behind the `?`, as it was sent."""
        self.headers = headers
        """The header fields: `headers["host"]`, whatever the case."""
        self.http_version = http_version
        """`"1.0"`, `"1.1"` or `"2"`."""
        self.more_fields: Sequence[tuple[str | bytes, str | bytes]] = ()
        """What its answer says besides its own fields."""
        self.path_params: dict[str, Any] = {}
        """What stood in the places of the rule's path: of `"/users/{id}"` the `id`."""

    @property
    def raw_path(self) -> str:
        """The path as it was sent, without the query."""
        return origin_form(self.target).partition("?")[0]

    @property
    def body(self) -> bytes:
        """The body as received: what has come of one that still comes."""
        coming = self._coming
        return self._body if coming is None else b"".join(coming)

    @body.setter
    def body(self, body: bytes) -> None:
        self._body, self._coming = body, None

    def comes(self, piece: bytes) -> None:
        """Take a piece of the body; what somebody has seen in it so far is seen anew."""
        coming = self._coming
        if coming is None:
            self._coming = [piece]
        elif len(piece) >= SMALL:
            coming.append(piece)
        elif isinstance(coming[-1], bytearray) and len(coming[-1]) < MERGED:
            coming[-1] += piece  # chunks may be of a byte each
        else:
            coming.append(bytearray(piece))
        if self._looked_into:
            self._looked_into = False
            forget(self)

    def has_come(self) -> None:
        """The body has come as a whole."""
        self.complete = True
        coming = self._coming
        if coming is not None:
            self._body, self._coming = b"".join(coming), None  # of one piece that is the piece itself

    @property
    def is_heavy(self) -> bool:
        """Whether a look into the body may take long."""
        size = len(self._body)
        return size > HEAVY or (size > 0 and "content-encoding" in self.headers)

    @cached_property
    def trailers(self) -> Headers:
        """The fields after a chunked body."""
        return Headers()

    @cached_property
    def query(self) -> Query:
        """The query's fields: `query["q"]` is the last of repeated names."""
        return Query.of(self.query_string)

    @remembered
    def decoded(self) -> bytes:
        """The body without its content encoding (gzip, deflate, br and zstd where there is a library for it).

        Raises `ValueError` if it is not what it says, is longer than the server's `max_body` when decoded, or has a
        coding that nobody here can decode.
        """
        self._looked_into = True
        codings = self.headers.get("content-encoding")
        return self.body if codings is None else decode_all(codings, self.body, self.longest)

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @remembered
    def parsed(self) -> Any:
        """What `json()` gives, for those who only look at it."""
        return self.json()

    @property
    def text(self) -> str:
        """The decoded body as text, in the charset of its type or UTF-8."""
        charset = "utf-8"
        for part in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = part.strip().partition("=")
            if name.lower() == "charset":
                charset = value.strip('"')
        return charsets.text_of(self.decoded, charset)

    def json(self) -> Any:
        """The decoded body as JSON; raises `ValueError` if it is none."""
        try:
            return json.loads(self.decoded)
        except RecursionError:
            raise ValueError("the body is JSON that is nested too deeply to be read") from None

    @remembered
    def _parts(self) -> tuple[list[tuple[str, str]], list[tuple[str, UploadedFile]]]:
        if self.content_type == "application/x-www-form-urlencoded":
            return Query.of(self.decoded.decode("utf-8", "replace")).pairs, []
        if self.content_type == "multipart/form-data":
            return multipart.parse(self.headers.get("content-type", ""), self.decoded)
        return [], []

    @remembered
    def form(self) -> Query:
        """The fields of a form, urlencoded or multipart; without one it is empty."""
        return Query(self._parts[0])

    @property
    def files(self) -> Files:
        """The files of a multipart form by their fields' names."""
        return Files(self._parts[1])

    @cached_property
    def cookies(self) -> Query:
        """The cookies that came along: `cookies["c"]` is the last of repeated names, `cookies.get_all("c")` are all."""
        return Query([pair for line in self.headers.get_all("cookie") for pair in pairs_in(line)])

    def curl(self, body_limit: int = 65536) -> str:
        """A command for a POSIX shell that sends the request again, with curl 7.49 or newer.

        A body of more than `body_limit` bytes is left out, which a comment at the end says. Raises `ValueError` for a
        limit that is none.
        """
        from pytest_netmocks.protocols.web.curl import command  # only where it is asked for

        check.whole("body_limit", body_limit, unit="bytes", minimum=0)
        return command(self, body_limit)

    def to_dict(self) -> dict[str, Any]:
        """What it was and what was answered, as JSON can have it; bodies are with the bytes of the connection."""
        from pytest_netmocks.protocols.web.told import as_dict  # only where it is asked for

        return as_dict(self)

    @property
    def summary(self) -> str:
        """Method and target."""
        return f"{self.method} {self.target}"

    def _no_answer(self, words: str) -> str:
        return words if self.unanswered is None else f"{words}: {self.unanswered}"

    told = True
    """Whether the timeline has a line of it."""

    def sides(self) -> Sides:
        """Request and answer in words."""
        target = self.target if len(self.target) <= SHOWN else f"{self.target[:SHOWN]}..."
        asked, response = f"{self.method} {target}", self.response
        if response is None:
            return Sides(asked, "", self.answered_by)
        status = response.status
        known = http.HTTPStatus(status).phrase if status in _STATUSES else ""
        body = response.body if "content-encoding" not in response.headers else None
        answered = f"{status} {known}".rstrip()
        size = None if self.stream is None else len(response.body)
        ends = b"\r\n\r\n" if self.stream is None else b""
        return Sides(asked, answered, self.answered_by, status >= 400, body, ends, str(status), size)

    def __str__(self) -> str:
        """On one line, as the timeline has it."""
        status = self.response.status if self.response is not None else self._no_answer("no answer")
        target = self.target if len(self.target) <= SHOWN else f"{self.target[:SHOWN]}..."
        return f"{self.method} {target} -> {status}{f' by {self.answered_by}' if self.answered_by else ''}"

    def __repr__(self) -> str:
        status = str(self.response.status) if self.response is not None else self._no_answer("not answered")
        if not self.complete:
            status += f", not complete: {self.broken_off or 'it still comes'}"
        return f"<{type(self).__name__} {self.summary}: {status}>"

"""What all endpoints of httpbin share: reading what a client says, and answers in httpbin's manner."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterable
from typing import Any, TypeVar

from pytest_netmocks import scope
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import REASONS, Response

HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
BYTES = "application/octet-stream"

LONGEST = 10.0
"""Seconds that an endpoint waits at most, whatever a client says."""

LARGEST = 100 * 1024
"""Bytes that an endpoint makes at most; `/drip` has a limit of its own."""

PHRASES = {status: phrase.upper() for status, phrase in REASONS.items()} | {
    203: "NON AUTHORITATIVE INFORMATION",
    207: "MULTI STATUS",
    306: "SWITCH PROXY",
    413: "REQUEST ENTITY TOO LARGE",
    414: "REQUEST URI TOO LONG",
    416: "REQUESTED RANGE NOT SATISFIABLE",
    422: "UNPROCESSABLE ENTITY",
    449: "RETRY WITH",
    511: "NETWORK AUTHENTICATION FAILED",
}
"""Reason phrases as werkzeug writes them, on which the original stands, whatever this Python calls them."""

LONG = 8 * 1024
"""Bytes of a request from which on an endpoint reads them in a thread: the loop belongs to all servers."""

FIELDS = 1000
"""Header fields that a client can ask for at most: as many as it may send."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

T = TypeVar("T")
Fields = Iterable[tuple[str, str]]


class Refused(Exception):  # noqa: N818  # it is an answer, thrown through an endpoint
    """What a client said makes no sense here: it gets an error answer, and no test fails."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def answer(status: int = 200, body: bytes = b"", *, content_type: str | None = HTML, headers: Fields = ()) -> Response:
    """An answer that is there as a whole; without a type it has no body either."""
    phrase = PHRASES.get(status, "UNKNOWN")
    content = None if content_type is None else body
    response = Response(status, body=content, content_type=content_type, headers=list(headers), reason=phrase)
    response.phrases = PHRASES
    return response


def text_answer(status: int, text: str) -> Response:
    """An answer in plain text."""
    return answer(status, text.encode(), content_type=TEXT)


def shown(value: Any) -> bytes:
    """JSON as httpbin writes it: indented, its keys sorted."""
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"


def json_answer(value: Any, status: int = 200, *, headers: Fields = ()) -> Response:
    """An answer in JSON."""
    return answer(status, shown(value), content_type=JSON, headers=headers)


def page(status: int, title: str, body: str, *, headers: Fields = ()) -> Response:
    """A small HTML page; `body` is HTML."""
    text = f"<!doctype html>\n<html lang=en>\n<title>{title}</title>\n<h1>{title}</h1>\n{body}\n"
    return answer(status, text.encode(), headers=headers)


def field(name: str, value: str) -> tuple[str, str]:
    """A header field from a client's words. Raises `Refused` if it can be none (RFC 9110, section 5)."""
    if not _TOKEN.match(name):
        raise Refused(f"{name!r} is no name of a header field")
    if _CONTROL.search(value):
        raise Refused(f"{name}: {value!r} has characters that no header field may have")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refused(f"{name}: {value!r} is no text") from None
    return name, value


def fields(wanted: Iterable[T]) -> list[T]:
    """As many as a client may ask for. Raises `Refused` for more."""
    found = list(wanted)
    if len(found) > FIELDS:
        raise Refused(f"{len(found)} fields are more than the {FIELDS} that an answer may have")
    return found


def is_long(request: HttpRequest) -> bool:
    """Whether it takes long to read what a request says."""
    fields = sum(len(value) for _, value in request.headers.pairs)
    return len(request.target) + len(request.body) + fields >= LONG


def possible(status: int) -> int:
    """The status that a client wants. Raises `Refused` if no answer has such a one (RFC 9110, section 15)."""
    if not 200 <= status <= 999:
        raise Refused(f"{status} is no status of an answer")
    return status


def whole(name: str, text: str) -> int:
    """A whole number from a client's words. Raises `Refused`."""
    try:
        return int(text)
    except ValueError:
        raise Refused(f"{name} must be a whole number, not {text[:100]!r}") from None


def seconds(name: str, text: str) -> float:
    """A time from a client's words, at most `LONGEST`. Raises `Refused`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise Refused(f"{name} must be a number of seconds, not {text[:100]!r}")
    return min(value, LONGEST)


def place(request: HttpRequest, name: str) -> int:
    """A number in the path. Raises `Refused`: with 404 where there are no digits."""
    text = request.path_params[name]
    if not text.isdecimal():
        raise Refused(f"there is nothing at {request.path}", 404)
    return whole(name, text)


def chance(request: HttpRequest) -> random.Random:
    """Chance for this request, the same again under the same seed of the run."""
    connection = request.connection
    return Draws(scope.current.seed, scope.current.test, "httpbin", connection.id, len(connection.requests)).generator(
        0
    )


class Arguments:
    """The fields of a query, by names in any case; of repeated ones the first counts."""

    def __init__(self, request: HttpRequest) -> None:
        self._values = unique((name.lower(), value) for name, value in request.query.pairs)

    def text(self, name: str) -> str | None:
        """The value, if there is one."""
        return self._values.get(name)

    def whole(self, name: str, default: int) -> int:
        """The value as a whole number. Raises `Refused`."""
        text = self._values.get(name)
        return default if text is None else whole(name, text)

    def seconds(self, name: str, default: float) -> float:
        """The value as a time. Raises `Refused`."""
        text = self._values.get(name)
        return default if text is None else seconds(name, text)


def unique(pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    """The first of each name."""
    found: dict[str, T] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found

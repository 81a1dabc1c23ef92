"""Endpoints that say what was asked: `/get`, `/post`, `/anything`, `/headers`, `/ip`, `/gzip` and so on."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from pytest_netmocks.protocols.httpbin.answers import JSON, answer, json_answer, shown, text_answer, unique
from pytest_netmocks.protocols.web import codings
from pytest_netmocks.protocols.web.fields import Query
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response

PROXIES = {
    "Connect-Time",
    "Total-Route-Time",
    "Via",
    *(f"X-Forwarded-{what}" for what in ("For", "Port", "Proto", "Protocol", "Ssl")),
    *(f"X-Heroku-{what}" for what in ("Dynos-In-Use", "Queue-Depth", "Queue-Wait-Time")),
    *("X-Real-Ip", "X-Request-Id", "X-Request-Start", "X-Varnish"),
}
"""Header fields that proxies on the way add: hidden, unless the query has `show_env`."""

LARGE = 1 << 18
"""Bytes of a body from which on it is read in a thread: the loop belongs to all servers."""

GET = ("args", "headers", "origin", "url")
POST = ("args", "data", "files", "form", "headers", "json", "origin", "url")
DELAY = ("args", "data", "files", "form", "headers", "origin", "url")

_HIDDEN = re.compile(r"[\x00-\x20?#\x7f]")
"""What a path shows in percent-encoding."""

_BYTE = re.compile("[\udc80-\udcff]")
"""A byte that is no text, as `surrogateescape` has it."""

_ENCODED = re.compile(rb"%[0-9A-Fa-f]{2}")
_KEPT = frozenset(b"%&=+#\x7f") | frozenset(range(0x21))
"""Bytes whose percent-encoding a query keeps."""


def headers_of(request: HttpRequest) -> dict[str, str]:
    """The header fields as a gateway passes them on: names in capitals, repeated ones joined by commas."""
    found: dict[str, str] = {}
    for name, value in request.headers.pairs:
        key = name.title()
        found[key] = f"{found[key]},{value}" if key in found else value
    return found


def base_url(request: HttpRequest) -> str:
    """Scheme and authority that the client spoke to."""
    scheme = "https" if request.connection.tls is not None else "http"
    return f"{scheme}://{request.headers.get('host', '')}"


def url_of(request: HttpRequest, headers: dict[str, str]) -> str:
    """The URL that the client asked for, as people read it, by the scheme that the proxies on the way say."""
    url = base_url(request) + _HIDDEN.sub(lambda found: quote(found[0]), request.path)
    if request.query_string:
        url += "?" + _readable(request.query_string.encode("latin-1"))
    scheme = headers.get("X-Forwarded-Proto") or headers.get("X-Forwarded-Protocol")
    if scheme is None and headers.get("X-Forwarded-Ssl") == "on":
        scheme = "https"
    return url if scheme is None else scheme + url[url.index("://") :]


def _readable(query: bytes) -> str:
    """A query without the percent-encoding that it does not need; bytes that are no text keep theirs."""

    def decoded(found: re.Match[bytes]) -> bytes:
        byte = unquote_to_bytes(found[0])
        return found[0] if byte[0] in _KEPT else byte

    return _written(_ENCODED.sub(decoded, query).decode("utf-8", "surrogateescape"))


def _written(text: str) -> str:
    """The text with the bytes that are none, in surrogates, percent-encoded."""
    return _BYTE.sub(lambda found: quote(found[0], errors="surrogateescape"), text)


def _arguments(request: HttpRequest) -> dict[str, Any]:
    text = request.query_string.encode("latin-1").decode("utf-8", "surrogateescape")
    pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape")
    return flat(Query([(_written(name), _written(value)) for name, value in pairs]))


def flat(pairs: Query) -> dict[str, Any]:
    """One value is text, several are a list."""
    return {name: values[0] if len(values := pairs.get_all(name)) == 1 else values for name in pairs}


def _text(body: bytes, media: str = "application/octet-stream") -> str:
    """The bytes as text, as a data URL where they are none (RFC 2397)."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return f"data:{media};base64,{base64.b64encode(body).decode()}"


def _parts(request: HttpRequest) -> tuple[str, dict[str, Any], dict[str, str], Any]:
    """Data, form, files and JSON of the body as it came: httpbin undoes no content coding."""
    if request.content_type == "application/x-www-form-urlencoded":
        return "", flat(Query.of(request.body.decode("utf-8", "replace"))), {}, None
    if request.content_type == "multipart/form-data":
        from pytest_netmocks.protocols.web import multipart  # loads its parser

        try:
            fields, files = multipart.parse(request.headers.get("content-type", ""), request.body)
        except ValueError:
            pass  # it is no form: data, then
        else:
            texts = {name: _text(file.content, file.content_type) for name, file in unique(files).items()}
            return "", flat(Query(fields)), texts, None
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        value = None
    return _text(request.body), {}, {}, value


def describe(request: HttpRequest, *names: str, **more: Any) -> dict[str, Any]:
    """What httpbin says of a request: the parts that are asked for, in that order, and `more`."""
    headers = headers_of(request)
    parts: dict[str, Any] = {
        "args": _arguments(request),
        "headers": {name: headers[name] for name in headers if "show_env" in request.query or name not in PROXIES},
        "method": request.method,
        "origin": headers.get("X-Forwarded-For", str(request.connection.client_address[0])),
        "url": url_of(request, headers),
    }
    if "data" in names:
        parts["data"], parts["form"], parts["files"], parts["json"] = _parts(request)
    return {name: parts[name] for name in names} | more


def describing(*names: str) -> Callable[[HttpRequest], Response]:
    """The endpoint that says these parts of a request."""

    def endpoint(request: HttpRequest) -> Response:
        return json_answer(describe(request, *names))

    return endpoint


def user_agent(request: HttpRequest) -> Response:
    """The client's User-Agent."""
    return json_answer({"user-agent": headers_of(request).get("User-Agent")})


async def uuid4(request: HttpRequest) -> Response:
    """A random UUID."""
    return json_answer({"uuid": str(uuid.uuid4())})


def packed(coding: str, word: str) -> Callable[[HttpRequest], Response]:
    """The endpoint that answers in that content coding."""

    def endpoint(request: HttpRequest) -> Response:
        told = shown(describe(request, "headers", "method", "origin", **{word: True}))
        try:
            body = codings.encode(coding, told)
        except ImportError as error:
            return text_answer(501, f"{coding}: {error}\n")
        return answer(200, body, content_type=JSON, headers=[("Content-Encoding", coding)])

    return endpoint

"""The endpoints of httpbin about what a client or a cache keeps, and `/response-headers`."""

from __future__ import annotations

import email.utils
import re
import uuid

from pytest_netmocks import clock
from pytest_netmocks.protocols.httpbin.answers import JSON, Refused, answer, field, fields, json_answer, place, shown
from pytest_netmocks.protocols.httpbin.echo import GET, describe, flat
from pytest_netmocks.protocols.httpbin.statuses import of_status
from pytest_netmocks.protocols.web.fields import Query
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response

_TAG = re.compile(r"[\x21\x23-\x7e\x80-\U0010ffff]*\Z")
_FRAMING = ("content-length", "transfer-encoding", "trailer", "connection", "upgrade")


def _tags(text: str | None) -> list[str]:
    """The entity tags of a field, without quotes and weakness."""
    return [tag.strip().removeprefix("W/").strip('"') for tag in (text or "").split(",") if tag.strip()]


async def etag(request: HttpRequest) -> Response:
    """The resource with that entity tag: 304 where If-None-Match has it, quoted or not, 412 where If-Match has not."""
    tag = request.path_params["etag"]
    if not _TAG.match(tag):
        raise Refused(f"{tag!r} is no entity tag (RFC 9110, section 8.8.3)")
    headers = [("ETag", f'"{tag}"')]
    known = _tags(request.headers.get("if-none-match"))
    if tag in known or "*" in known:
        return answer(304, content_type=None, headers=headers)
    return json_answer(describe(request, *GET), headers=headers)


async def cache(request: HttpRequest) -> Response:
    """Something that has not changed: 304 to whoever asks for changes."""
    if request.headers.get("if-modified-since") or request.headers.get("if-none-match"):
        return of_status(304)
    changed = email.utils.formatdate(clock.wall(), usegmt=True)
    headers = [("Last-Modified", changed), ("ETag", f'"{uuid.uuid4().hex}"')]
    return json_answer(describe(request, *GET), headers=headers)


async def cache_for(request: HttpRequest) -> Response:
    """Something that may be kept for n seconds."""
    control = f"public, max-age={place(request, 'n')}"
    return json_answer(describe(request, *GET), headers=[("Cache-Control", control)])


def response_headers(request: HttpRequest) -> Response:
    """The header fields in the query, in the answer and in its body."""
    wanted = [field(name, value) for name, value in fields(request.query.pairs)]
    framing = [name for name, _ in wanted if name.lower() in _FRAMING]
    if framing:
        raise Refused(f"{framing[0]} says how the answer is sent, which is the server's to say")
    given = {name.lower() for name, _ in wanted}
    own = [] if "content-type" in given else [("Content-Type", JSON)]
    length = 0
    while True:  # the answer shows its own length, which depends on its length
        body = shown(flat(Query([*own, ("Content-Length", str(length)), *wanted])))
        if len(body) == length:
            break
        length = len(body)
    kind = next((value for name, value in wanted if name.lower() == "content-type"), JSON)
    return answer(200, body, content_type=kind, headers=[pair for pair in wanted if pair[0].lower() != "content-type"])

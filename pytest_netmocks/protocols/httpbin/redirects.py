"""The endpoints of httpbin that send a client elsewhere."""

from __future__ import annotations

import html
from urllib.parse import quote

from pytest_netmocks.protocols.httpbin.answers import Arguments, Fields, Refused, answer, field, page, place, whole
from pytest_netmocks.protocols.httpbin.echo import LARGE, base_url
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response

_URL = "/:?#[]@!$&'()*+,;=%~-._"


def quoted(url: str) -> str:
    """A URL as a Location has it: what is none of its characters is percent-encoded (RFC 3986, section 2)."""
    return quote(url, safe=_URL)


def redirect(url: str, status: int = 302, *, headers: Fields = ()) -> Response:
    """An answer that sends the client elsewhere, with a page for people."""
    link = f'<p>Go on to <a href="{html.escape(url)}">{html.escape(url)}</a>.</p>'
    return page(status, "Redirecting...", link, headers=[("Location", url), *headers])


async def times(request: HttpRequest) -> Response:
    """Send the client on n times, the last time to `/get`, by absolute URLs if it says `?absolute=true`."""
    absolute = (Arguments(request).text("absolute") or "").lower() == "true"
    return redirect(_next(request, "absolute" if absolute else "relative", absolute=absolute))


async def relative(request: HttpRequest) -> Response:
    """As `times`, always by paths."""
    return answer(302, headers=[("Location", _next(request, "relative", absolute=False))])


async def absolute(request: HttpRequest) -> Response:
    """As `times`, always by absolute URLs."""
    return redirect(_next(request, "absolute", absolute=True))


def _next(request: HttpRequest, kind: str, *, absolute: bool) -> str:
    left = place(request, "n")
    if left < 1:
        raise Refused("there is nothing left to redirect")
    path = "/get" if left == 1 else f"/{kind}-redirect/{left - 1}"
    return base_url(request) + path if absolute else path


async def to(request: HttpRequest) -> Response:
    """Send the client to the `url` of the query or of a form, with its `status_code` if that is a redirect's."""
    arguments = Arguments(request)
    url, status = arguments.text("url"), arguments.text("status_code")
    if url is None and len(request.body) < LARGE:
        try:
            url, status = request.form.get("url"), request.form.get("status_code")
        except ValueError:
            url = None
    if url is None:
        raise Refused("the query has no url")
    code = 302 if status is None else whole("status_code", status)
    return answer(code if 300 <= code < 400 else 302, headers=[("Location", quoted(field("url", url)[1]))])

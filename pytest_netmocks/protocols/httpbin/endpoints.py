"""The table of httpbin's endpoints, and how one of them answers a request."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from pytest_netmocks.protocols.httpbin import (
    auth,
    caches,
    cookies,
    digest,
    dynamic,
    echo,
    images,
    pages,
    redirects,
    statuses,
)
from pytest_netmocks.protocols.httpbin.answers import PHRASES, Refused, answer, is_long, page, text_answer
from pytest_netmocks.protocols.web.paths import PathPattern
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.usercode import in_a_thread, is_coroutine_function

GET = ("GET",)
ALL = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE")

PREFLIGHT = "GET, POST, PUT, DELETE, PATCH, OPTIONS"
"""The methods that every endpoint says it allows to scripts of other sites, as the original does."""


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A path and what answers there, for these methods; a GET answers HEAD too, and OPTIONS is for all."""

    methods: tuple[str, ...]
    path: str
    function: Callable[[HttpRequest], Awaitable[Response] | Response]
    """A plain one may take as long as the request is long."""

    @property
    def allowed(self) -> tuple[str, ...]:
        """All methods that get an answer."""
        return (*self.methods, *(["HEAD"] if "GET" in self.methods else []), "OPTIONS")

    async def serve(self, request: HttpRequest, params: dict[str, Any]) -> Response:
        """The answer; `params` are what stands in the path's places."""
        request.path_params = params
        if request.method == "OPTIONS" or request.method not in self.allowed:
            response = self._without(request)
        else:
            try:
                response = await self._made(request)
            except Refused as refused:
                response = text_answer(refused.status, str(refused))
                if refused.status == 404:
                    return missing(response, request)
        return shared(response, request)

    async def _made(self, request: HttpRequest) -> Response:
        if is_long(request) and not is_coroutine_function(self.function):
            made = await in_a_thread(self.function, request)
        else:
            made = self.function(request)
        return made if isinstance(made, Response) else await made

    def _without(self, request: HttpRequest) -> Response:
        allow = [("Allow", ", ".join(self.allowed))]
        if request.method == "OPTIONS":
            return answer(200, headers=allow)
        return page(405, "405 Method Not Allowed", f"<p>{html.escape(', '.join(self.allowed))}</p>", headers=allow)


def shared(response: Response, request: HttpRequest) -> Response:
    """The response with what scripts of other sites need (the Fetch standard, section 3.2)."""
    asked = request.headers
    fields = {"Access-Control-Allow-Origin": asked.get("origin", "*"), "Access-Control-Allow-Credentials": "true"}
    if request.method == "OPTIONS":
        fields |= {"Access-Control-Allow-Methods": PREFLIGHT, "Access-Control-Max-Age": "3600"}
        if "access-control-request-headers" in asked:
            fields["Access-Control-Allow-Headers"] = asked["access-control-request-headers"]
    replaced = {name.lower() for name in fields}
    kept = [(name, value) for name, value in response.headers if str(name).lower() not in replaced]
    response.headers = [*kept, *fields.items()]
    return response


def missing(response: Response, request: HttpRequest) -> Response:
    """The answer where there is nothing, in httpbin's manner, with the text of `response`."""
    title = f"{response.status} {PHRASES.get(response.status, 'UNKNOWN').title()}"
    text = html.escape(response.body.decode())
    allow = [("Allow", value) for value in (response.get("allow"),) if value is not None]
    return shared(page(response.status, title, f"<pre>{text}</pre>", headers=allow), request)


ENDPOINTS = [
    Endpoint(GET, "/", pages.titled("httpbin.org")),
    Endpoint(GET, "/legacy", pages.titled("httpbin(1): HTTP Client Testing Service")),
    Endpoint(GET, "/static/favicon.ico", images.favicon),
    Endpoint(GET, "/get", echo.describing(*echo.GET)),
    Endpoint(("POST",), "/post", echo.describing(*echo.POST)),
    Endpoint(("PUT",), "/put", echo.describing(*echo.POST)),
    Endpoint(("PATCH",), "/patch", echo.describing(*echo.POST)),
    Endpoint(("DELETE",), "/delete", echo.describing(*echo.POST)),
    Endpoint(ALL, "/anything", echo.describing("method", *echo.POST)),
    Endpoint(ALL, "/anything/{rest:path}", echo.describing("method", *echo.POST)),
    Endpoint(GET, "/headers", echo.describing("headers")),
    Endpoint(GET, "/user-agent", echo.user_agent),
    Endpoint(GET, "/ip", echo.describing("origin")),
    Endpoint(GET, "/uuid", echo.uuid4),
    Endpoint(GET, "/gzip", echo.packed("gzip", "gzipped")),
    Endpoint(GET, "/deflate", echo.packed("deflate", "deflated")),
    Endpoint(GET, "/brotli", echo.packed("br", "brotli")),
    Endpoint(GET, "/cookies", cookies.cookies),
    Endpoint(GET, "/cookies/set", cookies.set_many),
    Endpoint(GET, "/cookies/set/{name}/{value}", cookies.set_one),
    Endpoint(GET, "/cookies/delete", cookies.delete),
    Endpoint(GET, "/html", pages.html),
    Endpoint(GET, "/xml", pages.xml),
    Endpoint(GET, "/json", pages.json),
    Endpoint(GET, "/robots.txt", pages.robots),
    Endpoint(GET, "/deny", pages.deny),
    Endpoint(GET, "/encoding/utf8", pages.utf8),
    Endpoint(GET, "/forms/post", pages.form),
    Endpoint(GET, "/image", images.image),
    Endpoint(GET, "/image/png", images.png),
    Endpoint(GET, "/image/jpeg", images.jpeg),
    Endpoint(GET, "/image/webp", images.webp),
    Endpoint(GET, "/image/svg", images.svg),
    Endpoint(GET, "/bytes/{n}", dynamic.some_bytes),
    Endpoint(GET, "/stream-bytes/{n}", dynamic.stream_bytes),
    Endpoint(GET, "/range/{n}", dynamic.part),
    Endpoint(GET, "/stream/{n}", dynamic.stream),
    Endpoint(GET, "/drip", dynamic.drip),
    Endpoint(ALL, "/delay/{seconds}", dynamic.delay),
    Endpoint(GET, "/base64/{value}", dynamic.decode_base64),
    Endpoint(GET, "/links/{n}", dynamic.links),
    Endpoint(GET, "/links/{n}/{offset}", dynamic.link_page),
    Endpoint(ALL, "/status/{codes}", statuses.status),
    Endpoint(GET, "/redirect/{n}", redirects.times),
    Endpoint(GET, "/relative-redirect/{n}", redirects.relative),
    Endpoint(GET, "/absolute-redirect/{n}", redirects.absolute),
    Endpoint(ALL, "/redirect-to", redirects.to),
    Endpoint(GET, "/basic-auth/{user}/{password}", auth.basic),
    Endpoint(GET, "/hidden-basic-auth/{user}/{password}", auth.hidden_basic),
    Endpoint(GET, "/bearer", auth.bearer),
    Endpoint(GET, "/digest-auth/{qop}/{user}/{password}", digest.digest),
    Endpoint(GET, "/digest-auth/{qop}/{user}/{password}/{algorithm}", digest.digest),
    Endpoint(GET, "/digest-auth/{qop}/{user}/{password}/{algorithm}/{stale_after}", digest.digest),
    Endpoint(GET, "/etag/{etag}", caches.etag),
    Endpoint(GET, "/cache", caches.cache),
    Endpoint(GET, "/cache/{n}", caches.cache_for),
    Endpoint(("GET", "POST"), "/response-headers", caches.response_headers),
]


async def _merged(request: HttpRequest) -> Response:
    """The same path without empty segments, where there is something."""
    query = f"?{request.query_string}" if request.query_string else ""
    url = echo.base_url(request) + redirects.quoted(_SLASHES.sub("/", request.path) + query)
    return redirects.redirect(url, 308)


_MERGED = Endpoint((*ALL, "HEAD"), "", _merged)
_SLASHES = re.compile("//+")


def _room(path: str) -> str:
    return path.split("/", maxsplit=2)[1] if path.startswith("/") else ""


_ROOMS: dict[str, list[tuple[PathPattern, Endpoint]]] = {}
for _endpoint in ENDPOINTS:
    _ROOMS.setdefault(_room(_endpoint.path), []).append((PathPattern(_endpoint.path), _endpoint))


def find(path: str) -> tuple[Endpoint, dict[str, Any]] | None:
    """The endpoint at a path in the form that is compared, with what stands in its places."""
    for pattern, endpoint in _ROOMS.get(_room(path), ()):
        params = pattern.match(path)
        if params is not None:
            return endpoint, params
    if "//" in path and find(_SLASHES.sub("/", path)) is not None:
        return _MERGED, {}
    return None


def nearest(path: str) -> Iterator[str]:
    """The endpoints whose paths are most like that, for a message."""
    import difflib  # only for a message

    for near in difflib.get_close_matches(path, [endpoint.path for endpoint in ENDPOINTS], n=3, cutoff=0.4):
        yield next(f"{', '.join(endpoint.methods)} {near}" for endpoint in ENDPOINTS if endpoint.path == near)

"""`HttpbinServer`: the endpoints of the well-known httpbin, with its JSON shapes, natively on our server."""

from __future__ import annotations

import base64
import binascii
import random
import uuid
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from typing import Any, Unpack

from pytest_netmocks import clock
from pytest_netmocks.servers.http import httpbin_auth, httpbin_content
from pytest_netmocks.servers.http.codings import encode
from pytest_netmocks.servers.http.messages import HttpRequest
from pytest_netmocks.servers.http.response import Response
from pytest_netmocks.servers.http.server import HttpServer
from pytest_netmocks.servers.stream import StreamOptions

LONGEST = 10.0
"""Seconds that `/delay` and `/drip` wait at most."""

LARGEST = 100 * 1024
"""Bytes that `/bytes`, `/stream-bytes` and `/range` give at most."""

ALL = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE")


class HttpbinServer(HttpServer):
    """An HTTP server with httpbin's endpoints; rules of a test's come before them."""

    def __init__(self, *, max_body: int = 64 << 20, tls: bool = False, **options: Unpack[StreamOptions]) -> None:
        super().__init__(max_body=max_body, tls=tls, **options)
        for methods, path, function in _ENDPOINTS:
            for method in methods or (None,):
                what = (method, path) if method is not None else (path,)
                self.when(*what).reply(function)


def url_of(request: HttpRequest) -> str:
    """The URL that the client asked for."""
    scheme = "https" if request.connection.tls is not None else "http"
    return f"{scheme}://{request.headers.get('host', '')}{request.target}"


def _flat(pairs: Any) -> dict[str, Any]:
    """One value is a string, several are a list: httpbin's shape."""
    return {name: values[0] if len(values := pairs.get_all(name)) == 1 else values for name in pairs}


def _headers(request: HttpRequest) -> dict[str, str]:
    shown: dict[str, str] = {}
    for name, _ in request.headers.pairs:
        shown["-".join(part.capitalize() for part in name.split("-"))] = request.headers[name]
    return shown


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return "data:application/octet-stream;base64," + base64.b64encode(body).decode()


def describe(request: HttpRequest, *names: str) -> dict[str, Any]:
    """What httpbin says of a request: the parts that are asked for."""
    try:
        form, files = _flat(request.form), {name: _text(file.content) for name, file in request.files.items()}
    except ValueError:
        form, files = {}, {}
    try:
        json = request.json() if request.body else None
    except ValueError:
        json = None
    parts = {
        "args": _flat(request.query),
        "data": "" if form or files else _text(request.body),
        "files": files,
        "form": form,
        "headers": _headers(request),
        "json": json,
        "method": request.method,
        "origin": str(request.connection.client_address[0]),
        "url": url_of(request),
    }
    return {name: parts[name] for name in names}


GET = ("args", "headers", "origin", "url")
POST = ("args", "data", "files", "form", "headers", "json", "origin", "url")


async def _get(request: HttpRequest) -> Response:
    return Response(json=describe(request, *GET))


async def _post(request: HttpRequest) -> Response:
    return Response(json=describe(request, *POST))


async def _anything(request: HttpRequest) -> Response:
    return Response(json=describe(request, "method", *POST))


async def _show_headers(request: HttpRequest) -> Response:
    return Response(json=describe(request, "headers"))


async def _user_agent(request: HttpRequest) -> Response:
    return Response(json={"user-agent": request.headers.get("user-agent")})


async def _ip(request: HttpRequest) -> Response:
    return Response(json=describe(request, "origin"))


async def _uuid(request: HttpRequest) -> Response:
    return Response(json={"uuid": str(uuid.uuid4())})


# Cookies


async def _cookies(request: HttpRequest) -> Response:
    return Response(json={"cookies": request.cookies})


async def _set_cookies(request: HttpRequest) -> Response:
    params = request.path_params
    wanted = {params["name"]: params["value"]} if "name" in params else dict(request.query)
    return Response(redirect="/cookies", cookies=wanted)


async def _delete_cookies(request: HttpRequest) -> Response:
    gone = [
        ("Set-Cookie", f"{name}=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/") for name in request.query
    ]
    return Response(redirect="/cookies", headers=gone)


# Encodings


def _packed(coding: str, word: str) -> Callable[[HttpRequest], Any]:
    async def endpoint(request: HttpRequest) -> Response:
        shown = Response(json={word: True, **describe(request, "headers", "method", "origin")})
        try:
            body = encode(coding, shown.body)
        except ModuleNotFoundError:
            return Response(501, text="the brotli library is not installed\n")
        return Response(body=body, content_type="application/json", headers={"Content-Encoding": coding})

    return endpoint


# Bytes and time


def _amount(request: HttpRequest) -> int:
    return max(0, min(int(request.path_params["n"]), LARGEST))


def _random(request: HttpRequest, size: int) -> bytes:
    seed = request.query.get("seed")
    return random.Random(int(seed) if seed and seed.isdigit() else None).randbytes(size)  # noqa: S311  # no secrets


async def _bytes(request: HttpRequest) -> Response:
    return Response(body=_random(request, _amount(request)))


def _number(request: HttpRequest, name: str, default: float) -> float:
    try:
        return float(request.query.get(name, default))
    except ValueError:
        return default


async def _stream_bytes(request: HttpRequest) -> Response:
    data = _random(request, _amount(request))
    size = max(1, int(_number(request, "chunk_size", 10 * 1024)))
    return Response(stream=[data[at : at + size] for at in range(0, len(data), size)])


async def _range(request: HttpRequest) -> Response:
    size = request.path_params["n"]
    if not 0 < size <= LARGEST:
        return Response(404, text=f"number of bytes must be in the range (0, {LARGEST}]", etag=f"range{size}")
    data = bytes(97 + number % 26 for number in range(size))
    return Response(body=data, etag=f"range{size}", ranges=True)


async def _delay(request: HttpRequest) -> Response:
    await clock.sleep(min(request.path_params["seconds"], LONGEST))
    return Response(json=describe(request, *(name for name in POST if name != "json")))


async def _drip(request: HttpRequest) -> Response:
    duration = min(_number(request, "duration", 2), LONGEST)
    size = max(1, min(int(_number(request, "numbytes", 10)), 10 << 20))
    await clock.sleep(max(0.0, min(_number(request, "delay", 0), LONGEST)))

    async def drops() -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b"*"
            await clock.sleep(duration / size)

    return Response(int(_number(request, "code", 200)), stream=drops(), headers={"Content-Length": str(size)})


async def _stream(request: HttpRequest) -> Response:
    shown = describe(request, *GET)
    count = max(0, min(request.path_params["n"], 100))
    lines = [Response(json={**shown, "id": number}).body + b"\n" for number in range(count)]
    return Response(stream=lines, content_type="application/json")


# Statuses and redirects


async def _status(request: HttpRequest) -> Response:
    choices = []
    try:
        for part in request.path_params["codes"].split(","):
            code, _, weight = part.partition(":")
            choices.append((int(code), float(weight or 1)))
        (status,) = random.choices([code for code, _ in choices], [weight for _, weight in choices])  # noqa: S311
        return httpbin_content.of_status(status)
    except (ValueError, TypeError):
        return Response(400, text="Invalid status code")


async def _redirect(request: HttpRequest) -> Response:
    left = request.path_params["n"]
    kind = request.path.split("/")[1]
    absolute = kind == "absolute-redirect" or request.query.get("absolute", "").lower() == "true"
    kind = {"redirect": "absolute-redirect" if absolute else "relative-redirect"}.get(kind, kind)
    path = "/get" if left <= 1 else f"/{kind}/{left - 1}"
    base = url_of(request).removesuffix(request.target) if absolute else ""
    return Response(redirect=base + path)


async def _redirect_to(request: HttpRequest) -> Response:
    fields = {**request.query, **request.form}
    if "url" not in fields:
        return Response(400, text="url is missing")
    status = fields.get("status_code", "302")
    return Response(int(status) if status.isdigit() and 300 <= int(status) < 400 else 302, redirect=fields["url"])


async def _response_headers(request: HttpRequest) -> Response:
    fields = [
        (name, value) for name, value in request.query.pairs if name.lower() not in ("content-length", "content-type")
    ]
    shown = {"Content-Length": "0", "Content-Type": "application/json", **_flat(request.query)}
    while True:  # the answer shows its own length, which depends on its length
        body = Response(json=shown).body
        if shown["Content-Length"] == str(len(body)):
            return Response(body=body, content_type=shown["Content-Type"], headers=fields)
        shown["Content-Length"] = str(len(body))


# Caches


async def _etag(request: HttpRequest) -> Response:
    etag = request.path_params["etag"]
    wanted = [tag.strip().removeprefix("W/").strip('"') for tag in request.headers.get("if-match", "").split(",")]
    if request.headers.get("if-match") and etag not in wanted and "*" not in wanted:
        return Response(412, headers={"ETag": etag})
    return Response(json=describe(request, *GET), etag=etag)


async def _cache(request: HttpRequest) -> Response:
    if "if-modified-since" in request.headers or "if-none-match" in request.headers:
        return Response(304)
    return Response(
        json=describe(request, *GET), headers={"Last-Modified": formatdate(usegmt=True)}, etag=uuid.uuid4().hex
    )


async def _cache_for(request: HttpRequest) -> Response:
    control = f"public, max-age={request.path_params['n']}"
    return Response(json=describe(request, *GET), headers={"Cache-Control": control})


async def _base64(request: HttpRequest) -> Response:
    text = request.path_params["value"]
    try:
        body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return Response(text="Incorrect Base64 data try: SFRUUEJJTiBpcyBhd2Vzb21l")
    return Response(html=body.decode("utf-8", "replace"))


_ENDPOINTS: list[tuple[tuple[str, ...], str, Callable[[HttpRequest], Any]]] = [
    (("GET",), "/", httpbin_content.index),
    (("GET",), "/get", _get),
    (("POST",), "/post", _post),
    (("PUT",), "/put", _post),
    (("PATCH",), "/patch", _post),
    (("DELETE",), "/delete", _post),
    (ALL, "/anything", _anything),
    (ALL, "/anything/{rest:path}", _anything),
    (("GET",), "/headers", _show_headers),
    (("GET",), "/user-agent", _user_agent),
    (("GET",), "/ip", _ip),
    (("GET",), "/uuid", _uuid),
    (("GET",), "/cookies", _cookies),
    (("GET",), "/cookies/set", _set_cookies),
    (("GET",), "/cookies/set/{name}/{value}", _set_cookies),
    (("GET",), "/cookies/delete", _delete_cookies),
    (("GET",), "/gzip", _packed("gzip", "gzipped")),
    (("GET",), "/deflate", _packed("deflate", "deflated")),
    (("GET",), "/brotli", _packed("br", "brotli")),
    (("GET",), "/html", httpbin_content.html),
    (("GET",), "/xml", httpbin_content.xml),
    (("GET",), "/json", httpbin_content.json),
    (("GET",), "/robots.txt", httpbin_content.robots),
    (("GET",), "/deny", httpbin_content.deny),
    (("GET",), "/encoding/utf8", httpbin_content.utf8),
    (("GET",), "/forms/post", httpbin_content.form),
    (("GET",), "/links/{n:int}", httpbin_content.links),
    (("GET",), "/links/{n:int}/{offset:int}", httpbin_content.links),
    (("GET",), "/image", httpbin_content.image),
    (("GET",), "/image/{type}", httpbin_content.image),
    (("GET",), "/bytes/{n:int}", _bytes),
    (("GET",), "/stream-bytes/{n:int}", _stream_bytes),
    (("GET",), "/range/{n:int}", _range),
    (ALL, "/delay/{seconds:float}", _delay),
    (("GET",), "/drip", _drip),
    (ALL, "/status/{codes}", _status),
    (("GET",), "/stream/{n:int}", _stream),
    (("GET", "POST"), "/response-headers", _response_headers),
    (("GET",), "/redirect/{n:int}", _redirect),
    (("GET",), "/relative-redirect/{n:int}", _redirect),
    (("GET",), "/absolute-redirect/{n:int}", _redirect),
    (ALL, "/redirect-to", _redirect_to),
    (("GET",), "/basic-auth/{user}/{password}", httpbin_auth.basic),
    (("GET",), "/hidden-basic-auth/{user}/{password}", httpbin_auth.hidden_basic),
    (("GET",), "/bearer", httpbin_auth.bearer),
    (("GET",), "/digest-auth/{qop}/{user}/{password}", httpbin_auth.digest),
    (("GET",), "/digest-auth/{qop}/{user}/{password}/{algorithm}", httpbin_auth.digest),
    (("GET",), "/digest-auth/{qop}/{user}/{password}/{algorithm}/{stale}", httpbin_auth.digest),
    (("GET",), "/etag/{etag}", _etag),
    (("GET",), "/cache", _cache),
    (("GET",), "/cache/{n:int}", _cache_for),
    (("GET",), "/base64/{value:path}", _base64),
]

"""The pages of httpbin: documents, images, links, and what a status comes with."""

from __future__ import annotations

import base64

from pytest_netmocks.servers.http.messages import HttpRequest
from pytest_netmocks.servers.http.response import REASONS, Response

_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFElEQVR4nGO0qdjCgA0wYRUdtBIAHQ8BeIKmlrAAAAAASUVORK5CYII="
_WEBP = "UklGRjAAAABXRUJQVlA4ICQAAABwAQCdASoIAAgABUB8JaACdAFAAAD+0MrkdhDdhy64ubItIAA="
_JPEG = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71////m8H//"
    "//6/+b9//j/wAALCAAIAAgBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRI"
    "hMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDh"
    "IWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/ACv/"
    "2Q=="
)
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="#3c78b4"/></svg>'

IMAGES = {
    "png": ("image/png", base64.b64decode(_PNG)),
    "jpeg": ("image/jpeg", base64.b64decode(_JPEG)),
    "webp": ("image/webp", base64.b64decode(_WEBP)),
    "svg": ("image/svg+xml", _SVG),
}

TEAPOT = "I'm a teapot: short and stout (RFC 2324).\n"


async def index(request: HttpRequest) -> Response:
    """The first page."""
    text = "The endpoints of the well-known httpbin, for tests: /get, /post, /status/418, /delay/1 and so on."
    return Response(html=f"<!DOCTYPE html><title>httpbin</title><h1>httpbin</h1><p>{text}</p>")


async def html(request: HttpRequest) -> Response:
    """A page with a heading and a paragraph."""
    paragraph = "The blacksmith put down his hammer and looked at the sea, which was as grey as his beard. " * 20
    return Response(
        html=f"<!DOCTYPE html>\n<html>\n  <head></head>\n  <body>\n    <h1>The Blacksmith</h1>\n"
        f"    <div><p>{paragraph}</p></div>\n  </body>\n</html>\n"
    )


async def xml(request: HttpRequest) -> Response:
    """A small document."""
    body = (
        '<?xml version="1.0" encoding="us-ascii"?>\n<slideshow title="Sample" author="Nobody">\n'
        "  <slide><title>One</title></slide>\n  <slide><title>Two</title></slide>\n</slideshow>\n"
    )
    return Response(body=body.encode(), content_type="application/xml")


async def json(request: HttpRequest) -> Response:
    """The slide show that many clients' tests look for."""
    slides = [{"title": "One", "type": "all"}, {"title": "Two", "type": "all", "items": ["first", "second"]}]
    return Response(json={"slideshow": {"author": "Nobody", "date": "today", "title": "Sample", "slides": slides}})


async def robots(request: HttpRequest) -> Response:
    """What robots may not read."""
    return Response(text="User-agent: *\nDisallow: /deny\n", content_type="text/plain")


async def deny(request: HttpRequest) -> Response:
    """The page that robots may not read."""
    return Response(text="YOU SHOULDN'T BE HERE\n", content_type="text/plain")


async def utf8(request: HttpRequest) -> Response:
    """Text in many scripts."""
    words = ["∮ E⋅da = Q", "γνωρίζω", "Зарегистрируйтесь", "ยินดีต้อนรับ", "ሰላም", "ᚻᛖ ᚳᚹᚫᚦ", "⠓⠑⠇⠇⠕", "你好", "😀"]
    return Response(html="<h1>Unicode Demo</h1>\n<pre>\n" + "\n".join(words) + "\n</pre>\n")


async def form(request: HttpRequest) -> Response:
    """A form that is posted to `/post`."""
    fields = "".join(
        f'<p><label>{label}: <input name="{name}"></label></p>\n'
        for label, name in (("Customer name", "custname"), ("Telephone", "custtel"), ("E-mail", "custemail"))
    )
    return Response(
        html=f'<!DOCTYPE html>\n<form method="post" action="/post">\n{fields}<button>Submit</button></form>\n'
    )


async def links(request: HttpRequest) -> Response:
    """A page of n links to its siblings."""
    count = max(1, min(request.path_params["n"], 200))
    if "offset" not in request.path_params:
        return Response(redirect=f"/links/{count}/0")
    here = request.path_params["offset"]
    shown = [f"{n}" if n == here else f"<a href='/links/{count}/{n}'>{n}</a>" for n in range(count)]
    return Response(html=f"<html><head><title>Links</title></head><body>{' '.join(shown)} </body></html>")


async def image(request: HttpRequest) -> Response:
    """An image of the type in the path, or the one that the client likes best."""
    kind = request.path_params.get("type")
    if kind is None:
        accepted = request.headers.get("accept", "image/png").lower()
        kinds = [name for name, (media, _) in IMAGES.items() if media in accepted]
        if not kinds and "image/*" not in accepted and "*/*" not in accepted:
            return Response(406, json={"message": "Client did not request a supported media type."})
        kind = kinds[0] if kinds else "png"
    if kind not in IMAGES:
        return Response(404, text=f"there is no image of type {kind}\n")
    media, body = IMAGES[kind]
    return Response(body=body, content_type=media)


def of_status(status: int) -> Response:
    """The answer with that status, and with what such a status comes with."""
    if status in (301, 302, 303, 305, 307):
        return Response(status, headers={"Location": "/redirect/1"})
    if status == 401:
        return Response(status, headers={"WWW-Authenticate": 'Basic realm="Fake Realm"'})
    if status == 402:
        return Response(status, text="payment required\n")
    if status == 406:
        return Response(
            status,
            json={
                "message": "Client did not request a supported media type.",
                "accept": sorted(media for media, _ in IMAGES.values()),
            },
        )
    if status == 407:
        return Response(status, headers={"Proxy-Authenticate": 'Basic realm="Fake Realm"'})
    if status == 418:
        return Response(status, text=TEAPOT, headers={"x-more-info": "http://tools.ietf.org/html/rfc2324"})
    return Response(status, reason=REASONS.get(status, "UNKNOWN"))

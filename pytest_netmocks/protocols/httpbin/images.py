"""The images of httpbin: the same types, and small."""

from __future__ import annotations

import base64
import re
import struct

from pytest_netmocks.protocols.httpbin.answers import answer
from pytest_netmocks.protocols.httpbin.statuses import MEDIA_TYPES, of_status
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response

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
    "image/webp": base64.b64decode(_WEBP),
    "image/svg+xml": _SVG,
    "image/jpeg": base64.b64decode(_JPEG),
    "image/png": base64.b64decode(_PNG),
}


def _icon(png: bytes) -> bytes:
    """An icon of one image of 8 x 8 pixels, as Windows 6 and later and every browser read it."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 8, 8, 0, 0, 1, 24, len(png), 22) + png


ICON = _icon(IMAGES["image/png"])


def of_type(media: str) -> Response:
    """The image of that type."""
    return answer(200, IMAGES[media], content_type=media)


async def image(request: HttpRequest) -> Response:
    """An image of a type that the client accepts (RFC 9110, section 12.5.1), 406 if there is none."""
    accepted = _accepted(request.headers.get("accept", "image/png"))
    media = next((media for media in MEDIA_TYPES if media in accepted), None)
    if media is None and accepted & {"image/*", "*/*"}:
        media = "image/png"
    return of_status(406) if media is None else of_type(media)


def _accepted(text: str) -> set[str]:
    """The media ranges of an Accept field but for those with a weight of nothing."""
    found = set()
    for part in text.lower().split(","):
        media, *parameters = (word.strip() for word in part.split(";"))
        if not any(re.fullmatch(r"q\s*=\s*0(\.0*)?", word) for word in parameters):
            found.add(media)
    return found


async def favicon(request: HttpRequest) -> Response:
    """The icon of the site."""
    response = answer(200, ICON, content_type="image/vnd.microsoft.icon", headers=[("ETag", '"favicon"')])
    response.ranges = True
    return response


async def webp(request: HttpRequest) -> Response:
    """An image in WebP."""
    return of_type("image/webp")


async def svg(request: HttpRequest) -> Response:
    """An image in SVG."""
    return of_type("image/svg+xml")


async def jpeg(request: HttpRequest) -> Response:
    """An image in JPEG."""
    return of_type("image/jpeg")


async def png(request: HttpRequest) -> Response:
    """An image in PNG."""
    return of_type("image/png")

"""`/status/{codes}`, and what a status comes with."""

from __future__ import annotations

import json
import math

from pytest_netmocks.protocols.httpbin.answers import HTML, JSON, TEXT, Refused, answer, chance, possible
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response

MEDIA_TYPES = ("image/webp", "image/svg+xml", "image/jpeg", "image/png")
"""What `/image` can give, the preferred one first."""

BARE = frozenset({301, 302, 303, 304, 305, 307, 401, 407})
"""Statuses whose answers have no type, as they have no body."""

REALM = 'Basic realm="Fake Realm"'

TEAPOT = r"""
    -=[ teapot ]=-

        __(o)__
    ___/       \  __
   /  _|       |_/ /
   \_/ |       |__/
       \_______/
"""


def _choice(text: str) -> tuple[int, float]:
    code, colon, weight = text.partition(":")
    try:
        return int(code), float(weight) if colon else 1.0
    except ValueError:
        raise Refused("Invalid status code") from None


async def status(request: HttpRequest) -> Response:
    """Answer with a status, or with one of several: `200,500`, or with weights `200:0.9,500:0.1`."""
    parts = request.path_params["codes"].split(",")
    if len(parts) == 1 and ":" in parts[0]:
        raise Refused("Invalid status code")
    choices = [_choice(part) for part in parts]
    weights = [weight for _, weight in choices]
    if any(weight < 0 for weight in weights) or not 0 < sum(weights) < math.inf:
        raise Refused("the weights must be numbers of at least 0, one of them above")
    (chosen,) = chance(request).choices([code for code, _ in choices], weights)
    return of_status(possible(chosen))


def of_status(status: int) -> Response:
    """The answer with that status, and with what such a status comes with."""
    body, kind, headers = b"", None if status in BARE else HTML, []
    if status in (301, 302, 303, 305, 307):
        headers = [("Location", "/redirect/1")]
    elif status == 401:
        headers = [("WWW-Authenticate", REALM)]
    elif status == 402:
        body, kind, headers = b"Pay me!", TEXT, [("x-more-info", "http://vimeo.com/22053820")]
    elif status == 406:
        told = {"message": "Client did not request a supported media type.", "accept": [*MEDIA_TYPES, "image/*"]}
        body, kind = json.dumps(told).encode(), JSON
    elif status == 407:
        headers = [("Proxy-Authenticate", REALM)]
    elif status == 418:
        body, kind, headers = TEAPOT.encode(), TEXT, [("x-more-info", "http://tools.ietf.org/html/rfc2324")]
    return answer(status, body, content_type=kind, headers=headers)

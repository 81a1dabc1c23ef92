"""The endpoints of httpbin that ask who is there: basic and bearer authentication."""

from __future__ import annotations

import base64
import binascii

from pytest_netmocks.protocols.httpbin.answers import answer, json_answer
from pytest_netmocks.protocols.httpbin.statuses import of_status
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response


def credentials(request: HttpRequest) -> tuple[str, str]:
    """Scheme, in lower case, and the rest of the Authorization field (RFC 9110, section 11.4)."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    return scheme.lower(), rest.strip()


def _is_known(request: HttpRequest) -> bool:
    scheme, token = credentials(request)
    if scheme != "basic":
        return False
    try:
        user, colon, password = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return False
    wanted = request.path_params
    return bool(colon) and (user, password) == (wanted["user"], wanted["password"])


def _welcome(request: HttpRequest) -> Response:
    return json_answer({"authenticated": True, "user": request.path_params["user"]})


async def basic(request: HttpRequest) -> Response:
    """Basic authentication (RFC 7617): 401 until it is right."""
    return _welcome(request) if _is_known(request) else of_status(401)


async def hidden_basic(request: HttpRequest) -> Response:
    """As `basic`, but a stranger gets a 404 and is not asked."""
    return _welcome(request) if _is_known(request) else of_status(404)


async def bearer(request: HttpRequest) -> Response:
    """Bearer tokens (RFC 6750): any will do."""
    scheme, token = credentials(request)
    if scheme != "bearer" or not token:
        return answer(401, headers=[("WWW-Authenticate", "Bearer")])
    return json_answer({"authenticated": True, "token": token})

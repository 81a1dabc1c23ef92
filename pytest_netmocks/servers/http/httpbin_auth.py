"""The endpoints of httpbin that ask who is there: basic, bearer and digest authentication."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re

from pytest_netmocks.servers.http.messages import HttpRequest
from pytest_netmocks.servers.http.response import Response

_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')

ALGORITHMS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256, "SHA-512": hashlib.sha512}


def _is(request: HttpRequest, user: str, password: str) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(given, f"{user}:{password}".encode())


async def basic(request: HttpRequest) -> Response:
    """Basic authentication (RFC 7617): 401 until it is right."""
    user, password = request.path_params["user"], request.path_params["password"]
    if _is(request, user, password):
        return Response(json={"authenticated": True, "user": user})
    return Response(401, headers={"WWW-Authenticate": 'Basic realm="Fake Realm"'})


async def hidden_basic(request: HttpRequest) -> Response:
    """As `basic`, but a stranger gets a 404 and is not asked."""
    user, password = request.path_params["user"], request.path_params["password"]
    if _is(request, user, password):
        return Response(json={"authenticated": True, "user": user})
    return Response(404)


async def bearer(request: HttpRequest) -> Response:
    """Bearer tokens (RFC 6750): any will do."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return Response(401, headers={"WWW-Authenticate": "Bearer"})
    return Response(json={"authenticated": True, "token": token})


async def digest(request: HttpRequest) -> Response:
    """Digest authentication (RFC 7616)."""
    params = request.path_params
    algorithm = params.get("algorithm", "MD5").upper()
    algorithm = algorithm if algorithm in ALGORITHMS else "MD5"
    qop = params["qop"] if params["qop"] in ("auth", "auth-int") else ""
    stale = params.get("stale", "never")
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    given = {name: quoted or plain for name, quoted, plain in _PARAMETER.findall(rest)}
    if scheme.lower() != "digest" or "nonce" not in given:
        return _challenge(qop, algorithm, stale=False)
    if stale == "always" or (stale not in ("never", "always") and given.get("nc", "1").lstrip("0") == stale):
        return _challenge(qop, algorithm, stale=True)
    expected = _response(request, given, params["user"], params["password"], algorithm)
    if hmac.compare_digest(given.get("response", "").encode(), expected.encode()):
        return Response(json={"authenticated": True, "user": params["user"]}, cookies={"stale_after": stale})
    return _challenge(qop, algorithm, stale=False)


def _challenge(qop: str, algorithm: str, *, stale: bool) -> Response:
    parts = {"realm": "netmocks", "nonce": os.urandom(16).hex(), "opaque": os.urandom(16).hex()}
    text = ", ".join(f'{name}="{value}"' for name, value in parts.items())
    more = f', qop="{qop}"' if qop else ""
    challenge = f"Digest {text}, algorithm={algorithm}{more}, stale={'TRUE' if stale else 'FALSE'}"
    return Response(401, headers={"WWW-Authenticate": challenge})


def _response(request: HttpRequest, given: dict[str, str], user: str, password: str, algorithm: str) -> str:
    def h(text: str | bytes) -> str:
        return ALGORITHMS[algorithm](text if isinstance(text, bytes) else text.encode()).hexdigest()

    ha1 = h(f"{user}:{given.get('realm', '')}:{password}")
    uri = given.get("uri", request.target)
    ha2 = h(f"{request.method}:{uri}")
    if given.get("qop") == "auth-int":
        ha2 = h(f"{request.method}:{uri}:{h(request.body)}")
    if "qop" not in given:
        return h(f"{ha1}:{given['nonce']}:{ha2}")
    return h(f"{ha1}:{given['nonce']}:{given.get('nc', '')}:{given.get('cnonce', '')}:{given['qop']}:{ha2}")

"""Digest authentication (RFC 7616) as httpbin asks for it, with cookies in which the client keeps the state."""

from __future__ import annotations

import hashlib
import hmac
import os
import re

from pytest_netmocks.protocols.httpbin.answers import Arguments, Refused, answer, json_answer
from pytest_netmocks.protocols.httpbin.auth import credentials
from pytest_netmocks.protocols.httpbin.cookies import cookies_of, set_cookie
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.protocols.web.targets import origin_form

REALM = "httpbin"

ALGORITHMS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256, "SHA-512": hashlib.sha512}

_PARAMETER = re.compile(r'(?<!\w)(\w++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,]++))', re.ASCII)
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_NEEDED = ("username", "realm", "nonce", "uri", "response")

FAKE = ("fake", "fake_value")


async def digest(request: HttpRequest) -> Response:
    """Ask for credentials, refuse stale ones, and say who it is.

    The cookies carry the state: `stale_after` counts the answers down to the one that is stale, `last_nonce` is the
    nonce that was refused, `fake` is what `?require-cookie=1` asks for.
    """
    params = request.path_params
    stale_after = params.get("stale_after", "never")
    scheme, rest = credentials(request)
    cookies = cookies_of(request)
    needs_cookie = (Arguments(request).text("require-cookie") or "").lower() in ("1", "t", "true")
    if scheme != "digest" or (needs_cookie and "cookie" not in request.headers):
        return _challenge(request, ("stale_after", stale_after), FAKE)
    if needs_cookie and cookies.get("fake") != "fake_value":
        return json_answer({"errors": ["missing cookie set on challenge"]}, 403, headers=[set_cookie(*FAKE)])
    given = _given(rest)
    refused = (("stale_after", stale_after), ("last_nonce", given["nonce"]), FAKE)
    left = cookies.get("stale_after")
    if cookies.get("last_nonce") == given["nonce"] or left == "0":
        return _challenge(request, *refused, stale=True)
    if not _is_right(request, given):
        return _challenge(request, *refused)
    kept = [FAKE] if not left else [FAKE, ("stale_after", _one_less(left))]
    user = {"authenticated": True, "user": params["user"]}
    return json_answer(user, headers=[set_cookie(*cookie) for cookie in kept])


def _algorithm(request: HttpRequest) -> str:
    asked = request.path_params.get("algorithm", "MD5")
    return asked if asked in ALGORITHMS else "MD5"


def _qops(request: HttpRequest) -> list[str]:
    """The qualities of protection that are offered."""
    asked = request.path_params["qop"]
    return [asked] if asked in ("auth", "auth-int") else ["auth", "auth-int"]


def _challenge(request: HttpRequest, *cookies: tuple[str, str], stale: bool = False) -> Response:
    algorithm = _algorithm(request)
    nonce, opaque = (ALGORITHMS[algorithm](os.urandom(16)).hexdigest() for _ in range(2))
    challenge = (
        f'Digest realm="{REALM}", nonce="{nonce}", opaque="{opaque}", qop="{", ".join(_qops(request))}", '
        f"algorithm={algorithm}, stale={stale}"
    )
    return answer(401, headers=[("WWW-Authenticate", challenge), *(set_cookie(*cookie) for cookie in cookies)])


def _given(text: str) -> dict[str, str]:
    """The parameters of an Authorization field. Raises `Refused` where needed ones are missing."""
    given = {
        name.lower(): _PAIR.sub(r"\1", quoted) if quoted else plain for name, quoted, plain in _PARAMETER.findall(text)
    }
    needed = _NEEDED if "qop" not in given else (*_NEEDED, "nc", "cnonce")
    missing = [name for name in needed if name not in given]
    if missing:
        raise Refused(f"the credentials have no {', '.join(missing)} (RFC 7616, section 3.4)")
    return given


def _is_right(request: HttpRequest, given: dict[str, str]) -> bool:
    """Whether the credentials are the user's. Raises `Refused` if they are for another URI."""
    if origin_form(given["uri"]) != origin_form(request.target):
        raise Refused(f"the credentials are for {given['uri']!r} (RFC 7616, section 3.4.6)")
    algorithm = _algorithm(request)
    if given.get("algorithm", "MD5") != algorithm or given.get("qop", "auth") not in _qops(request):
        return False
    username, response = (given[name].encode("latin-1") for name in ("username", "response"))
    return any(
        username == request.path_params["user"].encode(charset, "replace")
        and hmac.compare_digest(response.lower(), _response(request, given, charset))
        for charset in ("utf-8", "latin-1")
    )


def _response(request: HttpRequest, given: dict[str, str], charset: str) -> bytes:
    """What a client that knows the password says (RFC 7616, section 3.4.1)."""

    def h(*parts: bytes) -> bytes:
        return ALGORITHMS[_algorithm(request)](b":".join(parts)).hexdigest().encode()

    sent = {name: value.encode("latin-1") for name, value in given.items()}
    password = request.path_params["password"].encode(charset, "replace")
    ha1 = h(sent["username"], sent["realm"], password)
    ha2 = h(request.method.encode(), sent["uri"])
    if given.get("qop") == "auth-int":
        ha2 = h(request.method.encode(), sent["uri"], h(request.body))
    if "qop" not in given:
        return h(ha1, sent["nonce"], ha2)
    return h(ha1, sent["nonce"], sent["nc"], sent["cnonce"], sent["qop"], ha2)


def _one_less(count: str) -> str:
    try:
        return str(int(count) - 1)
    except ValueError:
        return "never"

"""The endpoints of httpbin about cookies."""

from __future__ import annotations

import re

from pytest_netmocks.protocols.httpbin.answers import field, fields, json_answer, unique
from pytest_netmocks.protocols.httpbin.redirects import redirect
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response

HIDDEN = {f"_gauges_unique{of}" for of in ("", "_day", "_hour", "_month", "_year")} | {"__utma", "__utmb", "__utmz"}
"""Cookies of the statistics of httpbin.org: not shown, unless the query has `show_env`."""

_PLAIN = re.compile(r"[\w!#%&'()*+\-./:<=>?@\[\]^`{|}~]*\Z", re.ASCII)


def _quoted(value: str) -> str:
    """A value as it stands in Set-Cookie: what no cookie may have is within quotes, in octal digits (RFC 2109)."""
    if _PLAIN.match(value):
        return value
    parts = []
    for byte in value.encode("utf-8", "replace"):
        if byte in b'"\\':
            parts.append(f"\\{byte:c}")
        elif byte < 0x20 or byte >= 0x7F or byte in b",;":
            parts.append(f"\\{byte:03o}")
        else:
            parts.append(chr(byte))
    return f'"{"".join(parts)}"'


def set_cookie(name: str, value: str, *, secure: bool = False) -> tuple[str, str]:
    """The field that sets a cookie. Raises `Refused` for what can be no cookie's name."""
    field(name, "")  # a cookie's name is a token as a field's is (RFC 6265, section 4.1.1)
    return "Set-Cookie", f"{name}={_quoted(value)};{' Secure;' if secure else ''} Path=/"


def cookies_of(request: HttpRequest) -> dict[str, str]:
    """The cookies that came along, the first of each name."""
    return unique(request.cookies.pairs)


def cookies(request: HttpRequest) -> Response:
    """The cookies that came along."""
    every = "show_env" in request.query
    found = {name: value for name, value in cookies_of(request).items() if every or name not in HIDDEN}
    return json_answer({"cookies": found})


def set_one(request: HttpRequest) -> Response:
    """Set the cookie in the path."""
    return _set(request, {request.path_params["name"]: request.path_params["value"]})


def set_many(request: HttpRequest) -> Response:
    """Set the cookies in the query."""
    return _set(request, unique(fields(request.query.pairs)))


def _set(request: HttpRequest, wanted: dict[str, str]) -> Response:
    secure = request.connection.tls is not None
    return redirect("/cookies", headers=[set_cookie(name, value, secure=secure) for name, value in wanted.items()])


def delete(request: HttpRequest) -> Response:
    """Delete the cookies in the query."""
    gone = "; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"
    return redirect(
        "/cookies",
        headers=[("Set-Cookie", f"{field(name, '')[0]}={gone}") for name in unique(fields(request.query.pairs))],
    )

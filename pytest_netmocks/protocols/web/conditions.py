"""Conditional requests and ranges (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import datetime
import email.utils
import re

from pytest_netmocks.protocols.web.fields import Headers
from pytest_netmocks.protocols.web.requests import HttpRequest

_TAG = re.compile(r'(W/)?("[^"]*")')
_RANGE = re.compile(r"bytes\s*=[\s,]*([0-9]{0,4000})-([0-9]{0,4000})[\s,]*\Z", re.IGNORECASE)


def verdict(request: HttpRequest, fields: Headers) -> int | None:
    """304 or 412 where the request's conditions ask for it, by the validators among the answer's fields.

    The order is that of RFC 9110, section 13.2.2.
    """
    asked = request.headers
    reads = request.method in ("GET", "HEAD")
    etag, modified = fields.get("etag"), _time(fields.get("last-modified"))
    if etag is not None and "if-match" in asked:
        if not _among(etag, asked["if-match"], strong=True):
            return 412
    elif "if-match" not in asked and modified is not None:
        since = _time(asked.get("if-unmodified-since"))
        if since is not None and modified > since:
            return 412
    if "if-none-match" in asked:
        if etag is not None and _among(etag, asked["if-none-match"], strong=False):
            return 304 if reads else 412
        return None
    since = _time(asked.get("if-modified-since"))
    return 304 if reads and modified is not None and since is not None and modified <= since else None


def _among(etag: str, listed: str, *, strong: bool) -> bool:
    """Whether the entity tag is one of those listed (RFC 9110, section 8.8.3.2)."""
    if listed.strip() == "*":
        return True
    ours = _TAG.match(etag)
    if ours is None or (strong and ours.group(1)):
        return False
    tags = _TAG.findall(listed)
    return any(tag == ours.group(2) and not (strong and weak) for weak, tag in tags)


def _time(text: str | None) -> datetime.datetime | None:
    """A date of HTTP; what is none is ignored, as RFC 9110, section 13.1.3, asks."""
    if text is None:
        return None
    try:
        time = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return time.replace(tzinfo=datetime.UTC) if time.tzinfo is None else time


def stretch(request: HttpRequest, fields: Headers, size: int) -> tuple[int, int] | None:
    """The first and last byte, exclusive, that the request's Range asks for; `None` if there is none to be heeded.

    A stretch of nothing is one that cannot be had.
    """
    found = _RANGE.match(request.headers.get("range", "").strip())
    if found is None or not (found.group(1) or found.group(2)):
        return None
    tag = request.headers.get("if-range")
    if tag is not None and (tag.startswith("W/") or tag not in (fields.get("etag"), fields.get("last-modified"))):
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None  # no range at all (section 14.1.1)
    return min(int(first), size), min(size, int(last) + 1) if last else size

"""The parts of an archive's requests and responses: fields, cookies, URLs, contents."""

from __future__ import annotations

import base64
import codecs
import datetime
import email.utils
import zlib
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from pytest_netmocks.records.addresses import is_unix
from pytest_netmocks.records.plain import plain_data
from pytest_netmocks.reports.conversation import Plain
from pytest_netmocks.reports.messages import Fields, value, values

DECODED = 16 << 20
"""Bytes of a body that is unpacked."""

_URL = ":/?#[]@!$&'()*+,;=-._~%"
"""What may stand in a URL, RFC 3986, section 2."""


def iso(seconds: float) -> str:
    """A time since 1970 as ISO 8601 has it, in UTC, to the microsecond."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def pairs(fields: Fields) -> list[Plain]:
    """Header fields, in order."""
    return [{"name": name, "value": text} for name, text in fields]


def cookies(fields: Fields) -> list[Plain]:
    """Those that came along."""
    found = [part.partition("=") for line in values(fields, "cookie") for part in line.split(";") if part.strip()]
    return [{"name": name.strip(), "value": text.strip()} for name, _, text in found]


def set_cookies(fields: Fields) -> list[Plain]:
    """Those that are set, with their attributes (RFC 6265, section 5.2)."""
    return [_set_cookie(line) for line in values(fields, "set-cookie")]


def _set_cookie(line: str) -> Plain:
    first, *attributes = line.split(";")
    name, _, text = first.partition("=")
    cookie: Plain = {"name": name.strip(), "value": text.strip()}
    for attribute in attributes:
        key, _, said = attribute.partition("=")
        key, said = key.strip().lower(), said.strip()
        if key in ("path", "domain"):
            cookie[key] = said
        elif key == "expires" and (moment := _moment(said)):
            cookie["expires"] = moment
        elif key == "samesite":
            cookie["sameSite"] = said
        elif key in ("httponly", "secure"):
            cookie["httpOnly" if key == "httponly" else key] = True
    return cookie


def _moment(text: str) -> str:
    try:
        return email.utils.parsedate_to_datetime(text).isoformat().replace("+00:00", "Z")
    except ValueError:
        return ""


def url(server: Plain, request: Plain, *, websocket: bool) -> str:
    """The target URI (RFC 9110, section 7.1); that of the server where what the client says makes none."""
    scheme = ("ws" if websocket else "http") + ("s" if server.get("tls") else "")
    made = _url(scheme, server, request)
    try:
        parts = urlsplit(made)
        if parts.hostname and (parts.port is None or parts.port >= 0):
            return made
    except ValueError:
        pass  # it was asked for all the same
    return f"{scheme}://{_authority(server.get('address'))}/"


def _url(scheme: str, server: Plain, request: Plain) -> str:
    target = request["target"]
    host = value(request["headers"], "host") or _authority(server.get("address"))
    if request["method"] == "CONNECT":
        return f"{scheme}://{_quoted(target)}"
    if "://" in target.partition("?")[0]:
        return _quoted(target)
    path = target if target.startswith("/") else ("" if target in ("*", "") else f"/{target}")
    return f"{scheme}://{_quoted(host)}{_quoted(path)}"


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe=_URL)


def _authority(address: Any) -> str:
    host, port = (address or ["localhost", 0])[:2]
    if is_unix((host, port)):
        return "localhost"
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def query(target: str) -> list[Plain]:
    """The fields of the query, decoded."""
    return _decoded(target.partition("#")[0].partition("?")[2])


def _decoded(text: str) -> list[Plain]:
    return [{"name": name, "value": said} for name, said in parse_qsl(text, keep_blank_values=True)]


def post_data(fields: Fields, body: bytes, missing: int) -> Plain:
    """What came with a request: text, with params where it is a form, else base64, which `_encoding` says."""
    kind = value(fields, "content-type")
    media = kind.partition(";")[0].strip().lower()
    made: Plain = {"mimeType": kind, **_text(body, kind, "_encoding")}
    if media == "application/x-www-form-urlencoded" and "_encoding" not in made:
        made["params"] = _decoded(made["text"])
    elif media == "multipart/form-data":
        made["params"] = _parts(kind, body)
    if missing:
        made["comment"] = f"{missing} bytes more were not kept"
    return made


def _parts(kind: str, body: bytes) -> list[Plain]:
    """The parts of a multipart form (RFC 7578)."""
    from email import message_from_bytes, policy  # only where there is one

    try:
        message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=policy.HTTP)
        return [_part(part) for part in message.walk() if not part.is_multipart()]
    except Exception:  # noqa: BLE001  # the parser raises whatever it runs into; the text is there all the same
        return []


def _part(part: Any) -> Plain:
    made: Plain = {"name": str(part.get_param("name", "", header="content-disposition"))}
    data = part.get_payload(decode=True) or b""
    file = part.get_filename()
    if file is None:
        return {**made, "value": data.decode("utf-8", "replace")}
    return {**made, "fileName": file, "contentType": part.get_content_type(), "_size": len(data)}


def content(fields: Fields, body: bytes, missing: int, *, whole: bool) -> Plain:
    """What an answer holds, without its content coding where that is gzip or deflate."""
    kind = value(fields, "content-type") or "x-unknown"
    coding = ", ".join(values(fields, "content-encoding")).lower().strip()
    unpacked = _unpacked(body, coding) if coding and whole and not missing else None
    data = body if unpacked is None else unpacked
    made: Plain = {"size": len(data) + missing, "mimeType": kind}
    if unpacked is not None:
        made["compression"] = len(data) - len(body)
    if data:
        made |= _text(data, kind, "encoding")
    if missing:
        made["comment"] = f"{missing} bytes more were not kept"
    elif data and coding not in ("", "identity") and unpacked is None:
        made["comment"] = f"still encoded: {coding}"
    return made


def _unpacked(body: bytes, coding: str) -> bytes | None:
    """The body without its coding; `None` if nobody here can say."""
    if coding not in ("gzip", "x-gzip", "deflate"):
        return None
    for bits in (47, -15):  # with a header that says what it is, and without one
        unpacker = zlib.decompressobj(bits)
        try:
            data = unpacker.decompress(body, DECODED)
        except zlib.error:
            continue
        return data if unpacker.eof else None
    return None


def _text(data: bytes, kind: str, encoding: str) -> Plain:
    """Text in the charset that it says or in UTF-8; else base64, which the field of that name says."""
    charset = kind.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    if charset not in ("", "utf-8", "utf8"):
        try:
            if codecs.lookup(charset).name in ("iso8859-1", "cp1252", "ascii", "utf-16", "iso8859-15"):
                return {"text": data.decode(charset)}
        except (LookupError, ValueError):
            pass
    plain = plain_data(data)
    return {"text": plain["data"]} if "data" in plain else {"text": plain["base64"], encoding: "base64"}


def base64_of(data: bytes) -> str:
    """Bytes as text."""
    return base64.b64encode(data).decode()

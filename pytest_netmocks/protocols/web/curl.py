"""A request as a command for the shell."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Protocol

from pytest_netmocks.records.addresses import describe_address, is_unix, path_of

if TYPE_CHECKING:
    from pytest_netmocks.protocols.web.fields import Headers
    from pytest_netmocks.records.connection import Connection

_IN_A_URL = re.compile(r"/[!-\"$-~]*\Z")
"""A target that curl sends as it stands."""

_HOST = re.compile(r"[A-Za-z0-9.\-]+(:\d+)?\Z|\[[0-9A-Fa-f:.]+\](:\d+)?\Z")

_ARGUMENT = 8192
"""Bytes of a body that are an argument of the command; a longer one is piped into it."""


class Sent(Protocol):
    """What of a request it takes to send it again."""

    method: str
    target: str
    http_version: str
    headers: Headers
    connection: Connection

    @property
    def body(self) -> bytes:
        """As it was received."""


def _quoted(text: bytes) -> str:
    """The bytes as a word of the shell's; what is no printable ASCII is written by printf(1) in octal."""
    if text.isascii() and text.decode().isprintable():
        return shlex.quote(text.decode())
    return f'"$(printf {_format(text)})"'


def _format(data: bytes) -> str:
    """What makes printf(1) write these bytes."""
    parts = [chr(byte) if 32 <= byte < 127 and byte not in b"%\\'" else f"\\{byte:03o}" for byte in data]
    return f"'{''.join(parts)}'"


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def command(request: Sent, body_limit: int) -> str:
    """The command."""
    headers = request.headers
    left_out = len(request.body) > body_limit
    body = b"" if left_out else request.body
    has_body = bool(body) or (not left_out and "content-length" in headers)
    words = ["curl", "--globoff", "--path-as-is", *_method(request, has_body=has_body)]
    words += _version(request)
    words += _fields(request, has_body=has_body)
    words += _to(request)
    piped = len(body) > _ARGUMENT or not (body.isascii() and body.decode("latin-1").isprintable())
    if has_body and not (piped or body[:1] == b"@"):
        words += ["--data-binary", _quoted(body)]
    elif has_body:
        words = ["printf", _format(body), "|", *words, "--data-binary", "@-"]
    comment = f"  # without its body of {len(request.body)} bytes" if left_out else ""
    return " ".join(words) + comment


def _version(request: Sent) -> list[str]:
    """Of what curl chooses by itself, the one that was chosen."""
    is_secure = request.connection.tls is not None
    if request.http_version == "2":
        return ["--http2" if is_secure else "--http2-prior-knowledge"]
    if request.http_version == "1.0":
        return ["--http1.0"]
    return ["--http1.1"] if is_secure else []


def _method(request: Sent, *, has_body: bool) -> list[str]:
    if request.method == "GET" and not has_body:
        return []
    if request.method == "HEAD" and not has_body:
        return ["--head"]
    return ["--request", _quoted(_bytes(request.method))]


def _fields(request: Sent, *, has_body: bool) -> list[str]:
    """The header fields; those that curl adds by itself are taken away where the request had none."""
    words = []
    for name, value in request.headers.pairs:
        if name.lower() not in ("host", "content-length"):
            field = _bytes(f"{name}: {value}" if value else f"{name};")
            words += ["--header", _quoted(field)]
    own = ["User-Agent", "Accept", *(["Content-Type", "Expect"] if has_body else [])]
    for name in own:
        if name not in request.headers:
            words += ["--header", f"{name}:"]
    return words


def _to(request: Sent) -> list[str]:
    """Where to: the URL with the name that the client used, and the address behind it."""
    connection = request.connection
    own = connection.server_address or ("127.0.0.1", 0)
    path = path_of(own) if is_unix(own) else None
    address = "localhost" if path else describe_address(own)
    scheme = "http" if connection.tls is None else "https"
    host = request.headers.get("host", address)
    words = ["--unix-socket", shlex.quote(path)] if path else []
    if not _HOST.match(host):
        words += ["--header", _quoted(_bytes(f"Host: {host}" if host else "Host;"))]
        host = address
    if host != address and not path:
        words += ["--connect-to", f"::{address}"]
    if scheme == "https":
        from pytest_netmocks.encryption import authority  # only where there is TLS

        words += ["--cacert", shlex.quote(authority.shared().cert_file)]
    target = request.target
    if not _IN_A_URL.match(target):
        words += ["--request-target", _quoted(_bytes(target))]
        target = "/"
    return [*words, _quoted(_bytes(f"{scheme}://{host}{target}"))]

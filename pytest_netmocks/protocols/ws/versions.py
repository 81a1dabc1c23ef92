"""What differs between the versions of the websockets library, 15 to the newest."""

from __future__ import annotations

import dataclasses
from typing import Any

from websockets.datastructures import Headers
from websockets.exceptions import SecurityError
from websockets.frames import Opcode
from websockets.http11 import Request

try:
    from websockets.speedups import apply_mask
except ImportError:  # they are in C, and not everywhere
    from websockets.utils import apply_mask

unmasked = apply_mask

CONT, TEXT, BINARY = Opcode.CONT, Opcode.TEXT, Opcode.BINARY
CLOSE, PING, PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG


_KNOWS_THE_LINE = "method" in {field.name for field in dataclasses.fields(Request)}
"""Whether a request has its method and version; before 17 the parser refuses all but `GET` and `HTTP/1.1`."""


def between_messages(protocol: Any) -> None:
    """Let the protocol forget the fragments that it has counted (`cur_size` in the older versions)."""
    protocol.current_size = protocol.cur_size = None


def line_of(asked: Any) -> tuple[str, str]:
    """The method and the HTTP version of a request that the library has read."""
    return (asked.method, asked.protocol.removeprefix("HTTP/")) if _KNOWS_THE_LINE else ("GET", "1.1")


def make_request(method: str, target: str, headers: Headers, http_version: str) -> Request:
    """A request as the library has it."""
    if _KNOWS_THE_LINE:
        return Request(target, headers, method, f"HTTP/{http_version}")
    return Request(target, headers)  # the older versions have no more


def refusal(cause: BaseException | None) -> bytes:
    """The answer to what is no handshake, where the library has none of its own."""
    text = str(cause)
    if "unsupported HTTP method" in text:
        line, field = b"405 Method Not Allowed", b"Allow: GET\r\n"
    elif "unsupported HTTP version" in text or "unsupported protocol" in text:
        line, field = b"505 HTTP Version Not Supported", b""
    elif isinstance(cause, SecurityError):
        line, field = b"431 Request Header Fields Too Large", b""
    else:
        line, field = b"400 Bad Request", b""
    body = b"this is no handshake\n"
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (line, field, len(body), body)

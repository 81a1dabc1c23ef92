"""Cookies (RFC 6265), with the quoting that Python's `http.cookies`, Werkzeug and Django understand."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_VALUE = re.compile(r'[!#-+\--:<-\[\]-~]*\Z|"[!#-+\--:<-\[\]-~]*"\Z')
"""What may stand for a value as it is (RFC 6265, section 4.1.1)."""

_PLAIN = frozenset(b" !#$%&'()*+-./:<=>?@[]^_`{|}~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_ESCAPE = re.compile(rb"\\([0-3][0-7][0-7])|\\(.)", re.DOTALL)


def pair(name: object, value: object) -> str:
    """`name=value` for Set-Cookie; what a value cannot have is quoted, its bytes in UTF-8 as `\\303`.

    Raises `ValueError` for a name that is no token.
    """
    if not isinstance(name, str) or not _TOKEN.match(name):
        raise ValueError(f"cookies must have names that are tokens (RFC 6265, section 4.1.1), not {name!r}")
    text = str(value)
    if _VALUE.match(text):
        return f"{name}={text}"
    escaped = "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in text.encode("utf-8", "replace"))
    return f'{name}="{escaped}"'


def pairs_in(line: str) -> Iterator[tuple[str, str]]:
    """Names and values of a Cookie field."""
    for part in line.split(";"):
        name, _, value = part.strip().partition("=")
        if name:
            yield _text(name.rstrip()), _unquoted(value.lstrip())


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return _text(value)
    inside = value[1:-1].encode("latin-1", "replace")
    return _text(_ESCAPE.sub(_one, inside).decode("latin-1"))


def _one(escape: re.Match[bytes]) -> bytes:
    octal, itself = escape.groups()
    return bytes([int(octal, 8)]) if octal is not None else itself


def _text(text: str) -> str:
    """A header's text, which is Latin-1, as the UTF-8 that it is for the most part."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text

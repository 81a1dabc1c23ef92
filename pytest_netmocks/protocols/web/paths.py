"""Paths of rules: exact, with `{name}` for a segment, `{name:int}` for a number, `{rest:path}` for the rest.

Paths are split into segments before these are decoded (RFC 3986, sections 2.2 and 6.2.2.2): `/a%2Fb` is one segment and
`/a/b` are two. `comparable` gives the form in which a rule's path and a request's are compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from pytest_netmocks.matchers import ANY_PATH

SLASH = "\udc2f"
"""What stands for a slash within a segment; no text from outside has it."""

_PLACE = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_]\w*\Z")

_AUTHORITY = re.compile(r"(?:\[[^\[\]/?#@\s]+\]|[^:\[\]/?#@\s]+):[^:\[\]/?#@\s]+")
"""Host and port, a target of CONNECT (RFC 9112, section 3.2.3); what stands for a place has no colon."""

CONVERTERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "str": (r"[^/]+", str),
    "int": (r"-?[0-9]{1,18}", int),
    "float": (r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", float),
    "path": (r".*", str),
}


def comparable(path: bytes) -> str:
    """The path in the form that is compared: its segments decoded, with `SLASH` for a slash in one of them."""
    segments = [unquote_to_bytes(segment).decode("utf-8", "surrogateescape") for segment in path.split(b"/")]
    return "/".join([segment.replace("/", SLASH) for segment in segments])


def readable(path: str) -> str:
    """A path in the form that is compared for people and patterns: a slash within a segment is `%2F`."""
    return decoded(path.replace(SLASH, "%2F"))


def decoded(text: str) -> str:
    """Text of a path in the form that is compared as users get it: fully decoded."""
    if text.isascii():
        return text
    return text.replace(SLASH, "/").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def of_text(name: str, path: str) -> str:
    """A path that a test wrote, in the form that is compared. Raises `ValueError` that names the argument."""
    try:
        return comparable(path.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} must be text that UTF-8 has bytes for: {error}") from None


class PathPattern:
    """A path that a request's is compared with, both in the form of `comparable`."""

    def __init__(self, path: str | re.Pattern[str], *, authority: bool = False) -> None:
        self.text = path if isinstance(path, str) else path.pattern
        self._converters: dict[str, Callable[[str], Any]] = {}
        self._joined: dict[str, tuple[list[str], list[str]]] = {}
        """Segments of several places, by the name of the first: all the names, and the texts around them."""
        self.exact: str | None = None
        """The only path that it is, if it has no places."""
        self._places = isinstance(path, str)
        if isinstance(path, re.Pattern):
            self._regex = path
            return
        if authority and path == ANY_PATH:
            self._regex = re.compile("(?P<rest>.*)", re.DOTALL)
            return
        if authority and path != "*" and not path.startswith("/"):
            if not _AUTHORITY.fullmatch(_PLACE.sub("0", path)):
                raise ValueError(f'path of a CONNECT must be a host and a port such as "host:443", not {path!r}')
            self._regex = re.compile(self._translate(path), re.IGNORECASE)  # hosts are (RFC 9110, section 4.2.3)
            return
        if not path.startswith("/") and path != "*":
            connect = f': when("CONNECT", {path!r})' if _AUTHORITY.fullmatch(path) else ""
            raise ValueError(f"path must begin with a slash, not {path!r}{connect}")
        if "?" in path:
            raise ValueError(f"path must have no query, not {path!r}: give query={{...}}")
        if "#" in path:
            raise ValueError(f"path must have no fragment, which clients keep to themselves, not {path!r}")
        if "{" not in path and "}" not in path:
            self.exact = of_text("path", path)
            return
        self._regex = re.compile(self._translate(path), re.DOTALL)

    def _translate(self, path: str) -> str:
        segments: list[list[str]] = [[""]]
        kinds: dict[str, str] = {}
        at = 0
        for place in _PLACE.finditer(path):
            self._add_literal(segments, path, path[at : place.start()])
            name, colon, kind = place.group(1).partition(":")
            if not _NAME.match(name) or (colon and kind not in CONVERTERS) or name in kinds:
                raise ValueError(
                    f"path must have places such as {{name}}, with {', '.join(CONVERTERS)} after a colon and "
                    f"each name once, not {path!r}"
                )
            kinds[name] = kind or "str"
            self._converters[name] = CONVERTERS[kinds[name]][1]
            segments[-1] += [name, ""]
            at = place.end()
        self._add_literal(segments, path, path[at:])
        several = list(kinds.values()).count("path") > 1
        return "/".join([self._segment(segment, kinds, several) for segment in segments])

    @classmethod
    def _add_literal(cls, segments: list[list[str]], path: str, text: str) -> None:
        """Go on with the text of a path: a segment is a list of texts with the names of places between them."""
        first, *more = cls._literal(path, text).split("/")
        segments[-1][-1] += first
        segments += [[one] for one in more]

    def _segment(self, segment: list[str], kinds: dict[str, str], several: bool) -> str:
        names, texts = segment[1::2], segment[::2]
        if len(names) > 1 and not several and all(kinds[name] == "str" for name in names):
            # As one group: of several a long segment would take the square of its length, or worse.
            self._joined[names[0]] = names, texts
            return f"(?P<{names[0]}>{CONVERTERS['str'][0]})"
        places = [f"(?P<{name}>{CONVERTERS[kinds[name]][0]})" for name in names]
        return "".join(
            part for pair in zip([re.escape(text) for text in texts], [*places, ""], strict=True) for part in pair
        )

    @staticmethod
    def _literal(path: str, text: str) -> str:
        if "{" in text or "}" in text:
            raise ValueError(f"path must have a closing brace for each opening one, not {path!r}")
        return of_text("path", text)

    def match(self, path: str) -> dict[str, Any] | None:
        """What the places stand for, `None` if the path is another."""
        if self.exact is not None:
            return {} if path == self.exact else None
        found = self._regex.fullmatch(path if self._places else readable(path))
        if found is None:
            return None
        values: dict[str, str | None] = found.groupdict()
        for first, (names, texts) in self._joined.items():
            parts = between(texts, found[first])
            if parts is None:
                return None
            values.update(zip(names, parts, strict=True))
        return {name: self._converters.get(name, str)(decoded(value or "")) for name, value in values.items()}


def between(texts: list[str], segment: str) -> list[str] | None:
    """What stands between the texts, a character at least each time, the first of these as long as can be.

    That is what a regular expression finds, in the time of a search for each text.
    """
    first, *middle, last = texts
    end = len(segment) - len(last)
    if not segment.startswith(first) or not segment.endswith(last):
        return None
    parts = []
    for text in reversed(middle):
        at = segment.rfind(text, len(first) + 1, max(end - 1, 0))
        if at < 0:
            return None
        parts.append(segment[at + len(text) : end])
        end = at
    return [segment[len(first) : end], *reversed(parts)] if end > len(first) else None

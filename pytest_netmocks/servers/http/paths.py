"""Paths of rules: exact, with `{name}` for a segment, `{name:int}` for a number, `{rest:path}` for the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_PLACE = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_]\w*\Z")

CONVERTERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "str": (r"[^/]+", str),
    "int": (r"-?\d{1,18}", int),
    "float": (r"-?\d{1,18}(?:\.\d{1,18})?", float),
    "path": (r".*", str),
}


class PathPattern:
    """A path that a request's decoded path is compared with."""

    def __init__(self, path: str | re.Pattern[str]) -> None:
        self.text = path if isinstance(path, str) else path.pattern
        self._converters: dict[str, Callable[[str], Any]] = {}
        self._exact: str | None = None
        if isinstance(path, re.Pattern):
            self._regex = path
            return
        if not path.startswith("/") and path != "*":
            raise ValueError(f"path must begin with a slash, not {path!r}")
        if "?" in path:
            raise ValueError(f"path must have no query, not {path!r}: give query={{...}}")
        if "#" in path:
            raise ValueError(f"path must have no fragment, which clients keep to themselves, not {path!r}")
        if "{" not in path and "}" not in path:
            self._exact = path
            return
        self._regex = re.compile(self._translate(path), re.DOTALL)

    def _translate(self, path: str) -> str:
        regex = ""
        at = 0
        for place in _PLACE.finditer(path):
            regex += self._literal(path, path[at : place.start()])
            name, colon, kind = place.group(1).partition(":")
            if not _NAME.match(name) or (colon and kind not in CONVERTERS) or name in self._converters:
                raise ValueError(
                    f"path must have places such as {{name}}, with {', '.join(CONVERTERS)} after a colon and "
                    f"each name once, not {path!r}"
                )
            pattern, self._converters[name] = CONVERTERS[kind or "str"]
            regex += f"(?P<{name}>{pattern})"
            at = place.end()
        return regex + self._literal(path, path[at:])

    @staticmethod
    def _literal(path: str, text: str) -> str:
        if "{" in text or "}" in text:
            raise ValueError(f"path must have a closing brace for each opening one, not {path!r}")
        return re.escape(text)

    def match(self, path: str) -> dict[str, Any] | None:
        """What the places stand for, `None` if the path is another."""
        if self._exact is not None:
            return {} if path == self._exact else None
        found = self._regex.fullmatch(path)
        if found is None:
            return None
        return {name: self._converters.get(name, str)(value or "") for name, value in found.groupdict().items()}

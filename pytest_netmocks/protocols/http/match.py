"""What a request has to have to match, and a word on why one has not."""

from __future__ import annotations

import json as jsons
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypedDict, Unpack

from pytest_netmocks import check
from pytest_netmocks.matchers import AnyOf, Not, check_json, check_leaves, fits_json, fits_text, holds, leaves
from pytest_netmocks.protocols.http.lines import KNOWN
from pytest_netmocks.protocols.web.paths import PathPattern, readable
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import NOTHING

Method = str | Not | AnyOf
"""A method, any method but that, or one of several."""

Path = str | re.Pattern[str] | Not | AnyOf
"""A path with its places, a compiled pattern, any path but that, or one of several."""

Value = str | float | re.Pattern[str] | Not | AnyOf | None
"""What a header, a field of a query or of a form has to be; `None`: it is not there."""

Fields = Mapping[str, Value | Sequence[Value]]
"""Names with what they have to be; a list is all the values of a repeated name."""

Body = bytes | str | re.Pattern[str] | re.Pattern[bytes] | Not | AnyOf
"""What a body has to be: the whole of it as bytes or text, or a compiled pattern that is found in it."""

SHOWN = 1000
"""Characters of a JSON body that say how it differs."""

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


class Criteria(TypedDict, total=False):
    """What can be asked of a request besides its method and path."""

    query: Fields | None
    """What the fields of the query have to be; others may be there."""
    headers: Fields | None
    """What the header fields have to be."""
    form: Fields | None
    """What the fields of the form have to be."""
    json: Any
    """What the body has to be as JSON: the whole of it, or `Partial(...)`."""
    body: Body | None
    """What the body has to be."""
    matches: Callable[[HttpRequest], object] | None
    """A function of the request that says yes or no."""


def read_when(what: tuple[object, ...]) -> tuple[Method | None, PathPattern | PathChoice]:
    """Method and path from `when`'s positional arguments. Raises `TypeError` or `ValueError`."""
    if not 1 <= len(what) <= 2:
        raise TypeError(f'when() takes a path, or a method and a path: when("GET", "/users"), not {what!r}')
    path = what[-1]
    if isinstance(path, str) and len(what) == 1 and path != "*" and _METHOD.match(path):
        raise ValueError(
            f'path must begin with a slash, not {path!r}: when({path!r}, "/users"), with a path after it, '
            f"or when({path!r}, ANY_PATH)"
        )
    check_leaves("path", path, (str, re.Pattern), "text or a compiled pattern of text")
    if len(what) == 1 or what[0] is None:
        return None, path_of(path)
    methods = list(leaves(what[0]))
    for method in methods:
        check_leaves("method", method, (str,), "a method such as GET")
        if not _METHOD.match(method):
            raise ValueError(f"method must be a method such as GET, not {method!r}")
    return _upper(what[0]), path_of(path, authority=any(method.upper() == "CONNECT" for method in methods))


def _upper(method: Any) -> Any:
    if isinstance(method, Not):
        return Not(_upper(method.wanted))
    if isinstance(method, AnyOf):
        return AnyOf(*map(_upper, method.wanted))
    # Methods tell capitals from small letters (RFC 9110, section 9.1), but nobody means another by `get`.
    return method.upper() if method.upper() in KNOWN else method


class PathChoice:
    """A path that is to be none of some, or one of several."""

    def __init__(self, wanted: Not | AnyOf, *, authority: bool) -> None:
        self.text = repr(wanted)
        self._wanted = wanted
        self._patterns = {leaf: PathPattern(leaf, authority=authority) for leaf in leaves(wanted)}

    def match(self, path: str) -> dict[str, Any] | None:
        """What the places of the one that matches stand for, `None` if the path is not meant."""
        found: dict[str, Any] = {}

        def fits(leaf: Any) -> bool:
            places = self._patterns[leaf].match(path)
            found.update(places or {})
            return places is not None

        return found if holds(self._wanted, fits) else None


def path_of(path: Any, *, authority: bool = False) -> PathPattern | PathChoice:
    """What compares paths with that one; `authority` if it may be a target of CONNECT.

    Raises `ValueError` for what is none.
    """
    if isinstance(path, (Not, AnyOf)):
        return PathChoice(path, authority=authority)
    return PathPattern(path, authority=authority)


class HttpMatch:
    """What a request has to have. Raises `TypeError` or `ValueError` that names the argument."""

    def __init__(self, what: tuple[object, ...], word: str = "when", **criteria: Unpack[Criteria]) -> None:
        for name in criteria:
            if name not in Criteria.__annotations__:
                raise TypeError(f"{word}() takes no {name!r}{check.nearest(name, Criteria.__annotations__)}")
        self.method, self.path = read_when(what)
        self._exact = self.path.exact if isinstance(self.path, PathPattern) else None
        self._fields = {name: _checked_fields(name, criteria.get(name)) for name in ("query", "headers", "form")}
        self._json = criteria.get("json", NOTHING)
        check_json("json", self._json)
        self._body = body = criteria.get("body")
        if body is not None:
            for leaf in leaves(body):
                check.instance("body", leaf, (bytes, str, re.Pattern), "bytes, text or a compiled pattern")
        self._matches = matches = criteria.get("matches")
        if matches is not None and not callable(matches):
            raise TypeError(f"matches must be a function of the request, not {matches!r}")
        self.on_head = self._json is NOTHING and not self._fields["form"] and body is None and matches is None
        """Whether the head of a request is enough to decide."""
        self._plain = self.on_head and not any(self._fields.values())

    @property
    def label(self) -> str:
        """How it is written."""
        parts = [repr(self.method)] if self.method else []
        parts += [repr(self.path.text) if isinstance(self.path, PathPattern) else self.path.text]
        parts += [f"{name}={value!r}" for name, value in self._fields.items() if value]
        parts += [f"json={self._json!r}"] if self._json is not NOTHING else []
        parts += [f"body={self._body!r}"] if self._body is not None else []
        parts += [f"matches={self._matches!r}"] if self._matches is not None else []
        return ", ".join(parts)

    @property
    def short(self) -> str:
        """Method and path."""
        return f"{self.method or 'any method'} {self.path.text}"

    @property
    def allowed(self) -> set[str] | None:
        """The methods that it takes (RFC 9110, section 10.2.1), `None` if they are too many to say."""
        if self.method is None or any(isinstance(part, Not) for part in _parts(self.method)):
            return None
        methods = set(leaves(self.method))
        return methods | {"HEAD"} if "GET" in methods else methods

    def takes(self, method: str) -> bool:
        """Whether the method is right; a GET rule answers HEAD."""
        wanted = self.method
        if wanted is None or isinstance(wanted, str):  # by far the most
            return wanted is None or wanted == method or (wanted == "GET" and method == "HEAD")
        return fits_text(wanted, method, *(["GET"] if method == "HEAD" else []))

    def match(self, request: HttpRequest) -> dict[str, Any] | None:
        """The path's parameters if the request matches."""
        exact = self._exact
        if exact is not None and exact != request.route:
            return None  # by far the most
        if self.method != request.method and not self.takes(request.method):
            return None
        found = {} if exact is not None else self.path.match(request.route)
        if found is None or self._plain:
            return found
        if next(self._differences(request, found), None) is not None:
            return None
        if self._matches is not None and not self._says_yes(self._matches, request, found):
            request.refused_by += (self,)
            return None
        return found

    @property
    def calls(self) -> bool:
        """Whether a user's function is asked, which may take its time."""
        return self._matches is not None

    def differences(self, request: HttpRequest, *, ask: bool = True) -> list[str]:
        """Why the request does not match, a line each; none if it does.

        Without `ask` a function's word is the one that it gave when the server asked.
        """
        lines = []
        if not self.takes(request.method):
            lines.append(f"method: expected {self.method}, got {request.method}")
        found = self.path.match(request.route)
        if found is None:
            lines.append(f"path: expected {self.path.text}, got {readable(request.route)}")
        lines += self._differences(request, found or {})
        if self._matches is not None:
            no = not self._says_yes(self._matches, request, found or {}) if ask else self in request.refused_by
            lines += [f"matches: {self._matches!r} says no"] if no else []
        return lines

    @staticmethod
    def _says_yes(function: Callable[[HttpRequest], object], request: HttpRequest, found: dict[str, Any]) -> bool:
        before, request.path_params = request.path_params, found
        try:
            return bool(function(request))
        finally:
            request.path_params = before

    def _differences(self, request: HttpRequest, found: dict[str, Any]) -> Iterator[str]:
        for name, wanted in self._fields.items():
            if not wanted:
                continue
            try:
                fields = getattr(request, name)
            except ValueError as error:
                yield f"{name}: {error}"
                continue
            for key, value in wanted.items():
                several = isinstance(value, (list, tuple))
                got = fields.get_all(key) if several else fields.get(key)
                if not (_fits_all(value, got) if several else fits_text(value, got)):
                    yield f"{name}: expected {key}={shown(value)}, got {got!r}"
        if self._json is not NOTHING:
            yield from self._other_json(request)
        if self._body is not None and not holds(self._body, lambda leaf: _has_body(leaf, request)):
            yield f"body: expected {shown(self._body)}, got {request.body[:200]!r}"

    def _other_json(self, request: HttpRequest) -> Iterator[str]:
        try:
            got = request.parsed
        except (ValueError, RecursionError) as error:
            yield f"json: expected {_as_json(self._json)}, got no JSON: {error}"
        else:
            if not fits_json(self._json, got):
                yield f"json: expected {_as_json(self._json)}, got {_beginning(got)}"


Wanted = Path | tuple[Path] | tuple[Method | None, Path] | tuple[Method | None, Path, Mapping[str, Any]]
"""What a request has to have, as one value."""


def match_of(wanted: Wanted) -> HttpMatch:
    """What `when` would make of it. Raises `TypeError` or `ValueError` for what it would not take."""
    if not isinstance(wanted, tuple):
        return HttpMatch((wanted,), "assert_requested_in_order")
    what: list[Any] = list(wanted)
    criteria: Any = what.pop() if isinstance(what[-1:] and what[-1], Mapping) else {}
    return HttpMatch(tuple(what), "assert_requested_in_order", **criteria)


def _parts(wanted: Any) -> Iterator[Any]:
    yield wanted
    for one in wanted.wanted if isinstance(wanted, AnyOf) else ():
        yield from _parts(one)


def _checked_fields(name: str, fields: Any) -> dict[str, Any]:
    check.instance(name, fields, (Mapping, type(None)), "a mapping of names to values")
    for key, wanted in (fields or {}).items():
        for one in wanted if isinstance(wanted, (list, tuple)) and wanted else [wanted]:
            if isinstance(wanted, (list, tuple)) and one is None:
                raise TypeError(f"{name}: {key} must have values in its list, not None: a field alone may be absent")
            check_leaves(
                f"{name}: {key}", one, (str, int, float, re.Pattern, type(None)), "text, a number, a pattern or None"
            )
    return dict(fields or {})


def _fits_all(wanted: Sequence[object], got: list[str]) -> bool:
    return len(wanted) == len(got) and all(map(fits_text, wanted, got))


def _as_json(value: object) -> str:
    try:
        return jsons.dumps(value)
    except (TypeError, ValueError, RecursionError):
        pass  # words around JSON, something that only compares like it, or too deep
    try:
        return repr(value)
    except RecursionError:
        return "JSON that is nested too deeply to be shown"


def _beginning(value: object) -> str:
    """The JSON, as far as anybody will read it."""
    text = ""
    try:
        for piece in jsons.JSONEncoder().iterencode(value):
            text += piece
            if len(text) > SHOWN:
                return f"{text[:SHOWN]}..."
    except RecursionError:
        return f"{text}..."
    return text


def shown(value: object) -> str:
    """What is wanted, in words."""
    if value is None:
        return "nothing"
    return f"a match of {value.pattern!r}" if isinstance(value, re.Pattern) else repr(value)


def _has_body(wanted: bytes | str | re.Pattern[Any], request: HttpRequest) -> bool:
    if isinstance(wanted, re.Pattern):
        where: Any = request.body if isinstance(wanted.pattern, bytes) else _text(request)
        return where is not None and wanted.search(where) is not None
    return (request.body if isinstance(wanted, bytes) else _text(request)) == wanted


def _text(request: HttpRequest) -> str | None:
    try:
        return request.text
    except ValueError:
        return None  # its content encoding is not what it says

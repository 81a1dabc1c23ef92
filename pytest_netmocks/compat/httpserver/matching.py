"""What requests are to be like, in pytest-httpserver's words."""

from __future__ import annotations

import json as jsons
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, MutableMapping
from re import Pattern
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict
from urllib.parse import parse_qsl

from pytest_netmocks.compat.httpserver.errors import NoMethodFoundForMatchingHeaderValueError

if TYPE_CHECKING:
    from werkzeug import Request
    from werkzeug.datastructures import MultiDict

URI_DEFAULT = ""
"""The `uri` that every path matches."""

METHOD_ALL = "__ALL"
"""The `method` that every method matches."""


class Undefined:
    """What stands for an argument that was not given where `None` is a value."""

    def __repr__(self) -> str:
        return "<UNDEFINED>"


UNDEFINED = Undefined()


class URIPattern(ABC):
    """Base of users' own rules for paths."""

    @abstractmethod
    def match(self, uri: str) -> bool:
        """Whether the path, decoded and without the query, is meant."""


class HeaderValueMatcher:
    """Compares the values of header fields: `matchers` has a function `(actual, expected)` for a field's name."""

    DEFAULT_MATCHERS: ClassVar[MutableMapping[str, Callable[[str | None, str], bool]]]
    """Those that are used unless others are given: any field by `==`, Authorization by what it says."""

    def __init__(self, matchers: Mapping[str, Callable[[str | None, str], bool]] | None = None) -> None:
        self.matchers: Mapping[str, Callable[[str | None, str], bool]]
        self.matchers = self.DEFAULT_MATCHERS if matchers is None else matchers

    @staticmethod
    def authorization_header_value_matcher(actual: str | None, expected: str) -> bool:
        """Whether both say the same, in whatever order (RFC 9110, section 11.4)."""
        from werkzeug.datastructures import Authorization  # only with a request, which is Werkzeug's

        return Authorization.from_header(actual) == Authorization.from_header(expected)

    @staticmethod
    def default_header_value_matcher(actual: str | None, expected: str) -> bool:
        """Whether both are the same text."""
        return actual == expected

    def __call__(self, header_name: str, actual: str | None, expected: str) -> bool:
        """Whether the value fits. Raises `NoMethodFoundForMatchingHeaderValueError` for a name that has no function."""
        try:
            matcher = self.matchers[header_name]
        except KeyError:
            known = ", ".join(sorted(self.matchers)) or "none"
            raise NoMethodFoundForMatchingHeaderValueError(
                f"matchers has no function for the header {header_name!r}; it has {known}"
            ) from None
        return matcher(actual, expected)


HeaderValueMatcher.DEFAULT_MATCHERS = defaultdict(
    lambda: HeaderValueMatcher.default_header_value_matcher,
    {"Authorization": HeaderValueMatcher.authorization_header_value_matcher},
)


class QueryMatcher(ABC):
    """Base of rules for query strings."""

    def match(self, request_query_string: bytes) -> bool:
        """Whether the query fits."""
        got, wanted = self.get_comparing_values(request_query_string)
        return bool(got == wanted)

    @abstractmethod
    def get_comparing_values(self, request_query_string: bytes) -> tuple[Any, Any]:
        """What the request has and what is wanted, to be compared by `==`."""


class StringQueryMatcher(QueryMatcher):
    """The query as it was sent, byte by byte, without the question mark; text is taken as UTF-8."""

    def __init__(self, query_string: bytes | str) -> None:
        if not isinstance(query_string, (str, bytes)):
            raise TypeError(f"query_string must be text or bytes, not {query_string!r}")
        self.query_string = query_string

    def get_comparing_values(self, request_query_string: bytes) -> tuple[bytes, bytes]:
        wanted = self.query_string
        return request_query_string, wanted.encode() if isinstance(wanted, str) else wanted


class MappingQueryMatcher(QueryMatcher):
    """All the parameters of the query, decoded, in any order.

    Of a name that is repeated the first value counts; a `MultiDict` of Werkzeug's has all of them.
    """

    def __init__(self, query_dict: Mapping[str, str] | MultiDict[str, str]) -> None:
        self.query_dict = query_dict

    def get_comparing_values(self, request_query_string: bytes) -> tuple[Mapping[str, str], Mapping[str, str]]:
        from werkzeug.datastructures import MultiDict  # as above

        got: MultiDict[str, str]
        got = MultiDict(parse_qsl(request_query_string.decode(), keep_blank_values=True))
        if isinstance(self.query_dict, MultiDict):
            return got, self.query_dict
        return got.to_dict(), dict(self.query_dict)


class BooleanQueryMatcher(QueryMatcher):
    """Every query, or none."""

    def __init__(self, result: bool) -> None:
        self.result = result

    def get_comparing_values(self, request_query_string: bytes) -> tuple[bool, bool]:
        return self.result, True


QueryWanted = QueryMatcher | str | bytes | Mapping[str, str] | None
"""What `query_string` takes."""

HeaderMatch = Callable[[str, "str | None", str], bool]
"""What `header_value_matcher` takes: a function of a field's name, its value and what is expected."""

UriWanted = str | URIPattern | Pattern[str]
"""What `uri` takes."""


class Criteria(TypedDict, total=False):
    """What `expect_request()` and its like take by name alone."""

    data_encoding: str
    headers: Mapping[str, str] | None
    query_string: QueryWanted
    header_value_matcher: HeaderMatch | None
    json: Any


class RequestMatcherKwargs(Criteria, total=False):
    """All that `expect_request()` and its like take by name."""

    method: str
    data: str | bytes | None


def _query_matcher(wanted: QueryWanted) -> QueryMatcher:
    if wanted is None:
        return BooleanQueryMatcher(True)
    if isinstance(wanted, (str, bytes)):
        return StringQueryMatcher(wanted)
    if isinstance(wanted, Mapping):
        return MappingQueryMatcher(wanted)
    if hasattr(wanted, "match"):  # one of pytest-httpserver's own too
        return wanted
    raise TypeError(f"query_string must be text, bytes, a mapping, a QueryMatcher or None, not {wanted!r}")


class RequestMatcher:
    """What a request is to be like: all of it that is given has to fit.

    `uri` is the path, decoded and without the query: text, a compiled pattern that it has to begin with, an object with
    `match(uri)`, or one that compares. `data` is the body, text in `data_encoding`, `json` the body as JSON. Of
    `headers` those have to be there, compared by `header_value_matcher`. `query_string` is text or bytes, compared as
    they are, or a mapping. Raises `ValueError` where there are both `data` and `json`, `TypeError` for another query.
    """

    def __init__(
        self,
        uri: UriWanted,
        method: str = METHOD_ALL,
        data: str | bytes | None = None,
        data_encoding: str = "utf-8",
        headers: Mapping[str, str] | None = None,
        query_string: QueryWanted = None,
        header_value_matcher: HeaderMatch | None = None,
        json: Any = UNDEFINED,
    ) -> None:
        if data is not None and json is not UNDEFINED:
            raise ValueError(f"data={data!r} and json={json!r} exclude each other: there is one body")
        self.uri = uri
        self.method = method
        self.data = data.encode(data_encoding) if isinstance(data, str) else data
        self.data_encoding = data_encoding
        self.headers = {} if headers is None else headers
        self.query_string = query_string
        self.query_matcher = _query_matcher(query_string)
        self.header_value_matcher: HeaderMatch = header_value_matcher or HeaderValueMatcher()
        self.json = json

    @property
    def wanted(self) -> str:
        """What it wants, in words."""
        return (
            f"uri={self.uri!r} method={self.method!r} query_string={self.query_string!r} "
            f"headers={self.headers!r} data={self.data!r} json={self.json!r}"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.wanted}>"

    def match_uri(self, request: Request) -> bool:
        """Whether the path fits."""
        if isinstance(self.uri, str):
            return self.uri in (URI_DEFAULT, request.path)
        ask = getattr(self.uri, "match", None)
        return bool(ask(request.path)) if ask is not None else bool(self.uri == request.path)

    def match_data(self, request: Request) -> bool:
        """Whether the body fits."""
        return self.data is None or request.data == self.data

    def match_json(self, request: Request) -> bool:
        """Whether the body is the JSON that is wanted, whatever its type says."""
        if self.json is UNDEFINED:
            return True
        try:
            return bool(jsons.loads(request.data.decode(self.data_encoding)) == self.json)
        except ValueError:
            return False

    def difference(self, request: Request) -> list[tuple[str, Any, Any]]:
        """What does not fit: for each of it the name, what the request has, and what is wanted."""
        found: list[tuple[str, Any, Any]] = []
        if not self.match_uri(request):
            found.append(("uri", request.path, self.uri))
        if self.method not in (METHOD_ALL, request.method):
            found.append(("method", request.method, self.method))
        if not self.query_matcher.match(request.query_string):
            found.append(("query_string", request.query_string, self.query_string))
        wrong = {
            name: request.headers.get(name)
            for name, wanted in self.headers.items()
            if not self.header_value_matcher(name, request.headers.get(name), wanted)
        }
        if wrong:
            found.append(("headers", wrong, {name: self.headers[name] for name in wrong}))
        if not self.match_data(request):
            found.append(("data", request.data, self.data))
        if not self.match_json(request):
            found.append(("json", request.data, self.json))
        return found

    def match(self, request: Request) -> bool:
        """Whether all of the request fits."""
        return not self.difference(request)

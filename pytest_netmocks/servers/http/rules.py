"""Rules over requests: what they match, what they answer, and why one did not match."""

from __future__ import annotations

import dataclasses
import inspect
import json as jsons
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, Unpack

from pytest_netmocks import check
from pytest_netmocks.rules import Rule
from pytest_netmocks.servers.http.messages import HttpRequest
from pytest_netmocks.servers.http.paths import PathPattern, readable
from pytest_netmocks.servers.http.response import NOTHING, Response, ResponseOptions

if TYPE_CHECKING:
    from pytest_netmocks.servers.exchange import Exchange
    from pytest_netmocks.servers.http.protocol import HttpProtocol
    from pytest_netmocks.servers.http.server import HttpServer
    from pytest_netmocks.servers.ws.endpoint import WsOptions
    from pytest_netmocks.servers.ws.route import WsRoute

Function = Callable[[HttpRequest], Response | Awaitable[Response]]
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


@dataclasses.dataclass(slots=True)
class HttpAnswer:
    """One answer: a response or the function that makes it, and how long after the request it is given."""

    made: Response | Function
    delay: float
    early: bool


def read_when(what: tuple[object, ...]) -> tuple[str | None, PathPattern]:
    """Method and path from `when`'s positional arguments. Raises `TypeError` or `ValueError`."""
    if not 1 <= len(what) <= 2:
        raise TypeError(f'when() takes a path, or a method and a path: when("GET", "/users"), not {what!r}')
    path = what[-1]
    if isinstance(path, str) and len(what) == 1 and path != "*" and _METHOD.match(path):
        raise ValueError(f'path must begin with a slash, not {path!r}: when({path!r}, "/users"), with a path after it')
    check.instance("path", path, (str, re.Pattern), "text or a compiled pattern of text")
    if isinstance(path, re.Pattern) and not isinstance(path.pattern, str):
        raise TypeError(f"path must be text or a compiled pattern of text, not {path!r}")
    method = what[0] if len(what) == 2 else None
    if method is not None:
        check.instance("method", method, str, "a method such as GET")
        if not _METHOD.match(str(method)):
            raise ValueError(f"method must be a method such as GET, not {method!r}")
    assert isinstance(path, (str, re.Pattern))
    return (str(method).upper() if method is not None else None), PathPattern(path)


class HttpMatch:
    """What a request has to have, and a word on why one has not."""

    def __init__(
        self,
        what: tuple[object, ...],
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, Any] | None = None,
        json: Any = NOTHING,
        form: Mapping[str, Any] | None = None,
        body: bytes | str | re.Pattern[Any] | None = None,
        matches: Callable[[HttpRequest], object] | None = None,
    ) -> None:
        self.method, self.path = read_when(what)
        for name, value in (("query", query), ("headers", headers), ("form", form)):
            check.instance(name, value, (Mapping, type(None)), "a mapping of names to values")
            for key, wanted in (value or {}).items():
                values = wanted if isinstance(wanted, (list, tuple)) and wanted else [wanted]
                for one in values:
                    check.instance(f"{name}: {key}", one, (str, int, float, re.Pattern), "text, a number or a pattern")
        check.instance("body", body, (bytes, str, re.Pattern, type(None)), "bytes, text or a compiled pattern")
        if matches is not None and not callable(matches):
            raise TypeError(f"matches must be a function of the request, not {matches!r}")
        self._fields = {"query": query or {}, "headers": headers or {}, "form": form or {}}
        self._json = json
        self._body = body
        self._matches = matches
        self.on_head = json is NOTHING and form is None and body is None and matches is None
        """Whether the head of a request is enough to decide."""
        self._plain = self.on_head and not query and not headers

    @property
    def label(self) -> str:
        """How it is written."""
        parts = [repr(self.method)] if self.method else []
        parts += [repr(self.path.text)]
        parts += [f"{name}={dict(value)!r}" for name, value in self._fields.items() if value]
        parts += [f"json={self._json!r}"] if self._json is not NOTHING else []
        parts += [f"body={self._body!r}"] if self._body is not None else []
        parts += [f"matches={self._matches!r}"] if self._matches is not None else []
        return ", ".join(parts)

    @property
    def short(self) -> str:
        """Method and path."""
        return f"{self.method or 'any method'} {self.path.text}"

    def takes(self, method: str) -> bool:
        """Whether the method is right; a GET rule answers HEAD."""
        return self.method is None or self.method == method or (self.method == "GET" and method == "HEAD")

    def match(self, request: HttpRequest) -> dict[str, Any] | None:
        """The path's parameters if the request matches."""
        if not self.takes(request.method):
            return None
        found = self.path.match(request.route)
        if found is None or self._plain:
            return found
        return None if next(self._differences(request, found), None) is not None else found

    def differences(self, request: HttpRequest) -> list[str]:
        """Why the request does not match, a line each; none if it does."""
        lines = []
        if not self.takes(request.method):
            lines.append(f"method: expected {self.method}, got {request.method}")
        found = self.path.match(request.route)
        if found is None:
            lines.append(f"path: expected {self.path.text}, got {readable(request.route)}")
        return lines + list(self._differences(request, found or {}))

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
                if not (_fits_all(value, got) if several else _fits(value, got)):
                    yield f"{name}: expected {key}={_shown(value)}, got {got!r}"
        if self._json is not NOTHING:
            yield from self._other_json(request)
        if self._body is not None and not _has_body(self._body, request):
            yield f"body: expected {_shown(self._body)}, got {request.body[:200]!r}"
        if self._matches is not None:
            before, request.path_params = request.path_params, found
            try:
                if not self._matches(request):
                    yield f"matches: {self._matches!r} says no"
            finally:
                request.path_params = before

    def _other_json(self, request: HttpRequest) -> Iterator[str]:
        try:
            got = request.json()
        except (ValueError, RecursionError) as error:
            yield f"json: expected {_as_json(self._json)}, got no JSON: {error}"
        else:
            if got != self._json:
                yield f"json: expected {_as_json(self._json)}, got {_as_json(got)}"


def _fits(wanted: object, got: str | None) -> bool:
    if got is None:
        return False
    return wanted.search(got) is not None if isinstance(wanted, re.Pattern) else got == str(wanted)


def _fits_all(wanted: Sequence[object], got: list[str]) -> bool:
    return len(wanted) == len(got) and all(map(_fits, wanted, got))


def _as_json(value: object) -> str:
    try:
        return jsons.dumps(value)
    except (TypeError, ValueError):
        return repr(value)  # something that only compares like JSON


def _shown(value: object) -> str:
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


Serve = Callable[["HttpProtocol", HttpRequest, "Exchange"], Awaitable[None]]
"""What answers a request by itself, in a task."""


class HttpRule(Rule["HttpAnswer | Serve"]):
    """What `when` of an HTTP server begins."""

    def __init__(self, server: HttpServer, match: HttpMatch) -> None:
        self._server = server
        self.match = match
        self.expected: int | str | None = None
        self.met = 0
        super().__init__(f"when({match.label})", server._inject_into)

    def reply(
        self,
        status: int | Response | Function | None = None,
        *,
        times: int | None = None,
        delay: float = 0.0,
        before_body: bool = False,
        **options: Unpack[ResponseOptions],
    ) -> Self:
        """Answer; gives the rule, so that answers chain to a sequence.

        The first argument is a status, a `Response`, or a function or coroutine function that takes the request and
        gives one; a plain function runs in a thread of its own and may block. The keywords are those of `Response`.
        Each answer is given `times` times (1 unless said), the last for ever unless said, `delay` seconds after the
        request; `before_body` as soon as its head is there. Raises `TypeError` or `ValueError` that names the argument.
        """
        check.number("delay", delay, unit="seconds", minimum=0)
        check.instance("before_body", before_body, bool, "True or False")
        made: Response | Function
        if isinstance(status, str):
            raise TypeError(f"status must be a number or a function, not {status!r}: write text={status!r} for a body")
        if isinstance(status, Response) or (callable(status) and not isinstance(status, type)):
            if options:
                raise TypeError(
                    f"a function or Response makes the whole answer: {sorted(options)[0]}= has no place there"
                )
            made = status
        else:
            unknown = set(options) - ResponseOptions.__annotations__.keys()
            if unknown:
                known = ["status", *ResponseOptions.__annotations__, "times", "delay", "before_body"]
                raise TypeError(f"reply() takes no {sorted(unknown)[0]!r}{check.nearest(sorted(unknown)[0], known)}")
            if status is not None and not isinstance(status, int):
                raise TypeError(f"status must be a number, a Response or a function of the request, not {status!r}")
            made = Response(status, **options)
        if before_body and not self.match.on_head:
            raise ValueError("before_body=True cannot be kept by a rule that looks at the body")
        self._server.may_answer_early = self._server.may_answer_early or before_body
        return self._add(HttpAnswer(made, delay, before_body), times)

    def websocket(self, **options: Unpack[WsOptions]) -> WsRoute:
        """Speak WebSocket on this path, on the same port; gives what has the words of a WebSocket server.

        The options are those of `netmocks.ws`. A request that is no handshake gets 426; the rule's faults strike the
        handshake. Raises `TypeError` or `ValueError` that names an option.
        """
        from pytest_netmocks.servers.ws.route import WsRoute  # the package asks for ours, too

        if self.match.method not in (None, "GET"):
            raise ValueError(f"a handshake is a GET: when({self.match.method!r}, ...) can never be one")
        unknown = sorted(set(options) - set(WsRoute.option_names))
        if unknown:
            raise TypeError(f"websocket() takes no {unknown[0]!r}{check.nearest(unknown[0], WsRoute.option_names)}")
        route = WsRoute(self._server, **options)
        self._add(route.serve, None)
        return route

    def expect(self, times: int | None = None) -> Self:
        """Fail the test at its end if no request met the rule, or not `times` of them, with what came instead."""
        if times is not None:
            check.whole("times", times, unit="how many requests", minimum=0)
        self.expected = "at least 1" if times is None else times
        return self

    def unmet(self) -> str | None:
        """What is to be said if the rule was expected and not met."""
        if self.expected is None or (self.met >= 1 if isinstance(self.expected, str) else self.met == self.expected):
            return None
        return f"{self.label} expected {self.expected} requests and met {self.met}"

    @property
    def next_answer(self) -> HttpAnswer | None:
        """What it would answer now."""
        turn = self._turn
        return turn.answer if turn is not None and isinstance(turn.answer, HttpAnswer) else None


async def make(answer: HttpAnswer, request: HttpRequest) -> Response:
    """The response of an answer. Raises whatever the function raises, `TypeError` if it gives something else."""
    if isinstance(answer.made, Response):
        return answer.made
    function: Any = answer.made
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        made = await function(request)
    else:
        from pytest_netmocks.servers.threads import in_a_thread

        made = await in_a_thread(function, request)
        if inspect.isawaitable(made):
            made = await made
    if not isinstance(made, Response):
        raise TypeError(f"{function!r} must give a Response, not {made!r}")
    return made

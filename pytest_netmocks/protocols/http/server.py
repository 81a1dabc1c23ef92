"""`HttpServer`: rules over requests, hosted applications and directories, and faults in the middle of an answer."""

from __future__ import annotations

import asyncio
import difflib
import heapq
import os
from typing import Any, ClassVar, Literal, Unpack, overload

from pytest_netmocks import check
from pytest_netmocks.faults.base import counts_messages
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.limits import By, Kind, Limit
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.http.apps import AsgiMount, is_asgi
from pytest_netmocks.protocols.http.files import FilesMount
from pytest_netmocks.protocols.http.limits import RefusingRule
from pytest_netmocks.protocols.http.limits import fields as limit_fields
from pytest_netmocks.protocols.http.lines import KNOWN
from pytest_netmocks.protocols.http.match import Criteria, HttpMatch, Method, Path, Wanted, match_of
from pytest_netmocks.protocols.http.mounts import Mount
from pytest_netmocks.protocols.http.rules import HttpAnswer, HttpRule, Matching, Serve, check_expect_continue
from pytest_netmocks.protocols.http.session import HttpProtocol
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.protocols.ws.frames import MessageEnds
from pytest_netmocks.protocols.ws.records import HttpConnection
from pytest_netmocks.records.connection import Address, Connection
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.rules.base import decide as decide_rules
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.servers.greeting import GreetingServer
from pytest_netmocks.servers.stack import Stack
from pytest_netmocks.servers.stream import StreamOptions
from pytest_netmocks.servers.urls import UrlFor

MAX_BODY = 64 << 20
"""Bytes of a request's body unless told otherwise."""

TOLD = 1000
"""Characters of a target that an answer repeats."""

COMPARED = 100
"""Characters of a path that is no rule's, and of the rules' paths, that are compared to find the nearest."""


class HttpServer(UrlFor, GreetingServer):
    """An HTTP/1.1 server: rules, then mounted applications and directories, then 404 that says what there is.

    `max_body` is the size in bytes above which a request's body gets 413. `expect_continue` says when a client that
    expects 100 before it sends a body gets that: `True` at once, `False` never, a number so many seconds late.
    """

    scheme = "http"
    in_messages = True
    secure_scheme: ClassVar[str | None] = "https"

    def __init__(
        self,
        *,
        max_body: int = MAX_BODY,
        expect_continue: bool | float = True,
        tls: bool = False,
        **options: Unpack[StreamOptions],
    ) -> None:
        check.whole("max_body", max_body, unit="bytes", minimum=0)
        check_expect_continue(expect_continue)
        self.max_body = max_body
        self.expect_continue = expect_continue
        super().__init__(tls=tls, **options)

    def _prepare(self) -> None:
        super()._prepare()
        self.rules: RuleBook[HttpRule] = self.book()
        """The rules, oldest first."""
        self.mounts: list[Mount] = []
        self.limits: list[Limit] = []
        """The rate limits of all requests."""
        self._limits_made = 0
        self.strikes_uploads = False
        """Whether some rule has faults on the bodies of requests."""
        self.looks_at_bodies = False
        """Whether some rule looks at the body of a request."""
        self.calls_to_match = False
        """Whether some rule asks a user's function."""
        self.may_answer_early = False
        """Whether some rule, or an application, does not wait for the body."""

    # What a test says

    @overload
    def when(self, path: Path, /, **criteria: Unpack[Criteria]) -> HttpRule: ...
    @overload
    def when(self, method: Method | None, path: Path, /, **criteria: Unpack[Criteria]) -> HttpRule: ...
    def when(self, *what: Any, **criteria: Unpack[Criteria]) -> HttpRule:
        """Begin a rule: `when("/path")`, `when("GET", "/users/{id}")`, or a compiled pattern for the path.

        The path of a CONNECT is a host and a port, `when("CONNECT", "host:443")`, or `"{host}:{port:int}"`; where it is
        answered with 2xx, what comes through the tunnel is answered here (RFC 9110, section 9.3.6).
        Places are `{name}` (a segment), `{name:int}`, `{name:float}` and `{rest:path}`; a GET rule answers HEAD too.
        Paths are compared segment by segment, each decoded: `/a%20b` is `/a b`, and the slash of `/a%2Fb` belongs to
        its segment. A pattern is compared with the decoded path, in which such a slash is `%2F`.
        `query`, `headers` and `form` are subsets of what has to be there (a value is text, a number, a compiled
        pattern, `None` for a field that is not there, or a list of all the values of a repeated name), `json` is the
        whole of it or a `Partial`, `body` bytes, text or a compiled pattern, `matches` a function of the request, which
        runs in a thread and may block. `Not` and `AnyOf` may stand for any of them but the function. Raises `TypeError`
        or `ValueError` that names the argument.
        """
        match = HttpMatch(what, **criteria)
        self.looks_at_bodies = self.looks_at_bodies or not match.on_head
        self.calls_to_match = self.calls_to_match or match.calls
        return self.rules.add(HttpRule(self, match))

    def limit(
        self,
        amount: int,
        per: float = 1.0,
        *,
        kind: Kind = "window",
        by: By = "client",
        name: str | None = None,
        status: int = 429,
    ) -> Limit:
        """Let `amount` requests through in `per` seconds, and refuse more with 429 and Retry-After (RFC 6585).

        A `"window"` begins with its first request, a `"bucket"` is refilled evenly; each client address has its own, or
        `by="all"` they share one. Every answer says what is left in RateLimit-Policy and RateLimit fields, under the
        `name`. It is in force until it is lifted, by `lift()` or at the end of a `with` block. Raises `TypeError` or
        `ValueError` that names the argument.
        """
        limit = self._make_limit(amount, per, kind, by, name, status)
        self.limits.append(limit)
        return limit

    def _make_limit(self, amount: int, per: float, kind: Kind, by: By, name: str | None, status: int) -> Limit:
        """What limits this server or one of its rules."""
        if name is None:
            self._limits_made += 1
            name = "default" if self._limits_made == 1 else f"default-{self._limits_made}"
        limit = Limit(amount, per, kind=kind, by=by, name=name)
        limit.refusing = RefusingRule(self, limit, status)
        self._catch_up()
        return limit

    def mount(self, app: Any, at: str = "/") -> None:
        """Serve a WSGI or ASGI application under the path; an ASGI one's lifespan begins now and ends with the server.

        Raises `TypeError` for what is neither, and what its start-up raises.
        """
        asgi = is_asgi(app)
        mount = AsgiMount(self, _prefix(at), app, asgi=asgi)
        self._begin_mount(mount)
        self.may_answer_early = True

    def serve_files(self, directory: str | os.PathLike[str], at: str = "/") -> None:
        """Serve the files below the directory (and `index.html` for a folder) under the path; nothing outside of it.

        Raises `NotADirectoryError` if there is none.
        """
        self._begin_mount(FilesMount(_prefix(at), directory))

    def _begin_mount(self, mount: Mount) -> None:
        self._catch_up()
        mount.begin()
        mount.author = self._author()
        self.mounts.append(mount)

    @overload
    def assert_requested(
        self, path: Path, /, *, times: int | None = None, complete: bool | None = True, **criteria: Unpack[Criteria]
    ) -> HttpRequest: ...
    @overload
    def assert_requested(
        self,
        method: Method | None,
        path: Path,
        /,
        *,
        times: int | None = None,
        complete: bool | None = True,
        **criteria: Unpack[Criteria],
    ) -> HttpRequest: ...
    def assert_requested(
        self, *what: Any, times: int | None = None, complete: bool | None = True, **criteria: Unpack[Criteria]
    ) -> HttpRequest:
        """Assert that a request like this came (exactly `times`, if given); gives the last one.

        The arguments are those of `when`. Requests that never came as a whole do not count unless asked for:
        `complete=False` means those alone, `None` all. The `AssertionError` says how the nearest request differs.
        """
        __tracebackhide__ = True
        if times is not None:
            check.whole("times", times, unit="how many requests", minimum=0)
        wanted = HttpMatch(what, "assert_requested", **criteria)
        requests = self.requests
        differences = [(wanted.differences(request), request) for request in requests]
        for lines, request in differences:
            if complete is not None and request.complete is not complete:
                came = "never came as a whole" if complete else "came as a whole"
                lines.append(f"complete: expected {complete}, and it {came}")
        found = [request for lines, request in differences if not lines]
        if found and (times is None or len(found) == times):
            return found[-1]
        expected = f"{times} requests" if times is not None else "a request"
        if times == 0 and not found:
            return None  # type: ignore[return-value]  # there is none, as was asserted
        lines = [f"expected {expected} {wanted.label}, found {len(found)} among {len(requests)}"]
        nearest = min((pair for pair in differences if pair[0]), key=lambda pair: len(pair[0]), default=None)
        if nearest is not None and not found:
            lines += [f"the nearest is {nearest[1]!r}:", *(f"  {line}" for line in nearest[0])]
        raise AssertionError("\n".join(lines))

    def assert_requested_in_order(self, *wanted: HttpRule | Wanted) -> list[HttpRequest]:
        """Assert that requests like these came as a whole, one after another, others between or not; gives those.

        Each is a path, a tuple of what `when` takes, `("GET", "/users")` or `("POST", "/users", {"json": {...}})`, or a
        rule, whose criteria are meant. The `AssertionError` names the first that did not come in its turn. Raises
        `TypeError` or `ValueError` for what is none of these.
        """
        __tracebackhide__ = True
        matches = [one.match if isinstance(one, HttpRule) else match_of(one) for one in wanted]
        requests = [request for request in self.requests if request.complete]
        found: list[HttpRequest] = []
        start = 0
        for number, match in enumerate(matches, 1):
            place = next((at for at in range(start, len(requests)) if not match.differences(requests[at])), None)
            if place is None:
                after = f" after {found[-1]!r}" if found else ""
                came = [f"  {request!r}" for request in requests] or ["  nothing"]
                raise AssertionError(
                    "\n".join([f"number {number}, {match.label}, did not come{after}; what came:", *came])
                )
            found.append(requests[place])
            start = place + 1
        return found

    # What the protocol asks

    def _protocol(self, link: Link, connection: Connection) -> asyncio.BaseProtocol:
        return HttpProtocol(self, link, connection)

    def _connection(self, number: int, address: Address) -> Connection:
        return HttpConnection(number, address, self.journal.now())

    def _arm_on(self, stack: Stack, injection: Injection) -> None:
        connection = stack.connection
        assert isinstance(connection, HttpConnection)
        if not counts_messages(injection.fault):
            super()._arm_on(stack, injection)
        elif connection.upgraded:
            stack.link.arm(injection, ends=MessageEnds(opened=True))
        else:
            stack.link.on_answers += ((injection, injection.chance()),)

    def matching(self, request: HttpRequest) -> Matching:
        """The rules that match the request, the newest first, with the path's parameters; in any thread."""
        found = []
        for rule in reversed(self.rules):
            params = rule.match.match(request)
            if params is not None:
                found.append((rule, params))
        return found

    def decide(self, request: HttpRequest, matching: Matching) -> Verdict[HttpRule]:
        """Who answers the request, and with which faults."""
        rules = [matching[0][0]] if len(matching) == 1 else [rule for rule, _ in matching]
        verdict = decide_rules(rules, request.connection, limits=self.limits)
        if verdict.quotas:
            request.more_fields = limit_fields(verdict.quotas)
        striking = verdict.striking
        first = verdict.answering or striking
        if first is not None:
            if matching and matching[0][0] is first:
                request.path_params = matching[0][1]
            else:
                request.path_params = next((params for rule, params in matching if rule is first), {})
            request.answered_by = first.label
            request.rules = (first,) if striking is None or striking is first else (first, striking)
        return verdict

    def answers_early(self, request: HttpRequest) -> Literal["rule", "mount"] | None:
        """What answers without waiting for the body: a rule that says so, an application that no rule is before."""
        if not self.may_answer_early:
            return None
        rule, sure = self.by_head(request)
        if rule is not None or not sure:
            answer = rule.next_answer if rule is not None else None
            return "rule" if answer is not None and answer.early else None
        mount = self._mount_of(request)
        return "mount" if mount is not None and mount.streams else None

    def by_head(self, request: HttpRequest) -> tuple[HttpRule | None, bool]:
        """The rule that will answer, by the request's head, and whether that is sure: one may look at the body."""
        for rule in reversed(self.rules):
            if rule.used_up or not rule.match.takes(request.method) or rule.match.path.match(request.route) is None:
                continue
            if not rule.match.on_head:
                return None, False  # it cannot be asked yet, and may win once the body is there
            if rule.answers and rule.match.match(request) is not None:
                return rule, True
        return None, True

    def when_to_continue(self, request: HttpRequest) -> bool | float:
        """When the client of a request is to be asked for its body."""
        if not self.rules:
            return self.expect_continue
        rule, _ = self.by_head(request)
        answer = rule.next_answer if rule is not None else None
        return self.expect_continue if answer is None or answer.asks is None else answer.asks

    def met_by_head(self, request: HttpRequest) -> None:
        """Say whose a request is that never came as a whole, if its head tells."""
        rule, _ = self.by_head(request)
        request.rules = (rule,) if rule is not None else ()

    def _mount_of(self, request: HttpRequest) -> Mount | None:
        return next((mount for mount in reversed(self.mounts) if mount.has(request.route)), None)

    def fallback(self, request: HttpRequest) -> HttpAnswer | Serve:
        """What answers when no rule does."""
        mount = self._mount_of(request)
        if mount is not None:
            return mount.serve
        own = self.endpoint(request)
        if own is not None:
            return own
        answer = self._not_found(request)
        # Clients throw such an answer away; in the report of the failing test it is what one wants to know.
        text = f"{answer.status}: " + "\n".join(answer.body.decode().splitlines()[:6])
        if request.answered_by:  # by a fault
            self.journal.note(request.connection.id, text)
        else:
            self.unmatched(request.connection, text, self.rules)
        return HttpAnswer(self._told(answer, request), 0.0, False)

    def endpoint(self, request: HttpRequest) -> HttpAnswer | None:
        """What the server has of its own below rules and mounts: nothing, here."""
        return None

    def _told(self, response: Response, request: HttpRequest) -> Response:
        """The answer where there is nothing, in the manner of the server."""
        return response

    def _not_found(self, request: HttpRequest) -> Response:
        target = request.target
        asked = f"{request.method} {target if len(target) <= TOLD else target[:TOLD] + '...'}"
        allowed: set[str] = set()
        anything = False
        for rule in self.rules:
            if rule.match.path.match(request.route) is not None:
                methods = rule.match.allowed
                anything = anything or (methods is None and not rule.used_up)
                allowed |= methods if methods is not None and rule.answers else set()
        if allowed and not anything and request.method not in allowed and request.method in KNOWN:
            text = f"{asked}: allowed are {', '.join(sorted(allowed))}\n"
            return Response(405, text=text, headers={"Allow": ", ".join(sorted(allowed))})
        if request.method not in KNOWN:  # RFC 9110, section 9.1
            return Response(501, text=f"{asked}: the method {request.method} is not implemented, no rule takes it\n")
        lines = [f"no rule matches {asked}"]
        for rule in self._nearest(request.path):
            lines.append(f"  {rule.match.short}  {rule.label}{' (used up)' if rule.used_up else ''}")
            if rule.match.takes(request.method) and rule.match.path.match(request.route) is not None:
                lines += [f"    {difference}" for difference in rule.match.differences(request, ask=False)]
        lines += [f"  mounted at {mount.at or '/'}" for mount in self.mounts]
        if not self.rules and not self.mounts:
            lines.append("  there are no rules")
        return Response(404, text="\n".join(lines) + "\n")

    def _nearest(self, path: str) -> list[HttpRule]:
        """The five rules whose paths are most like this one, as far as that is worth the time."""
        path = path[:COMPARED]
        likely = heapq.nlargest(20, self.rules, lambda rule: _alike(rule.match.path.text, path))
        compared = difflib.SequenceMatcher(None, "", path)

        def likeness(rule: HttpRule) -> float:
            compared.set_seq1(rule.match.path.text[:COMPARED])
            return compared.ratio()

        return heapq.nlargest(5, likely, likeness)

    def failed(self, error: BaseException) -> Response:
        """The answer when users' code raised."""
        return Response(500, text=f"{type(error).__name__}: {error}\n", headers={"Connection": "close"}, close=True)

    @property
    def requests(self) -> list[HttpRequest]:
        """Every request so far, oldest first."""
        return super().requests

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        self.looks_at_bodies = any(not rule.match.on_head for rule in self.rules)
        self.calls_to_match = any(rule.match.calls for rule in self.rules)
        self.strikes_uploads = any(rule.uploads for rule in self.rules)
        self.limits.clear()
        gone = [mount for mount in self.mounts if not self._lasts(mount.author, keep=keep)]
        self.mounts = [mount for mount in self.mounts if mount not in gone]
        for mount in gone:
            mount.end()

    def close(self) -> None:
        mounts, self.mounts = self.mounts, []
        for mount in mounts:
            mount.end()
        super().close()


def _alike(text: str, path: str) -> int:
    """How many characters both begin with, and how many both end with."""
    return _common(text, path) + _common(text[::-1], path[::-1])


def _common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _prefix(at: str) -> str:
    check.instance("at", at, str, "a path")
    if not at.startswith("/"):
        raise ValueError(f"at must begin with a slash, not {at!r}")
    return at.rstrip("/")


class HttpsServer(HttpServer):
    """An HTTP/1.1 server over TLS."""

    always_secure = True

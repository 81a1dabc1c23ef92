"""`HttpServer`: rules over requests, hosted applications and directories, and faults in the middle of an answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack, overload

from pytest_netmocks import check
from pytest_netmocks.faults.base import counts_messages
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.limits import By, Kind, Limit
from pytest_netmocks.link.link import Link
from pytest_netmocks.matchers import ANY_PATH
from pytest_netmocks.protocols.h2 import frames
from pytest_netmocks.protocols.http.apps import AsgiMount, is_asgi
from pytest_netmocks.protocols.http.desk import MAX_BODY, HttpDesk
from pytest_netmocks.protocols.http.files import FilesMount
from pytest_netmocks.protocols.http.match import Criteria, HttpMatch, Method, Path, Wanted, match_of
from pytest_netmocks.protocols.http.mounts import Mount
from pytest_netmocks.protocols.http.rules import HttpRule, check_expect_continue
from pytest_netmocks.protocols.http.session import HttpProtocol
from pytest_netmocks.protocols.web.records import HttpConnection
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.ws.frames import MessageEnds
from pytest_netmocks.protocols.ws.parts import parts
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Direction
from pytest_netmocks.rules.book import Exchanges, RuleBook
from pytest_netmocks.servers.greeting import GreetingServer
from pytest_netmocks.servers.stack import Stack
from pytest_netmocks.servers.stream import StreamOptions
from pytest_netmocks.servers.urls import UrlFor

if TYPE_CHECKING:
    from pytest_netmocks.protocols.rpc.json import JsonRpc
    from pytest_netmocks.protocols.rpc.methods import Methods
    from pytest_netmocks.protocols.rpc.xml import XmlRpc

ALPN = {"1.1": "http/1.1", "2": "h2"}
"""The versions of HTTP as ALPN has them (RFC 7301, section 6; RFC 9113, section 3.1)."""

USUAL = ("1.1", "2")


class HttpServer(UrlFor, GreetingServer):
    """An HTTP server: rules, then mounted applications and directories, then 404 that says what there is.

    It speaks HTTP/1.1 and HTTP/2: over TLS the client chooses by ALPN, and who knows beforehand that it is HTTP/2 just
    begins so (RFC 9113, section 3). `http_version` (`"1.1"` or `"2"`) leaves one of them.

    `max_body` is the size in bytes above which a request's body gets 413. `expect_continue` says when a client that
    expects 100 before it sends a body gets that: `True` at once, `False` never, a number so many seconds late.
    `max_concurrent_streams` is how many requests a client may have under way at once on a connection of HTTP/2; those
    beyond get REFUSED_STREAM.
    """

    scheme = "http"
    in_messages = True
    in_frames = True
    secure_scheme: ClassVar[str | None] = "https"
    accepts: ClassVar[Mapping[str, check.Accept]] = {
        "max_body": check.kept(check.whole, unit="bytes", minimum=0),
        "expect_continue": check.kept(check_expect_continue),
        "max_concurrent_streams": check.kept(check.whole, unit="streams", minimum=0, maximum=(1 << 32) - 1),
    }
    versions: ClassVar[Sequence[str]] = USUAL
    _spoken: Sequence[str] = USUAL
    """The versions of HTTP that it can speak."""

    def __init__(
        self,
        *,
        max_body: int = MAX_BODY,
        expect_continue: bool | float = True,
        http_version: Literal["1.1", "2"] | None = None,
        max_concurrent_streams: int = frames.STREAMS,
        tls: bool = False,
        **options: Unpack[StreamOptions],
    ) -> None:
        accepted: dict[str, Any] = {}
        if max_body is not MAX_BODY or expect_continue is not True:  # else they are as its desk has them
            accepted = self._accepted(max_body=max_body, expect_continue=expect_continue)
        if max_concurrent_streams is not frames.STREAMS:
            accepted |= self._accepted(max_concurrent_streams=max_concurrent_streams)
        spoken = self.versions
        if http_version is not None:
            check.one_of("http_version", http_version, self.versions)
            spoken = (http_version,)
        if tls is True or self.always_secure:
            self._agree_on(spoken, options, picked=http_version is not None)
        if spoken != USUAL:
            self._spoken = spoken
        super().__init__(tls=tls, **options)
        for name, value in accepted.items():
            setattr(self, name, value)

    @staticmethod
    def _agree_on(spoken: Sequence[str], options: StreamOptions, *, picked: bool) -> None:
        """Offer by ALPN what is spoken, unless something else is given. Raises `ValueError` where they contradict."""
        given = options.get("alpn")
        if given is None:
            options["alpn"] = [ALPN[version] for version in reversed(spoken)]
        elif picked and isinstance(given, (list, tuple)) and not set(given) & {ALPN[version] for version in spoken}:
            raise ValueError(f"http_version={spoken[0]!r} is {ALPN[spoken[0]]!r} in ALPN, which alpn={given!r} lacks")

    def _prepare(self) -> None:
        super()._prepare()
        self.desk = self._make_desk()
        """What its sessions ask."""
        if self._spoken is not USUAL:
            self.desk.versions = frozenset(self._spoken)
            self.front.in_frames = "2" in self._spoken

    def _make_exchanges(self) -> Exchanges[HttpRule]:
        """Each request is one, whatever answers it."""
        return Exchanges(self.desk.rules, HttpRule(self.desk, HttpMatch((ANY_PATH,))))

    def _make_desk(self) -> HttpDesk:
        """What sessions are to ask."""
        return HttpDesk(self)

    def parts(self, connection: Connection, direction: Direction, data: bytes) -> Iterable[int]:
        """As any server's: the lines of heads, chunks and bodies, and the parts of frames of WebSocket and HTTP/2."""
        return frames.parts(data) if frames.are_frames(data) else parts(data)

    @property
    def rules(self) -> RuleBook[HttpRule]:
        """The rules, oldest first."""
        return self.desk.rules

    @property
    def mounts(self) -> list[Mount]:
        """What is mounted, oldest first."""
        return self.desk.mounts

    @property
    def limits(self) -> list[Limit]:
        """The rate limits of all requests."""
        return self.desk.limits

    @property
    def max_body(self) -> int:
        """Bytes above which a request's body gets 413."""
        return self.desk.max_body

    @max_body.setter
    def max_body(self, size: int) -> None:
        self.desk.max_body = size

    @property
    def expect_continue(self) -> bool | float:
        """When a client that expects 100 gets that."""
        return self.desk.expect_continue

    @expect_continue.setter
    def expect_continue(self, when: bool | float) -> None:
        self.desk.expect_continue = when

    @property
    def http_version(self) -> str | None:
        """The one version of HTTP that it speaks, `None` where there are several."""
        versions = self.desk.versions
        return next(iter(versions)) if len(versions) == 1 else None

    @property
    def max_concurrent_streams(self) -> int:
        """How many requests a client may have under way at once on a connection of HTTP/2; for new connections."""
        return self.desk.max_concurrent_streams

    @max_concurrent_streams.setter
    def max_concurrent_streams(self, streams: int) -> None:
        self.desk.max_concurrent_streams = streams

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
        return self.desk.add(HttpMatch(what, **criteria))

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
        limit = self.desk.make_limit(amount, per, kind, by, name, status)
        self.desk.limits.append(limit)
        return limit

    def mount(self, app: Any, at: str = "/") -> None:
        """Serve a WSGI or ASGI application under the path; an ASGI one's lifespan begins now and ends with the server.

        Raises `TypeError` for what is neither, and what its start-up raises.
        """
        asgi = is_asgi(app)
        mount = AsgiMount(self, _prefix(at), app, asgi=asgi)
        self._begin_mount(mount)
        self.desk.may_answer_early = True

    def serve_files(self, directory: str | os.PathLike[str], at: str = "/") -> None:
        """Serve the files below the directory (and `index.html` for a folder) under the path; nothing outside of it.

        Raises `NotADirectoryError` if there is none.
        """
        self._begin_mount(FilesMount(_prefix(at), directory))

    def xmlrpc(self, methods: Methods, at: str = "/RPC2", *, use_builtin_types: bool = True) -> XmlRpc:
        """Answer XML-RPC calls (xmlrpc.com/spec.md) that come to the path; gives what has a record of them, `calls`.

        `methods` are functions by name, or an object whose public methods are called; plain ones may block, coroutine
        functions run in the servers' loop. What one raises is a fault: an `xmlrpc.client.Fault` as it is, anything else
        with code 1, as the standard library's server has it. Introspection and `system.multicall` are there.
        `use_builtin_types` gives functions `datetime` and `bytes` instead of `xmlrpc.client`'s own. Raises `TypeError`
        or `ValueError` that names the argument.
        """
        from pytest_netmocks.protocols.rpc.xml import XmlRpc  # only where there is one

        check.instance("use_builtin_types", use_builtin_types, bool, "True or False")
        endpoint = XmlRpc(methods, _prefix(at), use_builtin_types=use_builtin_types)
        self._begin_mount(endpoint)
        return endpoint

    def jsonrpc(self, methods: Methods, at: str = "/rpc") -> JsonRpc:
        """Answer JSON-RPC 2.0 calls (jsonrpc.org/specification) that come to the path, batches and notifications too.

        Gives what has a record of the calls, `calls`. `methods` are as those of `xmlrpc`. What one raises is an error:
        a `JsonRpcError` as it is, anything else with code -32000. Raises `TypeError` or `ValueError` that names the
        argument.
        """
        from pytest_netmocks.protocols.rpc.json import JsonRpc  # as above

        endpoint = JsonRpc(methods, _prefix(at))
        self._begin_mount(endpoint)
        return endpoint

    def _mind_requests(self) -> None:
        self.desk.max_requests = self.max_requests

    def _begin_mount(self, mount: Mount) -> None:
        self.catch_up()
        mount.begin()
        mount.author = self.author_now()
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
        if self.desk.begins_in_frames(link):
            from pytest_netmocks.protocols.http.http2 import Http2Protocol  # loads the library

            return Http2Protocol(self.desk, link, connection)
        return HttpProtocol(self.desk, link, connection)

    def _connection(self, number: int, address: Address) -> Connection:
        return HttpConnection(number, address, self.journal.now())

    def arm_on(self, stack: Stack, injection: Injection) -> None:
        connection = stack.connection
        assert isinstance(connection, HttpConnection)
        if not counts_messages(injection.fault):
            super().arm_on(stack, injection)
        elif connection.upgraded:
            stack.link.arm(injection, ends=MessageEnds(opened=True))
        else:
            stack.link.on_answers += ((injection, injection.chance()),)

    @property
    def requests(self) -> list[HttpRequest]:
        """Every request so far, oldest first."""
        return super().requests

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        self.desk.look_again()
        self.limits.clear()
        gone = [mount for mount in self.mounts if not self._lasts(mount.author, keep=keep)]
        self.mounts[:] = [mount for mount in self.mounts if mount not in gone]
        for mount in gone:
            mount.end()
        for mount in self.mounts:
            mount.begin_again()

    def close(self) -> None:
        mounts = self.mounts[:]
        self.mounts.clear()
        for mount in mounts:
            mount.end()
        super().close()


def _prefix(at: str) -> str:
    check.instance("at", at, str, "a path")
    if not at.startswith("/"):
        raise ValueError(f"at must begin with a slash, not {at!r}")
    return at.rstrip("/")


class HttpsServer(HttpServer):
    """An HTTP server over TLS: HTTP/2 for who offers it by ALPN, else HTTP/1.1."""

    always_secure = True

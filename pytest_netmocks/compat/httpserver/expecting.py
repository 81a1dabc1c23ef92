"""`HTTPServer`: what is expected once, in order, or for good."""

from __future__ import annotations

import copy
import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Unpack

from pytest_netmocks.compat.httpserver.baked import BakedHTTPServer
from pytest_netmocks.compat.httpserver.base import HTTPServerBase
from pytest_netmocks.compat.httpserver.errors import Error
from pytest_netmocks.compat.httpserver.handlers import HandlerType, RequestHandler, RequestHandlerList
from pytest_netmocks.compat.httpserver.matching import (
    METHOD_ALL,
    Criteria,
    RequestMatcher,
    RequestMatcherKwargs,
    UriWanted,
)
from pytest_netmocks.compat.httpserver.waiting import Outcome, Waiting, WaitingSettings

if TYPE_CHECKING:
    import ssl

    from werkzeug import Request, Response


class HTTPServer(HTTPServerBase):
    """An HTTP server in pytest-httpserver's words, on a server of ours.

    What is expected in order comes first and has to come in its turn: else every request fails from then on. Then comes
    what is expected once, then what is expected for good; of each the oldest that fits answers.
    `default_waiting_settings` are those of `wait`. The other arguments are those of the base, but for the
    `startup_timeout`, for which pytest-httpserver waits until its server answers: here `start()` returns when it does.
    """

    def __init__(
        self,
        host: str = HTTPServerBase.DEFAULT_LISTEN_HOST,
        port: int = HTTPServerBase.DEFAULT_LISTEN_PORT,
        ssl_context: ssl.SSLContext | None = None,
        default_waiting_settings: WaitingSettings | None = None,
        *,
        threaded: bool = False,
        startup_timeout: float | None = None,
    ) -> None:
        super().__init__(host, port, ssl_context, threaded=threaded)
        self.ordered_handlers: list[RequestHandler] = []
        self.oneshot_handlers = RequestHandlerList()
        self.handlers = RequestHandlerList()
        self.permanently_failed = False
        self.default_waiting_settings = default_waiting_settings or WaitingSettings()
        self.startup_timeout = startup_timeout
        self._settings = copy.copy(self.default_waiting_settings)
        self._outcome = Outcome()
        self._finding = threading.Lock()
        self._readiness_check_pending = False

    def start(self) -> None:
        super().start()
        self._readiness_check_pending = self.startup_timeout is not None
        try:
            self.wait_for_server_ready()
        except BaseException:
            self.stop()
            raise

    def wait_for_server_ready(self) -> None:
        """Return when the server answers; it does when it is started. A subclass may want more of its own."""
        self._readiness_check_pending = False

    def clear(self) -> None:
        """Forget everything that was expected, what came and what went wrong."""
        super().clear()
        self.clear_all_handlers()
        self.permanently_failed = False

    def clear_all_handlers(self) -> None:
        """Expect nothing any more."""
        self.ordered_handlers = []
        self.oneshot_handlers = RequestHandlerList()
        self.handlers = RequestHandlerList()

    # What is expected

    def expect(self, matcher: RequestMatcher, handler_type: HandlerType = HandlerType.PERMANENT) -> RequestHandler:
        """Expect requests that fit the matcher; gives what says the answer. Raises `TypeError` for no `HandlerType`."""
        handler = RequestHandler(matcher)
        if handler_type is HandlerType.PERMANENT:
            self.handlers.append(handler)
        elif handler_type is HandlerType.ONESHOT:
            self.oneshot_handlers.append(handler)
        elif handler_type is HandlerType.ORDERED:
            self.ordered_handlers.append(handler)
        else:
            raise TypeError(f"handler_type must be a HandlerType, not {handler_type!r}")
        return handler

    def expect_request(
        self,
        uri: UriWanted,
        method: str = METHOD_ALL,
        data: str | bytes | None = None,
        *,
        handler_type: HandlerType = HandlerType.PERMANENT,
        **criteria: Unpack[Criteria],
    ) -> RequestHandler:
        """Expect requests like this for good; gives what says the answer. The arguments are `RequestMatcher`'s."""
        matcher = self.create_matcher(uri, method=method.upper(), data=data, **criteria)
        return self.expect(matcher, handler_type)

    def expect_oneshot_request(
        self, uri: UriWanted, method: str = METHOD_ALL, data: str | bytes | None = None, **criteria: Unpack[Criteria]
    ) -> RequestHandler:
        """As `expect_request`, once, whenever it comes."""
        return self.expect_request(uri, method, data, handler_type=HandlerType.ONESHOT, **criteria)

    def expect_ordered_request(
        self, uri: UriWanted, method: str = METHOD_ALL, data: str | bytes | None = None, **criteria: Unpack[Criteria]
    ) -> RequestHandler:
        """As `expect_request`, once, when all that were expected so before it have come."""
        return self.expect_request(uri, method, data, handler_type=HandlerType.ORDERED, **criteria)

    def bake(self, **kwargs: Unpack[RequestMatcherKwargs]) -> BakedHTTPServer:
        """The server with defaults for what is expected of it."""
        return BakedHTTPServer(self, **kwargs)

    def format_matchers(self) -> str:
        """What is expected, in words."""
        kinds: dict[str, Sequence[RequestHandler]] = {
            "Ordered matchers:": self.ordered_handlers,
            "Oneshot matchers:": self.oneshot_handlers,
            "Persistent matchers:": self.handlers,
        }
        parts = []
        for head, handlers in kinds.items():
            parts.append("\n".join([head, *(f"    {handler.matcher!r}" for handler in handlers or ())]))
            if not handlers:
                parts[-1] += "\n    none"
        return "\n\n".join(parts)

    # What comes

    def respond_nohandler(self, request: Request, extra_message: str = "") -> Response:
        response = super().respond_nohandler(request, self.format_matchers() + extra_message)
        if self._settings.stop_on_nohandler:
            self._outcome.say(False)
        return response

    def respond_permanent_failure(self) -> Response:
        """The answer once something came out of its order; `check_assertions` raises it, too."""
        from werkzeug import Response  # whose request it answers

        self.add_assertion("All requests fail: one came that was not the next of those expected in order")
        return Response("No handler found for this request", 500)

    def _find(self, request: Request) -> RequestHandler | None:
        """Who answers the request; what is expected once is not any more."""
        if self.ordered_handlers:
            handler = self.ordered_handlers[0]
            if not handler.matcher.match(request):
                self.permanently_failed = True
                return None
            self.ordered_handlers.pop(0)
        else:
            once = self.oneshot_handlers.match(request)
            if once is None:
                return self.handlers.match(request)
            handler = once
            self.oneshot_handlers.remove(handler)
        if not self.ordered_handlers and not self.oneshot_handlers:
            self._outcome.say(True)
        return handler

    def dispatch(self, request: Request) -> Response:
        if self.permanently_failed:
            return self.respond_permanent_failure()
        with self._finding:
            handler = self._find(request)
        if handler is None:
            return self.respond_nohandler(request)
        try:
            response: Any = handler.respond(request)
        except Error:
            raise  # nobody's function: a request to an expectation without an answer
        except AssertionError as error:
            self.add_assertion(error)
            raise
        except Exception as error:
            self.handler_errors.append(error)
            raise
        from werkzeug import Response

        return Response(response or "") if response is None or isinstance(response, str) else response

    # What came

    @contextmanager
    def wait(
        self,
        raise_assertions: bool | None = None,
        stop_on_nohandler: bool | None = None,
        timeout: float | None = None,
    ) -> Generator[Waiting]:
        """At the end of the block wait until everything came that is expected once, or in order.

        `None` is what `default_waiting_settings` say, and there is what each means. Raises `AssertionError` with what
        is still expected, or with the request that nothing expects.
        """
        usual = self.default_waiting_settings
        settings = WaitingSettings(
            usual.raise_assertions if raise_assertions is None else raise_assertions,
            usual.stop_on_nohandler if stop_on_nohandler is None else stop_on_nohandler,
            usual.timeout if timeout is None else timeout,
        )
        self._settings = settings
        self._outcome.clear()
        waiting = Waiting()
        yield waiting
        result = self._outcome.wait(settings.timeout)
        waiting.complete(bool(result))
        if not settings.raise_assertions or result:
            return
        if result is None:
            raise AssertionError(f"Wait timeout occurred, but some handlers left:\n{self.format_matchers()}")
        self.check_assertions()

    def iter_matching_requests(self, matcher: RequestMatcher) -> Iterable[tuple[Request, Response]]:
        """The requests in the log that fit the matcher, each with its answer."""
        return (pair for pair in self.log if matcher.match(pair[0]))

    def get_matching_requests_count(self, matcher: RequestMatcher) -> int:
        """How many requests in the log fit the matcher."""
        return sum(1 for _ in self.iter_matching_requests(matcher))

    def assert_request_made(self, matcher: RequestMatcher, *, count: int = 1) -> None:
        """Assert that so many requests in the log fit; else the `AssertionError` shows those of the same path."""
        __tracebackhide__ = True
        found = self.get_matching_requests_count(matcher)
        if found == count:
            return
        lines = [f"Matching request found {found} times but expected {count} times.", f"Expected request: {matcher}"]
        similar = [request for request, _ in self.log if request.path == matcher.uri]
        lines.append(f"Found {len(similar)} similar request(s):" if similar else "No similar requests found.")
        for request in similar:
            lines += [
                "--- Similar Request Start",
                f"Path: {request.path}",
                f"Method: {request.method}",
                f"Body: {request.get_data()!r}",
                f"Headers: {request.headers}",
                f"Query String: {request.query_string.decode('utf-8', 'replace')!r}",
                "--- Similar Request End",
            ]
        raise AssertionError("\n".join(lines) + "\n")

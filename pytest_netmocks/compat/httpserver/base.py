"""`HTTPServerBase`: a server of ours that takes pytest-httpserver's words and hands each request to what was said."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from ipaddress import ip_address
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pytest_netmocks.compat.httpserver.errors import Error, HTTPServerError
from pytest_netmocks.compat.httpserver.matching import RequestMatcher

if TYPE_CHECKING:
    import ssl

    from werkzeug import Request, Response

    from pytest_netmocks.protocols.http.server import HttpServer

ENDING = 120.0
"""Seconds that `stop()` gives a handler that is still at it."""


class HTTPServerBase(ABC):
    """Base of the servers: up and down, what came, what went wrong.

    `host` and `port` are where it listens, port 0 for any free one, `ssl_context` is a context of a server's for TLS.
    Unless it is `threaded` it answers one request after another. `log` has every request with its answer,
    `no_handler_status_code` is the status for a request that nothing expects. `server` is the server of ours below.
    """

    DEFAULT_LISTEN_HOST = "localhost"
    DEFAULT_LISTEN_PORT = 0

    def __init__(
        self, host: str, port: int, ssl_context: ssl.SSLContext | None = None, *, threaded: bool = False
    ) -> None:
        self.host = host
        self.port = port
        self.ssl_context = ssl_context
        self.threaded = threaded
        self.assertions: list[str | AssertionError] = []
        self.handler_errors: list[Exception] = []
        self.log: list[tuple[Request, Response]] = []
        self.no_handler_status_code = 500
        self._server: HttpServer | None = None
        self._running = False
        self._turn = threading.RLock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} host={self.host} port={self.port}>"

    @property
    def server(self) -> HttpServer:
        """The server of ours that it is on, with faults, rules and records: `httpserver.server.inject(Reset())`.

        After a `stop()` the records are still there; `start()` makes another. Raises `HTTPServerError` before that.
        """
        if self._server is None:
            raise HTTPServerError(f"{self!r} was not started yet")
        return self._server

    # Up and down

    def is_running(self) -> bool:
        """Whether it is up."""
        return self._running

    def start(self) -> None:
        """Listen. Raises `HTTPServerError` if it does already, an `OSError` that names the address if it cannot."""
        if self._running:
            raise HTTPServerError(f"{self!r} is already running")
        from pytest_netmocks.compat.httpserver.below import below  # the plugin is to cost nothing

        server = below(self.host, self.port, self.ssl_context)
        server.mount(self._answer)
        server.start()
        server.renewed = server.shared_by is not None
        self._server, self._running = server, True
        self.port = server.port

    def stop(self) -> None:
        """Go down and give the port back, once what is being answered is. Raises `HTTPServerError` if it is not up."""
        if not self._running:
            raise HTTPServerError(f"{self!r} is not running")
        ended = self._turn.acquire(timeout=ENDING)
        try:
            self._running = False
            self.server.close()
        finally:
            if ended:
                self._turn.release()

    def __enter__(self) -> Self:
        if not self._running:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running:
            self.stop()

    def url_for(self, suffix: str) -> str:
        """The URL of a path, with or without a slash before it; a query in it stays."""
        scheme = "http" if self.ssl_context is None else "https"
        return f"{scheme}://{self.format_host(self.host)}:{self.port}/{suffix.removeprefix('/')}"

    @staticmethod
    def format_host(host: str) -> str:
        """The host as URLs have it: an IPv6 address in brackets."""
        try:
            return f"[{host}]" if ip_address(host).version == 6 else host
        except ValueError:
            return host

    # What went wrong

    def clear(self) -> None:
        """Forget what came and what went wrong."""
        self.clear_assertions()
        self.clear_handler_errors()
        self.clear_log()
        self.no_handler_status_code = 500

    def clear_assertions(self) -> None:
        """Forget the assertions."""
        self.assertions = []

    def clear_handler_errors(self) -> None:
        """Forget what handlers raised."""
        self.handler_errors = []

    def clear_log(self) -> None:
        """Forget the requests."""
        self.log = []

    def add_assertion(self, obj: str | AssertionError) -> None:
        """Let `check_assertions` raise that, in its turn."""
        self.assertions.append(obj)

    def check(self) -> None:
        """As `check_assertions`, then as `check_handler_errors`."""
        self.check_assertions()
        self.check_handler_errors()

    def check_assertions(self) -> None:
        """Raise the oldest `AssertionError` that nobody has seen: a handler's, or that of an unexpected request."""
        if self.assertions:
            assertion = self.assertions.pop(0)
            raise assertion if isinstance(assertion, AssertionError) else AssertionError(assertion)

    def check_handler_errors(self) -> None:
        """Raise the oldest error of a handler that nobody has seen, but for an `AssertionError`."""
        if self.handler_errors:
            raise self.handler_errors.pop(0)

    # Requests

    def create_matcher(self, *args: Any, **kwargs: Any) -> RequestMatcher:
        """What the arguments of `expect_request` and its like become; a subclass may have others."""
        return RequestMatcher(*args, **kwargs)

    def respond_nohandler(self, request: Request, extra_message: str = "") -> Response:
        """The answer to a request that nothing expects; `check_assertions` raises it, too."""
        from werkzeug import Response  # whose request this is

        text = f"No handler found for request {request!r} with data {request.data!r}.{extra_message}"
        self.add_assertion(text)
        return Response(text, self.no_handler_status_code)

    @abstractmethod
    def dispatch(self, request: Request) -> Response:
        """The answer to a request. Raises what users' functions raise."""

    def application(self, request: Request) -> Response:
        """As `dispatch`, and the request is in the log with its answer."""
        request.get_data()
        response = self.dispatch(request)
        self.log.append((request, response))
        return response

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """The application of WSGI that is mounted; it runs in a thread of its own for each request."""
        response: Any
        try:
            from werkzeug import Request
            from werkzeug.exceptions import HTTPException, InternalServerError
        except ImportError:
            raise ImportError(
                "pytest_netmocks.compat.httpserver gives requests and answers of Werkzeug's: "
                "pip install 'pytest-netmocks[httpserver]'"
            ) from None
        request = Request(environ)
        try:
            if self.threaded:
                response = self.application(request)
            else:
                with self._turn:
                    response = self.application(request)
        except HTTPException as error:  # as Werkzeug's own servers take one
            response = error.get_response(environ)
        except Exception as error:  # noqa: BLE001  # it is kept where check() looks; the client gets a 500
            self.server.hear_soon(f"500: the answer to {request.method} {request.path} is {error!r}")
            self._remember(error)
            response = InternalServerError().get_response(environ)
        answer: Iterable[bytes] = response(environ, start_response)
        return answer

    def _remember(self, error: Exception) -> None:
        """Keep what was raised outside of handlers, by a matcher say: it would be lost."""
        known = [*self.assertions, *self.handler_errors]
        if not isinstance(error, Error) and not any(error is one for one in known):
            self.handler_errors.append(error)

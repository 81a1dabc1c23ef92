"""`BakedHTTPServer`: a server whose expectations have something in common."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol, Self, Unpack

from pytest_netmocks.compat.httpserver.handlers import RequestHandler
from pytest_netmocks.compat.httpserver.matching import RequestMatcherKwargs, UriWanted


class Expecting(Protocol):
    """What is asked of the server."""

    def is_running(self) -> bool:
        """Whether it is up."""

    def start(self) -> None:
        """Go up."""

    def stop(self) -> None:
        """Go down."""

    def expect_request(self, uri: UriWanted, **kwargs: Unpack[RequestMatcherKwargs]) -> RequestHandler:
        """Expect requests."""

    def expect_oneshot_request(self, uri: UriWanted, **kwargs: Unpack[RequestMatcherKwargs]) -> RequestHandler:
        """Expect one request."""

    def expect_ordered_request(self, uri: UriWanted, **kwargs: Unpack[RequestMatcherKwargs]) -> RequestHandler:
        """Expect one request in its turn."""


class BakedHTTPServer:
    """What `bake` of a server gives: its words, with defaults for what is expected; the call's own argument wins."""

    def __init__(self, server: Expecting, **kwargs: Unpack[RequestMatcherKwargs]) -> None:
        self._server = server
        self._defaults = kwargs
        self._depth = 0
        self._started = False

    def __enter__(self) -> Self:
        if self._depth == 0 and not self._server.is_running():
            self._server.start()
            self._started = True
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0 and self._started:
            self._started = False
            if self._server.is_running():
                self._server.stop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} defaults={self._defaults!r} server={self._server!r}>"

    def _with(self, given: RequestMatcherKwargs) -> RequestMatcherKwargs:
        return self._defaults | given

    def bake(self, **kwargs: Unpack[RequestMatcherKwargs]) -> BakedHTTPServer:
        """The server with these defaults over those that it has."""
        return type(self)(self._server, **self._with(kwargs))

    def expect_request(self, uri: UriWanted, **kwargs: Unpack[RequestMatcherKwargs]) -> RequestHandler:
        """As the server's, with the defaults."""
        return self._server.expect_request(uri, **self._with(kwargs))

    def expect_oneshot_request(self, uri: UriWanted, **kwargs: Unpack[RequestMatcherKwargs]) -> RequestHandler:
        """As the server's, with the defaults."""
        return self._server.expect_oneshot_request(uri, **self._with(kwargs))

    def expect_ordered_request(self, uri: UriWanted, **kwargs: Unpack[RequestMatcherKwargs]) -> RequestHandler:
        """As the server's, with the defaults."""
        return self._server.expect_ordered_request(uri, **self._with(kwargs))

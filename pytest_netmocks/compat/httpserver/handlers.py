"""What answers requests, in pytest-httpserver's words."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from pytest_netmocks.compat.httpserver.errors import NoHandlerError
from pytest_netmocks.compat.httpserver.matching import RequestMatcher

if TYPE_CHECKING:
    from werkzeug import Request, Response

    Hook = Callable[[Request, Response], Response]
    """Takes an answer and gives what is answered instead."""

HeadersGiven = Mapping[str, "str | Iterable[str]"] | Iterable[tuple[str, str]]
"""Header fields; a mapping has one value or several for a name."""


class HandlerType(Enum):
    """How often something is expected, and when."""

    PERMANENT = "permanent"
    ONESHOT = "oneshot"
    ORDERED = "ordered"


class RequestHandlerBase(ABC):
    """Base of what answers."""

    def respond_with_json(
        self,
        response_json: Any,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> None:
        """Answer with the value as JSON. Raises `TypeError` for what JSON has not."""
        self.respond_with_data(json.dumps(response_json, indent=4), status, headers, content_type=content_type)

    def respond_with_data(
        self,
        response_data: str | bytes = "",
        status: int = 200,
        headers: HeadersGiven | None = None,
        mimetype: str | None = None,
        content_type: str | None = None,
    ) -> None:
        """Answer with the body; the arguments are those of `werkzeug.Response`."""
        from werkzeug import Response  # only with an answer, which is Werkzeug's

        self.respond_with_response(Response(response_data, status, headers, mimetype, content_type))

    @abstractmethod
    def respond_with_response(self, response: Response) -> None:
        """Answer with the response."""


class RequestHandler(RequestHandlerBase):
    """What answers the requests that fit; what is said last is answered."""

    def __init__(self, matcher: RequestMatcher) -> None:
        self.matcher = matcher
        self.request_handler: Callable[[Request], Response] | None = None
        self._hooks: list[Hook] = []

    def with_post_hook(self, hook: Hook) -> RequestHandler:
        """Let the function have every answer before it is given, after those of earlier calls."""
        self._hooks.append(hook)
        return self

    def respond(self, request: Request) -> Response:
        """The answer to a request. Raises `NoHandlerError` where none was said, and what users' functions raise."""
        if self.request_handler is None:
            raise NoHandlerError(f"no answer was said for {request.method} {request.path}, expected by {self!r}")
        response = self.request_handler(request)
        for hook in self._hooks:
            response = hook(request, response)
        return response

    def respond_with_handler(self, func: Callable[[Request], Response]) -> None:
        """Answer with what the function gives; it runs in a thread and may block."""
        self.request_handler = func

    def respond_with_response(self, response: Response) -> None:
        self.request_handler = lambda request: response

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.matcher.wanted}>"


class RequestHandlerList(list[RequestHandler]):
    """Handlers, of which the first that fits answers."""

    def match(self, request: Request) -> RequestHandler | None:
        """The first that the request fits, `None` if there is none."""
        return next((handler for handler in self if handler.matcher.match(request)), None)

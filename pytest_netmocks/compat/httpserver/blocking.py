"""`BlockingHTTPServer`: the test takes each request as it comes, and answers it there."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Unpack

from pytest_netmocks.compat.httpserver.base import HTTPServerBase
from pytest_netmocks.compat.httpserver.handlers import RequestHandlerBase
from pytest_netmocks.compat.httpserver.matching import METHOD_ALL, Criteria, UriWanted

if TYPE_CHECKING:
    import ssl

    from werkzeug import Request, Response


class BlockingRequestHandler(RequestHandlerBase):
    """What `assert_request` gives: it answers that request."""

    def __init__(self) -> None:
        self.response_queue: queue.Queue[Response] = queue.Queue()

    def respond_with_response(self, response: Response) -> None:
        self.response_queue.put_nowait(response)


class BlockingHTTPServer(HTTPServerBase):
    """A server whose requests wait for the test, which takes and answers them.

    A request that nobody takes within `timeout` seconds gets `no_handler_status_code`, one that was taken and not
    answered within as many 500; either is an assertion.
    """

    def __init__(
        self,
        host: str = HTTPServerBase.DEFAULT_LISTEN_HOST,
        port: int = HTTPServerBase.DEFAULT_LISTEN_PORT,
        ssl_context: ssl.SSLContext | None = None,
        timeout: float = 30,
    ) -> None:
        super().__init__(host, port, ssl_context)
        self.timeout = timeout
        self.request_queue: queue.Queue[Request] = queue.Queue()
        self.request_handlers: dict[Request, queue.Queue[BlockingRequestHandler]] = {}

    def assert_request(
        self,
        uri: UriWanted,
        method: str = METHOD_ALL,
        data: str | bytes | None = None,
        *,
        timeout: float = 30,
        **criteria: Unpack[Criteria],
    ) -> BlockingRequestHandler:
        """Take the next request, and assert that it is like this; gives what answers it.

        The arguments are `RequestMatcher`'s. Raises `AssertionError` if none comes within `timeout` seconds or it is
        another; then it gets `no_handler_status_code`.
        """
        __tracebackhide__ = True
        matcher = self.create_matcher(uri, method=method.upper(), data=data, **criteria)
        try:
            request = self.request_queue.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"Waiting for request {matcher} timed out") from None
        handler = BlockingRequestHandler()
        taken = self.request_handlers.get(request)
        if taken is None:
            raise AssertionError(f"{request!r} came more than {self.timeout:g} seconds before it was asserted")
        taken.put_nowait(handler)
        differences = matcher.difference(request)
        if differences:
            handler.respond_with_response(self.respond_nohandler(request))
            raise AssertionError(f"Request {matcher} does not match: {differences}")
        return handler

    def dispatch(self, request: Request) -> Response:
        taken: queue.Queue[BlockingRequestHandler] = queue.Queue()
        self.request_handlers[request] = taken
        self.request_queue.put_nowait(request)
        try:
            handler = taken.get(timeout=self.timeout)
        except queue.Empty:
            return self.respond_nohandler(request)
        finally:
            del self.request_handlers[request]
        try:
            return handler.response_queue.get(timeout=self.timeout)
        except queue.Empty:
            error = AssertionError(f"No response for request: {request!r}")
            self.add_assertion(error)
            raise error from None

"""`HttpbinServer`: the endpoints of the well-known httpbin, below the test's own rules."""

from __future__ import annotations

import functools
from urllib.parse import urljoin

from pytest_netmocks.protocols.http.desk import HttpDesk
from pytest_netmocks.protocols.http.rules import HttpAnswer
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.httpbin import endpoints
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response


class HttpbinDesk(HttpDesk):
    """What its sessions ask: the endpoints come below rules and mounts."""

    def endpoint(self, request: HttpRequest) -> HttpAnswer | None:
        found = endpoints.find(request.route)
        if found is None:
            return None
        endpoint, params = found
        return HttpAnswer(functools.partial(endpoint.serve, params=params), 0.0, False)

    def not_found(self, request: HttpRequest) -> Response:
        response = super().not_found(request)
        if response.status == 404:
            near = [f"  endpoint {line}\n" for line in endpoints.nearest(request.path)]
            response = Response(404, text=response.body.decode() + "".join(near))
        return response

    def told(self, response: Response, request: HttpRequest) -> Response:
        return endpoints.missing(response, request)


class HttpbinServer(HttpServer):
    """An HTTP server with httpbin's endpoints; the rules of a test and what it mounts come before them.

    What a client sends never fails the test: arguments that make no sense get 400.
    """

    def join(self, url: str, allow_fragments: bool = True) -> str:
        """The URL of a reference below the server's, as `urllib.parse.urljoin` has it."""
        return urljoin(self.url + "/", url, allow_fragments=allow_fragments)

    def __add__(self, path: str) -> str:
        """The server's URL with a path: `httpbin_server + "/get"`."""
        return self.url + path

    def __str__(self) -> str:
        """The server's URL: `f"{httpbin_server}/get"`."""
        return self.url

    def _make_desk(self) -> HttpDesk:
        return HttpbinDesk(self)

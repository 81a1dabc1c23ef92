"""pytest-httpserver's fixtures and words on an HTTP server of ours.

`pytest_plugins = ["pytest_netmocks.compat.httpserver"]` in the conftest of a suite makes its fixture `httpserver` one
of these, whether pytest-httpserver is installed or not; `httpserver.server` is the server of ours, with faults and
records. Requests and answers are Werkzeug's, which is imported with the first of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_netmocks.compat.httpserver.baked import BakedHTTPServer
from pytest_netmocks.compat.httpserver.blocking import BlockingHTTPServer, BlockingRequestHandler
from pytest_netmocks.compat.httpserver.errors import (
    Error,
    HTTPServerError,
    NoHandlerError,
    NoMethodFoundForMatchingHeaderValueError,
)
from pytest_netmocks.compat.httpserver.expecting import HTTPServer
from pytest_netmocks.compat.httpserver.handlers import HandlerType, RequestHandler
from pytest_netmocks.compat.httpserver.matching import (
    METHOD_ALL,
    URI_DEFAULT,
    BooleanQueryMatcher,
    HeaderValueMatcher,
    MappingQueryMatcher,
    QueryMatcher,
    RequestMatcher,
    RequestMatcherKwargs,
    StringQueryMatcher,
    URIPattern,
)
from pytest_netmocks.compat.httpserver.waiting import Waiting, WaitingSettings

if TYPE_CHECKING:
    import ssl

__all__ = [
    "METHOD_ALL",
    "URI_DEFAULT",
    "BakedHTTPServer",
    "BlockingHTTPServer",
    "BlockingRequestHandler",
    "BooleanQueryMatcher",
    "Error",
    "HTTPServer",
    "HTTPServerError",
    "HandlerType",
    "HeaderValueMatcher",
    "MappingQueryMatcher",
    "NoHandlerError",
    "NoMethodFoundForMatchingHeaderValueError",
    "QueryMatcher",
    "RequestHandler",
    "RequestMatcher",
    "RequestMatcherKwargs",
    "StringQueryMatcher",
    "URIPattern",
    "Waiting",
    "WaitingSettings",
    "get_httpserver_listen_address",
    "httpserver",
    "httpserver_ipv4",
    "httpserver_ipv6",
    "httpserver_listen_address",
    "httpserver_ssl_context",
    "make_httpserver",
    "make_httpserver_ipv4",
    "make_httpserver_ipv6",
]


def get_httpserver_listen_address() -> tuple[str | None, int | None]:
    """Host and port of the environment, PYTEST_HTTPSERVER_HOST and PYTEST_HTTPSERVER_PORT; `None` for what it lacks."""
    port = os.environ.get("PYTEST_HTTPSERVER_PORT")
    return os.environ.get("PYTEST_HTTPSERVER_HOST"), int(port) if port else None


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str | None, int | None]:
    """Host and port for `httpserver`; unless overridden those of the environment, else localhost and any free port."""
    return get_httpserver_listen_address()


@pytest.fixture(scope="session")
def httpserver_ssl_context() -> ssl.SSLContext | None:
    """A server's context for TLS; unless overridden there is none."""
    return None


def _served(host: str, port: int, context: ssl.SSLContext | None) -> Iterator[HTTPServer]:
    server = HTTPServer(host=host, port=port, ssl_context=context)
    server.start()
    yield server
    server.clear()
    if server.is_running():
        server.stop()


def _cleared(server: HTTPServer) -> HTTPServer:
    server.clear()
    return server


@pytest.fixture(scope="session")
def make_httpserver(
    httpserver_listen_address: tuple[str | None, int | None], httpserver_ssl_context: ssl.SSLContext | None
) -> Iterator[HTTPServer]:
    """The session's server, which `httpserver` clears for each test; to be overridden by another."""
    host, port = httpserver_listen_address
    yield from _served(
        host or HTTPServer.DEFAULT_LISTEN_HOST, port or HTTPServer.DEFAULT_LISTEN_PORT, httpserver_ssl_context
    )


@pytest.fixture
def httpserver(make_httpserver: HTTPServer) -> HTTPServer:
    """The session's server, which expects nothing yet: `httpserver.expect_request("/x").respond_with_json({})`."""
    return _cleared(make_httpserver)


@pytest.fixture(scope="session")
def make_httpserver_ipv4(httpserver_ssl_context: ssl.SSLContext | None) -> Iterator[HTTPServer]:
    """The session's server on 127.0.0.1."""
    yield from _served("127.0.0.1", 0, httpserver_ssl_context)


@pytest.fixture
def httpserver_ipv4(make_httpserver_ipv4: HTTPServer) -> HTTPServer:
    """As `httpserver`, on 127.0.0.1."""
    return _cleared(make_httpserver_ipv4)


@pytest.fixture(scope="session")
def make_httpserver_ipv6(httpserver_ssl_context: ssl.SSLContext | None) -> Iterator[HTTPServer]:
    """The session's server on ::1."""
    yield from _served("::1", 0, httpserver_ssl_context)


@pytest.fixture
def httpserver_ipv6(make_httpserver_ipv6: HTTPServer) -> HTTPServer:
    """As `httpserver`, on ::1."""
    return _cleared(make_httpserver_ipv6)

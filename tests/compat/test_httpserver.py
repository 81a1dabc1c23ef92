"""pytest-httpserver's words on our server; its own tests are run by hand against them, see `docs/`."""

from __future__ import annotations

import http.client
import pathlib
import re
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from helpers import FEW_PLUGINS
from werkzeug import Request, Response

from pytest_netmocks.compat import httpserver
from pytest_netmocks.compat.httpserver import BlockingHTTPServer, HTTPServer, HTTPServerError, RequestMatcher
from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.faults import HandshakeFailure, Reset

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "migrate_httpserver.md"


def python_blocks(page: pathlib.Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def served() -> Iterator[HTTPServer]:
    with HTTPServer() as server:
        yield server


def get(server: HTTPServer | BlockingHTTPServer, path: str, **options: Any) -> requests.Response:
    with requests.Session() as session:
        return session.get(server.url_for(path), timeout=30, **options)


def test_faults_of_our_server_strike_what_its_words_answer(served: HTTPServer) -> None:
    served.expect_request("/x").respond_with_data("a" * 100)
    with served.server.when("/x").inject(Reset(after_bytes=10)), pytest.raises(requests.RequestException):
        get(served, "/x")
    assert get(served, "/x").text == "a" * 100
    with served.server.inject(Reset()), pytest.raises(requests.RequestException):
        get(served, "/x")
    assert [request.path for request in served.server.requests] == ["/x", "/x"]


def test_a_rule_of_ours_comes_before_what_its_words_expect(served: HTTPServer) -> None:
    served.expect_request("/x").respond_with_data("theirs")
    served.server.when("/x").reply(503, times=1)
    assert [get(served, "/x").status_code for _ in range(2)] == [503, 200]


def test_what_a_matcher_raises_is_kept_where_check_looks(served: HTTPServer) -> None:
    class Broken(RequestMatcher):
        def match(self, request: Request) -> bool:
            raise LookupError("in the matcher")

    served.expect(Broken("/x")).respond_with_data("never")
    assert get(served, "/x").status_code == 500
    with pytest.raises(LookupError, match="in the matcher"):
        served.check()
    served.check()


def test_an_expectation_without_an_answer_gets_500_and_the_timeline_says_why(served: HTTPServer) -> None:
    served.expect_request("/x")
    assert get(served, "/x").status_code == 500
    served.server.wait_for(lambda server: "no answer was said" in str(server.timeline))


def test_a_context_of_the_users_own_may_get_its_certificate_when_the_server_runs(tls_ca: Authority) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with HTTPServer(ssl_context=context) as server:
        certificate = tls_ca.issue("localhost")
        context.load_cert_chain(certificate.cert_file, certificate.key_file)
        server.expect_request("/").respond_with_data("secret")
        assert server.url_for("").startswith("https://localhost:")
        assert get(server, "/", verify=tls_ca.cert_file).text == "secret"
        with server.server.inject(HandshakeFailure()), pytest.raises(requests.exceptions.SSLError):
            get(server, "/", verify=tls_ca.cert_file)


@pytest.mark.parametrize("threaded", [False, True])
def test_only_a_threaded_server_answers_requests_at_the_same_time(*, threaded: bool) -> None:
    both = threading.Barrier(2, timeout=30 if threaded else 0.2)

    def handler(_: Request) -> Response:
        try:
            both.wait()
        except threading.BrokenBarrierError:
            return Response("alone")
        return Response("together")

    with HTTPServer(threaded=threaded) as server:
        server.expect_request("/x").respond_with_handler(handler)
        clients = [http.client.HTTPConnection(server.host, server.port, timeout=60) for _ in range(2)]
        for client in clients:
            client.request("GET", "/x")
        answers = {client.getresponse().read() for client in clients}
        for client in clients:
            client.close()
    assert answers == {b"together" if threaded else b"alone"}


def test_it_comes_back_on_its_port_with_new_records(served: HTTPServer) -> None:
    served.expect_request("/x").respond_with_data("ok")
    get(served, "/x")
    before, port = served.server, served.port
    served.stop()
    assert len(before.requests) == 1
    with pytest.raises(requests.ConnectionError):
        get(served, "/x")
    with pytest.raises(HTTPServerError, match="not running"):
        served.stop()
    served.start()
    assert served.port == port
    assert get(served, "/x").text == "ok"
    assert served.server is not before
    with pytest.raises(HTTPServerError, match="already running"):
        served.start()


def test_its_server_is_there_once_it_was_started() -> None:
    with pytest.raises(HTTPServerError, match="not started"):
        _ = HTTPServer().server


def test_the_page_has_every_public_name() -> None:
    named = set(re.findall(r"`([\w.]+)(?:\(\))?`", PAGE.read_text().partition("## Its names")[2]))
    assert {*httpserver.__all__, *(f"hooks.{name}" for name in ("Chain", "Delay", "Garbage"))} <= named


def test_wrong_arguments_are_refused_at_the_call(served: HTTPServer) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        served.expect_request("/x", json={}, data="x")
    with pytest.raises(TypeError, match="query_string must be"):
        served.expect_request("/x", query_string=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="handler_type must be"):
        served.expect(RequestMatcher("/x"), "once")  # type: ignore[arg-type]


def test_a_request_that_is_asserted_too_late_is_an_assertion() -> None:
    with BlockingHTTPServer(timeout=0) as server:
        assert get(server, "/x").status_code == 500
        with pytest.raises(AssertionError, match="before it was asserted"):
            server.assert_request("/x")


def test_the_line_of_the_page_moves_a_suite_beside_pytest_httpserver_itself(pytester: pytest.Pytester) -> None:
    conftest, suite = python_blocks(PAGE)[:2]
    pytester.makeconftest(conftest)
    pytester.makepyfile(
        test_page=suite,
        test_more="""
        import http.client

        import pytest
        import pytest_httpserver

        from pytest_netmocks.faults import Refuse, Reset

        def get(httpserver, path="/x"):
            client = http.client.HTTPConnection(httpserver.host, httpserver.port, timeout=30)
            try:
                client.request("GET", path)
                return client.getresponse().status
            finally:
                client.close()

        def test_its_own_matchers_fit(httpserver):
            class Prefix(pytest_httpserver.URIPattern):
                def match(self, uri):
                    return uri.startswith("/pre")

            httpserver.expect_request(Prefix()).respond_with_data("ok")
            httpserver.expect(pytest_httpserver.RequestMatcher("/x")).respond_with_data("ok")
            assert get(httpserver) == get(httpserver, "/prefix") == 200
            httpserver.server.inject(Reset())

        def test_nothing_is_left_of_the_one_before(httpserver):
            assert get(httpserver) == 500
            assert len(httpserver.server.requests) == len(httpserver.log) == 1
            with pytest.raises(AssertionError, match="No handler found"):
                httpserver.check()

        @pytest.mark.faults(Refuse())
        def test_the_faults_of_a_marker_strike_it(httpserver):
            with pytest.raises(ConnectionRefusedError):
                get(httpserver)
        """,
    )
    result = pytester.runpytest_subprocess(*FEW_PLUGINS, "-p", "pytest_httpserver.pytest_plugin")
    result.assert_outcomes(passed=5)

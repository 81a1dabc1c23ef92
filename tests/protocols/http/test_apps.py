"""Applications and directories on the HTTP server."""

from __future__ import annotations

import pathlib
from typing import Any

import flask
import pytest
import requests
import starlette.applications
import starlette.requests
import starlette.responses
import starlette.routing
from bs4 import BeautifulSoup
from helpers import Suite, connect, read_to_end

from pytest_netmocks.faults import Close
from pytest_netmocks.protocols.http.server import HttpServer


def test_flask(http_server: HttpServer) -> None:
    app = flask.Flask("shop")

    @app.route("/items/<int:number>", methods=["GET", "POST"])
    def item(number: int) -> Any:
        if flask.request.method == "POST":
            return flask.jsonify(flask.request.get_json()), 201
        return flask.jsonify(number=number, url=flask.url_for("item", number=number), q=flask.request.args.get("q"))

    @app.route("/stream")
    def stream() -> Any:
        return flask.Response((f"{number}\n" for number in range(3)), mimetype="text/plain")

    http_server.mount(app, at="/shop")
    got = requests.get(http_server.url_for("/shop/items/7", q="ü"), timeout=30)
    assert got.json() == {"number": 7, "url": "/shop/items/7", "q": "ü"}
    posted = requests.post(http_server.url_for("/shop/items/7"), json={"a": 1}, timeout=30)
    assert (posted.status_code, posted.json()) == (201, {"a": 1})
    assert requests.get(http_server.url_for("/shop/stream"), timeout=30).text == "0\n1\n2\n"
    assert requests.get(http_server.url_for("/shop/none"), timeout=30).status_code == 404
    assert requests.head(http_server.url_for("/shop/items/7"), timeout=30).text == ""
    assert [request.response and request.response.status for request in http_server.requests] == [
        200,
        201,
        200,
        404,
        200,
    ]


def test_starlette_with_its_lifespan(http_server: HttpServer) -> None:
    lived = []

    async def lifespan(app: Any) -> Any:
        lived.append("up")
        yield {"answer": 42}
        lived.append("down")

    import contextlib

    async def show(request: starlette.requests.Request) -> starlette.responses.Response:
        return starlette.responses.JSONResponse(
            {"answer": request.state.answer, "body": (await request.body()).decode(), "url": str(request.url.path)}
        )

    async def stream(request: starlette.requests.Request) -> starlette.responses.Response:
        async def pieces() -> Any:
            for number in range(3):
                yield f"{number}"

        return starlette.responses.StreamingResponse(pieces())

    routes = [
        starlette.routing.Route("/show", show, methods=["POST"]),
        starlette.routing.Route("/stream", stream),
    ]
    app = starlette.applications.Starlette(routes=routes, lifespan=contextlib.asynccontextmanager(lifespan))
    http_server.mount(app, at="/api")
    assert lived == ["up"]
    shown = requests.post(http_server.url_for("/api/show"), data="hi", timeout=30)
    assert shown.json() == {"answer": 42, "body": "hi", "url": "/api/show"}
    assert requests.get(http_server.url_for("/api/stream"), timeout=30).text == "012"
    http_server.when("/api/stream").inject(Close(after_bytes=2))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(http_server.url_for("/api/stream"), timeout=30)
    http_server.settle()
    http_server.close()
    http_server.settle()


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_an_application_that_raises(suite: Suite, kind: str) -> None:
    result = suite(
        f"""
        import requests

        def wsgi(environ, start_response):
            raise RuntimeError("my app broke")

        async def asgi(scope, receive, send):
            assert scope["type"] == "http"
            raise RuntimeError("my app broke")

        def test_it(http_server):
            http_server.mount({kind})
            assert requests.get(http_server.url, timeout=30).status_code == 500
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*my app broke*"])


def test_an_application_whose_start_fails(http_server: HttpServer) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="its start-up failed: no database"):
        http_server.mount(app)


def test_django(suite: Suite) -> None:
    result = suite(
        """
        import django, requests
        from django.conf import settings
        from django.http import JsonResponse
        from django.urls import path

        urlpatterns = [path("hello/<int:n>", lambda request, n: JsonResponse({"n": n, "method": request.method}))]
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", DEBUG=False)
        django.setup()

        def test_wsgi(http_server):
            from django.core.handlers.wsgi import WSGIHandler
            http_server.mount(WSGIHandler())
            answer = requests.get(http_server.url_for("/hello/3"), timeout=30)
            assert answer.json() == {"n": 3, "method": "GET"}

        def test_asgi(http_server):
            from django.core.handlers.asgi import ASGIHandler
            http_server.mount(ASGIHandler())
            answer = requests.get(http_server.url_for("/hello/4"), timeout=30)
            assert answer.json() == {"n": 4, "method": "GET"}
        """
    )
    result.assert_outcomes(passed=2)


def test_a_scraper_over_a_directory(http_server: HttpServer, tmp_path: pathlib.Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text('<a href="sub/">sub</a><a href="missing.html">no</a>')
    (tmp_path / "sub" / "index.html").write_text("<p>found</p>")
    (tmp_path / "a b.txt").write_text("blank")
    http_server.serve_files(tmp_path)
    page = BeautifulSoup(requests.get(http_server.url_for("/"), timeout=30).text, "html.parser")
    links = [http_server.url_for(f"/{link['href']}") for link in page.find_all("a")]
    answers = [requests.get(link, timeout=30) for link in links]
    assert [answer.status_code for answer in answers] == [200, 404]
    assert "found" in answers[0].text
    assert requests.get(http_server.url_for("/sub"), timeout=30).history[0].status_code == 301
    assert requests.get(http_server.url_for("/a b.txt"), timeout=30).text == "blank"
    part = requests.get(http_server.url_for("/a b.txt"), headers={"Range": "bytes=1-2"}, timeout=30)
    assert (part.status_code, part.text) == (206, "la")
    assert requests.post(http_server.url_for("/"), timeout=30).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/sub/../../secret.txt",
        "/link.txt",
        "/linked/secret.txt",
        "//etc/passwd",
        "/..\\secret.txt",
        "/secret.txt%00.html",
        "/%00",
    ],
)
def test_there_is_no_way_out_of_a_directory(http_server: HttpServer, tmp_path: pathlib.Path, path: str) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("hidden content")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "linked").symlink_to(tmp_path)
    http_server.serve_files(root)
    with connect(http_server) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"hidden content" not in answer

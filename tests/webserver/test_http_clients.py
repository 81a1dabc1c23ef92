"""Real HTTP clients, their pools and their retries."""

from __future__ import annotations

import asyncio
import subprocess
from typing import Any

import aiohttp
import httpx
import requests
import stamina
import tenacity
import trio
import urllib3
from helpers import connect, program, read_to_end
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from pytest_netmocks.faults import Close, Refuse, Reset
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.servers.http.httpbin.server import HttpbinServer
from pytest_netmocks.servers.http.server import HttpServer, HttpsServer


def test_the_retries_of_requests_adapter(http_server: HttpServer) -> None:
    http_server.when("/").reply(503, times=1).reply(text="ok")
    http_server.inject(Reset(), first=1)
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=Retry(total=3, backoff_factor=0, status_forcelist=[503])))
    assert session.get(http_server.url, timeout=5).text == "ok"
    assert [request.response and request.response.status for request in http_server.requests] == [503, 200]


def test_tenacity(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="whole").inject(Close(after_bytes=2), first=2)

    @tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_none(), reraise=True)
    def fetch() -> str:
        return httpx.get(http_server.url).text

    assert fetch() == "whole"
    assert len(http_server.requests) == 3


async def test_stamina(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="ok")
    http_server.inject(Refuse(), duration=0.1)

    @stamina.retry(on=httpx.HTTPError, attempts=50, wait_initial=0.01, wait_max=0.05, timeout=10)
    async def fetch() -> str:
        async with httpx.AsyncClient() as client:
            return (await client.get(http_server.url)).text

    assert await fetch() == "ok"


def test_pools_are_seen(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="ok", delay=0.02)

    async def main() -> None:
        limits = httpx.Limits(max_connections=3)
        async with httpx.AsyncClient(limits=limits) as client:
            await asyncio.gather(*(client.get(http_server.url) for _ in range(12)))

    asyncio.run(main())
    assert http_server.peak_connections == 3
    assert len(http_server.connections) == 3
    pool = urllib3.PoolManager(timeout=5)
    for _ in range(5):
        pool.request("GET", http_server.url)
    assert len(http_server.connections) == 4


def test_httpx_under_trio(https_server: HttpsServer) -> None:
    https_server.when("/").reply(json={"trio": True})

    async def main() -> Any:
        async with httpx.AsyncClient(verify=https_server.client_context()) as client:
            return (await client.get(https_server.url)).json()

    assert trio.run(main) == {"trio": True}


async def test_aiohttp_streams_and_uploads(https_server: HttpsServer) -> None:
    https_server.when("GET", "/").reply(stream=[b"a" * 1000] * 10)
    https_server.when("POST", "/").reply(201)
    connector = aiohttp.TCPConnector(ssl=https_server.client_context())
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get(https_server.url) as response:
            assert await response.read() == b"a" * 10_000
        form = aiohttp.FormData()
        form.add_field("f", b"\x00\xff" * 1000, filename="x.bin")
        async with session.post(https_server.url, data=form) as response:
            assert response.status == 201
    assert https_server.requests[1].files["f"].content == b"\x00\xff" * 1000
    assert https_server.connections[0].tls is not None


@program("curl")
def test_curl(https_server: HttpsServer) -> None:
    https_server.when("PUT", "/up").reply(204)
    https_server.when("/").reply(text="hello", compress=True)

    def curl(*arguments: str, say: bytes = b"") -> bytes:
        command = ["curl", "-sS", "--noproxy", "*", "--max-time", "10", "--cacert", https_server.ca.cert_file]
        return subprocess.run([*command, *arguments], capture_output=True, input=say, check=True, timeout=30).stdout

    assert curl("--compressed", https_server.url) == b"hello"
    assert b"HTTP/1.1 200" in curl("-I", https_server.url)
    curl("-T", "-", https_server.url_for("/up"), say=b"x" * 3_000_000)
    assert https_server.requests[-1].body == b"x" * 3_000_000
    assert https_server.requests[-1].headers["Expect"] == "100-continue"


@program("wget")
def test_wget_resumes(http_server: HttpServer, tmp_path: Any) -> None:
    body = bytes(range(256)) * 100
    http_server.when("/file").reply(body=body, ranges=True).inject(Close(after_bytes=5000), first=1)
    target = tmp_path / "file"
    command = [
        "wget",
        "-q",
        "--no-proxy",
        "--tries=3",
        "--waitretry=0",
        "-O",
        str(target),
        http_server.url_for("/file"),
    ]
    subprocess.run(command, check=True, timeout=30)
    assert target.read_bytes() == body
    assert [request.response and request.response.status for request in http_server.requests] == [200, 206]


# httpbin


def test_the_endpoints_of_httpbin(httpbin_server: HttpbinServer) -> None:
    session = requests.Session()

    def get(path: str, **options: Any) -> requests.Response:
        return session.get(httpbin_server.url + path, timeout=5, **options)

    for method in ("post", "put", "patch", "delete"):
        answer = session.request(method, f"{httpbin_server.url}/{method}", data={"a": ["1", "2"]}, timeout=5).json()
        assert answer["form"] == {"a": ["1", "2"]}
        assert answer["url"] == f"{httpbin_server.url}/{method}"
    chunked = session.post(httpbin_server.url + "/anything/ü", data=iter([b"a", b"b"]), timeout=5).json()
    assert (chunked["method"], chunked["data"], chunked["json"]) == ("POST", "ab", None)
    upload = session.post(httpbin_server.url + "/post", files={"f": ("x", b"\xff\x00")}, timeout=5).json()
    assert upload["files"] == {"f": "data:application/octet-stream;base64,/wA="}
    for path, key in (("/deflate", "deflated"), ("/gzip", "gzipped"), ("/brotli", "brotli")):
        assert get(path).json()[key] is True
    assert get("/user-agent", headers={"User-Agent": "me"}).json() == {"user-agent": "me"}
    assert get("/ip").json() == {"origin": "127.0.0.1"}
    assert len(get("/uuid").json()["uuid"]) == 36
    assert get("/cookies/set/a/b").json() == {"cookies": {"a": "b"}}
    assert get("/cookies/delete?a").json() == {"cookies": {}}
    for path in ("/", "/html", "/forms/post", "/encoding/utf8", "/links/3/0"):
        assert get(path).headers["Content-Type"].startswith("text/html")
    assert "<slideshow" in get("/xml").text
    assert get("/json").json()["slideshow"]["title"] == "Sample Slide Show"
    assert "Disallow" in get("/robots.txt").text
    for kind, begin in (("png", b"\x89PNG"), ("jpeg", b"\xff\xd8"), ("webp", b"RIFF"), ("svg", b"<svg")):
        assert get(f"/image/{kind}").content.startswith(begin)
    assert get("/image", headers={"Accept": "image/webp"}).headers["Content-Type"] == "image/webp"
    assert get("/image", headers={"Accept": "text/plain"}).status_code == 406
    assert get("/bytes/100?seed=1").content == get("/bytes/100?seed=1").content
    assert len(get("/stream-bytes/5000?chunk_size=100").content) == 5000
    part = get("/range/26", headers={"Range": "bytes=0-4"})
    assert (part.status_code, part.text) == (206, "abcde")
    assert get("/delay/0.01").ok
    assert get("/drip?numbytes=5&duration=0.05&code=202").content == b"*****"
    assert {get("/status/200:1,500:1").status_code for _ in range(30)} == {200, 500}
    assert get("/status/nonsense").status_code == 400
    assert [line for line in get("/stream/3").iter_lines() if b'"id": 2' in line]
    assert get("/response-headers?X-A=1&X-A=2").json()["X-A"] == ["1", "2"]
    for kind in ("redirect", "relative-redirect", "absolute-redirect"):
        assert len(get(f"/{kind}/3").history) == 3
    assert get("/redirect-to?url=/get&status_code=307").history[0].status_code == 307
    assert get("/hidden-basic-auth/u/p").status_code == 404
    assert get("/hidden-basic-auth/u/p", auth=("u", "p")).ok
    assert get("/bearer", headers={"Authorization": "Bearer t"}).json()["token"] == "t"
    assert get("/bearer").status_code == 401
    for path in ("auth/u/p", "auth/u/p/SHA-256", "auth/u/p/SHA-512/never"):
        assert get(f"/digest-auth/{path}", auth=requests.auth.HTTPDigestAuth("u", "p")).json()["user"] == "u"
        assert get(f"/digest-auth/{path}", auth=requests.auth.HTTPDigestAuth("u", "x")).status_code == 401
    assert get("/digest-auth/auth-int/u/p/MD5").status_code == 401
    assert get("/etag/x", headers={"If-None-Match": '"x"'}).status_code == 304
    assert get("/etag/x", headers={"If-Match": '"y"'}).status_code == 412
    assert get("/cache", headers={"If-None-Match": "x"}).status_code == 304
    assert get("/cache/60").headers["Cache-Control"] == "public, max-age=60"
    assert get("/base64/SGVsbG8=").text == "Hello"
    assert session.head(httpbin_server.url + "/get", timeout=5).ok
    assert get("/nowhere").status_code == 404


def test_a_rule_comes_before_an_endpoint(netmocks: Netmocks) -> None:
    httpbin = netmocks.httpbin()
    httpbin.when("/get").reply(503, times=1)
    assert [requests.get(httpbin.url_for("/get"), timeout=5).status_code for _ in range(2)] == [503, 200]
    with connect(httpbin) as sock:
        sock.sendall(b"GET /anything/%C3%BC HTTP/1.0\r\n\r\n")
        assert b'"method": "GET"' in read_to_end(sock)

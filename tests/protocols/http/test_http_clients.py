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
from helpers import program
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from pytest_netmocks.faults import Close, Refuse, Reset
from pytest_netmocks.protocols.http.server import HttpServer, HttpsServer


def test_the_retries_of_requests_adapter(http_server: HttpServer) -> None:
    http_server.when("/").reply(503, times=1).reply(text="ok")
    http_server.inject(Reset(), first=1)
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=Retry(total=3, backoff_factor=0, status_forcelist=[503])))
    assert session.get(http_server.url, timeout=30).text == "ok"
    assert [request.response and request.response.status for request in http_server.requests] == [503, 200]


def test_tenacity(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="whole").inject(Close(after_bytes=2), first=2)

    @tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_none(), reraise=True)
    def fetch() -> str:
        return httpx.get(http_server.url, timeout=30).text

    assert fetch() == "whole"
    assert len(http_server.requests) == 3


async def test_stamina(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="ok")
    http_server.inject(Refuse(), duration=0.1)

    @stamina.retry(on=httpx.HTTPError, attempts=50, wait_initial=0.01, wait_max=0.05, timeout=60)
    async def fetch() -> str:
        async with httpx.AsyncClient(timeout=30) as client:
            return (await client.get(http_server.url)).text

    assert await fetch() == "ok"


def test_pools_are_seen(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="ok", delay=0.02)

    async def main() -> None:
        limits = httpx.Limits(max_connections=3)
        async with httpx.AsyncClient(limits=limits, timeout=30) as client:
            await asyncio.gather(*(client.get(http_server.url) for _ in range(12)))

    asyncio.run(main())
    assert http_server.peak_connections == 3
    assert len(http_server.connections) == 3
    pool = urllib3.PoolManager(timeout=30)
    for _ in range(5):
        pool.request("GET", http_server.url)
    assert len(http_server.connections) == 4


def test_httpx_under_trio(https_server: HttpsServer) -> None:
    https_server.when("/").reply(json={"trio": True})

    async def main() -> Any:
        async with httpx.AsyncClient(verify=https_server.client_context(), timeout=30) as client:
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
        command = ["curl", "-sS", "--noproxy", "*", "--max-time", "30", "--cacert", https_server.ca.cert_file]
        return subprocess.run([*command, *arguments], capture_output=True, input=say, check=True, timeout=60).stdout

    assert curl("--compressed", https_server.url) == b"hello"
    assert b"HTTP/2 200" in curl("-I", https_server.url)
    assert b"HTTP/1.1 200" in curl("-I", "--http1.1", https_server.url)
    curl("--http1.1", "-T", "-", https_server.url_for("/up"), say=b"x" * 3_000_000)
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
    subprocess.run(command, check=True, timeout=60)
    assert target.read_bytes() == body
    assert [request.response and request.response.status for request in http_server.requests] == [200, 206]

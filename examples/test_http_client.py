"""An HTTP client with retries and a pool, against a server that fails where it is told to."""

from __future__ import annotations

import asyncio

import httpx
import pytest
import requests
import tenacity
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from pytest_netmocks import HttpServer, HttpsServer, Response
from pytest_netmocks.faults import Close, Reset


def client() -> requests.Session:
    """What an application would use."""
    session = requests.Session()
    retry = Retry(total=4, backoff_factor=0, status_forcelist=[503], respect_retry_after_header=True)
    session.mount("http://", HTTPAdapter(max_retries=retry))
    return session


def test_a_service_that_comes_back(http_server: HttpServer) -> None:
    http_server.when("GET", "/orders/{id:int}").reply(503, times=2, headers={"Retry-After": "0"}).reply(json={"id": 7})
    http_server.inject(Reset(), first=1)
    assert client().get(http_server.url_for("/orders/7"), timeout=5).json() == {"id": 7}
    assert [request.response and request.response.status for request in http_server.requests] == [503, 503, 200]
    assert http_server.connections[0].closed_by == "fault"


def test_a_truncated_answer_is_fetched_again(http_server: HttpServer) -> None:
    http_server.when("/report").reply(body=b"x" * 10_000).inject(Close(after_bytes=9_999), first=1)

    @tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_none())
    def fetch() -> bytes:
        return httpx.get(http_server.url_for("/report")).content

    assert len(fetch()) == 10_000
    assert len(http_server.requests) == 2


def test_a_post_is_not_sent_twice(http_server: HttpServer) -> None:
    http_server.when("POST", "/orders").reply(201).inject(Reset(), first=1)
    with pytest.raises(requests.ConnectionError):  # it may have been done: the client must not repeat it
        client().post(http_server.url_for("/orders"), json={"book": 1}, timeout=5)
    http_server.assert_requested("POST", "/orders", json={"book": 1}, times=1)


@pytest.mark.asyncio
async def test_a_pool_keeps_its_limit(https_server: HttpsServer) -> None:
    async def slow(request: object) -> Response:
        await asyncio.sleep(0.01)  # the work of a real server
        return Response(text="ok")

    https_server.when("/").reply(slow)
    limits = httpx.Limits(max_connections=2)
    async with httpx.AsyncClient(verify=https_server.client_context(), limits=limits) as session:
        await asyncio.gather(*(session.get(https_server.url) for _ in range(10)))
    assert https_server.peak_connections == 2
    assert len(https_server.connections) == 2

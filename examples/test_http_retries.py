"""Do urllib3's and requests' retries hold what they promise? Python's own http.server behind a faulty proxy."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from pytest_netmocks import Netmocks, TcpProxy
from pytest_netmocks.faults import Bandwidth, Blackhole, Close, Fault, Refuse, Reset

BODY = b"The quick brown fox jumps over the lazy dog.\n" * 200


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[str, int]]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield "127.0.0.1", server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(netmocks: Netmocks, upstream: tuple[str, int]) -> TcpProxy:
    return netmocks.tcp_proxy(upstream, name="proxy")


def patient() -> Retry:
    return Retry(total=10, backoff_factor=0.05)


@pytest.fixture
def pool() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=patient(), timeout=1.0) as manager:
        yield manager


@pytest.mark.parametrize(
    "fault",
    [Reset(), Reset(after_bytes=500), Close(after_bytes=500), Blackhole(after_bytes=100)],
    ids=["reset", "reset in the body", "truncated", "hangs in the headers"],
)
def test_urllib3_tries_again(proxy: TcpProxy, pool: urllib3.PoolManager, fault: Fault) -> None:
    proxy.inject(fault, first=2)
    answer = pool.request("GET", f"http://127.0.0.1:{proxy.port}/")
    assert answer.data == BODY
    assert len(proxy.connections) >= 3


def test_urllib3_waits_for_a_server_that_comes_back(proxy: TcpProxy, pool: urllib3.PoolManager) -> None:
    proxy.inject(Refuse(), duration=0.3)
    assert pool.request("GET", f"http://127.0.0.1:{proxy.port}/").data == BODY


def test_a_slow_answer_is_no_reason_to_try_again(proxy: TcpProxy, pool: urllib3.PoolManager) -> None:
    slow = proxy.inject(Bandwidth(20_000))
    assert pool.request("GET", f"http://127.0.0.1:{proxy.port}/").data == BODY
    assert slow.hits >= 1


def test_requests_with_an_adapter_tries_again(proxy: TcpProxy) -> None:
    proxy.script([Reset(after_bytes=1)], [Blackhole()])
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=patient()))
        assert session.get(f"http://127.0.0.1:{proxy.port}/", timeout=1.0).content == BODY
    assert len(proxy.connections) >= 3


def test_requests_without_one_does_not(proxy: TcpProxy) -> None:
    proxy.inject(Reset(), first=1)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{proxy.port}/", timeout=5)

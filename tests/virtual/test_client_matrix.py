"""Each client of the matrix: a time-out of 60 s, a back-off of 30 s, and another try, in hardly any real time."""

from __future__ import annotations

import asyncio
import ftplib
import functools
import http.client
import imaplib
import poplib
import queue
import select
import selectors
import smtplib
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

import aioftp
import aiohttp
import aioimaplib  # type: ignore[import-untyped]
import aiosmtplib
import anyio
import backoff
import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.message
import dns.query
import httpx
import imapclient  # type: ignore[import-untyped]
import pymongo
import pymongo.errors
import pytest
import redis
import redis.asyncio
import requests
import stamina
import tenacity
import trio
import urllib3
import websocket
import websockets
import websockets.sync.client
from helpers import redis_of
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry
from requests.adapters import HTTPAdapter

from pytest_netmocks.faults import Blackhole, Loss
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.virtual.clock import VirtualClock

TIMEOUT, BACK_OFF = 60, 30

Attempt = Callable[[Any], object]
CLIENTS: dict[str, tuple[str, Callable[[Any], object]]] = {}


def client(kind: str, *errors: type[BaseException]) -> Callable[[Attempt], Attempt]:
    """Put a client into the matrix: an attempt, made again after the back-off if it ends with such an error."""
    late = errors or (TimeoutError,)

    def put(attempt: Attempt) -> Attempt:
        def twice(server: Any) -> object:
            try:
                return attempt(server)
            except late:
                time.sleep(BACK_OFF)
                return attempt(server)

        CLIENTS[attempt.__name__] = kind, twice
        return attempt

    return put


def async_client(
    kind: str, *errors: type[BaseException], by: tuple[str, ...] = ("asyncio",)
) -> Callable[[Callable[[Any], Awaitable[object]]], None]:
    """The same for coroutine functions, on each of these libraries."""
    late = errors or (TimeoutError,)

    def put(attempt: Callable[[Any], Awaitable[object]]) -> None:
        async def twice(server: Any) -> object:
            try:
                return await attempt(server)
            except late:
                await anyio.sleep(BACK_OFF)
                return await attempt(server)

        for backend in by:
            run = functools.partial(run_by, twice, backend=backend)
            CLIENTS[f"{attempt.__name__}-{backend}"] = kind, run

    return put


run_by: Any = anyio.run  # whose type has no place for arguments


def whole(kind: str) -> Callable[[Attempt], Attempt]:
    """Put a client into the matrix that sees to its back-off by itself."""

    def put(run: Attempt) -> Attempt:
        CLIENTS[run.__name__] = kind, run
        return run

    return put


def context_of(server: Any) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.ca.cert_file)


def at(server: Any) -> tuple[str, int]:
    host, port = server.address
    return host, port


# Sockets


@client("tcp")
def settimeout(server: Any) -> None:
    with socket.create_connection(server.address, timeout=TIMEOUT) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


@client("tcp")
def select_(server: Any) -> None:
    with socket.create_connection(server.address) as sock:
        sock.sendall(b"x")
        if not select.select([sock], [], [], TIMEOUT)[0]:
            raise TimeoutError


@client("tcp")
def selectors_(server: Any) -> None:
    with socket.create_connection(server.address) as sock, selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        sock.sendall(b"x")
        if not selector.select(TIMEOUT):
            raise TimeoutError


@client("tls")
def ssl_(server: Any) -> None:
    with (
        socket.create_connection(server.address, timeout=TIMEOUT) as plain,
        context_of(server).wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


# HTTP


@client("http")
def http_client(server: Any) -> None:
    connection = http.client.HTTPConnection(*at(server), timeout=TIMEOUT)
    try:
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
    finally:
        connection.close()


@client("http")
def urllib_(server: Any) -> None:
    with urllib.request.urlopen(server.url, timeout=TIMEOUT) as response:
        assert response.status == 200


@client("https")
def urllib_over_tls(server: Any) -> None:
    with urllib.request.urlopen(server.url, timeout=TIMEOUT, context=context_of(server)) as response:
        assert response.status == 200


@client("http", urllib3.exceptions.TimeoutError)
def urllib3_(server: Any) -> None:
    with urllib3.PoolManager(timeout=TIMEOUT, retries=False) as pool:
        assert pool.request("GET", server.url).status == 200


@whole("http")
def urllib3_retry(server: Any) -> None:
    retry = urllib3.Retry(3, backoff_factor=BACK_OFF / 2, read=3)  # no pause before the first, 30 s before the second
    server.inject(Blackhole(), nth=2)
    with urllib3.PoolManager(timeout=TIMEOUT / 2, retries=retry) as pool:
        assert pool.request("GET", server.url).status == 200


@client("http", requests.Timeout)
def requests_(server: Any) -> None:
    assert requests.get(server.url, timeout=TIMEOUT).status_code == 200


@client("https", requests.Timeout)
def requests_over_tls(server: Any) -> None:
    assert requests.get(server.url, timeout=TIMEOUT, verify=server.ca.cert_file).status_code == 200


@whole("http")
def requests_retry(server: Any) -> None:
    server.inject(Blackhole(), nth=2)
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=urllib3.Retry(3, backoff_factor=BACK_OFF / 2)))
        assert session.get(server.url, timeout=TIMEOUT / 2).status_code == 200


@client("http", httpx.TimeoutException)
def httpx_(server: Any) -> None:
    with httpx.Client(timeout=TIMEOUT) as session:
        assert session.get(server.url).status_code == 200


@async_client("http", httpx.TimeoutException, by=("asyncio", "trio"))
async def httpx_async(server: Any) -> None:
    async with httpx.AsyncClient(timeout=TIMEOUT) as session:
        assert (await session.get(server.url)).status_code == 200


@async_client("https", httpx.TimeoutException, by=("asyncio", "trio"))
async def httpx_async_over_tls(server: Any) -> None:
    async with httpx.AsyncClient(timeout=TIMEOUT, verify=context_of(server)) as session:
        assert (await session.get(server.url)).status_code == 200


@async_client("http")
async def aiohttp_(server: Any) -> None:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as session,
        session.get(server.url) as response,
    ):
        assert response.status == 200


@async_client("https")
async def aiohttp_over_tls(server: Any) -> None:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as session,
        session.get(server.url, ssl=context_of(server)) as response,
    ):
        assert response.status == 200


# WebSocket


@async_client("ws")
async def websockets_async(server: Any) -> None:
    async with websockets.connect(server.url, open_timeout=TIMEOUT, ping_interval=None) as connection:
        await connection.send("x")
        assert await connection.recv() == "x"


@client("ws")
def websockets_sync(server: Any) -> None:
    with websockets.sync.client.connect(server.url, open_timeout=TIMEOUT) as connection:
        connection.send("x")
        assert connection.recv(timeout=TIMEOUT) == "x"


@client("ws", websocket.WebSocketTimeoutException)  # type: ignore[attr-defined]
def websocket_client(server: Any) -> None:
    connection = websocket.create_connection(server.url, timeout=TIMEOUT)  # type: ignore[attr-defined]
    connection.send("x")
    assert connection.recv() == "x"
    connection.close()


# Mail and files


@client("smtp", TimeoutError, smtplib.SMTPServerDisconnected)
def smtplib_(server: Any) -> None:
    with smtplib.SMTP(*at(server), timeout=TIMEOUT) as session:
        session.sendmail("a@example.org", ["b@example.org"], "Subject: x\r\n\r\nx")


@async_client("smtp", aiosmtplib.SMTPTimeoutError, TimeoutError)
async def aiosmtplib_(server: Any) -> None:
    host, port = server.address
    async with aiosmtplib.SMTP(hostname=host, port=port, timeout=TIMEOUT, start_tls=False) as session:
        await session.sendmail("a@example.org", ["b@example.org"], "Subject: x\r\n\r\nx")


@client("ftp")
def ftplib_(server: Any) -> None:
    with ftplib.FTP() as session:
        session.connect(*at(server), timeout=TIMEOUT)
        session.login()
        assert session.nlst() == []


@async_client("ftp", TimeoutError, ConnectionError)
async def aioftp_(server: Any) -> None:
    async with aioftp.Client.context(*at(server), socket_timeout=TIMEOUT) as session:
        assert await session.list() == []


@client("pop3")
def poplib_(server: Any) -> None:
    poplib.POP3(*at(server), timeout=TIMEOUT).quit()


@client("imap", TimeoutError, OSError)
def imaplib_(server: Any) -> None:
    imaplib.IMAP4(*at(server), timeout=TIMEOUT).logout()


@client("imap", TimeoutError, OSError)
def imapclient_(server: Any) -> None:
    with imapclient.IMAPClient(*at(server), ssl=False, timeout=TIMEOUT) as session:
        session.login("u", "p")
        assert session.select_folder("INBOX")[b"EXISTS"] == 0


@async_client("imap")
async def aioimaplib_(server: Any) -> None:
    session = aioimaplib.IMAP4(*at(server), timeout=TIMEOUT)
    try:
        await session.wait_hello_from_server()
        assert (await session.login("u", "p")).result == "OK"
        await session.logout()
    finally:  # after a time-out it closes nothing by itself
        session.protocol.transport.close()


# Pools and data bases


@client("tcp", redis.TimeoutError)
def redis_(server: Any) -> None:
    with redis.Redis(*at(server), socket_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0), protocol=2) as session:
        assert session.ping()


@async_client("tcp", redis.TimeoutError)
async def redis_async(server: Any) -> None:
    host, port = server.address
    async with redis.asyncio.Redis(
        host=host, port=port, socket_timeout=TIMEOUT, retry=AsyncRetry(NoBackoff(), 0), protocol=2
    ) as session:
        assert await session.ping()


@whole("tcp")
def pymongo_(server: Any) -> None:
    server.inject(Blackhole())
    host, port = server.address
    with pymongo.MongoClient[dict[str, Any]](host, port, serverSelectionTimeoutMS=TIMEOUT * 1000) as session:
        with pytest.raises(pymongo.errors.ServerSelectionTimeoutError):
            session.admin.command("ping")
        time.sleep(BACK_OFF)


# Names and proxies


@client("dns", dns.exception.Timeout)
def dnspython_over_udp(server: Any) -> None:
    host, port = server.address
    assert dns.query.udp(dns.message.make_query("a.test", "A"), host, TIMEOUT, port).answer


@client("dns", dns.exception.Timeout)
def dnspython_over_tcp(server: Any) -> None:
    host, port = server.address
    assert dns.query.tcp(dns.message.make_query("a.test", "A"), host, TIMEOUT, port).answer


@async_client("dns", dns.exception.Timeout, by=("asyncio", "trio"))
async def dnspython_async_over_udp(server: Any) -> None:
    host, port = server.address
    backend = dns.asyncbackend.get_backend(dns.asyncbackend.sniff())  # it keeps the first one that it has found
    query = dns.message.make_query("a.test", "A")
    assert (await dns.asyncquery.udp(query, host, TIMEOUT, port, backend=backend)).answer


@client("http_proxy", requests.Timeout)
def requests_through_a_proxy(server: Any) -> None:
    assert requests.get("http://api.test/", proxies={"http": server.url}, timeout=TIMEOUT).status_code == 200


@client("socks5", requests.ConnectionError)
def requests_through_socks(server: Any) -> None:
    proxies = {"http": f"socks5h://{server.host}:{server.port}"}
    assert requests.get("http://api.test/", proxies=proxies, timeout=TIMEOUT).status_code == 200


# Back-off


def _ask(server: Any) -> None:
    assert requests.get(server.url, timeout=TIMEOUT).status_code == 200


@whole("http")
def tenacity_(server: Any) -> None:
    for attempt in tenacity.Retrying(wait=tenacity.wait_fixed(BACK_OFF)):
        with attempt:
            _ask(server)


@whole("http")
def stamina_(server: Any) -> None:
    for attempt in stamina.retry_context(
        on=requests.Timeout, wait_initial=BACK_OFF, wait_max=BACK_OFF, wait_jitter=0, timeout=None
    ):
        with attempt:
            _ask(server)


@whole("http")
def backoff_(server: Any) -> None:
    backoff.on_exception(backoff.constant, requests.Timeout, interval=BACK_OFF, jitter=None)(_ask)(server)


# Threads, and the waits of async libraries


@whole("tcp")
def queue_get(server: Any) -> None:
    answers: queue.Queue[bytes] = queue.Queue()

    def ask() -> None:
        with (
            pytest.raises(TimeoutError),
            socket.create_connection(server.address, timeout=TIMEOUT + BACK_OFF) as sock,
        ):
            sock.sendall(b"x")
            answers.put(sock.recv(1))

    thread = threading.Thread(target=ask)
    thread.start()
    with pytest.raises(queue.Empty):
        answers.get(timeout=TIMEOUT)
    thread.join()


@whole("http")
def thread_pool(server: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(requests.get, server.url, timeout=TIMEOUT + BACK_OFF)
        with pytest.raises(FutureTimeout):
            first.result(timeout=TIMEOUT)
        with pytest.raises(requests.Timeout):
            first.result()


async def _wait(seconds: float) -> None:
    await anyio.sleep(seconds)


@whole("tcp")
def asyncio_wait_for(server: Any) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), TIMEOUT)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(BACK_OFF):
                await asyncio.Event().wait()

    asyncio.run(main())


async def _cancel_scopes() -> None:
    with pytest.raises(TimeoutError), anyio.fail_after(TIMEOUT):
        await anyio.sleep_forever()
    with anyio.move_on_after(BACK_OFF):
        await anyio.sleep_forever()


@whole("tcp")
def anyio_fail_after_on_asyncio(server: Any) -> None:
    anyio.run(_cancel_scopes)


@whole("tcp")
def anyio_fail_after_on_trio(server: Any) -> None:
    anyio.run(_cancel_scopes, backend="trio")


@whole("tcp")
def trio_move_on_after(server: Any) -> None:
    async def main() -> None:
        with trio.move_on_after(TIMEOUT):
            await trio.sleep_forever()
        await trio.to_thread.run_sync(time.sleep, BACK_OFF)

    trio.run(main)


@async_client("tcp")
async def getaddrinfo_in_an_executor(server: Any) -> None:
    loop = asyncio.get_running_loop()
    assert await loop.getaddrinfo("localhost", 80)
    reader, writer = await asyncio.open_connection(*at(server))
    writer.write(b"x")
    try:
        assert await asyncio.wait_for(reader.read(1), TIMEOUT)
    finally:
        writer.close()


@pytest.mark.virtual_time
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_takes_the_time_of_its_time_out_and_its_back_off(
    netmocks: Netmocks, virtual_clock: VirtualClock, name: str
) -> None:
    kind, run = CLIENTS[name]
    server: Any = getattr(netmocks, kind)()
    if kind in ("http", "https", "http_proxy"):
        server.when("/").reply(text="ok")
    elif kind == "socks5":
        web = netmocks.http()
        web.when("/").reply(text="ok")
        server.when("CONNECT").tunnel(to=web)
    elif kind == "dns":
        server.zone["a.test"] = "10.0.0.1"
    elif kind == "tcp" and "redis" in name:
        server.handle(redis_of())
    server.inject(Loss(1.0) if "over_udp" in name else Blackhole(), first=1)
    begin, real = time.monotonic(), time.clock_gettime(time.CLOCK_MONOTONIC)
    run(server)
    took, real = time.monotonic() - begin, time.clock_gettime(time.CLOCK_MONOTONIC) - real
    print(f"{name}: {took:.2f} s in {real:.3f} s, {virtual_clock.jumps} jumps", *virtual_clock.held_by, sep="\n  ")
    assert TIMEOUT + BACK_OFF <= took < TIMEOUT + BACK_OFF + 5 + real
    assert real < 30

"""Real clients with a time-out and tries, at every place where their conversation can break: right, or an error.

What a client takes for right though it is cut is a fact about it, and stands in `FOOLED`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ftplib
import imaplib
import io
import smtplib
from collections.abc import Callable
from typing import Any

import aiohttp
import aioimaplib  # type: ignore[import-untyped]
import dns.exception
import dns.message
import dns.query
import dns.resolver
import httpx
import imapclient  # type: ignore[import-untyped]
import pytest
import redis
import requests
import urllib3
import websockets.sync.client
from helpers import redis_of
from redis.backoff import NoBackoff
from redis.retry import Retry
from websockets.exceptions import WebSocketException

import pytest_netmocks
from pytest_netmocks import scope
from pytest_netmocks.faults import Close

# What is given up while it is half open is closed by the collector.
pytestmark = pytest.mark.filterwarnings("ignore:.*:pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")

BODY = b"line\n" * 8
TIMEOUT = 60.0

Client = Callable[[Any], object]
CLIENTS: dict[str, tuple[str, Client, tuple[type[BaseException], ...]]] = {}
FOOLED = {"urllib3_", "requests_", "requests_through_socks"}
"""http.client, on which these stand, takes a FIN within the head for its end, and the answer for an empty one."""


def client(kind: str, *errors: type[BaseException]) -> Callable[[Client], Client]:
    def put(function: Client) -> Client:
        CLIENTS[function.__name__] = kind, function, (OSError, *errors)
        return function

    return put


@client("http", urllib3.exceptions.HTTPError)
def urllib3_(server: Any) -> object:
    with urllib3.PoolManager(retries=urllib3.Retry(3, backoff_factor=1), timeout=TIMEOUT) as pool:
        return pool.request("GET", server.url_for("/x")).data


@client("http", requests.RequestException)
def requests_(server: Any) -> object:
    return requests.get(server.url_for("/x"), timeout=TIMEOUT).content


@client("http", httpx.HTTPError)
def httpx_(server: Any) -> object:
    with httpx.Client(timeout=TIMEOUT, transport=httpx.HTTPTransport(retries=2, verify=False)) as session:
        return session.get(server.url_for("/x")).content


@client("http", aiohttp.ClientError, TimeoutError)
def aiohttp_(server: Any) -> object:
    async def ask() -> object:
        timeout = aiohttp.ClientTimeout(TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(server.url_for("/x")) as answer:
            return await answer.read()

    return asyncio.run(ask())


@client("ws", WebSocketException, EOFError)
def websockets_(server: Any) -> object:
    with websockets.sync.client.connect(server.url, open_timeout=TIMEOUT, close_timeout=TIMEOUT) as socket:
        socket.send(BODY)
        return socket.recv(timeout=TIMEOUT)


@client("smtp", smtplib.SMTPException)
def smtplib_(server: Any) -> object:
    with smtplib.SMTP(server.host, server.port, timeout=TIMEOUT) as session:
        session.sendmail("a@example.com", ["b@example.com"], b"Subject: x\r\n\r\nhello\r\n")
    assert server.messages  # who was told that it was taken
    return BODY


@client("ftp", ftplib.Error, EOFError, ValueError)  # a reply that is cut may have no number to read
def ftplib_(server: Any) -> object:
    got = io.BytesIO()
    with contextlib.closing(ftplib.FTP(timeout=TIMEOUT)) as session:
        session.connect(*server.address)
        session.login()
        session.voidcmd("TYPE I")
        size = session.size("/x")
        session.retrbinary("RETR /x", got.write)
    assert size != len(got.getvalue()) or got.getvalue() == BODY
    return BODY


@client("imap", imaplib.IMAP4.error)
def imaplib_(server: Any) -> object:
    session = imaplib.IMAP4(server.host, server.port, timeout=TIMEOUT)
    with contextlib.closing(session.sock):
        session.login("u", "p")
        session.select()
        status, (found, *_) = session.fetch("1", "(BODY[TEXT])")
        assert status == "OK"
        assert isinstance(found, tuple)
        return found[1].replace(b"\r\n", b"\n")


@client("imap", imapclient.exceptions.IMAPClientError)
def imapclient_(server: Any) -> object:
    with imapclient.IMAPClient(server.host, server.port, ssl=False, timeout=TIMEOUT) as session:
        session.login("u", "p")
        session.select_folder("INBOX")
        return session.fetch([1], ["BODY[TEXT]"])[1][b"BODY[TEXT]"].replace(b"\r\n", b"\n")


@client("imap", aioimaplib.AioImapException, aioimaplib.Error)
def aioimaplib_(server: Any) -> object:
    async def ask() -> object:
        session = aioimaplib.IMAP4(server.host, server.port, timeout=TIMEOUT)
        try:
            # Its own time-out hangs where the connection breaks in CAPABILITY: its tasks wait for each other.
            hello = asyncio.ensure_future(session.wait_hello_from_server())
            if not (await asyncio.wait([hello], timeout=TIMEOUT))[0]:
                raise TimeoutError
            await hello
            for response in (await session.login("u", "p"), await session.select("INBOX")):
                if response.result != "OK":
                    raise OSError(response)
            response = await session.fetch("1", "(BODY[TEXT])")
            if response.result != "OK":
                raise OSError(response)
            return bytes(response.lines[1]).replace(b"\r\n", b"\n")
        finally:
            if session.protocol.transport is not None:
                session.protocol.transport.close()

    return asyncio.run(ask())


@client("redis", redis.RedisError)
def redis_py_through_a_proxy(server: Any) -> object:
    with redis.Redis(
        server.host, server.port, socket_timeout=TIMEOUT, retry=Retry(NoBackoff(), 2), protocol=2
    ) as session:
        return session.get("x")


@client("dns", dns.exception.DNSException, EOFError)
def dnspython_over_tcp(server: Any) -> object:
    answer = dns.query.tcp(dns.message.make_query("a.test", "TXT"), server.host, TIMEOUT, server.port)
    return b"".join(answer.answer[0][0].strings)


@client("dns", dns.exception.DNSException, EOFError)
def dnspythons_resolver_after_a_truncated_answer(server: Any) -> object:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = [server.host], server.port, TIMEOUT
    return b"".join(resolver.resolve("cut.test", "TXT")[0].strings)


@client("socks5", requests.RequestException)
def requests_through_socks(server: Any) -> object:
    proxies = {"http": f"socks5h://{server.host}:{server.port}"}
    return requests.get("http://far.test/x", proxies=proxies, timeout=TIMEOUT).content


@client("http_proxy", httpx.HTTPError)
def httpx_through_a_proxy(server: Any) -> object:
    with httpx.Client(timeout=TIMEOUT, proxy=server.url, verify=False) as session:
        return session.get("http://far.test/x").raise_for_status().content


@contextlib.contextmanager
def serving(kind: str) -> Any:
    with contextlib.ExitStack() as stack:
        if kind == "redis":
            far = stack.enter_context(pytest_netmocks.tcp(name="redis"))
            far.handle(redis_of(x=BODY))
            yield stack.enter_context(pytest_netmocks.tcp_proxy(far))
            return
        if kind in ("socks5", "http_proxy"):
            web = stack.enter_context(pytest_netmocks.http(name="web"))
            web.when("/x").reply(body=BODY)
            yield stack.enter_context(getattr(pytest_netmocks, kind)(names={"far.test": web}))
            return
        server = stack.enter_context(getattr(pytest_netmocks, kind)())
        if kind == "dns":
            text = BODY.decode().replace("\n", "\\010")
            server.add("a.test", "TXT", f'"{text}"')
            server.when("cut.test", "TXT").reply(f'"{text}"', truncated=True)
        if kind == "http":
            server.when("/x").reply(body=BODY)
        if kind == "imap":
            server.deliver(b"Subject: x\n\n" + BODY)
        if kind == "ftp":
            (server.root / "x").write_bytes(BODY)
        yield server


@pytest.mark.parametrize("name", CLIENTS)
def test_wherever_it_breaks_a_client_has_the_right_answer_or_an_error(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, ask, errors = CLIENTS[name]
    monkeypatch.setattr(scope.current, "seed", 1)  # which of many places are drawn is not to be luck

    def run() -> None:
        with pytest_netmocks.virtual_time(), serving(kind) as server:
            try:
                got = ask(server)
            except errors:
                assert pytest_netmocks.place() is not None
                return
            assert got == BODY

    report = pytest_netmocks.sweep(run, limit=48)
    assert len(report.places) == 48
    fooled = [failure for failure in report.failures if not (name in FOOLED and is_close(failure.place))]
    assert not fooled, report
    if name in FOOLED:
        assert pytest_netmocks.sweep(run, Close(direction="downstream"), limit=24).failures


def is_close(place: pytest_netmocks.Place) -> bool:
    return isinstance(place.fault, Close) and place.direction == "downstream"

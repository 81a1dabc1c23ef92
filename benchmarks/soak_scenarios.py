"""What is soaked in virtual time: scenarios, each with times that are drawn, and servers and clients of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ftplib
import itertools
import queue
import random
import select
import selectors
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from concurrent.futures import TimeoutError as FutureTimeout

import anyio
import httpx
import urllib3

import pytest_netmocks
from pytest_netmocks import VirtualClock, WaitsForever
from pytest_netmocks.faults import Bandwidth, Blackhole, HandshakeStall, Latency, Stall
from pytest_netmocks.records.addresses import Address

SLACK = 15.0
"""Virtual seconds that something may be late: work takes real time, and much of it on a busy machine."""

RESOLUTION = 1e-6
"""Seconds that are lost where floats are added, and in the timers of event loops."""


class Early(AssertionError):  # noqa: N818  # as the column of the report is called
    """Something happened before its time."""


def is_early(error: BaseException) -> bool:
    """Whether it is `Early`, or a group that has one."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_early(each) for each in error.exceptions)
    return isinstance(error, Early)


@contextlib.contextmanager
def takes(least: float, most: float | None = None) -> Iterator[None]:
    """So many virtual seconds. Raises `Early` for less, `AssertionError` for many more than `most`."""
    begin = time.monotonic()
    yield
    took = time.monotonic() - begin
    if took < least - RESOLUTION:
        raise Early(f"after {took!r} s instead of {least!r} s")
    most = least if most is None else most
    assert took < most + SLACK, f"{took!r} s instead of at most {most!r} s"


@contextlib.contextmanager
def ends_with(error: type[BaseException]) -> Iterator[None]:
    """The block raises that."""
    try:
        yield
    except error:
        return
    raise AssertionError(f"{error.__name__} did not come")


Scenario = Callable[[random.Random, VirtualClock], None]
SCENARIOS: dict[str, Scenario] = {}


def scenario(run: Scenario) -> Scenario:
    """Put it among those that are drawn."""
    SCENARIOS[run.__name__] = run
    return run


def seconds(draw: random.Random) -> float:
    """A time-out or a delay."""
    return draw.choice([draw.uniform(0.5, 5), draw.uniform(5, 60), draw.randrange(30, 601)])


def apart(draw: random.Random, count: int) -> list[float]:
    """Different times, in any order, so far apart that a busy machine does not mix them up."""
    times = list(itertools.accumulate(draw.uniform(2 * SLACK, 4 * SLACK) for _ in range(count)))
    draw.shuffle(times)
    return times


def ask(address: Address, timeout: float | None, said: bytes = b"x") -> bytes:
    """Say something to a server that echoes, and what it answers."""
    with socket.create_connection(address, timeout=timeout) as sock:
        sock.sendall(said)
        return sock.recv(len(said))


# Sockets and TLS


@scenario
def socket_latency(draw: random.Random, _: VirtualClock) -> None:
    delay = seconds(draw)
    with pytest_netmocks.tcp() as server:
        server.inject(Latency(delay))
        with socket.create_connection(server.address, timeout=delay + 2 * SLACK) as sock:
            for turn in range(draw.randrange(1, 4)):
                said = b"%d" % turn
                with takes(delay):
                    sock.sendall(said)
                    assert sock.recv(100) == said


@scenario
def socket_blackhole(draw: random.Random, _: VirtualClock) -> None:
    timeout, pause = seconds(draw), seconds(draw)
    with pytest_netmocks.tcp() as server:
        server.inject(Blackhole(), first=1)
        with takes(timeout), ends_with(TimeoutError):
            ask(server.address, timeout)
        with takes(pause):
            time.sleep(pause)
        with takes(0):
            assert ask(server.address, timeout + SLACK) == b"x"


@scenario
def blackhole_for_a_while(draw: random.Random, _: VirtualClock) -> None:
    timeout, rest = apart(draw, 2)
    with pytest_netmocks.tcp() as server:
        server.inject(Blackhole(), duration=timeout + rest)
        with takes(timeout), ends_with(TimeoutError):
            ask(server.address, timeout)
        time.sleep(rest + SLACK)
        with takes(0):
            assert ask(server.address, timeout) == b"x"


@scenario
def stall_for_a_while(draw: random.Random, _: VirtualClock) -> None:
    timeout, duration = apart(draw, 2)
    with pytest_netmocks.tcp() as server, takes(min(timeout, duration)):
        server.inject(Stall(), duration=duration)
        if timeout < duration:
            with ends_with(TimeoutError):
                ask(server.address, timeout)
        else:
            assert ask(server.address, timeout) == b"x"


@scenario
def tls_time_out(draw: random.Random, _: VirtualClock) -> None:
    timeout = seconds(draw) + SLACK / 3  # a handshake on a busy machine is to be through
    with pytest_netmocks.tls() as server:
        server.inject(draw.choice([Blackhole(), HandshakeStall()]), first=1)
        context = ssl.create_default_context(cafile=server.ca.cert_file)

        def turn() -> bytes:
            with (
                socket.create_connection(server.address, timeout=timeout) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as sock,
            ):
                sock.sendall(b"x")
                return sock.recv(1)

        with takes(timeout), ends_with(TimeoutError):
            turn()
        with takes(0):
            assert turn() == b"x"


@scenario
def bandwidth(draw: random.Random, _: VirtualClock) -> None:
    size, rate = draw.randrange(1, 20_000), draw.uniform(300, 5000)
    body = draw.randbytes(size)
    with pytest_netmocks.tcp() as server, socket.create_connection(server.address) as sock:
        server.when(b"x").reply(body)
        server.inject(Bandwidth(rate))
        with takes(size / rate):
            sock.sendall(b"x")
            got = b""
            while len(got) < size:
                got += sock.recv(65536)
        assert got == body


@scenario
def select_family(draw: random.Random, _: VirtualClock) -> None:
    before, delay = seconds(draw), seconds(draw)
    with (
        pytest_netmocks.tcp() as server,
        socket.create_connection(server.address) as sock,
        selectors.DefaultSelector() as selector,
    ):
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        selector.register(sock, selectors.EVENT_READ)
        waits: list[Callable[[float], bool]] = [
            lambda timeout: bool(select.select([sock], [], [], timeout)[0]),
            lambda timeout: bool(poll.poll(timeout * 1000)),
            lambda timeout: bool(selector.select(timeout)),
        ]
        wait = draw.choice(waits)
        server.inject(Latency(delay))
        with takes(before):
            assert not wait(before)
        with takes(delay):
            sock.sendall(b"x")
            assert wait(delay + SLACK)
        assert sock.recv(1) == b"x"


# HTTP


@scenario
def urllib3_back_off(draw: random.Random, running: VirtualClock) -> None:
    tries, factor = draw.randrange(1, 5), draw.choice([1, 5, 15])
    pauses = [factor * 2.0**number for number in range(1, tries)]  # there is none before the first
    retry = urllib3.Retry(tries, backoff_factor=factor, status_forcelist=[503], backoff_max=1000)
    with pytest_netmocks.http() as server, urllib3.PoolManager(retries=retry, timeout=60) as pool:
        server.when("/x").reply(503, times=tries).reply(text="ok")
        with takes(sum(pauses)):
            assert pool.request("GET", server.url_for("/x")).data == b"ok"
        assert len(server.requests) == tries + 1
        assert [sleep.seconds for sleep in running.sleeps] == pauses


@scenario
def urllib3_time_outs(draw: random.Random, _: VirtualClock) -> None:
    tries, factor, timeout = draw.randrange(1, 4), draw.choice([1, 5, 15]), SLACK + seconds(draw)
    pauses = sum(factor * 2.0**number for number in range(1, tries))
    retry = urllib3.Retry(tries, backoff_factor=factor, backoff_max=1000)
    with pytest_netmocks.http() as server, urllib3.PoolManager(retries=retry, timeout=timeout) as pool:
        server.when("/x").reply(text="ok")
        server.inject(Blackhole(), first=tries)
        with takes(tries * timeout + pauses):
            assert pool.request("GET", server.url_for("/x")).data == b"ok"


@scenario
def httpx_async(draw: random.Random, _: VirtualClock) -> None:
    delays = apart(draw, draw.randrange(2, 5))
    timeout = draw.choice([sorted(delays)[0] + SLACK, 1000])

    async def one(client: httpx.AsyncClient, url: str, delay: float) -> None:
        if delay < timeout:
            with takes(delay):
                assert (await client.get(url)).text == f"{delay}"
        else:
            with takes(timeout), ends_with(httpx.ReadTimeout):
                await client.get(url)

    async def everything() -> None:
        limit = httpx.Timeout(None, read=timeout)
        async with httpx.AsyncClient(timeout=limit) as client, anyio.create_task_group() as group:
            for number, delay in enumerate(delays):
                group.start_soon(one, client, server.url_for(f"/{number}"), delay)

    with pytest_netmocks.http() as server:
        for number, delay in enumerate(delays):
            server.when(f"/{number}").reply(text=f"{delay}", delay=delay)
        with takes(min(timeout, max(delays))):
            anyio.run(everything, backend=draw.choice(["asyncio", "trio"]))


# asyncio


@scenario
def asyncio_wait_for(draw: random.Random, _: VirtualClock) -> None:
    latency, *timeouts = apart(draw, draw.randrange(2, 6))

    async def one(address: Address, timeout: float) -> None:
        reader, writer = await asyncio.open_connection(*address[:2])
        try:
            with takes(min(latency, timeout)):
                writer.write(b"x")
                if latency < timeout:
                    assert await asyncio.wait_for(reader.read(1), timeout) == b"x"
                else:
                    with ends_with(TimeoutError):
                        await asyncio.wait_for(reader.read(1), timeout)
        finally:
            writer.close()

    async def everything(address: Address) -> None:
        await asyncio.gather(*(one(address, timeout) for timeout in timeouts))

    with pytest_netmocks.tcp() as server:
        server.inject(Latency(latency))
        asyncio.run(everything(server.address))


# Threads


@scenario
def queue_get(draw: random.Random, _: VirtualClock) -> None:
    delay, timeout = apart(draw, 2)
    answers: queue.Queue[bytes] = queue.Queue()
    with pytest_netmocks.tcp() as server:
        server.inject(Latency(delay))
        thread = threading.Thread(target=lambda: answers.put(ask(server.address, 1000)))
        with takes(delay):
            with takes(min(delay, timeout)):
                thread.start()
                if delay < timeout:
                    assert answers.get(timeout=timeout) == b"x"
                else:
                    with ends_with(queue.Empty):
                        answers.get(timeout=timeout)
            thread.join()


@scenario
def thread_pool(draw: random.Random, _: VirtualClock) -> None:
    delays = apart(draw, draw.randrange(2, 6))
    with pytest_netmocks.http() as server, urllib3.PoolManager(maxsize=8) as pool, ThreadPoolExecutor(8) as executor:
        for delay in delays:
            server.when(f"/{delay}").reply(text=f"{delay}", delay=delay)

        def get(delay: float) -> float:
            with takes(delay):
                return float(pool.request("GET", server.url_for(f"/{delay}"), timeout=1000).data)

        with takes(max(delays)):
            futures: list[Future[float]] = [executor.submit(get, delay) for delay in delays]
            with takes(min(delays) - SLACK), ends_with(FutureTimeout):
                next(as_completed(futures, timeout=min(delays) - SLACK))
            assert [future.result() for future in as_completed(futures)] == sorted(delays)


@scenario
def deadlines_in_order(draw: random.Random, _: VirtualClock) -> None:
    timeouts = apart(draw, draw.randrange(2, 5))
    ended: list[float] = []
    with pytest_netmocks.tcp() as server, ThreadPoolExecutor(8) as executor:
        server.inject(Blackhole())

        def client(timeout: float) -> None:
            with takes(timeout), ends_with(TimeoutError):
                ask(server.address, timeout)
            ended.append(timeout)

        with takes(max(timeouts)):
            for future in [executor.submit(client, timeout) for timeout in timeouts]:
                future.result()
    assert ended == sorted(timeouts)


@scenario
def waits_forever(draw: random.Random, _: VirtualClock) -> None:
    pause = seconds(draw)
    locked = threading.Lock()
    locked.acquire()

    async def a_task() -> None:
        await asyncio.Event().wait()

    with pytest_netmocks.tcp() as server:
        server.inject(Blackhole())
        waits: list[Callable[[], object]] = [
            lambda: ask(server.address, None),
            queue.Queue[int]().get,
            threading.Event().wait,
            locked.acquire,
            lambda: asyncio.run(a_task()),
        ]
        with takes(0), ends_with(WaitsForever):
            draw.choice(waits)()
        with takes(pause):
            time.sleep(pause)


# Mail and files


@scenario
def smtp(draw: random.Random, _: VirtualClock) -> None:
    timeout, latency = SLACK + seconds(draw), draw.uniform(0, SLACK)
    with pytest_netmocks.smtp() as server:
        with takes(timeout), ends_with(smtplib.SMTPServerDisconnected):  # so it calls a time-out in the greeting
            server.inject(Blackhole(), first=1)
            smtplib.SMTP(*server.address[:2], timeout=timeout)
        server.inject(Latency(latency))
        # The greeting, EHLO, MAIL, RCPT, DATA and its end, and QUIT
        with takes(7 * latency), smtplib.SMTP(*server.address[:2], timeout=timeout + SLACK) as session:
            session.sendmail("a@example.org", ["b@example.org"], "Subject: x\r\n\r\nx")
        assert len(server.messages) == 1


@scenario
def ftp(draw: random.Random, _: VirtualClock) -> None:
    timeout, body = SLACK + seconds(draw), draw.randbytes(draw.randrange(1, 10_000))
    got: list[bytes] = []
    with pytest_netmocks.ftp() as server:
        (server.root / "x").write_bytes(body)
        with ftplib.FTP() as session:
            session.connect(*server.address[:2], timeout=timeout)
            session.login()
            with takes(0):
                session.retrbinary("RETR x", got.append)
            injection = server.inject(Blackhole())
            with takes(timeout), ends_with(TimeoutError):
                session.pwd()
            injection.lift()
    assert b"".join(got) == body

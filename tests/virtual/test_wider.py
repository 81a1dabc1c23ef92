"""What is older than a test and outlives it: loops of asyncio, pools of threads."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed

import pytest

import pytest_netmocks
from pytest_netmocks import clock


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


def test_the_clock_of_a_loop_that_lives_on_does_not_go_back(loop: asyncio.AbstractEventLoop) -> None:
    async def sleeps(seconds: float) -> float:
        begin = loop.time()
        await asyncio.sleep(seconds)
        assert loop.time() - begin >= seconds
        return loop.time()

    for _ in range(2):
        with pytest_netmocks.virtual_time():
            before = loop.run_until_complete(sleeps(1000))
            begin = clock.real_now()
            timer = loop.create_task(asyncio.sleep(0.2))
            loop.run_until_complete(asyncio.sleep(0))
        assert loop.time() >= before
        loop.run_until_complete(timer)
        assert 0.2 <= clock.real_now() - begin < 60
        assert loop.run_until_complete(sleeps(0.05)) - before < 60


def test_threads_that_a_pool_from_before_starts_take_part_and_idle_ones_hold_up_nobody(
    pool: ThreadPoolExecutor,
) -> None:
    with pytest_netmocks.virtual_time() as running:
        begin = clock.real_now()
        for _ in range(3):
            done = [pool.submit(time.sleep, seconds) for seconds in (300, 100, 200)]
            assert [done.index(future) for future in as_completed(done)] == [1, 2, 0]
            time.sleep(1000)
        assert clock.real_now() - begin < 30
        assert running.jumped > 3800
    assert pool.submit(threading.get_ident).result(10) in {thread.ident for thread in threading.enumerate()}


def test_work_of_a_pools_thread_from_before_takes_real_time(pool: ThreadPoolExecutor) -> None:
    pool.submit(int).result()
    with pytest_netmocks.virtual_time() as running:
        future = pool.submit(time.sleep, 0.2)
        assert future.result(5) is None
        assert running.jumped < 1
        time.sleep(1000)
        assert running.jumped > 900


def test_a_pool_from_before_may_end_in_virtual_time() -> None:
    pool = ThreadPoolExecutor(2)
    with pytest_netmocks.virtual_time():
        assert list(pool.map(len, ["x"] * 4)) == [1] * 4
        pool.shutdown()
        time.sleep(1000)


def test_work_of_a_pool_of_processes_from_before_takes_real_time() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(int).result()
        with pytest_netmocks.virtual_time():
            assert pool.submit(time.sleep, 0.3).result(60) is None
            time.sleep(1000)

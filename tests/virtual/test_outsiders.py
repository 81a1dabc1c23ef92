"""Threads from before virtual time: nobody waits for them while they rest, and everybody while they work."""

from __future__ import annotations

import _thread
import linecache
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pycares
import pytest

import pytest_netmocks
from pytest_netmocks import DnsServer, clock
from pytest_netmocks.virtual import library, outsiders

Job = Callable[[], object]


@pytest.fixture(params=["thread", "raw"])
def worker(request: pytest.FixtureRequest) -> Iterator[Callable[[Job], None]]:
    """Gives jobs to a thread from before."""
    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        for job in iter(jobs.get, None):
            job()
        ended.set()

    if request.param == "raw":
        _thread.start_new_thread(work, ())
    else:
        threading.Thread(target=work, name="the-worker").start()
    assert begun.wait(10)
    yield jobs.put
    jobs.put(None)
    assert ended.wait(10)


def spin(seconds: float) -> None:
    end = clock.real_now() + seconds
    while clock.real_now() < end:
        pass


def test_one_that_rests_is_waited_for_by_nobody(worker: Callable[[Job], None]) -> None:
    with pytest_netmocks.virtual_time() as running:
        begin = clock.real_now()
        time.sleep(1000)
    assert clock.real_now() - begin < 30
    assert running.jumped > 900


def wait_for_the_end_of_a_channel() -> None:
    """It is taken down in a thread of the library's, which works until it is back where it waits for the next one."""
    takes_down = next(thread for thread in threading.enumerate() if "_run_safe_shutdown_loop" in thread.name)
    waiting = pycares._shutdown_manager._queue
    deadline = clock.real_now() + 30
    while True:
        frame = sys._current_frames()[takes_down.ident or 0]
        if waiting.empty() and "_queue.get()" in linecache.getline(frame.f_code.co_filename, frame.f_lineno):
            return
        assert clock.real_now() < deadline


def test_one_of_a_c_library_that_python_takes_to_be_there_for_ever_is_waited_for_by_nobody(
    dns_server: DnsServer,
) -> None:
    dns_server.zone["a.test"] = "10.0.0.1"
    answered = threading.Event()
    channel = pycares.Channel(servers=[f"{dns_server.host}:{dns_server.port}"])
    channel.query("a.test", pycares.QUERY_TYPE_A, callback=lambda *_: answered.set())
    assert answered.wait(30)
    channel.close()
    wait_for_the_end_of_a_channel()
    dead = library.threads() - {thread.ident for thread in threading.enumerate()}
    with pytest_netmocks.virtual_time() as running:
        begin = clock.real_now()
        for _ in range(20):  # one of them may have its identity
            thread = threading.Thread(target=lambda: time.sleep(100))
            thread.start()
            thread.join()
        time.sleep(1000)
    assert dead
    assert clock.real_now() - begin < 30
    assert running.jumped > 2900


def test_one_that_gets_work_is_waited_for_until_that_is_done(worker: Callable[[Job], None]) -> None:
    began, over = threading.Event(), threading.Event()

    def job() -> None:
        began.set()
        while not over.is_set():
            pass

    with pytest_netmocks.virtual_time() as running:
        time.sleep(100)
        worker(job)
        assert began.wait(60)
        before = running.jumped
        time.sleep(0.2)
        assert running.jumped == before
        over.set()
        time.sleep(1000)
        assert running.jumped - before > 900


def test_one_that_works_in_the_beginning_is_waited_for_until_it_rests(worker: Callable[[Job], None]) -> None:
    began, over, rested = threading.Event(), threading.Event(), threading.Event()

    def job() -> None:
        began.set()
        while not over.is_set():
            pass
        rested.wait(60)

    worker(job)
    assert began.wait(10)
    with pytest_netmocks.virtual_time() as running:
        time.sleep(0.2)
        assert not running.jumped
        over.set()
        time.sleep(1000)
        assert running.jumped > 900
        rested.set()


def test_one_that_watches_over_the_run_is_waited_for_by_nobody() -> None:
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            spin(0.01)

    watch.__module__ = outsiders.MACHINERY[0]
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        with pytest_netmocks.virtual_time() as running:
            time.sleep(1000)
        assert running.jumped > 999
    finally:
        over.set()
        thread.join()

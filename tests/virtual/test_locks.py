"""Locks that are made in virtual time are as the real ones, to their owners, to conditions and to libraries."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

pytestmark = pytest.mark.virtual_time


def test_a_reentrant_lock_is_free_when_its_owner_has_let_it_go_as_often_as_he_took_it() -> None:
    lock = threading.RLock()
    taken: list[bool] = []

    def other(timeout: float) -> None:
        taken.append(lock.acquire(timeout=timeout))
        if taken[-1]:
            lock.release()

    with lock:
        with lock:
            pass
        begin = time.monotonic()
        waiting = threading.Thread(target=other, args=(50,))
        waiting.start()
        waiting.join()
        assert time.monotonic() - begin >= 50
        second = threading.Thread(target=other, args=(500,))
        second.start()
        time.sleep(100)
    second.join()
    assert taken == [False, True]
    with pytest.raises(RuntimeError):
        lock.release()
    assert lock.acquire(blocking=False)


def test_a_condition_lets_go_of_its_lock_however_often_it_was_taken() -> None:
    condition = threading.Condition()

    def notify() -> None:
        time.sleep(30)
        with condition:
            condition.notify()

    thread = threading.Thread(target=notify)
    with condition, condition:
        thread.start()
        assert condition.wait(60)
    thread.join()
    assert condition.acquire(blocking=False)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="asks for a signal")
def test_a_signals_handler_may_take_a_lock_that_its_thread_is_about_to_take() -> None:
    lock = threading.RLock()
    taken = 0

    def handler(*_: object) -> None:
        nonlocal taken
        with lock:
            taken += 1

    before = signal.signal(signal.SIGPROF, handler)
    signal.setitimer(signal.ITIMER_PROF, 0.0005, 0.0005)
    try:
        while taken < 50:
            with lock:
                pass
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


LATE = """
import sys, pytest_netmocks
async def main():
    await trio.sleep(100)
with pytest_netmocks.virtual_time():
    assert "trio" not in sys.modules
    import trio
    trio.run(main)
trio.run(trio.sleep, 0)
with pytest_netmocks.virtual_time():
    trio.run(main)
"""


def test_trio_may_be_loaded_in_virtual_time() -> None:
    subprocess.run([sys.executable, "-c", LATE], check=True, timeout=120)

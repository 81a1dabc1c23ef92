"""The marker, the setting and the fixture; what watches over the test run sees real time."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import threading
import time

import anyio
import pytest
import trio
from helpers import takes

import pytest_netmocks
from pytest_netmocks.clock import real_now
from pytest_netmocks.faults import Bandwidth
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.virtual import forever, held, library
from pytest_netmocks.virtual.clock import VirtualClock


def outcomes(pytester: pytest.Pytester, *options: str, **expected: int) -> pytest.RunResult:
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", *options, timeout=90)
    result.assert_outcomes(**expected)
    return result


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ("virtual_time(speed=2)", "*the virtual_time marker takes patience=seconds and nothing else, not speed*"),
        ("virtual_time(5)", "*the virtual_time marker takes patience=seconds and nothing else, not 5*"),
        ("virtual_time(patience=0)", "*patience must be a number above 0*"),
    ],
)
def test_a_wrong_marker_is_refused_at_collection(pytester: pytest.Pytester, marker: str, told: str) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.{marker}\ndef test_it(): raise SystemExit")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    (result.stderr if result.ret == pytest.ExitCode.USAGE_ERROR else result.stdout).fnmatch_lines([told])
    assert result.ret != 0


def test_modules_classes_and_test_cases_may_have_the_marker(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import time, unittest, pytest

        real = [time.sleep]

        @pytest.mark.virtual_time
        class TestIt:
            def test_it(self):
                time.sleep(1000)

        @pytest.mark.virtual_time
        class Case(unittest.TestCase):
            def test_it(self):
                time.sleep(1000)

        @pytest.mark.virtual_time
        async def test_async():
            import asyncio
            await asyncio.sleep(1000)

        def test_real():
            assert time.sleep in real
        """
    )
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")
    outcomes(pytester, passed=4)


def test_a_servers_own_fixture_falls_under_the_setting(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nnetmocks_virtual_time = true")
    pytester.makepyfile(
        """
        import time, pytest_netmocks

        api = pytest_netmocks.server_fixture("http", scope="module")
        real = [time.sleep]

        def test_with(api):
            assert time.sleep not in real

        def test_without():
            assert time.sleep in real
        """
    )
    outcomes(pytester, passed=2)


@pytest.mark.parametrize("setting", ["timeout_func_only = true", "timeout_func_only = false"])
def test_pytest_timeout_counts_real_seconds(pytester: pytest.Pytester, setting: str) -> None:
    pytester.makeini(f"[pytest]\ntimeout = 60\ntimeout_method = thread\n{setting}")
    pytester.makepyfile(
        """
        import time, pytest

        @pytest.mark.virtual_time
        def test_it():
            time.sleep(1000)
        """
    )
    outcomes(pytester, passed=1)


def test_sleeps_are_those_of_the_test_and_its_client(netmocks: Netmocks, virtual_clock: VirtualClock) -> None:
    def answer(request: object) -> bytes:
        time.sleep(7)
        return b"y"

    server = netmocks.tcp()
    server.when(b"x").reply(answer)
    with socket.create_connection(server.address, timeout=60) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"y"
    time.sleep(1)
    asyncio.run(asyncio.sleep(2))
    trio.run(trio.sleep, 4)
    anyio.run(anyio.sleep, 8)
    anyio.run(anyio.sleep, 16, backend="trio")
    threading.Event().wait(5)
    subprocess.run([sys.executable, "-c", ""], check=True, timeout=60)
    assert [sleep.seconds for sleep in virtual_clock.sleeps] == [1, 2, 4, 8, 16]
    assert "in test_sleeps_are_those" in str(virtual_clock.sleeps[0])


def test_a_slow_link_keeps_its_rate_in_coarser_pieces(netmocks: Netmocks, virtual_clock: VirtualClock) -> None:
    server = netmocks.http()
    server.when("/x").reply(body=b"x" * 100_000)
    server.inject(Bandwidth(1000))
    import httpx

    real, begin = real_now(), time.monotonic()
    with httpx.Client(timeout=60) as client:
        assert len(client.get(server.url_for("/x")).content) == 100_000
    took = time.monotonic() - begin
    assert 100 <= took < 103 + real_now() - real
    assert virtual_clock.jumps < 2000


def test_a_lock_is_waited_for_by_the_clock(virtual_clock: VirtualClock) -> None:
    for lock in (threading.Lock(), threading.RLock()):
        taken = threading.Event()

        def hold(lock: threading.Lock = lock, taken: threading.Event = taken) -> None:  # type: ignore[assignment]
            with lock:
                taken.set()
                time.sleep(100)

        holder = threading.Thread(target=hold)
        with takes(100):
            with takes(50):
                holder.start()
                taken.wait()
                assert not lock.acquire(timeout=50)
            lock.acquire()
        lock.release()
        holder.join()


def test_a_child_of_multiprocessing_keeps_time_real() -> None:
    code = """if True:
        import multiprocessing, time, pytest_netmocks

        def child():
            begin = time.monotonic()
            time.sleep(0.5)

        if __name__ == "__main__":
            with pytest_netmocks.virtual_time() as clock:
                begin = time.clock_gettime(time.CLOCK_MONOTONIC)
                process = multiprocessing.get_context("fork").Process(target=child)
                process.start()
                time.sleep(0.3)
                assert time.clock_gettime(time.CLOCK_MONOTONIC) - begin >= 0.3
                process.join(60)
                assert process.exitcode == 0, process.exitcode
                time.sleep(1000)
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


def test_where_gevent_has_patched_time_it_is_refused() -> None:
    code = """if True:
        from gevent import monkey
        monkey.patch_all()
        import pytest_netmocks
        try:
            pytest_netmocks.virtual_time().__enter__()
        except RuntimeError as error:
            assert "gevent" in str(error)
        else:
            raise SystemExit("not refused")
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_who_kept_it_is_in_the_timeline(netmocks: Netmocks, virtual_clock: VirtualClock) -> None:
    server = netmocks.tcp()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        for _ in range(600):
            if any("for the process" in str(kept) and kept.seconds >= held.LONG for kept in virtual_clock.held_by):
                break
            time.sleep(0.1)
        process.communicate(b"\n", timeout=60)
    time.sleep(1)
    told = re.compile("virtual time waited .* for the process")
    assert server.wait_for(lambda server: any(told.match(line.text) for line in server.timeline), timeout=60)


def test_the_public_names_are_there() -> None:
    assert {"virtual_time", "WaitsForever", "VirtualClock"} <= set(dir(pytest_netmocks))


def test_where_a_running_thread_is_can_be_told_while_it_runs() -> None:
    over = threading.Event()

    def deep(depth: int) -> int:
        return deep(depth - 1) + 1 if depth else 0

    def work() -> None:
        while not over.is_set():
            deep(50)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert thread.ident is not None
    try:
        told = [forever.place_of(library.stacks()[thread.ident]) for _ in range(50)]
    finally:
        over.set()
        thread.join()
    assert any("test_markers.deep (test_markers.py:" in text for text in told)
    assert forever.place_of(()) == "a place that cannot be told"

"""The clock itself: it jumps when everybody waits, never past a deadline, and never while somebody works."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from time import monotonic as imported_monotonic

import pytest
from helpers import connect, takes

import pytest_netmocks
from pytest_netmocks.clock import real_now
from pytest_netmocks.faults import Blackhole, Latency
from pytest_netmocks.link import loop as loops
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.virtual import held, kernel, library
from pytest_netmocks.virtual.alarm import Poller
from pytest_netmocks.virtual.clock import VirtualClock
from pytest_netmocks.virtual.wait import Wait

pytestmark = pytest.mark.virtual_time


def test_every_clock_of_the_time_module_goes_forward_by_what_is_slept() -> None:
    def read() -> list[float]:
        counted = time.time_ns(), time.monotonic_ns(), time.perf_counter_ns()
        return [time.time(), time.monotonic(), time.perf_counter(), imported_monotonic(), *(n / 1e9 for n in counted)]

    real, before = real_now(), read()
    time.sleep(3600)
    after, real = read(), real_now() - real
    assert all(3600 <= now - then <= 3600.001 + real for then, now in zip(before, after, strict=True))
    assert real < 1800


def test_a_jump_never_passes_a_deadline() -> None:
    woke: list[tuple[float, float]] = []

    def sleeper(seconds: float) -> None:
        due = time.monotonic() + seconds
        time.sleep(seconds)
        woke.append((due, time.monotonic()))

    real = real_now()
    threads = [threading.Thread(target=sleeper, args=(seconds,)) for seconds in (50, 10, 30, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    real = real_now() - real
    assert all(0 <= at - due <= real for due, at in woke)
    assert woke == sorted(woke)


def test_of_two_deadlines_the_smaller_passes_first(tcp_server: TcpServer) -> None:
    tcp_server.inject(Latency(60))
    for timeout, expected in ((55, pytest.raises(TimeoutError)), (65, contextlib.nullcontext())):
        with socket.create_connection(tcp_server.address, timeout=timeout) as client, expected:
            client.sendall(b"x")
            assert client.recv(1) == b"x"


def test_work_takes_the_time_that_it_takes() -> None:
    def work() -> None:
        end = time.clock_gettime(time.CLOCK_MONOTONIC) + 0.2
        while time.clock_gettime(time.CLOCK_MONOTONIC) < end:
            pass

    worker = threading.Thread(target=work)
    with takes(0.2):
        worker.start()
        worker.join(timeout=60)
    assert not worker.is_alive()


def test_a_thread_that_comes_to_life_during_a_look_is_seen(
    virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = [True]
    me = threading.get_ident()

    def threads() -> set[int]:
        starts[0] = False  # it runs from here on
        return {me}

    monkeypatch.setattr(library, "threads", threads)
    monkeypatch.setattr(library, "starting", lambda: starts[0])
    assert virtual_clock.others.busy({me: Wait("its start", None, lambda: True)}) is not None
    assert virtual_clock.others.busy({me: Wait("its start", None, lambda: True)}) is None


@pytest.mark.parametrize("end", ["client", "server"])
def test_what_never_arrives_holds_nobody_up_whoever_has_sent_it(
    end: str, tcp_server: TcpServer, virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = "bytes that are on their way"
    tcp_server.inject(Blackhole())
    with connect(tcp_server, timeout=120) as sock:
        stuck = {sock.fileno()} if end == "client" else set(loops.shared().loop._selector.get_map()) - {sock.fileno()}  # type: ignore[attr-defined]

        def left_only(self: kernel.Ends, number: int, info: bytes) -> bool:
            if any(kept.who == who and kept.seconds >= held.SHORT for kept in virtual_clock.held_by):
                monkeypatch.setattr(kernel, "TRANSIT", 0)
            return number in stuck

        monkeypatch.setattr(kernel, "TRANSIT", 60)
        monkeypatch.setattr(kernel, "_info", lambda number: struct.pack("=24xI", 1))
        monkeypatch.setattr(kernel.Ends, "_left_only", left_only)
        with takes(120), pytest.raises(TimeoutError):
            sock.recv(1)
        assert who in [kept.who for kept in virtual_clock.held_by]


def test_what_a_machine_takes_to_wake_a_thread_is_nobodys_time(
    tcp_server: TcpServer, virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, took = Poller.told, list[float]()

    def spin(seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        end = time.clock_gettime(time.CLOCK_MONOTONIC) + seconds
        while time.clock_gettime(time.CLOCK_MONOTONIC) < end and not until():
            pass

    def told_late(self: Poller, timeout: float | None) -> Sequence[int]:
        ready = told(self, timeout)
        if ready and timeout != 0:  # somebody who slept, and not who only looks
            spin(5, until=lambda: virtual_clock._stopped is not None or len(took) == 5)  # the others wait, too
            spin(0.2)
        return ready

    tcp_server.inject(Latency(30))
    with connect(tcp_server, timeout=60) as sock:
        monkeypatch.setattr(Poller, "told", told_late)
        for _ in range(5):
            begin = time.monotonic()
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
            took.append(time.monotonic() - begin)
    assert 30 <= min(took) < 30.2


def test_who_is_to_go_on_and_does_not_holds_up_no_deadline(virtual_clock: VirtualClock) -> None:
    stuck = Wait("something that has come", None, lambda: True)
    virtual_clock._waiting[-1] = stuck
    with takes(0.5):
        time.sleep(0.5)
    del virtual_clock._waiting[-1]


def test_a_thread_that_starts_late_is_waited_for() -> None:
    order: list[str] = []

    def first() -> None:
        time.sleep(100)
        second_thread.start()
        time.sleep(300)
        order.append("first")

    def second() -> None:
        time.sleep(200)
        order.append("second")

    second_thread = threading.Thread(target=second)
    first_thread = threading.Thread(target=first)
    with takes(400):
        first_thread.start()
        first_thread.join()
        second_thread.join()
    assert order == ["second", "first"]


def test_a_client_that_vanishes_holds_up_nobody(tcp_server: TcpServer) -> None:
    tcp_server.inject(Blackhole())
    client = socket.create_connection(tcp_server.address, timeout=60)
    client.sendall(b"x")
    client.close()
    with takes(600):
        time.sleep(600)


def test_virtual_time_within_virtual_time_is_the_same(virtual_clock: VirtualClock) -> None:
    with pytest_netmocks.virtual_time(patience=1) as inner:
        assert inner is virtual_clock
    with takes(200):
        time.sleep(200)


def test_the_clock_tells_how_often_and_how_far_it_jumped(virtual_clock: VirtualClock) -> None:
    real, before = real_now(), (virtual_clock.jumps, virtual_clock.jumped)
    time.sleep(1000)
    assert virtual_clock.jumps > before[0]
    assert 1000 - (real_now() - real) <= virtual_clock.jumped - before[1] <= 1000
    assert time.monotonic() <= virtual_clock.now() <= time.monotonic()


def test_the_servers_waits_are_by_the_same_clock(tcp_server: TcpServer) -> None:
    with takes(200), pytest.raises(TimeoutError):
        tcp_server.wait_for(lambda server: False, timeout=200)


def test_a_timeline_has_virtual_seconds(tcp_server: TcpServer) -> None:
    real = real_now()
    with socket.create_connection(tcp_server.address, timeout=60) as client:
        tcp_server.wait_for(lambda server: bool(server.connections))
        time.sleep(50)
        client.sendall(b"x")
        assert client.recv(1) == b"x"
    (connection,) = tcp_server.connections
    received = next(line for line in tcp_server.timeline if line.kind == "received")
    assert 50 <= received.at - connection.opened_at <= 50 + real_now() - real


def test_who_has_connected_is_on_record_before_he_sleeps_however_busy_the_servers_are(tcp_server: TcpServer) -> None:
    def work() -> None:
        real = time.clock_gettime(time.CLOCK_MONOTONIC)
        while time.clock_gettime(time.CLOCK_MONOTONIC) - real < 0.1:
            pass

    loops.shared().loop.call_soon_threadsafe(work)
    with socket.create_connection(tcp_server.address, timeout=60) as sock:
        time.sleep(50)
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    (connection,) = tcp_server.connections
    received = next(event for event in tcp_server.timeline if event.kind == "received")
    assert received.at - connection.opened_at >= 50


@pytest.mark.parametrize("patience", [0, -1, "long", True])
def test_no_patience_at_all_is_refused(patience: object) -> None:
    with pytest.raises((TypeError, ValueError), match="patience"), pytest_netmocks.virtual_time(patience=patience):  # type: ignore[arg-type]
        pass


def test_select_and_poll_wait_by_the_clock(tcp_server: TcpServer) -> None:
    tcp_server.inject(Latency(300))
    with socket.create_connection(tcp_server.address) as client:
        with takes(200):
            assert select.select([client], [], [], 200) == ([], [], [])
        poll = select.poll()
        poll.register(client, select.POLLIN)
        with takes(200):
            assert poll.poll(200_000) == []
        with takes(300):
            client.sendall(b"x")
            assert select.select([client.fileno()], [], [], 600)[0] == [client.fileno()]


def _waits_for(seconds: float) -> Callable[[], object]:
    condition = threading.Condition()

    def wait() -> bool:
        with condition:
            return condition.wait_for(lambda: False, seconds)

    return wait


@pytest.mark.parametrize(
    "wait",
    [
        lambda: threading.Semaphore(0).acquire(timeout=200),
        _waits_for(200),
        lambda: threading.Event().wait(200),
        lambda: queue.Queue[int]().get(timeout=200),
        lambda: queue.SimpleQueue[int]().get(timeout=200),
        lambda: threading.Barrier(2).wait(200),
    ],
    ids=["semaphore", "wait_for", "event", "queue", "simple queue", "barrier"],
)
def test_a_wait_of_threads_takes_its_time_out_and_no_more(wait: Callable[[], object]) -> None:
    with takes(200), contextlib.suppress(queue.Empty, threading.BrokenBarrierError):
        wait()

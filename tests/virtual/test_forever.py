"""A wait that nobody will ever end is an error at once, in the test's own wait, and says where everybody waits."""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx
import pytest
import requests
import trio
from helpers import FEW_PLUGINS

import pytest_netmocks
from pytest_netmocks import WaitsForever
from pytest_netmocks.faults import Blackhole, Close, Reset, Slice, Stall
from pytest_netmocks.protocols.http.server import HttpServer, HttpsServer
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.virtual.clock import VirtualClock

pytestmark = pytest.mark.virtual_time


def read_into(sock: socket.socket) -> bytes:
    buffer = bytearray(8)
    return bytes(buffer[: sock.recv_into(buffer, 5, socket.MSG_WAITALL)])


READS_OF_ALL = [
    pytest.param(lambda sock: sock.recv(5, socket.MSG_WAITALL), id="recv"),
    pytest.param(read_into, id="into"),
]


def test_it_is_no_oserror_or_clients_would_retry() -> None:
    assert not issubclass(WaitsForever, OSError)


def test_a_client_without_a_time_out_is_found(http_server: HttpServer) -> None:
    http_server.inject(Blackhole())
    with pytest.raises(WaitsForever, match=r"MainThread waits in recv_into\(\) of a socket to .*called by urllib3"):
        requests.get(http_server.url)  # that is the point


def test_so_it_is_over_tls(https_server: HttpsServer) -> None:
    https_server.inject(Blackhole())
    with pytest.raises(WaitsForever, match="TLS"):
        requests.get(https_server.url, verify=https_server.ca.cert_file)


@pytest.mark.parametrize("read", READS_OF_ALL)
def test_who_wants_more_than_will_come_is_found(tcp_server: TcpServer, read: Callable[[socket.socket], bytes]) -> None:
    tcp_server.inject(Stall(after_bytes=3))
    with socket.create_connection(tcp_server.address) as sock:
        sock.sendall(b"hello")
        with pytest.raises(WaitsForever):
            read(sock)


@pytest.mark.parametrize("read", READS_OF_ALL)
def test_who_wants_all_gets_all_or_what_there_was(
    tcp_server: TcpServer, read: Callable[[socket.socket], bytes], virtual_clock: VirtualClock
) -> None:
    """recv(2) with MSG_WAITALL; an error behind what was read is for the next call."""
    with tcp_server.inject(Slice(1, delay=1.0)), socket.create_connection(tcp_server.address) as sock:
        begin = virtual_clock.now()
        sock.sendall(b"hello")
        assert read(sock) == b"hello"
        assert virtual_clock.now() - begin >= 4
    with tcp_server.inject(Close(after_bytes=3)), socket.create_connection(tcp_server.address) as sock:
        sock.sendall(b"hello")
        assert read(sock) == b"hel"
        assert read(sock) == b""
    with tcp_server.inject(Reset(after_bytes=3)), socket.create_connection(tcp_server.address) as sock:
        sock.sendall(b"hello")
        assert read(sock) == b"hel"
        with pytest.raises(ConnectionResetError):
            read(sock)


@pytest.mark.parametrize(
    "send", [lambda sock, data: sock.send(data), lambda sock, data: sock.sendmsg([data])], ids=["send", "sendmsg"]
)
def test_who_sends_to_one_that_never_reads_is_found(
    tcp_server: TcpServer, send: Callable[[socket.socket, bytes], int]
) -> None:
    tcp_server.inject(Stall(direction="upstream"))
    with socket.create_connection(tcp_server.address) as sock, pytest.raises(WaitsForever):
        while True:
            send(sock, bytes(1 << 22))


def test_threads_that_nobody_will_wake_are_found() -> None:
    waits = threading.Event().wait, queue.Queue[int]().get, queue.SimpleQueue[int]().get, threading.Semaphore(0).acquire
    for wait in waits:
        with pytest.raises(WaitsForever, match=r"Condition\.wait"):
            wait()


def test_a_deadlock_is_found() -> None:
    lock = threading.Lock()
    lock.acquire()
    with pytest.raises(WaitsForever, match=r"Lock\.acquire"):
        lock.acquire()


async def _get(url: str) -> None:
    async with httpx.AsyncClient(timeout=None) as client:
        await client.get(url)


def test_asyncio_run_raises_it_and_names_the_tasks_and_where_they_wait(http_server: HttpServer) -> None:
    http_server.inject(Blackhole())

    async def main() -> None:
        await asyncio.create_task(_get(http_server.url), name="the-client")

    with pytest.raises(WaitsForever, match="task the-client waits in ") as caught:
        asyncio.run(main())
    assert "test_forever.py" in str(caught.value) or "anyio" in str(caught.value)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio_run_raises_it(http_server: HttpServer, backend: str) -> None:
    http_server.inject(Blackhole())
    with pytest.raises(WaitsForever, match="task"):
        anyio.run(_get, http_server.url, backend=backend)


def test_trio_run_raises_it_from_within_a_nursery(http_server: HttpServer) -> None:
    http_server.inject(Blackhole())
    left: list[str] = []

    async def child() -> None:
        try:
            await _get(http_server.url)
        finally:
            left.append("child")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)

    with pytest.raises(WaitsForever, match=r"child waits in"):
        trio.run(main)
    assert left == ["child"]


def test_a_trio_task_can_catch_it_where_it_waits() -> None:
    async def main() -> str:
        with pytest.raises(WaitsForever):
            await trio.sleep_forever()
        await trio.sleep(100)
        return "on"

    assert trio.run(main) == "on"


def test_a_trio_test_of_anyios_plugin_fails_with_it_and_the_next_one_runs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import anyio, pytest

        pytestmark = [pytest.mark.anyio, pytest.mark.virtual_time]

        @pytest.fixture
        def anyio_backend():
            return "trio"

        async def test_it():
            await anyio.Event().wait()

        async def test_next():
            await anyio.sleep(1000)
        """
    )
    result = pytester.runpytest_subprocess(*FEW_PLUGINS, "-p", "anyio", "-p", "no:asyncio", timeout=90)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*WaitsForever: everybody waits*", "*task *test_it*"])


def test_a_pool_whose_worker_waits_for_ever_ends(tcp_server: TcpServer) -> None:
    tcp_server.inject(Blackhole())

    def client() -> bytes:
        with socket.create_connection(tcp_server.address) as sock:
            sock.sendall(b"x")
            return sock.recv(1)

    with pytest.raises(WaitsForever, match="ThreadPoolExecutor"), ThreadPoolExecutor(1) as pool:
        pool.submit(client).result()


def test_so_it_is_on_the_first_server_of_a_process(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nfilterwarnings = error::pytest.PytestUnhandledThreadExceptionWarning")
    pytester.makepyfile(
        """
        import socket
        from concurrent.futures import ThreadPoolExecutor
        import pytest
        from pytest_netmocks import WaitsForever
        from pytest_netmocks.faults import Blackhole

        @pytest.mark.virtual_time
        def test_it(tcp_server):
            tcp_server.inject(Blackhole())

            def client():
                with socket.create_connection(tcp_server.address) as sock:
                    sock.sendall(b"x")
                    return sock.recv(1)

            with pytest.raises(WaitsForever), ThreadPoolExecutor(1) as pool:
                pool.submit(client).result()
            assert len(tcp_server.connections) == 1  # the servers' loop goes on
        """
    )
    result = pytester.runpytest_subprocess(*FEW_PLUGINS, timeout=90)
    result.assert_outcomes(passed=1)


def test_timers_of_the_servers_alone_go_round_in_vain(tcp_server: TcpServer) -> None:
    tcp_server.inject(Blackhole())
    with socket.create_connection(tcp_server.address) as client:
        client.sendall(b"x")
        client.shutdown(socket.SHUT_WR)  # from now on the server looks now and then whether the client is there
        with pytest.raises(WaitsForever):
            client.recv(1)


def test_where_somebody_has_a_deadline_nobody_waits_for_ever(tcp_server: TcpServer) -> None:
    tcp_server.inject(Blackhole())
    closing = threading.Timer(3600, tcp_server.stop)
    closing.start()
    with socket.create_connection(tcp_server.address) as client:
        client.sendall(b"x")
        assert client.recv(1) == b""
    closing.join()


@pytest.mark.virtual_time(patience=0.2)
def test_patience_ends_what_an_unknown_wait_leaves_open(tcp_server: TcpServer, virtual_clock: VirtualClock) -> None:
    reading, writing = os.pipe()
    unknown = threading.Thread(target=os.read, args=(reading, 1), name="unknown")
    unknown.start()
    real = time.clock_gettime(time.CLOCK_MONOTONIC)
    try:
        with socket.create_connection(tcp_server.address) as client, pytest.raises(WaitsForever):
            client.recv(1)
        assert 0.2 <= time.clock_gettime(time.CLOCK_MONOTONIC) - real < 20
        assert any("thread unknown in" in str(held) for held in virtual_clock.held_by)
    finally:
        os.write(writing, b"x")
        unknown.join()
        os.close(reading)
        os.close(writing)


def test_the_next_wait_after_it_is_one_like_any_other(tcp_server: TcpServer) -> None:
    for _ in range(2):
        with socket.create_connection(tcp_server.address) as client, pytest.raises(WaitsForever):
            client.recv(1)
    time.sleep(100)


def test_outside_of_pytest_it_is_the_same() -> None:
    with pytest.raises(WaitsForever), pytest_netmocks.virtual_time():
        threading.Event().wait()


def test_a_thread_of_the_runs_own_machinery_is_joined_in_real_time(virtual_clock: VirtualClock) -> None:
    left_out = threading.Event()

    def machinery() -> None:
        virtual_clock.others.leave_out(threading.get_ident())
        left_out.set()
        time.sleep(0.2)  # of real time: nobody else would end the wait for it

    thread = threading.Thread(target=machinery)
    thread.start()
    assert left_out.wait(60)
    thread.join()
    assert not thread.is_alive()

"""The package's own clock: no time that it reads and no wait that it makes goes through what a test may replace."""

from __future__ import annotations

import ast
import asyncio
import datetime
import pathlib
import socket
import time

import freezegun
import pytest
import trio

import pytest_netmocks
from pytest_netmocks import clock
from pytest_netmocks.faults import Latency
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.server import TcpServer

PACKAGE = pathlib.Path(pytest_netmocks.__file__).parent

REPLACED = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "gmtime"}
    | {"localtime", "strftime"},
    "asyncio": {"sleep", "wait_for", "timeout", "timeout_at"},
    "datetime": {"now", "utcnow", "today"},
}


def test_only_the_clock_reads_times_and_waits() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "clock.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in REPLACED:
                assert not {alias.name for alias in node.names} & REPLACED[node.module], f"{path}:{node.lineno}"
            if isinstance(node, ast.Attribute):
                room = ast.unparse(node.value).partition(".")[0]
                assert node.attr not in REPLACED.get(room, set()), f"{path}:{node.lineno}: {ast.unparse(node)}"


def stopped_by_freezegun(monkeypatch: pytest.MonkeyPatch) -> freezegun.api._freeze_time:
    return freezegun.freeze_time("2012-01-14")


class StoppedByPatches:
    """The functions themselves, replaced where they stand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __enter__(self) -> None:
        for name in ("time", "monotonic", "perf_counter"):
            self._monkeypatch.setattr(time, name, lambda: 1.0)
        self._monkeypatch.setattr(time, "sleep", lambda seconds: None)

    def __exit__(self, *error: object) -> None:
        self._monkeypatch.undo()


STOPPED = pytest.mark.parametrize("stopped", [stopped_by_freezegun, StoppedByPatches])


@STOPPED
def test_a_delay_is_as_long_as_ever_when_the_tests_clock_stands(
    netmocks: Netmocks, monkeypatch: pytest.MonkeyPatch, stopped: type[StoppedByPatches]
) -> None:
    begin = clock.now()
    with stopped(monkeypatch):
        server = netmocks.tcp()
        server.inject(Latency(0.05))
        with socket.create_connection(server.address, timeout=10) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        assert clock.now() - begin >= 0.05
        opened = server.connections[0].opened_at
    assert 0 <= opened < 10


@STOPPED
def test_a_wait_ends_when_the_tests_clock_stands(
    tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch, stopped: type[StoppedByPatches]
) -> None:
    with stopped(monkeypatch), pytest.raises(TimeoutError):
        tcp_server.wait_for(lambda server: False, timeout=0.1)


@STOPPED
def test_an_async_wait_ends_when_the_tests_clock_stands(
    tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch, stopped: type[StoppedByPatches]
) -> None:
    async def wait() -> None:
        with stopped(monkeypatch), pytest.raises(TimeoutError):
            await tcp_server.async_wait_for(lambda server: False, timeout=0.1)

    asyncio.run(wait())
    trio.run(wait)


def test_a_sleep_that_the_test_has_replaced_is_not_ours(tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(delay: float, result: object = None) -> object:
        return result

    monkeypatch.setattr(asyncio, "sleep", at_once)
    tcp_server.when(b"x").reply(b"y", delay=0.05)
    begin = clock.now()
    with socket.create_connection(tcp_server.address, timeout=10) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"y"
    assert clock.now() - begin >= 0.05


def test_the_date_is_the_real_one() -> None:
    with freezegun.freeze_time("2012-01-14"):
        assert clock.utc().year > 2020
    assert abs(clock.utc() - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)) < datetime.timedelta(hours=1)


async def test_a_cancelled_sleep_leaves_no_timer() -> None:
    task = asyncio.ensure_future(clock.sleep(3600))
    await clock.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert all(timer.cancelled() for timer in asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]

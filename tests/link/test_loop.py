"""The loop's thread and what it must not leave behind."""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest
from helpers import connect, echo, elapsed, no_descriptors, read_exactly, read_to_end

import pytest_netmocks
from pytest_netmocks import clock
from pytest_netmocks.faults import Refuse
from pytest_netmocks.link import listener, loop
from pytest_netmocks.link.selector import MOST, PreciseSelector
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.server import TcpServer


def run_python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_ten_thousand_servers_leave_nothing() -> None:
    """In a process of its own: what earlier tests still had open may be closed at any moment."""
    program = (
        "import asyncio, gc, os, socket, threading, pytest_netmocks\n"
        "from pytest_netmocks.link import loop\n"
        "def echo(server):\n"
        "    with socket.create_connection(server.address, timeout=10) as sock:\n"
        "        sock.sendall(b'x')\n"
        "        assert sock.recv(1) == b'x'\n"
        "first = pytest_netmocks.tcp().start()\n"
        "def held():\n"
        "    first.settle()\n"  # its end of a connection is closed a moment after the client's
        "    first.run_in_loop(gc.collect)\n"
        "    tasks = first.run_in_loop(lambda: len(asyncio.all_tasks(loop.shared().loop)))\n"
        "    return sorted(os.listdir('/proc/self/fd')), threading.enumerate(), tasks\n"
        "echo(first)\n"
        "before = held()\n"
        "for number in range(10_000):\n"
        "    with pytest_netmocks.tcp() as server:\n"
        "        if number % 20 == 0:\n"
        "            echo(server)\n"
        "assert held() == before, (before, held())\n"
        "first.close()\n"
        "print(before[2])\n"
    )
    assert run_python(program) == "0\n"


def test_thousands_of_connections_at_once_all_answer(tcp_server: TcpServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 5_000
    if hard < 2 * wanted + 200:
        pytest.skip(f"5,000 connections take 10,200 descriptors, and this process may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * wanted + 200), hard))
    socks = []
    try:
        for _ in range(wanted):
            socks.append(connect(tcp_server))
        for number, sock in enumerate(socks):
            sock.sendall(b"%05d" % number)
        for number, sock in enumerate(socks):
            assert read_exactly(sock, 5) == b"%05d" % number
        assert tcp_server.peak_connections == wanted
        assert elapsed(tcp_server.stop) < 60
    finally:
        for sock in socks:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("restarted", [False, True])
def test_an_exhausted_descriptor_table_delays_clients_and_loses_none(
    netmocks: Netmocks, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    if restarted:
        monkeypatch.setattr(listener, "RETRY", 3600.0)
    server = netmocks.tcp()
    another = pytest_netmocks.tcp()
    waiting = connect(server)
    client = socket.socket()
    client.settimeout(10)
    with no_descriptors():
        client.connect(server.address)
        client.sendall(b"x")
        server.wait_for(lambda s: "no connection can be accepted" in str(s.timeline))
        with pytest.raises(OSError, match=r"cannot listen on 127.0.0.1 port 0.*Too many open files"):
            another.start()
    if restarted:
        server.inject(Refuse()).lift()
        server.stop()
        assert read_to_end(client) in (b"", b"x")  # it was accepted before the port refused
        server.start()
        assert echo(server) == b"hello"
    else:
        assert client.recv(1) == b"x"
    client.close()
    waiting.close()


def test_nothing_runs_before_the_first_server_and_nothing_is_left_at_exit() -> None:
    program = (
        "import threading, pytest_netmocks\n"
        "assert threading.active_count() == 1\n"
        "server = pytest_netmocks.tcp().start()\n"
        "assert threading.active_count() == 2\n"
        "server.close()\n"
        "print('fine')\n"
    )
    assert run_python(program) == "fine\n"


def test_a_handler_that_swallows_its_cancellation_does_not_keep_the_process() -> None:
    program = (
        "import asyncio, socket, pytest_netmocks\n"
        "async def stubborn(reader, writer):\n"
        "    while True:\n"
        "        try:\n"
        "            await asyncio.sleep(3600)\n"
        "        except asyncio.CancelledError:\n"
        "            pass\n"
        "with pytest_netmocks.tcp() as server:\n"
        "    server.handle(stubborn)\n"
        "    with socket.create_connection(server.address):\n"
        "        server.wait_for(lambda s: s.connections)\n"
        "print('ended')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "ended\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_starts_afresh_and_lets_the_parents_port_go() -> None:
    program = (
        "import os, socket, sys, warnings, pytest_netmocks\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"
        "def echo(server):\n"
        "    with socket.create_connection(server.address, timeout=30) as sock:\n"
        "        sock.sendall(b'x')\n"
        "        return sock.recv(1)\n"
        "parent = pytest_netmocks.tcp().start()\n"
        "assert echo(parent) == b'x'\n"
        "read, write = os.pipe()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os.close(write)\n"
        "    os.read(read, 1)\n"
        "    try:\n"
        "        socket.create_connection(parent.address, timeout=30)\n"
        "        os._exit(3)\n"
        "    except ConnectionRefusedError:\n"
        "        pass\n"
        "    parent.close()\n"
        "    with pytest_netmocks.tcp() as mine:\n"
        "        ok = echo(mine) == b'x'\n"
        "    os._exit(0 if ok else 4)\n"
        "assert echo(parent) == b'x'\n"
        "parent.close()\n"
        "os.close(read)\n"
        "os.close(write)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
        "print('fine')\n"
    )
    assert run_python(program) == "fine\n"


def test_a_call_from_the_loop_itself_does_not_wait_for_the_loop(tcp_server: TcpServer) -> None:
    seen = []

    async def handler(reader, writer):  # type: ignore[no-untyped-def]
        seen.append(tcp_server.run_in_loop(lambda: "at once"))
        with pytest.raises(RuntimeError, match="would block the servers' own loop"):
            tcp_server.wait_for(lambda server: True)
        await tcp_server.async_wait_for(lambda server: True)

    tcp_server.handle(handler)
    with connect(tcp_server) as sock:
        assert sock.recv(1) == b""
    assert seen == ["at once"]


def test_a_handler_that_blocks_the_loop_is_named(tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked, release = threading.Event(), threading.Event()

    async def blocking(reader, writer):  # type: ignore[no-untyped-def]
        blocked.set()
        release.wait(10)

    tcp_server.handle(blocking)
    with connect(tcp_server):
        assert blocked.wait(10)
        monkeypatch.setattr(loop, "PATIENCE", 0.05)
        with pytest.raises(RuntimeError, match="does a handler block"):
            tcp_server.run_in_loop(int)
        monkeypatch.undo()
        release.set()


def test_who_waits_for_calm_while_others_are_told_of_it_is_told_too(
    tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = loop.shared()
    asked, call = threading.Event(), thread.loop.call_soon_threadsafe
    other = threading.Thread(target=thread.settle)

    def call_and_tell(*args: Any) -> None:
        call(*args)
        asked.set()

    class Waiter:
        def release(self) -> None:
            monkeypatch.setattr(thread.loop, "call_soon_threadsafe", call_and_tell)
            other.start()
            assert asked.wait(30)

    call(lambda: thread._selector.waiters.append(Waiter()))
    assert asked.wait(30)
    other.join(30)
    assert not other.is_alive()


def test_who_settles_finds_on_record_what_was_sent_before(tcp_server: TcpServer) -> None:
    with connect(tcp_server) as sock:
        for number in range(1, 1001):
            sock.sendall(b"x")
            tcp_server.settle()
            assert tcp_server.connections[0].bytes_received == number


def test_a_loop_that_has_nothing_to_do_is_not_woken(tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = loop.shared()
    woken: list[Any] = []
    with connect(tcp_server) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        end = clock.now() + 10
        while not thread.idle:
            assert clock.now() < end
        monkeypatch.setattr(thread.loop, "call_soon_threadsafe", lambda *args: woken.append(args))
        tcp_server.settle()
        monkeypatch.undo()
    assert not woken


def test_a_call_that_is_settled_returns_when_what_it_began_is_over(tcp_server: TcpServer) -> None:
    thread = loop.shared()
    seen: list[int] = []

    def begin(left: int) -> None:
        seen.append(left)
        if left:
            thread.loop.call_soon(begin, left - 1)

    thread.call(begin, 100, settle=True)
    assert seen[-1] == 0


def test_a_loop_that_is_never_calm_is_not_waited_for(tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CALM", 0.02)
    thread = loop.shared()
    calm = threading.Event()

    def busy() -> str:
        if not calm.is_set():
            thread.loop.call_soon(busy)
        return "begun"

    try:
        assert thread.call(busy, settle=True) == "begun"
    finally:
        calm.set()


def test_an_error_of_the_callee_is_raised_in_the_callers_thread(tcp_server: TcpServer) -> None:
    with pytest.raises(ZeroDivisionError):
        tcp_server.run_in_loop(lambda: 1 / 0)


def test_readers_are_replaced_and_removed_as_asyncio_has_it(tcp_server: TcpServer) -> None:
    running = loop.shared().loop
    seen: list[str] = []
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(sock) for sock in socket.socketpair())
        ours.setblocking(False)

        def hear(what: str, *more: str) -> None:
            seen.append(what)
            if what != "room":
                ours.recv(1)
            else:
                running.remove_writer(ours.fileno())

        def change(*calls: tuple[Any, ...]) -> list[object]:
            return [getattr(running, name)(*arguments) for name, *arguments in calls]

        number = ours.fileno()
        call = tcp_server.run_in_loop
        assert call(change, ("remove_reader", number), ("add_reader", number, hear, "first", "more")) == [False, None]
        theirs.send(b"1")
        tcp_server.settle()
        call(change, ("add_reader", number, hear, "second"), ("add_writer", number, hear, "room"))
        theirs.send(b"2")
        tcp_server.settle()
        assert sorted(seen) == ["first", "room", "second"]
        call(change, ("add_writer", number, hear, "room"))
        assert call(change, *[("remove_reader", number)] * 2) == [True, False]
        theirs.send(b"3")
        tcp_server.settle()
        assert seen.count("second") == 1
        assert call(change, ("remove_writer", number)) == [False]  # it was called, and has gone
        assert call(change, ("add_reader", ours, hear, "third")) == [None]
        tcp_server.settle()
        assert seen[-1] == "third"
        assert call(change, ("remove_reader", ours)) == [True]


def test_one_turn_looks_after_few_and_in_turn_after_all() -> None:
    precise = PreciseSelector()
    pairs = [socket.socketpair() for _ in range(5 * MOST)]
    for ours, theirs in pairs:
        theirs.send(b"x")
        precise.register(ours, selectors.EVENT_READ)
    turns = [precise.select(0) for _ in range(5)]
    assert [len(turn) for turn in turns] == [MOST] * 5
    assert {key.fd for turn in turns for key, _ in turn} == {ours.fileno() for ours, _ in pairs}
    precise.close()
    for pair in pairs:
        for sock in pair:
            sock.close()

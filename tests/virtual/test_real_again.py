"""Afterwards everything is real again, however the test ends; threads that were there before never noticed."""

from __future__ import annotations

import queue
import select
import selectors
import socket
import ssl
import subprocess
import threading
import time
from time import sleep as imported_sleep

import pytest

import pytest_netmocks
from pytest_netmocks import clock
from pytest_netmocks.faults import Latency
from pytest_netmocks.plugin.factory import Netmocks

SPACES = (time, select, queue, threading, socket.socket, ssl.SSLSocket, threading.Condition, threading.Thread)
SPACES += (selectors.EpollSelector, selectors.PollSelector, subprocess.Popen)  # type: ignore[assignment]


def test_every_name_is_what_it_was_even_when_the_block_raises() -> None:
    before = [dict(vars(space)) for space in SPACES]
    with pytest.raises(ZeroDivisionError), pytest_netmocks.virtual_time():
        assert [dict(vars(space)) for space in SPACES] != before
        assert imported_sleep is time.sleep
        1 / 0  # noqa: B018
    assert [dict(vars(space)) for space in SPACES] == before
    assert imported_sleep is time.sleep


def test_what_somebody_kept_does_the_real_thing_afterwards() -> None:
    with pytest_netmocks.virtual_time():
        kept = time.sleep, time.monotonic
    begin = time.monotonic()
    kept[0](0.05)
    assert 0.05 <= kept[1]() - begin < 30


def test_a_thread_from_before_sees_real_time() -> None:
    ask, answer = queue.SimpleQueue[bool](), queue.SimpleQueue[float]()

    def tell() -> None:
        while ask.get():
            answer.put(time.monotonic())

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        with pytest_netmocks.virtual_time():
            time.sleep(1000)
            ask.put(True)
            assert answer.get() < time.monotonic() - 900
    finally:
        ask.put(False)
        thread.join()


def test_the_clock_of_servers_that_live_on_does_not_go_back(netmocks: Netmocks) -> None:
    server = netmocks.tcp()
    server.inject(Latency(0.05))
    with pytest_netmocks.virtual_time():
        time.sleep(1000)
        before = server.journal.now()
    assert before >= 1000
    begin = clock.now()
    with socket.create_connection(server.address, timeout=10) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
    assert clock.now() - begin >= 0.05
    assert server.connections[0].opened_at >= before


def test_a_wait_that_outlives_virtual_time_goes_on_in_real_time() -> None:
    over = threading.Event()
    waiting = threading.Thread(target=over.wait)
    with pytest_netmocks.virtual_time():
        waiting.start()
        time.sleep(10)
    over.set()
    waiting.join(10)
    assert not waiting.is_alive()


def test_certificates_have_real_dates(netmocks: Netmocks) -> None:
    with pytest_netmocks.virtual_time():
        time.sleep(10 * 365 * 86400)
        server = netmocks.tls()
        context = ssl.create_default_context(cafile=server.ca.cert_file)
        with (
            socket.create_connection(server.address, timeout=60) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as client,
        ):
            client.sendall(b"x")
            assert client.recv(1) == b"x"

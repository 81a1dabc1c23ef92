"""What virtual time and sweeps cost: `python benchmarks/time_and_sweeps.py`."""

from __future__ import annotations

import contextlib
import socket
import statistics
import time
from collections.abc import Callable

import requests
import urllib3
from requests.adapters import HTTPAdapter

import pytest_netmocks
from pytest_netmocks import HttpServer, clock
from pytest_netmocks.faults import Bandwidth, Latency, Reset
from pytest_netmocks.sweeps.run import Report

ROUNDS = 5
JUMPS = 500


def seconds(function: Callable[..., object], *calls: tuple[object, ...]) -> float:
    """How long a call with each of these arguments takes, in the mean."""
    begin = clock.now()
    for arguments in calls:
        function(*arguments)
    return (clock.now() - begin) / len(calls)


def get(server: HttpServer) -> None:
    """One GET by urllib3, which tries twice more."""
    authority = server.ca.cert_file if server.scheme == "https" else None
    with (
        urllib3.PoolManager(retries=urllib3.Retry(2, backoff_factor=0), ca_certs=authority) as pool,
        contextlib.suppress(urllib3.exceptions.HTTPError),
    ):
        pool.request("GET", server.url_for("/x"), timeout=5)


def trial(kind: Callable[[], HttpServer], fault: Reset | None = None) -> None:
    """What is swept; with a fault, what somebody writes who injects it by hand."""
    with kind() as server:
        server.when("/x").reply(json={"a": 1})
        if fault is not None:
            server.inject(fault, first=1)
        get(server)


def places(name: str, kind: Callable[[], HttpServer]) -> None:
    """A sweep of all places of a GET, beside the same faults injected by hand and the bare test."""

    def sweep() -> Report:
        return pytest_netmocks.sweep(lambda: trial(kind), Reset(), limit=None)

    found = sweep().places
    faults = [Reset(after_bytes=place.offset, direction=place.direction) for place in found]
    swept, by_hand, bare = [], [], []
    for _ in range(ROUNDS):
        swept.append(seconds(sweep, ()) / (len(found) + 1))
        by_hand.append(seconds(trial, *((kind, fault) for fault in faults)))
        bare.append(seconds(trial, *((kind,) for _ in faults)))
    place, hand, once = (statistics.median(each) for each in (swept, by_hand, bare))
    print(
        f"{name}: {1 / place:.0f} places/s of {len(found)}; a place {place * 1e3:.2f} ms, by hand {hand * 1e3:.2f} ms "
        f"({place / hand:.2f} times), the bare test {once * 1e3:.2f} ms"
    )


def real(function: Callable[[], object]) -> float:
    """Real seconds of one call in virtual time, the median of the rounds."""
    took = []
    for _ in range(ROUNDS):
        begin = clock.real_now()
        function()
        took.append(clock.real_now() - begin)
    return statistics.median(took)


def jumps() -> None:
    """What a jump costs that nobody else takes part in, and one through the servers' loop and back."""
    with pytest_netmocks.virtual_time(), pytest_netmocks.tcp() as server:

        def sleeps() -> None:
            for _ in range(JUMPS):
                time.sleep(1)

        alone = real(sleeps) / JUMPS
        server.inject(Latency(30))
        with socket.create_connection(server.address, timeout=60) as client:

            def turns() -> None:
                for _ in range(JUMPS):
                    client.sendall(b"x")
                    client.recv(1)

            together = real(turns) / JUMPS
    print(f"a jump: {alone * 1e6:.0f} us (goal 100); through a server and back {together * 1e6:.0f} us")


def slow_link() -> None:
    """100 kB over `Bandwidth(1000)`."""
    with pytest_netmocks.virtual_time(), pytest_netmocks.http() as server, urllib3.PoolManager() as pool:
        server.when("/x").reply(body=b"x" * 100_000)
        server.inject(Bandwidth(1000))
        took = real(lambda: pool.request("GET", server.url_for("/x"), timeout=60))
    print(f"Bandwidth(1000) over 100 kB: {took:.2f} s (goal 1.0)")


def back_off() -> None:
    """`requests` through 210 s of back-off."""
    with pytest_netmocks.virtual_time(), pytest_netmocks.http() as server, requests.Session() as session:
        retry = urllib3.Retry(4, backoff_factor=15, status_forcelist=[503])  # 0, 30, 60 and 120 s
        session.mount("http://", HTTPAdapter(max_retries=retry))

        def ask() -> None:
            server.when("/x").reply(503, times=4).reply(text="ok")
            assert session.get(server.url_for("/x"), timeout=60).ok

        took = real(ask)
    print(f"requests through 210 s of back-off: {took:.3f} s (goal 0.05)")


def main() -> None:
    """All figures."""
    jumps()
    slow_link()
    back_off()
    places("sweep, HTTP", pytest_netmocks.http)
    places("sweep, HTTPS", pytest_netmocks.https)


if __name__ == "__main__":
    main()

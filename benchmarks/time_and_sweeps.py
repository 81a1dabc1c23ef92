"""What virtual time and sweeps cost: `python benchmarks/time_and_sweeps.py`."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable

import urllib3

import pytest_netmocks
from pytest_netmocks import HttpServer, clock
from pytest_netmocks.faults import Reset
from pytest_netmocks.sweeps.run import Report

ROUNDS = 5


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


def main() -> None:
    """All figures."""
    places("sweep, HTTP", pytest_netmocks.http)
    places("sweep, HTTPS", pytest_netmocks.https)


if __name__ == "__main__":
    main()

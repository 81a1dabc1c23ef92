"""A port scanner with threads, as it stands in many a tutorial: the host that it scans is ours."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_netmocks.faults import Unreachable
from pytest_netmocks.plugin.factory import Netmocks


def state(host: str, port: int, timeout: float) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        code = sock.connect_ex((host, port))
        return {0: "open", errno.EAGAIN: "silent"}.get(code, "closed")  # the latter is a time-out


def scan(host: str, ports: Iterable[int], timeout: float = 1.0) -> dict[int, str]:
    """What an application would use: what each port of a host is."""
    ports = list(ports)
    with ThreadPoolExecutor(50) as pool:
        return dict(zip(ports, pool.map(lambda port: state(host, port, timeout), ports), strict=True))


def test_every_port_of_a_range_is_told_apart(netmocks: Netmocks) -> None:
    web, mail, filtered = netmocks.http(), netmocks.smtp(), netmocks.tcp()
    filtered.inject(Unreachable())
    target = "scanme.example.com"
    netmocks.names({f"{target}:80": web, f"{target}:25": mail, f"{target}:23": filtered}, strict=True)
    found = scan(target, range(1, 1025))
    assert {port: what for port, what in found.items() if what != "closed"} == {23: "silent", 25: "open", 80: "open"}
    assert len(found) == 1024
    assert len(web.connections) == len(mail.connections) == 1


def test_a_host_that_is_not_there_is_told(netmocks: Netmocks) -> None:
    netmocks.names({}, strict=True)
    with pytest.raises(socket.gaierror):
        scan("scanme.example.com", [80])

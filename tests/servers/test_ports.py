"""`netmocks.ports`: the three states that a scanner tells apart, by a scanner of twenty lines."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
from typing import Any

import pytest
from helpers import program

from pytest_netmocks.plugin.factory import Netmocks


def scan(host: str, ports: list[int], timeout: float = 0.5) -> dict[int, str]:
    """The state of each port, by connecting to all at once."""
    found = dict.fromkeys(ports, "silent")
    with contextlib.ExitStack() as stack:
        poll, socks = select.poll(), {}
        for port in ports:
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            if sock.connect_ex((host, port)) not in (0, errno.EINPROGRESS):
                found[port] = "closed"
                continue
            socks[sock.fileno()] = sock, port
            poll.register(sock, select.POLLOUT)
        while ready := poll.poll(timeout * 1000):
            for number, _ in ready:
                sock, port = socks[number]
                poll.unregister(sock)
                refused = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                found[port] = "closed" if refused else "open"
    return found


@pytest.mark.on_sockets
def test_a_scanner_finds_each_in_its_state(netmocks: Netmocks) -> None:
    ports = netmocks.ports(open=3, closed=2, silent=1)
    assert [len(some) for some in (ports.open, ports.closed, ports.silent)] == [3, 2, 1]
    found = scan("127.0.0.1", [*ports.open, *ports.closed, *ports.silent])
    assert [port for port, state in found.items() if state == "open"] == ports.open
    assert [port for port, state in found.items() if state == "closed"] == ports.closed
    assert [port for port, state in found.items() if state == "silent"] == ports.silent
    assert [len(ports.servers[port].connections) for port in ports.open] == [1] * 3


@pytest.mark.on_sockets
def test_closed_ports_are_nobody_else_s(netmocks: Netmocks) -> None:
    (port,) = netmocks.ports(closed=1).closed
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="Address already in use"):
            other.bind(("127.0.0.1", port))


@pytest.mark.on_sockets
def test_at_the_end_of_the_test_all_are_free() -> None:
    netmocks = Netmocks()
    ports = netmocks.ports(open=1, closed=1, silent=1)
    netmocks.close()
    for port in ports.servers:
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", port))


@pytest.mark.parametrize("state", ["open", "closed", "silent"])
@pytest.mark.parametrize("wrong", [-1, "3", True])
def test_how_many_is_a_whole_number(netmocks: Netmocks, state: str, wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=f"{state} must be a whole number of at least 0 \\(ports\\)"):
        netmocks.ports(**{state: wrong})


@program("nmap")
@pytest.mark.on_sockets
def test_nmap_sees_it_so_too(netmocks: Netmocks) -> None:
    import subprocess

    ports = netmocks.ports(open=1, closed=1, silent=1)
    asked = ",".join(map(str, ports.servers))
    command = ["nmap", "-sT", "-Pn", "-n", "--max-retries", "1", "-p", asked, "127.0.0.1"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    for state, port in (("open", ports.open[0]), ("closed", ports.closed[0]), ("filtered", ports.silent[0])):
        assert f"{port}/tcp" in said
        assert [line.split()[1] for line in said.splitlines() if line.startswith(f"{port}/tcp")] == [state]

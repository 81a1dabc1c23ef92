"""Other processes live in real time: so does who waits for one of them, or for its end."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

import pytest_netmocks
from pytest_netmocks.virtual import clock
from pytest_netmocks.virtual.wait import Wait

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

ANSWERS = """
import os, socket, sys
kind, given = sys.argv[1:]
def late(send):
    sys.stdin.buffer.read(1)
    send(b"x")
if kind == "tcp":
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        connection = listener.accept()[0]
        connection.recv(1)
        late(connection.sendall)
elif kind == "udp":
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        print(sock.getsockname()[1], flush=True)
        address = sock.recvfrom(1)[1]
        late(lambda data: sock.sendto(data, address))
elif kind == "pipe":
    print(0, flush=True)
    late(lambda data: os.write(int(given), data))
else:
    print(0, flush=True)
    with socket.socket(fileno=int(given)) as sock:
        sock.recv(1)
        late(sock.sendall)
"""


@contextlib.contextmanager
def another(kind: str, given: int = -1) -> Iterator[int]:
    """A process from before, which answers as soon as virtual time says that somebody waits for it: its port."""
    process = subprocess.Popen(
        [sys.executable, "-c", ANSWERS, kind, str(given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[] if given < 0 else [given],
    )
    assert process.stdin is not None
    assert process.stdout is not None

    to_it, said = process.stdin, clock._from_elsewhere

    def say(ident: int, wait: Wait) -> str:
        to_it.write(b"x")
        to_it.flush()
        return said(ident, wait)

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock, "_from_elsewhere", say)
            yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.stdout.close()
        process.kill()
        process.wait()


def test_a_connection_to_another_process_is_not_jumped_over() -> None:
    with (
        another("tcp") as port,
        pytest_netmocks.virtual_time() as running,
        socket.create_connection(("127.0.0.1", port), timeout=60) as sock,
    ):
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert "another process" in str(running.held_by)


@pytest.mark.parametrize("connected", [True, False])
def test_datagrams_from_another_process_are_not_jumped_over(connected: bool) -> None:
    with (
        another("udp") as port,
        pytest_netmocks.virtual_time() as running,
        socket.socket(type=socket.SOCK_DGRAM) as sock,
    ):
        sock.settimeout(60)
        if connected:
            sock.connect(("127.0.0.1", port))
            sock.send(b"x")
        else:
            sock.sendto(b"x", ("127.0.0.1", port))
        assert sock.recv(1) == b"x"
        assert "another process" in str(running.held_by)


def test_a_pipe_from_another_process_is_not_jumped_over() -> None:
    reading, writing = os.pipe()
    with another("pipe", writing):
        os.close(writing)
        with pytest_netmocks.virtual_time() as running:
            assert select.select([reading], [], [], 60)[0] == [reading]
            assert "another process" in str(running.held_by)
    os.close(reading)


def test_a_pair_of_sockets_whose_other_end_was_given_away_is_not_jumped_over() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, another("pair", theirs.fileno()):
        theirs.close()
        with pytest_netmocks.virtual_time() as running:
            ours.settimeout(60)
            ours.sendall(b"x")
            assert ours.recv(1) == b"x"
            assert "another process" in str(running.held_by)


def _forked(reading: int) -> int:
    number = os.fork()
    if not number:
        os.read(reading, 1)
        os._exit(0)
    return number


def _spawned(reading: int) -> int:
    command = [sys.executable, "-c", "import os; os.read(0, 1)"]
    return os.posix_spawn(sys.executable, command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, reading, 0)])


@pytest.mark.parametrize("start", [_forked, _spawned])
@pytest.mark.virtual_time
def test_time_is_real_until_a_forked_child_has_ended(
    start: Callable[[int], int], virtual_clock: pytest_netmocks.VirtualClock
) -> None:
    reading, writing = os.pipe()
    number = start(reading)
    before = virtual_clock.jumped
    time.sleep(0.2)
    assert virtual_clock.jumped == before
    os.write(writing, b"x")
    assert os.waitpid(number, 0) == (number, 0)
    time.sleep(1000)
    assert virtual_clock.jumped > 900
    os.close(reading)
    os.close(writing)

"""What Redis' commands cost, beside fakeredis' own server: `python benchmarks/redis_commands.py`.

Each server runs in a process of its own; the same raw client says the same to both, one command at a time and a hundred
at once.
"""

from __future__ import annotations

import functools
import socket
import sys
import threading
import time

from peers import announce_when_up, compare, free_port, heading, ready

import pytest_netmocks

SET = b"*3\r\n$3\r\nSET\r\n$8\r\nkey:1234\r\n$20\r\n" + b"v" * 20 + b"\r\n"
GET = b"*2\r\n$3\r\nGET\r\n$8\r\nkey:1234\r\n"


def serve(kind: str) -> None:
    """Run one server until the process is killed."""
    if kind == "ours":
        with pytest_netmocks.redis() as server:
            ready(server.port)
            threading.Event().wait()
    else:
        from fakeredis import TcpFakeServer

        port = free_port()
        announce_when_up(port)
        TcpFakeServer(("127.0.0.1", port)).serve_forever()


def commands(port: int, *, at_once: int, count: int) -> float:
    """Commands a second."""
    data = (SET + GET) * (at_once // 2) if at_once > 1 else SET
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(SET)
        client.recv(100)
        begin = time.perf_counter()
        for _ in range(count // at_once):
            client.sendall(data)
            answers = 0
            while answers < at_once:
                got = client.recv(1 << 16)
                answers += got.count(b"OK\r\n") + got.count(b"v" * 20)
        return count / (time.perf_counter() - begin)


def main() -> None:
    heading()
    peers = ("ours", "fakeredis")
    single = functools.partial(commands, at_once=1, count=3000)
    compare(__file__, "Redis, commands/s", single, ">= 1.0 x fakeredis", peers)
    piped = functools.partial(commands, at_once=100, count=5000)
    compare(__file__, "Redis, 100 commands at once", piped, ">= 1.0 x fakeredis", peers)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        serve(sys.argv[2])
    else:
        main()
